"""The pages themselves, and the link that lets a browser in."""

from __future__ import annotations

import asyncio
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute

from runtime.api.auth import SLOW_SECONDS, Tokens
from runtime.api.files import FileAnswer
from runtime.api.routing import Handler, Role, RoleRoute, route

STATIC = Path(__file__).resolve().parent.parent / "static"
FOREVER = "public, max-age=31536000, immutable"  # file names of built assets carry their hash
COOKIE_SECONDS = 30 * 24 * 3600

MESSAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Workshop</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{{font:1rem/1.6 system-ui,sans-serif;max-width:34rem;margin:20vh auto;padding:0 1rem;
color-scheme:light dark}}</style><main><h1>{title}</h1><p>{message}</p></main></html>"""


def page(name: str, role: Role, tokens: Tokens) -> Handler:
    """A handler for one page; `?token=` sets the cookie and leaves the address."""

    async def show(request: Request) -> Response:
        if not tokens.is_open(role):
            raise HTTPException(404)
        token = request.query_params.get("token")
        if token is not None:
            return await _enter(request, token)
        built = STATIC / name
        if not built.is_file():
            return _message(
                "The page is not built",
                "Run `make setup` in the project's folder, then reload.",
                503,
            )
        return FileAnswer(built, headers={"cache-control": "no-cache"})

    async def _enter(request: Request, token: str) -> Response:
        if tokens.is_open(role) and tokens.matches(role, token):
            answer = RedirectResponse(request.url.path, 303, {"cache-control": "no-store"})
            answer.set_cookie(
                tokens.cookie_name(role),
                token,
                max_age=COOKIE_SECONDS,
                httponly=True,
                samesite="strict",
                secure=request.url.scheme == "https",
                path="/",
            )
            return answer
        if role is Role.STUDENT and tokens.everybody_is(role):
            return RedirectResponse(request.url.path, 303)
        await asyncio.sleep(SLOW_SECONDS)
        return _message(
            "This link does not work",
            "Its token is wrong or from another session. Use the newest link you were given.",
            401,
        )

    return show


async def asset(request: Request) -> Response:
    """GET /assets/{path}: what Vite built."""
    folder = STATIC / "assets"
    name = request.path_params["path"]
    path = folder / name
    if "\0" in name or not path.resolve().is_relative_to(folder) or not path.is_file():
        raise HTTPException(404)
    headers = {"cache-control": FOREVER, "vary": "accept-encoding"}
    packed = path.with_name(f"{path.name}.gz")
    if packed.is_file() and "gzip" in request.headers.get("accept-encoding", ""):
        media = FileResponse(path).media_type
        return FileAnswer(packed, media_type=media, headers={**headers, "content-encoding": "gzip"})
    return FileAnswer(path, headers=headers)


async def icon(request: Request) -> Response:
    """GET /favicon.svg."""
    return FileAnswer(STATIC / "favicon.svg", headers={"cache-control": "no-cache"})


async def _with_slash(request: Request) -> Response:
    """GET /instructor: the token that may be in the address goes along."""
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"/instructor/{query}", 307, {"cache-control": "no-store"})


def routes(tokens: Tokens) -> list[BaseRoute]:
    """The routes of the pages."""
    public: list[RoleRoute] = [
        route("/", page("index.html", Role.STUDENT, tokens), role=Role.PUBLIC),
        route("/instructor/", page("instructor.html", Role.INSTRUCTOR, tokens), role=Role.PUBLIC),
        route("/instructor", _with_slash, role=Role.PUBLIC),
        route("/assets/{path:path}", asset, role=Role.PUBLIC),
        route("/favicon.svg", icon, role=Role.PUBLIC),
    ]
    return [*public]


def _message(title: str, message: str, status: int) -> Response:
    return HTMLResponse(MESSAGE.format(title=title, message=message), status)

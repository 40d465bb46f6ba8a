"""The wall's door: who may see it. One token, in the link once, then in a cookie; this computer's
names only; no other site; and nothing but reading.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re

from starlette.datastructures import QueryParams
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runtime.domain.origin import (
    SAFE_METHODS,
    SECURITY_HEADERS,
    Headers,
    bearer_token,
    foreign_sentence,
)

HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
PUBLIC = re.compile(r"/|/favicon\.svg|/assets/.*|/healthz")
SLOW_SECONDS = 0.5  # what a wrong token costs its sender
COOKIE_SECONDS = 30 * 24 * 3600

WRONG_LINK = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Workshop</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{font:1rem/1.6 system-ui,sans-serif;max-width:34rem;margin:20vh auto;padding:0 1rem;
color-scheme:light dark}</style><main><h1>This link does not work</h1>
<p>Its token is wrong. Use the link that <code>workshop class</code> printed.</p></main></html>"""


class Door:
    """ASGI middleware in front of everything the wall serves."""

    def __init__(self, app: ASGIApp, *, token: str) -> None:
        self._app = app
        self._token = token
        # Cookies do not tell ports apart; the name must not tell the token.
        self._cookie = f"workshop-class-{hashlib.sha256(token.encode()).hexdigest()[:12]}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 4404})
            return
        answer = await self._answer(scope)
        await (answer or self._app)(scope, receive, _with_headers(send))

    async def _answer(self, scope: Scope) -> Response | None:
        """What is answered at the door, or None for who may come in."""
        headers = Headers(scope["headers"])
        host = headers.only("host")
        if host is None or re.sub(r":[0-9]{1,5}$", "", host.lower()) not in HOSTS:
            return _error(421, "unknown_host", "The wall is for this computer only: 127.0.0.1.")
        if scope["method"] not in SAFE_METHODS:
            return _error(405, "method_not_allowed", "The wall only shows; nothing is changed.")
        bearer = bearer_token(headers.only("authorization"))
        foreign = foreign_sentence(headers, host, bearer, method=scope["method"])
        if foreign is not None:
            return _error(403, "foreign_origin", foreign)
        presented = QueryParams(scope["query_string"]).get("token")
        if scope["path"] == "/" and presented is not None:
            return await self._enter(presented)
        if PUBLIC.fullmatch(scope["path"]):
            return None
        return await self._refusal(bearer or headers.cookies().get(self._cookie))

    async def _enter(self, presented: str) -> Response:
        if not self._matches(presented):
            await asyncio.sleep(SLOW_SECONDS)
            return HTMLResponse(WRONG_LINK, 401, {"cache-control": "no-store"})
        answer = RedirectResponse("/", 303, {"cache-control": "no-store"})
        answer.set_cookie(
            self._cookie,
            self._token,
            max_age=COOKIE_SECONDS,
            httponly=True,
            samesite="strict",
            path="/",
        )
        return answer

    async def _refusal(self, presented: str | None) -> Response | None:
        if presented is not None and self._matches(presented):
            return None
        if presented is not None:
            await asyncio.sleep(SLOW_SECONDS)
        return _error(401, "unauthorized", "Open the link that “workshop class” printed.")

    def _matches(self, presented: str) -> bool:
        return hmac.compare_digest(
            self._token.encode(), presented.encode("utf-8", "surrogateescape")
        )


def _error(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status)


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            names = {key.lower() for key, _ in headers}
            headers += [pair for pair in SECURITY_HEADERS if pair[0] not in names]
            if b"cache-control" not in names:
                headers.append((b"cache-control", b"no-store"))
            message = {**message, "headers": headers}
        await send(message)

    return sending

"""The wall over HTTP: its page, the stream of changes, the tables, and the way to a student's page.

Links with students' tokens are in no page and in no stream: a click comes here and is sent on.
"""

from __future__ import annotations

from datetime import datetime
from importlib import resources
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from host.classroom.door import Door
from host.classroom.export import steps_csv, students_csv
from host.classroom.room import Room

STATIC = Path(str(resources.files("runtime"))) / "static"  # the page is built beside the others
FOREVER = "public, max-age=31536000, immutable"  # file names of built assets carry their hash
NOT_BUILT = (
    "<!doctype html><title>Workshop</title><p>The page is not built: run <code>make setup</code>."
)
TABLES = {"students": students_csv, "steps": steps_csv}


def make_app(room: Room, token: str, name: str) -> Starlette:
    """The wall of a room. Starting the app starts the room."""

    async def page(request: Request) -> Response:
        """GET /."""
        built = STATIC / "class.html"
        if not built.is_file():
            return HTMLResponse(NOT_BUILT, 503)
        return FileResponse(built, headers={"cache-control": "no-cache"})

    async def asset(request: Request) -> Response:
        """GET /assets/{path}."""
        folder = STATIC / "assets"
        wanted = request.path_params["path"]
        path = folder / wanted
        if "\0" in wanted or not path.resolve().is_relative_to(folder) or not path.is_file():
            raise HTTPException(404)
        return FileResponse(path, headers={"cache-control": FOREVER})

    async def icon(request: Request) -> Response:
        """GET /favicon.svg."""
        return FileResponse(STATIC / "favicon.svg")

    async def events(request: Request) -> Response:
        """GET /api/class/events?screens=1."""
        screens = request.query_params.get("screens") == "1"
        return StreamingResponse(room.stream(screens=screens), media_type="text/event-stream")

    async def table(request: Request) -> Response:
        """GET /api/class/{students,steps}.csv."""
        which = request.path_params["which"]
        if which not in TABLES:
            raise HTTPException(404)
        text = TABLES[which](room.seats)
        day = f"{datetime.now().astimezone():%Y-%m-%d-%H%M}"
        headers = {"content-disposition": f'attachment; filename="{name}-{which}-{day}.csv"'}
        # Without the mark in front a spreadsheet reads the letters of its own country.
        return Response(
            text.encode("utf-8-sig"), media_type="text/csv; charset=utf-8", headers=headers
        )

    async def student(request: Request) -> Response:
        """GET /students/{id}: on to the student's own page."""
        seat = room.find(request.path_params["id"])
        if seat is None:
            raise HTTPException(404, "There is no student of that name on this wall.")
        return RedirectResponse(seat.entry.page, 303, {"cache-control": "no-store"})

    async def health(request: Request) -> Response:
        """GET /healthz."""
        return PlainTextResponse("ok\n")

    return Starlette(
        routes=[
            Route("/", page),
            Route("/assets/{path:path}", asset),
            Route("/favicon.svg", icon),
            Route("/healthz", health),
            Route("/api/class/events", events),
            Route("/api/class/{which}.csv", table),
            Route("/students/{id}", student),
        ],
        middleware=[Middleware(Door, token=token)],
    )

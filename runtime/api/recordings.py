"""Recordings: the list, and each file whole, in part, or as it grows (RFC 9110, section 14)."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import NamedTuple

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from runtime.api import schemas, views
from runtime.api.body import json_list, json_response, parse_body
from runtime.api.errors import error_response
from runtime.api.feeds import feed_response
from runtime.api.routing import Role, RoleRoute, route
from runtime.api.services import Services
from runtime.domain.asciicast import CastEvent, encode_event, parse_size
from runtime.domain.errors import NotFound, TooMany
from runtime.services.follow import Picture, follow
from runtime.services.switch import RecordingSwitch
from runtime.store.recordings import OpenRecording, Recordings

Messages = Callable[[], AsyncGenerator[bytes, None]]

MEDIA_TYPE = "application/x-asciicast"
PIECE_BYTES = 64 * 1024
MAX_FOLLOWERS = 32  # each has a screen of its own, drawn from the whole cast
MAX_RANGE_CHARACTERS = 100  # a header longer than this asks for many ranges and gets the whole
ONE_RANGE = re.compile(r"bytes=[ \t]*(?P<first>\d{0,18})-(?P<last>\d{0,18})[ \t]*", re.IGNORECASE)


class Part(NamedTuple):
    """`size` bytes from `start` on."""

    start: int
    size: int


class Unsatisfiable(Exception):
    """The range asked for holds no byte of the file."""


def choose(header: str | None, size: int) -> Part | None:
    """The part a Range header asks for, None for the whole file; raises Unsatisfiable.

    A header that is malformed, reversed, or asks for several ranges is ignored, as RFC 9110
    allows: only one range makes sense in a file that grows.
    """
    if header is None or len(header) > MAX_RANGE_CHARACTERS:
        return None
    match = ONE_RANGE.fullmatch(header)
    if match is None or not (match["first"] or match["last"]):
        return None
    if not match["first"]:
        suffix = min(int(match["last"]), size)
        if suffix == 0:
            raise Unsatisfiable
        return Part(size - suffix, suffix)
    first = int(match["first"])
    last = int(match["last"]) if match["last"] else size - 1
    if match["last"] and last < first:
        return None
    if first >= size:
        raise Unsatisfiable
    return Part(first, min(last, size - 1) - first + 1)


class CastResponse(Response):
    """A part of an open cast, which is closed when it is sent or its reader has gone.

    Its length is what the file had when it was opened: what grows afterwards is for the next
    request.
    """

    def __init__(self, opened: OpenRecording, part: Part, status: int, headers: dict[str, str]):
        headers["content-length"] = str(part.size)
        super().__init__(None, status, headers, MEDIA_TYPE)
        self._opened = opened
        self._part = part

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            start = {"type": "http.response.start", "status": self.status_code}
            await send({**start, "headers": self.raw_headers})
            await self._send_body(send, self._part if scope["method"] != "HEAD" else Part(0, 0))
        finally:
            os.close(self._opened.descriptor)

    async def _send_body(self, send: Send, part: Part) -> None:
        position, end = part.start, part.start + part.size
        while position < end:
            size = min(PIECE_BYTES, end - position)
            piece = await asyncio.to_thread(os.pread, self._opened.descriptor, size, position)
            if not piece:
                break  # somebody cut a foreign file short
            position += len(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _recordings(request: Request) -> Recordings:
    services: Services = request.app.state.services
    if services.recordings is None:
        raise NotFound("Nothing is recorded here.")
    return services.recordings


async def list_recordings(request: Request) -> Response:
    """GET /api/recordings: oldest first."""
    services: Services = request.app.state.services
    if services.recordings is None:
        return json_list([])
    found = await asyncio.to_thread(services.recordings.list)
    return json_list(
        [schemas.RecordingInfo.model_validate(each, from_attributes=True) for each in found]
    )


async def recording(request: Request) -> Response:
    """GET /api/recordings/{name}: 200 whole, 206 a part, 304 unchanged, 416 no such part."""
    opened = await asyncio.to_thread(_recordings(request).open, request.path_params["name"])
    response = _answer(request, opened)
    if not isinstance(response, CastResponse):
        os.close(opened.descriptor)
    return response


async def live(request: Request) -> Response:
    """GET /api/recordings/{name}/live: a picture, then events as they are written."""
    return feed_response(await live_messages(request))


async def live_messages(request: Request) -> Messages:
    """What a reader of a growing recording is sent. Raises NotFound, TooMany."""
    here = _switch(request)
    if here.followers >= MAX_FOLLOWERS:
        raise TooMany(f"{MAX_FOLLOWERS} pages follow recordings already; close one first.")
    name = request.path_params["name"]
    recordings = _recordings(request)
    path = await asyncio.to_thread(recordings.path, name)
    services: Services = request.app.state.services

    def goes_on() -> bool:
        try:
            return not services.session.changes.closed and recordings.is_live(name)
        except NotFound:
            return False

    async def messages() -> AsyncGenerator[bytes, None]:
        here.followers += 1
        try:
            async with aclosing(follow(path, goes_on)) as followed:
                async for part in followed:
                    if isinstance(part, Picture):
                        yield _message(views.cast_start(part).wire())
                    else:
                        yield b"".join(_message(line) for event in part for line in _live(event))
            yield b"event: done\ndata: {}\n\n"
        finally:
            here.followers -= 1

    return messages


async def delete(request: Request) -> Response:
    """DELETE /api/recordings/{name}."""
    await _switch(request).delete(request.path_params["name"], "student")
    return Response(status_code=204)


async def switch(request: Request) -> Response:
    """POST /api/recording: pause and resume."""
    wish = await parse_body(request, schemas.RecordingRequest)
    here = _switch(request)
    await (here.pause("student") if wish.paused else here.resume("student"))
    return json_response(schemas.RecordingAnswer(recording=views.recording(here)))


def _switch(request: Request) -> RecordingSwitch:
    services: Services = request.app.state.services
    if services.recording_switch is None:
        raise NotFound("Nothing is recorded here.")
    return services.recording_switch


def _live(event: CastEvent) -> list[bytes]:
    """The event's lines as asciinema-player follows them: there a size is an object."""
    if event.kind != "r":
        return encode_event(event).splitlines()
    size = parse_size(event.text)
    if size is None:
        return []
    return [orjson.dumps([event.seconds, "r", {"cols": size[0], "rows": size[1]}])]


def _message(line: bytes) -> bytes:
    return b"data: %s\n\n" % line


def _answer(request: Request, opened: OpenRecording) -> Response:
    headers = {"etag": opened.etag, "accept-ranges": "bytes", "cache-control": "no-cache"}
    known = request.headers.get("if-none-match", "")
    if known.strip() == "*" or opened.etag in re.findall(r'"[^"]*"', known[:4096]):
        return Response(status_code=304, headers=headers)
    wanted = request.headers.get("range")
    if "if-range" in request.headers and request.headers["if-range"].strip() != opened.etag:
        wanted = None
    try:
        part = choose(wanted, opened.size)
    except Unsatisfiable:
        return error_response(
            416,
            "range_not_satisfiable",
            f"The recording has {opened.size} bytes; none of them is in that range.",
            headers={"content-range": f"bytes */{opened.size}"},
        )
    if part is None:
        return CastResponse(opened, Part(0, opened.size), 200, headers)
    last = part.start + part.size - 1
    headers["content-range"] = f"bytes {part.start}-{last}/{opened.size}"
    return CastResponse(opened, part, 206, headers)


routes: list[RoleRoute] = [
    route("/api/recordings", list_recordings, role=Role.STUDENT),
    route("/api/recordings/{name}", recording, role=Role.STUDENT),
    route("/api/recordings/{name}", delete, methods=["DELETE"], role=Role.STUDENT),
    route("/api/recordings/{name}/live", live, role=Role.STUDENT),
    route("/api/recording", switch, methods=["POST"], role=Role.STUDENT),
]

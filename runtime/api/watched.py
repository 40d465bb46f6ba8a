"""A terminal as somebody else sees it, and the student's say in that.

The live view is asciicast v2 as server-sent events: first the header, then an `o` event with the
screen so far, then every event as it happens. The player of asciinema follows it as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, suppress

import orjson
from starlette.requests import Request
from starlette.responses import Response

from runtime.api import schemas, views
from runtime.api.body import json_response, parse_body
from runtime.api.routing import Role, RoleRoute, route
from runtime.api.services import Services
from runtime.api.streaming import FeedAnswer
from runtime.domain.asciicast import TextDecoder, resize_text
from runtime.domain.errors import WorkshopError
from runtime.services.attachment import (
    Attachment,
    Exited,
    Frame,
    Offset,
    Resized,
    Restarted,
)
from runtime.services.redraws import Redraw
from runtime.services.terminal import Terminal
from runtime.services.watching import Watching

QUIET_SECONDS = 15.0  # between two signs of life
MAX_OFFSET_DIGITS = 16


def live_answer(watching: Watching, terminal: Terminal, last_id: str | None) -> Response:
    """The terminal as it is and as it goes on; behind the byte `last_id` if that is still here."""
    known = last_id or ""
    is_offset = known.isascii() and known.isdecimal() and len(known) <= MAX_OFFSET_DIGITS
    offset = int(known) if is_offset else None

    async def messages(on_cut: Callable[[], None]) -> AsyncGenerator[bytes, None]:
        with suppress(WorkshopError):  # a look that cannot be recorded is no look
            async with watching.join(terminal.name, offset) as watcher:
                cast = _Cast(terminal, watcher.start, resumed=watcher.start == offset)
                yield cast.begin()
                async with aclosing(_followed(watcher, cast)) as followed:
                    async for message in followed:
                        yield message

    return FeedAnswer(messages)


async def _followed(watcher: Attachment, cast: _Cast) -> AsyncGenerator[bytes, None]:
    """What the watcher is given, as messages, with a sign of life in between."""
    frames = watcher.frames()
    pending: asyncio.Task[Frame] | None = None
    try:
        while True:
            pending = pending or asyncio.ensure_future(_next(frames))
            done, _ = await asyncio.wait({pending}, timeout=QUIET_SECONDS)
            if not done:
                yield b": still here\n\n"
                continue
            frame, pending = pending.result(), None
            if message := cast.message(frame):
                yield message
    except _Ended:
        return
    finally:
        if pending is not None:
            pending.cancel()


async def _next(frames: AsyncIterator[Frame]) -> Frame:
    try:
        return await anext(frames)
    except StopAsyncIteration as end:
        raise _Ended from end


class _Ended(Exception):
    """The terminal was closed, or looking is no longer allowed."""


class _Cast:
    """Frames of a terminal in, messages out; an id is the byte behind what its text holds."""

    def __init__(self, terminal: Terminal, offset: int, *, resumed: bool) -> None:
        self._terminal = terminal
        self._offset = offset
        self._resumed = resumed
        self._decoder = TextDecoder()
        self._start = asyncio.get_running_loop().time()

    def begin(self) -> bytes:
        """The header."""
        cols, rows = self._terminal.size
        header = {"version": 2, "width": cols, "height": rows, "title": self._terminal.name}
        if self._resumed:
            header["resumed"] = True
        return self._encode(header)

    def message(self, frame: Frame) -> bytes:
        """What a frame says, if it says anything."""
        match frame:
            case bytes():
                self._offset += len(frame)
                return self._event("o", self._decoder.feed(frame))
            case Redraw(data, offset):
                self._decoder = TextDecoder()
                self._offset = offset
                return self._event("o", self._decoder.feed(data))
            case Resized(cols, rows):
                return self._event("r", resize_text(cols, rows))
            case Exited(code):
                return self._event("m", f"the shell ended ({code})")
            case Restarted():
                return self._event("m", "a new shell")
            case Offset():
                return b""

    def _event(self, kind: str, text: str) -> bytes:
        seconds = asyncio.get_running_loop().time() - self._start
        return self._encode([round(seconds, 3), kind, text]) if text else b""

    def _encode(self, data: object) -> bytes:
        # A character that is not whole yet belongs to what comes after this id.
        held = self._decoder.held
        return b"id: %d\ndata: %b\n\n" % (self._offset - held, orjson.dumps(data))


def _watching(request: Request) -> Watching:
    services: Services = request.app.state.services
    return services.watching


async def choose(request: Request) -> Response:
    """POST /api/watching: how far the student lets anybody look."""
    wish = await parse_body(request, schemas.WatchingRequest)
    await _watching(request).choose(wish.mode)
    return _answer(request)


async def answer(request: Request) -> Response:
    """POST /api/watching/{id}: yes or no."""
    wish = await parse_body(request, schemas.WatchAnswerRequest)
    await _watching(request).answer(request.path_params["id"], allowed=wish.allowed)
    return _answer(request)


async def end(request: Request) -> Response:
    """DELETE /api/watching/{id}: no longer."""
    await _watching(request).end(request.path_params["id"], by_student=True)
    return _answer(request)


def _answer(request: Request) -> Response:
    services: Services = request.app.state.services
    return json_response(views.watching(services.session))


routes: list[RoleRoute] = [
    route("/api/watching", choose, methods=["POST"], role=Role.STUDENT),
    route("/api/watching/{id}", answer, methods=["POST"], role=Role.STUDENT),
    route("/api/watching/{id}", end, methods=["DELETE"], role=Role.STUDENT),
]

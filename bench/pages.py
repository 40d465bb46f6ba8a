"""Pages at a terminal's socket that cost as little as a reader can.

A client library would be the slowest part of what the bench measures: ten pages of 100 MB are one
gigabyte. So frames are only skipped, and searched for a text; nothing is copied or decoded.

`python -m bench.pages PORT TERMINAL` is one page that reads until it is ended.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import cast

import uvloop

PATIENCE_SECONDS = 120.0
PROTOCOL = "workshop.terminal.v1"
MESSAGE_BYTES = 1024  # a text frame of at most this is looked into
TEXT, BINARY, PING, PONG = 0x81, 0x82, 0x89, 0x8A
MASKED = 0x80


class Page(asyncio.Protocol):
    """A client of one terminal; `wrap` makes the frame that a server wants of typed text."""

    def __init__(self, path: str, port: int, wrap: Callable[[str], bytes]) -> None:
        self._wrap = wrap
        key = base64.b64encode(os.urandom(16)).decode()
        self._request = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: {PROTOCOL}\r\n\r\n"
        )
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._held = b""  # the beginning of a head or a message that is not whole yet
        self._skip = 0  # bytes of the frame at hand that are still to come
        self._wanted = b""
        self._tail = b""
        self._seen: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by name
        self._transport.write(self._request.encode())

    def connection_lost(self, exc: Exception | None) -> None:
        if self._seen is not None and not self._seen.done():
            self._seen.set_exception(exc or ConnectionError("the socket was closed"))

    def data_received(self, data: bytes) -> None:
        if self._held:
            data, self._held = self._held + data, b""
        at = 0
        if not self._opened.done():
            at = data.find(b"\r\n\r\n") + 4
            if at < 4:
                self._held = data
                return
            assert data.startswith(b"HTTP/1.1 101 "), data
            self._opened.set_result(None)
        self._find(data)
        while at < len(data):
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
                at += step
                continue
            head, size = _head(data, at)
            kind = data[at]
            is_message = kind != BINARY and 0 <= size <= MESSAGE_BYTES
            if size < 0 or (is_message and len(data) < at + head + size):
                self._held = data[at:]
                return
            at += head
            if is_message:
                self._obey(kind, data[at : at + size])
            self._skip = size

    async def opened(self) -> None:
        """Wait for the server's yes."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._opened

    def close(self) -> None:
        """End the connection."""
        self._transport.close()

    async def type(self, text: str) -> None:
        """Send keys."""
        self._transport.write(self._wrap(text))

    async def until(self, text: str) -> None:
        """Wait for `text` in what comes from now on."""
        self._wanted, self._tail = text.encode(), b""
        self._seen = asyncio.get_running_loop().create_future()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._seen

    def _find(self, data: bytes) -> None:
        if self._seen is None or self._seen.done():
            return
        if self._wanted in data or self._wanted in self._tail + data[: len(self._wanted)]:
            self._seen.set_result(None)
        self._tail = data[-len(self._wanted) :]

    def _obey(self, kind: int, message: bytes) -> None:
        """Confirm what asks for it."""
        if kind == PING:
            self._transport.write(frame(PONG, message))
        elif message.startswith(b'{"type":"offset"'):
            offset = json.loads(message)["offset"]
            self._transport.write(frame(TEXT, b'{"type":"ack","offset":%d}' % offset))


def frame(kind: int, payload: bytes) -> bytes:
    """One frame of a client: masked, with zeros."""
    size = len(payload)
    if size < 126:
        return bytes((kind, MASKED | size, 0, 0, 0, 0)) + payload
    return bytes((kind, MASKED | 126)) + size.to_bytes(2) + bytes(4) + payload


def _head(data: bytes, at: int) -> tuple[int, int]:
    """Bytes of the head at `at`, and of what follows it; -1 when the head is not whole."""
    if len(data) < at + 2:
        return 0, -1
    size = data[at + 1]
    more = {126: 2, 127: 8}.get(size, 0)
    if len(data) < at + 2 + more:
        return 0, -1
    return 2 + more, int.from_bytes(data[at + 2 : at + 2 + more]) if more else size


@asynccontextmanager
async def our_page(port: int, terminal: str = "main") -> AsyncIterator[Page]:
    """A page at the daemon's socket."""
    wrap = lambda text: frame(BINARY, text.encode())  # noqa: E731
    async with _page(Page(f"/ws/terminal/{terminal}", port, wrap), port) as page:
        yield page


@asynccontextmanager
async def terminado_page(port: int) -> AsyncIterator[Page]:
    """A page at terminado's socket."""
    wrap = lambda text: frame(TEXT, json.dumps(["stdin", text]).encode())  # noqa: E731
    async with _page(Page("/socket", port, wrap), port) as page:
        yield page


@asynccontextmanager
async def _page(page: Page, port: int) -> AsyncIterator[Page]:
    await asyncio.get_running_loop().create_connection(lambda: page, "127.0.0.1", port)
    try:
        await page.opened()
        yield page
    finally:
        page.close()


@asynccontextmanager
async def reader(port: int, terminal: str) -> AsyncIterator[None]:
    """A page in a process of its own, so that what it reads delays nobody here."""
    words = (sys.executable, "-m", "bench.pages", str(port), terminal)
    process = await asyncio.create_subprocess_exec(*words)
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def _read(port: int, terminal: str) -> None:
    async with our_page(port, terminal) as page:
        with suppress(TimeoutError):
            await page.until("never printed")


if __name__ == "__main__":
    uvloop.run(_read(int(sys.argv[1]), sys.argv[2]))

"""A feed as an answer: plain ASGI, since thousands of small messages a second go through here.

A reader that takes nothing while a MiB comes after it is cut off: its connection is aborted, it
comes back with the id of the last message it read, and is given what it missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, suppress

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

RETRY = b"retry: 1000\n\n"
ABORT = "workshop.abort"  # in a scope: drops the connection with all that waits in it

Messages = Callable[[Callable[[], None]], AsyncGenerator[bytes, None]]


def encode_message(event: str, data: bytes, identifier: str) -> bytes:
    """One message; `data` is JSON and so has no line break."""
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (identifier.encode(), event.encode(), data)


async def until(over: asyncio.Event, messages: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """The messages, until there are no more or `over` is set: also while none comes."""
    ending = asyncio.create_task(over.wait(), name="end of what is allowed")
    coming: asyncio.Future[bytes | None] | None = None
    try:
        while True:
            coming = asyncio.ensure_future(anext(messages, None))
            await asyncio.wait({coming, ending}, return_when=asyncio.FIRST_COMPLETED)
            if over.is_set() or (message := coming.result()) is None:
                return
            yield message
    finally:
        ending.cancel()
        if coming is not None:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)


class FeedAnswer(Response):
    """Sends what `messages` gives until it ends; it may call what it is given to cut us off."""

    def __init__(self, messages: Messages) -> None:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        super().__init__(None, 200, headers, "text/event-stream")
        del self.headers["content-length"]
        self._messages = messages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = self.raw_headers
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        sending = asyncio.create_task(self._send(send), name="feed")
        leaving = asyncio.create_task(_until_gone(receive), name="end of a feed")
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if sending.cancelled():  # it was cut off
                scope.get(ABORT, lambda: None)()
                with suppress(TimeoutError):
                    async with asyncio.timeout(1):
                        await leaving
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
        if not sending.cancelled():
            sending.result()

    async def _send(self, send: Send) -> None:
        task = asyncio.current_task()
        assert task is not None
        await send({"type": "http.response.body", "body": RETRY, "more_body": True})
        async with aclosing(self._messages(lambda: _cut(task))) as messages:
            async for piece in messages:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _cut(task: asyncio.Task[None]) -> None:
    task.cancel()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

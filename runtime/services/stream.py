"""One stream of ready-made bytes for many readers: encoded once, the same bytes handed to all.

The newest MiB is kept once for everybody; a reader is a place in it. What is ready is gathered: the
more readers there are, the less often they are woken. A reader that falls out of the kept bytes is
cut off; it comes back and reads what it missed from the logs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from runtime.services.ring import Ring

KEPT_BYTES = 1 << 20  # a reader that is further behind is cut off
PIECE_BYTES = 64 * 1024  # given at once: what waits in a socket is memory, too
GATHER_SECONDS_A_READER = 0.0001  # between two wake-ups: 20 ms for 200 readers
MOST_GATHER_SECONDS = 0.1


class Reader:
    """A place in the stream; `is_cut` when the place is gone, of which `on_cut` hears once."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.is_cut = False
        self.on_cut: Callable[[], None] | None = None

    def cut(self) -> None:
        """What it has not read is gone."""
        self.is_cut = True
        if self.on_cut is not None:
            self.on_cut()


class Stream:
    """Call it from the event loop. `close` ends it after what was published."""

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self.closed = False
        self._ring = Ring(kept_bytes)
        self._readers: set[Reader] = set()
        self._latest = (0, b"")  # the bytes behind a place, which most readers are at
        self._next: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._woken = 0.0  # loop time of the last wake-up

    def __len__(self) -> int:
        return len(self._readers)

    @property
    def end(self) -> int:
        """The place behind everything published."""
        return self._ring.end

    def publish(self, message: bytes) -> None:
        """Hand `message` to every reader; never waits for any of them."""
        self._ring.append(message)
        if self._next is None or self._timer is not None:
            return
        loop = asyncio.get_running_loop()
        gather = min(MOST_GATHER_SECONDS, len(self._readers) * GATHER_SECONDS_A_READER)
        wait = self._woken + gather - loop.time()
        if wait > 0:
            self._timer = loop.call_later(wait, self._wake)
        else:
            self._wake()

    def close(self) -> None:
        """Nothing new will come."""
        self.closed = True
        self._wake()

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """A reader of everything from now on, for the length of the block."""
        reader = Reader(self.end)
        self._readers.add(reader)
        try:
            yield reader
        finally:
            self._readers.discard(reader)

    async def read(self, reader: Reader) -> bytes:
        """What the reader has not had, as soon as there is something; b"" at the end."""
        while reader.position == self.end and not self.closed:
            if self._next is None:
                self._next = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._next)
        position = reader.position
        if position < self._ring.start:
            return b""  # it was cut off
        end = min(self.end, position + PIECE_BYTES)
        if self._latest[0] != position or position + len(self._latest[1]) != end:
            self._latest = (position, self._ring.read(position, end - position))
        reader.position = end
        return self._latest[1]

    def _wake(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._woken = asyncio.get_running_loop().time()
        for reader in tuple(self._readers):
            if reader.position < self._ring.start and not reader.is_cut:
                reader.cut()
        if self._next is not None:
            self._next.set_result(None)
            self._next = None

"""One page at one terminal: what it was given, what it has drawn, what it gets next.

A page takes output at its own speed. At most 64 KiB are on their way to it unconfirmed; when it
falls further behind than a redraw costs, its bytes are dropped and the screen is drawn anew. A
page that never confirms is paced by its socket alone. Nothing here ever waits for a page.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from runtime.services.redraws import Redraw, Redraws
from runtime.services.ring import Ring

WINDOW_BYTES = 64 * 1024  # on their way and not confirmed
FRAME_BYTES = 128 * 1024  # in one frame, for a page that does not confirm
LAG_BYTES = 512 * 1024  # further behind than this, a redraw is the shorter way
OFFSET_BYTES = 64 * 1024  # between two offsets told


class Offset(NamedTuple):
    """Where the next byte is."""

    offset: int


class Resized(NamedTuple):
    """The terminal has this size now."""

    cols: int
    rows: int


class Exited(NamedTuple):
    """The shell ended."""

    code: int


@dataclass(frozen=True)
class Restarted:
    """A new shell runs."""


Notice = Resized | Exited | Restarted
Frame = bytes | Redraw | Offset | Notice  # bytes are output


class Stream(Protocol):
    """Where output comes from; what comes after `shown` is not for pages yet."""

    ring: Ring
    shown: int

    def output(self, offset: int, size: int) -> bytes:
        """Bytes that are in `ring`; the same object for all who ask for the same."""


class Attachment:
    """What a page is given, as `frames`; `size` is what the page has room for."""

    def __init__(
        self,
        stream: Stream,
        redraws: Redraws,
        client: str,
        offset: int | None = None,
    ) -> None:
        """Continues at `offset` when those bytes are still there, else begins with a redraw."""
        ring = stream.ring
        self.client = client
        self.size: tuple[int, int] | None = None
        self.close_code: int | None = None
        self._stream = stream
        self._redraws = redraws
        self._must_redraw = offset is None or not ring.start <= offset <= ring.end
        self._sent = ring.end if offset is None or self._must_redraw else offset
        self.start = self._sent  # where the page's count begins
        self._told = self._sent
        self._confirmed = self._sent
        self._confirms = False
        self._drawing: int | None = None  # the offset of a redraw that is not confirmed yet
        self._notices: dict[type[Notice], tuple[int, Notice]] = {}  # the last of each kind
        self._wake = asyncio.Event()

    async def frames(self) -> AsyncIterator[Frame]:
        """What to send, in order, until `end`; take the next when the last one was sent."""
        while self.close_code is None:
            rest = self._redraws.rest()  # before a look for a frame: it may be over after that
            frame = self._next()
            if frame is not None:
                yield frame
                continue
            self._wake.clear()
            if rest <= 0 or not self._must_redraw:
                await self._wake.wait()
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(rest):
                    await self._wake.wait()

    def confirm(self, offset: int) -> None:
        """The page has drawn everything before `offset`."""
        self._confirms = True
        if self._drawing is not None and offset >= self._drawing:
            self._drawing = None
            self._wake.set()
        if self._confirmed < offset:
            self._confirmed = min(offset, self._sent)
            self._wake.set()

    def notify(self, notice: Notice) -> None:
        """Tell the page, in its place between the bytes."""
        self._notices.pop(type(notice), None)
        self._notices[type(notice)] = (self._stream.ring.end, notice)
        self._wake.set()

    def wake(self) -> None:
        """There is more output."""
        self._wake.set()

    def end(self, code: int) -> None:
        """No more frames: the socket is to be closed with `code`."""
        self.close_code = code
        self._wake.set()

    def _next(self) -> Frame | None:
        behind = self._stream.shown - self._sent
        if behind > LAG_BYTES or (behind > 0 and self._sent < self._stream.ring.start):
            self._must_redraw = True
        if notice := self._due_notice():
            return notice
        unconfirmed = self._sent - self._confirmed if self._confirms else 0
        if self._must_redraw:
            # A second one on its way would only show later what the first one does.
            is_drawing = self._confirms and self._drawing is not None
            is_ready = not is_drawing and unconfirmed <= WINDOW_BYTES // 2
            return (self._redraw() if is_ready else None) or self._offset_once()
        room = WINDOW_BYTES - unconfirmed if self._confirms else FRAME_BYTES
        size = min(behind, room, *(at - self._sent for at, _ in self._notices.values()))
        if size <= 0 or self._sent - self._told >= OFFSET_BYTES:
            return self._offset_once() if self._sent - self._told >= OFFSET_BYTES // 2 else None
        return self._output(size)

    def _output(self, size: int) -> bytes:
        data = self._stream.output(self._sent, size)
        self._sent += size
        return data

    def _redraw(self) -> Redraw | None:
        redraw = self._redraws.take()
        if redraw is not None:
            self._must_redraw = False
            self._sent = self._told = self._confirmed = self._drawing = redraw.offset
        return redraw

    def _offset_once(self) -> Offset | None:
        if self._told == self._sent:
            return None
        self._told = self._sent
        return Offset(self._sent)

    def _due_notice(self) -> Notice | None:
        """The oldest notice whose place is reached; before a redraw, the size it is for."""
        for kind, (at, notice) in self._notices.items():
            if kind is Resized if self._must_redraw else at <= self._sent:
                del self._notices[kind]
                return notice
        return None

"""What pages that fell behind are drawn anew with: made once for all of them, seldom in a flood.

In a flood every page falls behind, and a redraw costs some milliseconds of the loop. So pages that
wait for one get the same, and between two the loop belongs to others.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from runtime.services.ring import Ring

REDRAW_SECONDS = 0.05  # between two: nobody can follow more of them
REDRAW_REST = 4  # times as long as one took is left to others: a full scroll-back takes a while
FRESH_BYTES = 128 * 1024  # output after a redraw that serves until the next


class Redraw(NamedTuple):
    """Draws the whole screen and scroll-back; what follows begins at `offset`."""

    data: bytes
    offset: int


class Drawn(Protocol):
    """A stream of output that can draw what it led to."""

    ring: Ring

    def rejoin(self) -> tuple[bytes, int]:
        """Bytes that draw what `ring` has led to, and the offset that goes on from there."""


class Redraws:
    """Those of one terminal."""

    def __init__(self, stream: Drawn, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._last: Redraw | None = None
        self._next = clock()  # not before that

    def take(self) -> Redraw | None:
        """One that output from its offset on continues; None before `rest` is over."""
        if self._last is not None:
            came = self._stream.ring.end - self._last.offset
            if came == 0 or (came <= FRESH_BYTES and self.rest() > 0):
                return self._last
            self._last = None
        if self.rest() > 0:
            return None
        begin = self._clock()
        self._last = Redraw(*self._stream.rejoin())
        end = self._clock()
        self._next = max(begin + REDRAW_SECONDS, end + REDRAW_REST * (end - begin))
        return self._last

    def rest(self) -> float:
        """Seconds until another one may be made."""
        return self._next - self._clock()

    def forget(self) -> None:
        """The last one serves no more: the terminal has another size."""
        self._last = None

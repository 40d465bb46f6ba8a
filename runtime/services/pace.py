"""When pages get to see output: at once, but in a flood only from time to time.

Nobody can follow a flood, and each of its pictures costs every page and the loop some milliseconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

SHOWN_SECONDS = 0.1  # between two pictures of a flood
FLOOD_BYTES = 512 * 1024  # in as long a time
LOOK_SECONDS = 0.01  # between two looks at a flood, whether it is over
CALM_BYTES = 16 * 1024  # in as long a time


class Clock(Protocol):
    """What an event loop has of one."""

    def time(self) -> float:
        """Seconds."""

    def call_later(self, delay: float, callback: Callable[[int], None], /, came: int) -> Timer:
        """Call `callback(came)` after `delay` seconds."""


class Timer(Protocol):
    """A call that is to come."""

    def cancel(self) -> None:
        """It shall not come."""


class Pace:
    """Calls `show` when pages should see everything that came; `came()` counts those bytes."""

    def __init__(
        self, came: Callable[[], int], show: Callable[[], None], clock: Clock | None = None
    ) -> None:
        self._came = came
        self._show = show
        self._clock = clock or asyncio.get_running_loop()
        self._since = 0.0  # on the clock, with that many bytes
        self._until_then = came()
        self._look: Timer | None = None  # the next one in a flood
        self._shown = 0.0

    def turn(self) -> None:
        """More came."""
        if self._look is not None:
            return
        now, came = self._clock.time(), self._came()
        self._show()
        if now - self._since > SHOWN_SECONDS:
            self._since, self._until_then = now, came
        elif came - self._until_then > FLOOD_BYTES:
            self._shown = now
            self._look_later(came)

    def end(self) -> None:
        """No more will come for now: pages see all of it."""
        if self._look is not None:
            self._look.cancel()
            self._look = None
        self._show()

    def _look_later(self, came: int) -> None:
        self._look = self._clock.call_later(LOOK_SECONDS, self._look_now, came)

    def _look_now(self, came_before: int) -> None:
        now, came = self._clock.time(), self._came()
        if came - came_before < CALM_BYTES:
            self.end()
            return
        if now - self._shown >= SHOWN_SECONDS:
            self._shown = now
            self._show()
        self._look_later(came)

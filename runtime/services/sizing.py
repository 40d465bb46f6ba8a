"""The one size of a terminal that many pages show: that of the page whose person typed last."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from runtime.services.attachment import Attachment

FIRST_SIZE = (80, 24)  # columns and rows, until a page says otherwise
SIZE_LIMIT = 1000
RESIZE_SECONDS = 0.05  # between two sizes the shell is told


class SharedSize:
    """`current` columns and rows; `on_change` is called with every other one."""

    def __init__(self, on_change: Callable[[int, int], None]) -> None:
        self.current = FIRST_SIZE
        self.owner: Attachment | None = None
        self._on_change = on_change
        self._wanted = self.current
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def has_room(self, page: Attachment, cols: int, rows: int) -> None:
        """The page has room for this many; counts when it is the owner, or there is none."""
        page.size = (_within(cols), _within(rows))
        if self.owner is None:
            self.owner = page
        if self.owner is page:
            self._want(page.size)

    def typed_at(self, page: Attachment) -> None:
        """The page owns the size from now on."""
        if self.owner is page:
            return
        self.owner = page
        if page.size:
            self._want(page.size)

    def left_by(self, page: Attachment, others: Sequence[Attachment]) -> None:
        """The page is gone; when it was the owner, the last to come of `others` is."""
        if self.owner is not page:
            return
        self.owner = next((each for each in reversed(others) if each.size), None)
        if self.owner is not None and self.owner.size:
            self._want(self.owner.size)

    def close(self) -> None:
        """No more changes."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    def _want(self, size: tuple[int, int]) -> None:
        """At once, but no more often than every RESIZE_SECONDS: lines flow anew each time."""
        self._wanted = size
        if self._timer is None:
            self._take()

    def _take(self) -> None:
        self._timer = None
        if self._wanted == self.current or self._closed:
            return
        self.current = self._wanted
        self._on_change(*self.current)
        self._timer = asyncio.get_running_loop().call_later(RESIZE_SECONDS, self._take)


def _within(value: int) -> int:
    return min(max(value, 1), SIZE_LIMIT)

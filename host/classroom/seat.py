"""One student on the wall: whose daemon it is, how it is reached, and what is known of it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime

from host.classroom.book import Book
from host.classroom.roster import Entry
from host.classroom.wire import Reach, SeatView, StudentStatus, Tally


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


class Seat:
    """Tells `on_change` whenever the wall may look different. `id` says nothing of the link."""

    def __init__(self, entry: Entry, on_change: Callable[[Seat], None]) -> None:
        self.entry = entry
        self.id = hashlib.sha256(entry.key.encode()).hexdigest()[:10]
        self.book: Book | None = None
        self.reach: Reach = "connecting"
        self.heard: datetime | None = None
        self.why: str | None = None
        self.moved = asyncio.Event()  # to another address; its reader clears it
        self._on_change = on_change

    @property
    def student(self) -> StudentStatus | None:
        """What the daemon said last."""
        return self.book.status if self.book else None

    @property
    def last_terminal(self) -> str | None:
        """Where something was typed last."""
        last = self.book.tally.last_command if self.book else None
        return last.term if last else None

    def move(self, entry: Entry) -> None:
        """It is to be reached in another way from now on."""
        self.entry = entry
        self.moved.set()
        self.changed()

    def changed(self) -> None:
        """Something about it is new."""
        self._on_change(self)

    def is_live(self) -> None:
        """The daemon answers."""
        self.heard = utc_now()
        if self.reach != "live":
            self.reach, self.why = "live", None
            self.changed()

    def is_lost(self, reach: Reach, why: str) -> None:
        """It does not, or does not let us in."""
        if (self.reach, self.why) != (reach, why):
            self.reach, self.why = reach, why
            self.changed()

    def view(self) -> SeatView:
        """What the page is told."""
        return SeatView(
            id=self.id,
            name=self.entry.name,
            place=self.entry.address.partition("://")[2],
            local=self.entry.local,
            reach=self.reach,
            since=None if self.reach == "live" else self.heard,
            why=self.why,
            student=self.student,
            tally=self.book.tally if self.book else Tally(),
        )

"""Reads one daemon's instructor feed for ever: behind what is in the book, so that nothing is lost
or doubled by a restart of either side, a lost network, or another container.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import NoReturn

import httpx2
from pydantic import ValidationError

from host.classroom.book import BEGINNING, Book
from host.classroom.seat import Seat
from host.classroom.shelf import SameSession, Shelf
from host.classroom.sse import Message, Pace, Parser, TooLarge
from host.classroom.wire import Reach, StudentStatus
from runtime.domain.errors import WorkshopError

CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 40.0  # a daemon says something every 15
RETRY_SECONDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
REFUSED_SECONDS = 15.0
BURST_BYTES = 1 << 20  # of one feed
BURST_SECONDS = 0.25
TIMEOUT = httpx2.Timeout(CONNECT_SECONDS, read=SILENCE_SECONDS)

REFUSALS = {
    401: "The token is not an instructor’s token of this workshop. Ask for the newest link.",
    404: "No instructor’s page is there: the address is wrong, or the workshop was started "
    "without an instructor’s token.",
    421: "The daemon does not know this host name; WORKSHOP_ALLOWED_HOSTS lists those it does.",
}


class Lost(Exception):
    """The feed ended; the message is a sentence for the wall."""

    def __init__(self, reach: Reach, why: str) -> None:
        super().__init__(why)
        self.reach: Reach = reach


class AnotherSession(Exception):
    """Another session answers here than the one we asked behind."""


def bearer(seat: Seat) -> dict[str, str]:
    """The header that lets us in."""
    return {"authorization": f"Bearer {seat.entry.token}"}


def new_client(*, trust_env: bool = True) -> httpx2.AsyncClient:
    """A client for every daemon of a class; it follows nobody to another address.

    `trust_env`: whether a proxy and certificates of the environment are used.
    """
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=20)
    return httpx2.AsyncClient(
        timeout=TIMEOUT,
        limits=limits,
        follow_redirects=False,
        trust_env=trust_env,
        # A few bytes could be packed so that they unfold to gigabytes: nothing is unpacked.
        headers={"accept-encoding": "identity"},
    )


class Reader:
    """The only one who writes into its seat's book."""

    def __init__(self, seat: Seat, shelf: Shelf, client: httpx2.AsyncClient) -> None:
        self._seat = seat
        self._shelf = shelf
        self._client = client
        self._failures = 0
        try:
            seat.book = shelf.known(seat.entry.key, seat.entry.name)
        except WorkshopError as error:  # of this student alone; said again when it is needed
            seat.is_lost("unreachable", _not_kept(error))

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                await self._read()
            except AnotherSession:
                await asyncio.sleep(RETRY_SECONDS[0])
            except Lost as lost:
                self._seat.is_lost(lost.reach, str(lost))
                waits = RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS) - 1)]
                self._failures += 1
                await self._wait(REFUSED_SECONDS if lost.reach == "refused" else waits)

    def close(self) -> None:
        """Give the book back; the seat is gone."""
        if self._seat.book is not None:
            self._shelf.give_back(self._seat.book)
            self._seat.book = None

    async def _wait(self, seconds: float) -> None:
        """So long, or until there is another address to try."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._seat.moved.wait()
        self._seat.moved.clear()

    async def _read(self) -> NoReturn:
        book = self._seat.book
        place = book.place if book else BEGINNING
        url = f"{self._seat.entry.address}/api/instructor/events"
        try:
            async with self._client.stream(
                "GET", url, params={"after": place}, headers=bearer(self._seat)
            ) as answer:
                if answer.status_code != 200:
                    raise _refused(answer.status_code)
                if not answer.headers.get("content-type", "").startswith("text/event-stream"):
                    raise Lost("unreachable", "What answers here is no daemon.")
                await self._take_all(answer)
        except (httpx2.HTTPError, httpx2.StreamError, TooLarge) as error:
            raise Lost("unreachable", _sentence(error)) from error
        except httpx2.InvalidURL as error:
            raise Lost("refused", "The address cannot be used.") from error
        except WorkshopError as error:
            raise Lost("unreachable", _not_kept(error)) from error
        except OSError as error:
            raise Lost("unreachable", f"Nothing can be kept: {error.strerror}.") from error
        raise Lost("unreachable", "The workshop ended, or is starting anew.")

    async def _take_all(self, answer: httpx2.Response) -> None:
        parser, pace = Parser(), Pace(BURST_BYTES, BURST_SECONDS)
        async with aclosing(answer.aiter_raw()) as pieces:
            async for piece in pieces:
                messages = parser.feed(piece)
                for message in messages:
                    self._take(message)
                if messages:
                    self._seat.changed()
                if self._seat.reach == "live":
                    self._seat.is_live()
                await pace.took(len(piece))

    def _take(self, message: Message) -> None:
        if message.event == "status":
            self._take_status(message)
        elif self._seat.book is not None:  # a status comes first
            self._seat.book.add(message.id, message.event, message.data)

    def _take_status(self, message: Message) -> None:
        try:
            status = StudentStatus.model_validate_json(message.data)
        except ValidationError as error:
            raise Lost("refused", "What answers here is no daemon of a version we know.") from error
        self._failures = 0
        self._right_book(status.session).show(status, message.data)
        self._seat.is_live()

    def _right_book(self, session: str) -> Book:
        """The session's book. Raises AnotherSession when the feed was opened for another's."""
        book = self._seat.book
        if book is not None and book.session == session:
            return book
        if book is not None:
            self._shelf.give_back(book)
        self._seat.book = None
        try:
            self._seat.book = self._shelf.take(self._seat.entry.key, self._seat.entry.name, session)
        except SameSession as error:
            raise Lost("refused", f"This is the same session as {error}'s.") from error
        if book is not None or self._seat.book.place != BEGINNING:
            raise AnotherSession
        return self._seat.book


def _refused(status: int) -> Lost:
    why = REFUSALS.get(status)
    if why is not None:
        return Lost("refused", why)
    return Lost("unreachable", f"The answer was {status}, not a feed.")


def _not_kept(error: WorkshopError) -> str:
    return f"Nothing can be kept: {error.message}"


def _sentence(error: Exception) -> str:
    match error:
        case httpx2.ConnectTimeout() | httpx2.ConnectError():
            return "Nobody answers at this address."
        case httpx2.ReadTimeout():
            return "The connection went silent."
        case TooLarge():
            return "It sends more than a daemon does."
    return "The connection broke off."

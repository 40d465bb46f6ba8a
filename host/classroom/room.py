"""The class while the wall is open: every seat with its reader and its thumbnail, and the pages.

A page gets what changed, not every change: what is new is a set of seats, so a slow page costs
nothing and one that comes back is told everything.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass

import httpx2
from pydantic import BaseModel

from host.classroom.looker import Looker
from host.classroom.overview import overview
from host.classroom.reader import Reader, new_client
from host.classroom.roster import Entry, local_entries
from host.classroom.seat import Seat
from host.classroom.shelf import Shelf

GATHER_SECONDS = 0.1  # changes this close together make one message a seat
LOCAL_SECONDS = 3.0  # between two looks for new sessions of this computer
LINGER_SECONDS = 5.0  # a page that is loaded anew goes on looking
PING_SECONDS = 15.0
RETRY = b"retry: 1000\n\n"
PING = b": still here\n\n"


@dataclass
class _Taken:
    seat: Seat
    reader: Reader
    looker: Looker
    tasks: list[asyncio.Task[None]]


@dataclass(eq=False)
class _Page:
    """What one page has not been told; `None` in `screens` means it shows none."""

    stirred: asyncio.Event
    seats: set[str]
    screens: set[str] | None
    told: bytes = b""  # the last picture of the class


class Room:
    """Owns all of it. `start` and `close` are its two ends; everything runs on one loop."""

    def __init__(
        self,
        shelf: Shelf,
        roster: Sequence[Entry],
        *,
        find_local: Callable[[Iterable[str]], list[Entry]] | None = local_entries,
    ) -> None:
        self._shelf = shelf
        self._roster = roster
        self._find_local = find_local
        self._taken: dict[str, _Taken] = {}  # by the seat's id, in the wall's order
        self._pages: set[_Page] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._clients: dict[bool, httpx2.AsyncClient] = {}
        self.closed = False

    @property
    def seats(self) -> list[Seat]:
        """In the wall's order: as in the roster, then this computer's."""
        return [taken.seat for taken in self._taken.values()]

    def find(self, seat_id: str) -> Seat | None:
        """The seat of that id."""
        taken = self._taken.get(seat_id)
        return taken.seat if taken else None

    async def start(self) -> None:
        """Begin to read."""
        # This computer's daemons are never behind a proxy.
        self._clients = {True: new_client(trust_env=False), False: new_client()}
        for entry in self._roster:
            self._seat(entry)
        if self._find_local is not None:
            self._take_local(await asyncio.to_thread(self._find_local, ()))
            self._tasks.append(asyncio.create_task(self._look_around(), name="local sessions"))
        self._tasks.append(asyncio.create_task(self._look(), name="who looks"))

    def end_streams(self) -> None:
        """End every page's stream, so that the server can close."""
        self.closed = True
        for page in self._pages:
            page.stirred.set()

    async def close(self) -> None:
        """Stop reading and write what is not written yet."""
        self.end_streams()
        tasks = [*self._tasks, *(task for taken in self._taken.values() for task in taken.tasks)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with AsyncExitStack() as ends:  # each, also when another one fails
            for client in self._clients.values():
                ends.push_async_callback(client.aclose)
            for taken in self._taken.values():
                ends.callback(taken.reader.close)

    async def stream(self, *, screens: bool) -> AsyncGenerator[bytes, None]:
        """What one page is sent: first everything, then what changes."""
        page = _Page(asyncio.Event(), set(self._taken), set(self._taken) if screens else None)
        self._pages.add(page)
        try:
            yield RETRY
            while not self.closed:
                for piece in self._news(page):
                    yield piece
                await asyncio.sleep(GATHER_SECONDS)
                if not await _within(PING_SECONDS, page.stirred):
                    yield PING
        finally:
            self._pages.discard(page)

    def _news(self, page: _Page) -> list[bytes]:
        page.stirred.clear()
        seats, page.seats = page.seats, set()
        pieces = [
            _message("seat", taken.seat.view())
            for seat_id, taken in self._taken.items()
            if seat_id in seats
        ]
        if seats or not page.told:
            whole = _message("class", overview(self._shelf.name, self.seats))
            if whole != page.told:
                page.told = whole
                pieces.append(whole)
        if page.screens:
            screens, page.screens = page.screens, set()
            pieces += [
                _message("screen", taken.looker.view)
                for seat_id, taken in self._taken.items()
                if seat_id in screens
            ]
        return pieces

    def _seat(self, entry: Entry) -> None:
        client = self._clients[entry.is_here]
        seat = Seat(entry, self._changed)
        reader = Reader(seat, self._shelf, client)
        looker = Looker(seat, client, self._drawn)
        tasks = [
            asyncio.create_task(reader.run(), name=f"read {seat.id}"),
            asyncio.create_task(looker.run(), name=f"look {seat.id}"),
        ]
        self._taken[seat.id] = _Taken(seat, reader, looker, tasks)
        self._changed(seat)

    def _changed(self, seat: Seat) -> None:
        if seat.id in self._taken:
            self._taken[seat.id].looker.stir()
        for page in self._pages:
            page.seats.add(seat.id)
            page.stirred.set()

    def _drawn(self, seat: Seat) -> None:
        for page in self._pages:
            if page.screens is not None:
                page.screens.add(seat.id)
                page.stirred.set()

    def _take_local(self, found: Iterable[Entry]) -> None:
        """New sessions get a seat; one that was started anew may have another port."""
        places = {each.seat.entry.address for each in self._taken.values()}
        for entry in found:
            known = next((s for s in self.seats if s.entry.key == entry.key), None)
            if known is None and entry.address not in places:
                self._seat(entry)
            elif known is not None and known.entry != entry:
                known.move(entry)

    async def _look_around(self) -> None:
        assert self._find_local is not None
        while True:
            await asyncio.sleep(LOCAL_SECONDS)
            keys = [seat.entry.key for seat in self.seats if seat.entry.local]
            self._take_local(await asyncio.to_thread(self._find_local, keys))

    async def _look(self) -> None:
        """Thumbnails are followed while some page shows them, and a little longer."""
        loop = asyncio.get_running_loop()
        seen = -LINGER_SECONDS
        while True:
            if any(page.screens is not None for page in self._pages):
                seen = loop.time()
            wanted = loop.time() - seen < LINGER_SECONDS
            for taken in self._taken.values():
                taken.looker.look(wanted=wanted)
            await asyncio.sleep(0.25)


async def _within(seconds: float, event: asyncio.Event) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
            return True
    return False


def _message(event: str, model: BaseModel) -> bytes:
    data = model.model_dump_json(by_alias=True, exclude_none=True).encode()
    return b"event: %b\ndata: %b\n\n" % (event.encode(), data)

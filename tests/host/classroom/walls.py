"""A wall of its own for a test: the room and its server on the test's loop, read as by a page."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import uvicorn

from host.classroom.room import Room
from host.classroom.roster import Entry
from host.classroom.shelf import Shelf
from host.classroom.sse import Parser
from host.classroom.wall import make_app

WALL_TOKEN = "wall-token-0123456789abcdefghijklmnop"
LIMIT_SECONDS = 30.0


class Wall:
    """What a page of it knows, by seat's name."""

    def __init__(self, room: Room, address: str) -> None:
        self.room = room
        self.address = address
        self.raw = bytearray()
        self.seats: dict[str, dict[str, Any]] = defaultdict(dict)  # Any: JSON
        self.screens: dict[str, dict[str, Any]] = defaultdict(dict)
        self.whole: dict[str, Any] = defaultdict(list)
        self._names: dict[str, str] = {}

    def http(self, token: str | None = WALL_TOKEN) -> httpx2.AsyncClient:
        """A client with the wall's token."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx2.AsyncClient(base_url=self.address, headers=headers, trust_env=False)

    @asynccontextmanager
    async def page(self, *, screens: bool = False) -> AsyncIterator[None]:
        """An open page."""
        following = asyncio.create_task(self._follow(screens))
        try:
            yield
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def sees(self, what: Callable[[], object], words: str) -> None:
        """Wait until the page shows something."""
        await until(what, f"{words}: {self.seats} {self.whole}")

    async def _follow(self, screens: bool) -> None:
        parser = Parser()
        url = f"/api/class/events?screens={int(screens)}"
        async with self.http() as http, http.stream("GET", url, timeout=60) as answer:
            assert answer.status_code == 200
            async for piece in answer.aiter_bytes():
                self.raw += piece
                for message in parser.feed(piece):
                    self._take(message.event, json.loads(message.data))

    def _take(self, event: str, told: dict[str, Any]) -> None:
        match event:
            case "seat":
                self._names[told["id"]] = told["name"]
                self.seats[told["name"]] = told
            case "screen":
                self.screens[self._names[told["id"]]] = told
            case "class":
                named = {
                    key: [self._names[each] for each in told[key]] for key in ("queue", "stuck")
                }
                self.whole.update({**told, **named})


async def until(what: Callable[[], object], words: str) -> None:
    """Wait for something to be true."""
    deadline = asyncio.get_running_loop().time() + LIMIT_SECONDS
    while not what():
        assert asyncio.get_running_loop().time() < deadline, words
        await asyncio.sleep(0.02)


@asynccontextmanager
async def wall(folder: Path, roster: Sequence[Entry]) -> AsyncIterator[Wall]:
    """A wall that is served, without this computer's own sessions."""
    shelf = Shelf(folder / "class")
    with shelf.locked():
        room = Room(shelf, roster, find_local=None)
        config = uvicorn.Config(
            make_app(room, WALL_TOKEN, shelf.name),
            port=0,
            log_config=None,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # the test's are kept
        await room.start()
        serving = asyncio.create_task(server.serve())
        await until(lambda: server.started, "the wall is served")
        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            yield Wall(room, f"http://127.0.0.1:{port}")
        finally:
            room.end_streams()
            server.should_exit = True
            await serving
            await room.close()

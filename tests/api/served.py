"""The real daemon behind a real server in the test's own event loop, and pages at its sockets."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from runtime.api.connection import Connection, web_socket
from runtime.api.instructor_feed import InstructorFeed
from runtime.app import Daemon, make_app
from runtime.serving import SEND_BUFFER_BYTES
from runtime.settings import from_environment
from tests.api.conftest import STUDENT, bearer, environment
from tests.made import make_artifact, me
from tests.services.shells import LIMIT_SECONDS, until

PROTOCOL = "workshop.terminal.v1"
KEPT_BYTES = 300_000  # of what a page read


class _Server(uvicorn.Server):
    """Leaves signals to the tests."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Served:
    """A daemon at `address` (host:port)."""

    def __init__(self, root: Path, daemon: Daemon, address: str) -> None:
        self.root = root
        self.daemon = daemon
        self.address = address

    @property
    def instructor_feed(self) -> InstructorFeed:
        """The feed, once something was asked for."""
        assert self.daemon.feeds is not None
        return self.daemon.feeds.instructor

    @asynccontextmanager
    async def socket(
        self,
        name: str = "/main",
        *,
        token: str = STUDENT,
        query: str = "",
        reads: bool = True,
        **options: Any,  # Any: of websockets
    ) -> AsyncIterator[Socket]:
        """An open terminal socket; one that `reads` takes and confirms all it is sent."""
        connection = await connect(
            f"ws://{self.address}/ws/terminal{name}{query}",
            subprotocols=[Subprotocol(PROTOCOL)],
            additional_headers=bearer(token),
            compression=None,
            open_timeout=LIMIT_SECONDS,
            close_timeout=2,
            ping_interval=None,
            **options,
        )
        page = Socket(connection)
        try:
            if reads:
                page.start_reading()
            yield page
        finally:
            await page.leave()

    def http(self, token: str = STUDENT) -> httpx2.AsyncClient:
        """A client of the daemon's HTTP routes."""
        return httpx2.AsyncClient(
            base_url=f"http://{self.address}", headers=bearer(token), timeout=LIMIT_SECONDS
        )

    async def raw(self, request: bytes) -> bytes:
        """What comes back for these very bytes, until the daemon closes the connection."""
        host, _, port = self.address.rpartition(":")
        async with asyncio.timeout(LIMIT_SECONDS):
            reader, writer = await asyncio.open_connection(host, int(port))
            try:
                writer.write(request)
                return await reader.read()
            finally:
                writer.transport.abort()


class Socket:
    """A page at the other end of a socket: keeps what it got, confirms what it is told to.

    `given` counts all output it ever got: where a later look at it may begin.
    """

    _numbers = itertools.count(1000)

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.messages: list[dict[str, Any]] = []  # Any: JSON
        self.output = b""
        self.given = 0
        self.offset = 0
        self._redraw = False
        self._reading: asyncio.Task[None] | None = None

    def start_reading(self) -> None:
        """Read from now on, to the end."""
        self._reading = asyncio.create_task(self._read(), name="page")

    async def sees(self, text: str, *, since: int = 0) -> None:
        """Wait until `text` was printed, after `since` bytes."""
        await self._until(lambda: text in self.since(since), lambda: f"{text!r} in {self.output!r}")

    async def hears(self, kind: str, *, after: int = 0) -> dict[str, Any]:  # Any: JSON
        """Wait for a message of this kind behind the first `after`; the last one that came."""

        def heard() -> list[dict[str, Any]]:  # Any: JSON
            return [each for each in self.messages[after:] if each["type"] == kind]

        await self._until(heard, lambda: f"{kind} in {self.messages[-20:]}")
        return heard()[-1]

    def since(self, given: int) -> str:
        """What came after so many bytes, of what is kept."""
        new = max(0, self.given - given)
        return self.output[-new:].decode("utf-8", "replace") if new else ""

    async def has_a_living_shell(self) -> None:
        """Type a sum that was never typed before, and wait for the result."""
        number, before = next(self._numbers), self.given
        await self.type(f"echo $(({number} * 1001))'!'\r")
        await self.sees(f"{number * 1001}!", since=before)

    async def say(self, **message: object) -> None:
        """Send a JSON message."""
        await self.send(json.dumps(message))

    async def type(self, text: str) -> None:
        """Send input."""
        await self.send(text.encode())

    async def send(self, frame: str | bytes) -> None:
        """Send one frame, whatever it holds."""
        async with asyncio.timeout(LIMIT_SECONDS):
            await self.connection.send(frame)

    async def close_code(self) -> int:
        """Wait until the server closes; the code it closed with."""
        reading = self._reading
        assert reading is not None
        await until(reading.done, "the close")
        assert self.connection.close_code is not None
        return self.connection.close_code

    async def leave(self) -> None:
        """Close the socket and read no more."""
        if self._reading is None:  # what it never read is in the way of a farewell
            self.connection.transport.abort()
        await self.connection.close()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _until(self, condition: Callable[[], object], what: Callable[[], str]) -> None:
        reading = self._reading
        assert reading is not None
        try:
            await until(lambda: condition() or reading.done())
        except AssertionError as error:
            raise AssertionError(f"expected {what()[-2000:]}") from error
        assert condition(), f"closed with {self.connection.close_code} before {what()[-2000:]}"

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for frame in self.connection:
                if isinstance(frame, bytes):
                    self._draw(frame)
                else:
                    await self._obey(json.loads(frame))

    def _draw(self, data: bytes) -> None:
        self.output = self.output[-KEPT_BYTES:] + data
        self.given += len(data)
        if not self._redraw:
            self.offset += len(data)
        self._redraw = False

    async def _obey(self, message: dict[str, Any]) -> None:  # Any: JSON
        match message["type"]:
            case "hello":
                self.offset = message["offset"]
            case "screen":
                self._redraw = True
            case "offset":
                self.offset = message["offset"]
                await self.connection.send(json.dumps({"type": "ack", "offset": self.offset}))
        self.messages.append(message)


@asynccontextmanager
async def served(
    root: Path,
    workshop: Mapping[str, Any] | None = None,  # Any: fields of workshop.json
    runtime: Path | None = None,
    /,
    **settings: str,
) -> AsyncIterator[Served]:
    """A daemon that serves for the length of the block; its shell reads no start-up files.

    With `runtime` it goes on with another one's runtime directory, as after a swap.
    """
    shell = root / "shell"
    shell.write_text("#!/bin/sh\nexec /bin/bash --norc --noprofile -i\n")
    shell.chmod(0o755)
    terminal = {"user": me(), "shell": str(shell), "workdir": str(root)}
    if not (root / "workshop.json").exists():  # a second daemon goes on where the first ended
        make_artifact(root, **{"terminal": terminal, **(workshop or {})})
    if runtime is not None:
        (root / "runtime").rmdir()
        (root / "runtime").symlink_to(runtime)
    environ = environment(root, WORKSHOP_ALLOWED_HOSTS="127.0.0.1", **settings)
    daemon = Daemon(from_environment(environ), environ)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        make_app(daemon),
        http=Connection,
        ws=web_socket,  # type: ignore[arg-type]  # as runtime.serving
        ws_per_message_deflate=False,
        ws_max_size=1 << 20,
        lifespan="on",
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=2,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await until(lambda: server.started or serving.done(), "the server")
        assert server.started
        yield Served(root, daemon, f"127.0.0.1:{listener.getsockname()[1]}")
    finally:
        daemon.end_streams()
        server.should_exit = True
        async with asyncio.timeout(LIMIT_SECONDS):
            await serving
        listener.close()

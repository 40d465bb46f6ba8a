"""The daemon as a process of its own, as an engine starts it; nothing of it is replaced."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from runtime.domain import events as ev
from tests.api.conftest import STUDENT, bearer, environment
from tests.goss_binary import ROOT
from tests.made import make_artifact, me

START_SECONDS = 40.0  # a loaded machine is no failure
ANSWER_SECONDS = 40.0
KEPT_BYTES = 100_000  # of what a page was given
PROTOCOL = "workshop.terminal.v1"


def make_root(folder: Path, steps: Sequence[dict[str, Any]] = (), **workshop: Any) -> Path:
    """A compiled workshop below `folder` whose shell reads no start-up files."""
    root = folder / "workshop"  # Any: JSON fields
    root.mkdir()
    shell = root / "shell"
    shell.write_text("#!/bin/sh\nPS1='$ ' exec /bin/bash --norc --noprofile -i\n")
    shell.chmod(0o755)
    terminal = {"user": me(), "shell": str(shell), "workdir": str(root)}
    given = steps or ({"id": "one"}, {"id": "two"})
    return make_artifact(root, given, **{"terminal": terminal, **workshop})


@dataclass(frozen=True)
class Answer:
    """What came back from one request."""

    status: int
    head: str
    body: bytes

    @property
    def json(self) -> Any:  # Any: JSON
        """The body, parsed."""
        return json.loads(self.body)


class Process:
    """A daemon that was started; `kill` or `stop` ends it."""

    def __init__(self, root: Path, prefix: Sequence[str] = (), **settings: str) -> None:
        self.root = root
        self.log_path = root.parent / f"{root.name}.log"
        self._log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command(prefix),
                cwd=ROOT,
                env=environ(root, **settings),
                stdin=subprocess.DEVNULL,
                stderr=log,
            )
        self.pid = self._process.pid
        self.port = 0

    @property
    def log(self) -> str:
        """What it printed."""
        return self.log_path.read_bytes()[self._log_start :].decode()

    @property
    def exit_code(self) -> int | None:
        """How it ended, if it did."""
        return self._process.poll()

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    def events_bytes(self) -> bytes:
        """The event log, as it is on disk."""
        path = self.root / "runtime/state-events.jsonl"
        return path.read_bytes() if path.exists() else b""

    def events(self) -> list[ev.Event]:
        """The whole lines of the event log."""
        raw = self.events_bytes()
        return [ev.parse(line) for line in raw[: raw.rfind(b"\n") + 1].split(b"\n")[:-1]]

    def wait_until_ready(self) -> None:
        """Until it says that it is."""
        wait(lambda: self._is_ready(), "a daemon that is ready", seconds=START_SECONDS)

    def _is_ready(self) -> bool:
        assert self.exit_code is None, self.log
        found = re.search(r" at http://127\.0\.0\.1:(\d+)/", self.log)
        if found is None:
            return False
        self.port = int(found[1])
        try:
            return bool(self.ask("/readyz")["ready"])
        except (OSError, http.client.HTTPException):
            return False

    def ask(self, path: str) -> Any:  # Any: JSON
        """What a GET answers; blocking."""
        with contextlib.closing(http.client.HTTPConnection(self.address, timeout=5)) as connection:
            connection.request("GET", path, headers=bearer(STUDENT))
            return json.loads(connection.getresponse().read())

    def signal(self, number: signal.Signals) -> None:
        """Send it one."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once, as a crash or the kernel does."""
        self._process.kill()
        self._process.wait()

    def wait_for_exit(self, seconds: float) -> int:
        """Its exit code; fails when it is not out by then."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the daemon is not out after {seconds} s; it said: {self.log}")

    async def exited(self, seconds: float) -> int:
        """As `wait_for_exit`, while the test's own tasks go on."""
        return await asyncio.to_thread(self.wait_for_exit, seconds)

    def stop(self) -> None:
        """End it as an engine does; at the end of every test."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()

    # What it costs

    def descriptors(self) -> int:
        """How many it has open."""
        return sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())

    def threads(self) -> int:
        """How many it has."""
        return sum(1 for _ in Path(f"/proc/{self.pid}/task").iterdir())

    def resident_bytes(self) -> int:
        """Memory in use."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize()

    # Talking to it

    async def call(
        self, method: str, path: str, body: object = None, *, token: str | None = STUDENT
    ) -> Answer:
        """One request on a connection of its own."""
        head = [f"{method} {path} HTTP/1.1", f"Host: {self.address}", "Connection: close"]
        head += [f"Authorization: Bearer {token}"] if token is not None else []
        content = b"" if body is None else json.dumps(body).encode()
        head += [f"Content-Length: {len(content)}", "", ""]
        return parse(await self.exchange("\r\n".join(head).encode() + content))

    async def exchange(self, raw: bytes) -> bytes:
        """Send bytes; everything that comes back until the daemon closes the connection."""
        async with self.connection() as (reader, writer):
            writer.write(raw)
            return await reading(reader)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A raw connection, reset at the end of the block."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    @asynccontextmanager
    async def feed(self) -> AsyncIterator[asyncio.StreamReader]:
        """An open feed whose first state has come."""
        async with self.connection() as (reader, writer):
            writer.write(
                f"GET /api/events HTTP/1.1\r\nHost: {self.address}\r\n"
                f"Authorization: Bearer {STUDENT}\r\n\r\n".encode()
            )
            await asyncio.wait_for(reader.readuntil(b"event: state"), ANSWER_SECONDS)
            yield reader

    @asynccontextmanager
    async def page(self, name: str = "main", *, reads: bool = True) -> AsyncIterator[Page]:
        """A page at a terminal; its connection is cut at the end of the block."""
        connection = await connect(
            f"ws://{self.address}/ws/terminal/{name}",
            subprotocols=[Subprotocol(PROTOCOL)],
            additional_headers=bearer(STUDENT),
            compression=None,
            open_timeout=ANSWER_SECONDS,
            ping_interval=None,
        )
        page = Page(connection, reads=reads)
        try:
            yield page
        finally:
            connection.transport.abort()
            await asyncio.gather(page.taking, return_exceptions=True)


class Page:
    """What a page at a terminal was told, and what it types."""

    def __init__(self, connection: ClientConnection, *, reads: bool) -> None:
        self.connection = connection
        self.output = b""
        self.messages: list[str] = []  # types of those that came
        self._news = asyncio.Event()
        self.taking = asyncio.create_task(self._take() if reads else connection.wait_closed())

    async def sees(self, text: str) -> None:
        """Until `text` was printed."""
        await self._until(lambda: text.encode() in self.output)

    async def hears(self, kind: str) -> None:
        """Until such a message came."""
        await self._until(lambda: kind in self.messages)

    async def type(self, text: str) -> None:
        """Send input; Enter is \\r."""
        await self.connection.send(text.encode())

    async def close_code(self) -> int | None:
        """What the daemon closes it with."""
        await asyncio.wait_for(asyncio.shield(self.taking), ANSWER_SECONDS)
        return self.connection.close_code

    async def _until(self, condition: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                while not condition():
                    assert not self.taking.done(), self.output
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"not in {ANSWER_SECONDS} s: {self.output[-2000:]!r}") from None

    async def _take(self) -> None:
        try:
            async for frame in self.connection:
                if isinstance(frame, bytes):
                    self.output = self.output[-KEPT_BYTES:] + frame
                else:
                    self.messages.append(json.loads(frame)["type"])
                self._news.set()
        except ConnectionClosed:
            pass
        finally:
            self._news.set()


@contextmanager
def running(root: Path, prefix: Sequence[str] = (), **settings: str) -> Iterator[Process]:
    """A daemon that is ready, for the length of the block."""
    daemon = Process(root, prefix, **settings)
    try:
        daemon.wait_until_ready()
        yield daemon
    finally:
        daemon.stop()


def refused(root: Path, prefix: Sequence[str] = (), **settings: str) -> tuple[int, str]:
    """Exit code and words of a daemon that cannot start."""
    ran = subprocess.run(
        command(prefix),
        cwd=ROOT,
        env=environ(root, **settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    assert ran.stdout == ""
    return ran.returncode, ran.stderr


def command(prefix: Sequence[str]) -> list[str]:
    """The daemon's command line."""
    return [*prefix, sys.executable, "-m", "runtime"]


def environ(root: Path, **settings: str) -> dict[str, str]:
    """The daemon's environment; a setting may be overridden."""
    return environment(root, **{"WORKSHOP_HOST": "127.0.0.1", "WORKSHOP_PORT": "0", **settings}) | {
        "WORKSHOP_ALLOWED_HOSTS": "127.0.0.1,localhost"
    }


def parse(raw: bytes) -> Answer:
    """The one answer in `raw`."""
    head, _, body = raw.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 "), raw[:200]
    return Answer(int(head[9:12]), head.decode(), body)


async def reading(reader: asyncio.StreamReader) -> bytes:
    """Everything until the end; a reset is an end as well."""
    received = bytearray()
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(ANSWER_SECONDS):
            while piece := await reader.read(1 << 16):
                received += piece
    return bytes(received)


def wait(condition: Callable[[], object], what: str, *, seconds: float = ANSWER_SECONDS) -> None:
    """Until `condition()` is true; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true"
        time.sleep(0.01)


def family(pid: int, word: str) -> set[int]:
    """The living processes that descend from `pid`, or say `word` in arguments or environment."""
    parents, found = {}, {pid}
    for each in (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()):
        with contextlib.suppress(OSError):
            # "pid (name) state parent …"; the name may hold spaces and brackets
            state, parent = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()[:2]
            if state in "ZX" or each == os.getpid():
                continue
            parents[each] = int(parent)
            said = Path(f"/proc/{each}/cmdline").read_bytes()
            if word.encode() in said + Path(f"/proc/{each}/environ").read_bytes():
                found.add(each)
    while fresh := {each for each, parent in parents.items() if parent in found} - found:
        found |= fresh
    return found & parents.keys()

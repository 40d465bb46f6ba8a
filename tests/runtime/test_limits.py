"""What a machine has only so much of: descriptors, threads, memory."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import STUDENT
from tests.runtime.daemon import ANSWER_SECONDS, Process, make_root, parse, running, wait

VISITS = 1000  # fault 26
AT_ONCE = 20
GROWTH_BYTES = 24 << 20
CHECKED = "command: {true: {exit-status: 0}}\n"


@pytest.mark.timeout(240)
@pytest.mark.parametrize("kind", ["feeds", "sockets"])
async def test_a_thousand_visits_leave_nothing_behind(tmp_path: Path, kind: str) -> None:
    """Fault 26: descriptors, threads and memory return."""

    async def visit(number: int) -> None:
        if kind == "feeds":
            async with daemon.feed():
                return
        async with daemon.page() as page:
            await page.hears("hello")
            if number % 2:
                await page.connection.close()
            if number % 10 == 0:
                await page.type("not JSON")

    async def visits(count: int) -> None:
        for start in range(0, count, AT_ONCE):
            await asyncio.gather(*(visit(start + each) for each in range(AT_ONCE)))

    with running(make_root(tmp_path)) as daemon:
        await visits(5 * AT_ONCE)  # whatever is made once is made now
        await asyncio.to_thread(wait, lambda: daemon.ask("/api/state")["connected"] == 0, "rest")
        quiet = daemon.descriptors()
        threads, memory = daemon.threads(), daemon.resident_bytes()

        await visits(VISITS)

        await asyncio.to_thread(wait, lambda: daemon.ask("/api/state")["connected"] == 0, "rest")
        await asyncio.to_thread(wait, lambda: daemon.descriptors() <= quiet, "the descriptors")
        assert daemon.threads() <= threads + (os.cpu_count() or 1) + 4  # a pool's, made when needed
        assert daemon.resident_bytes() - memory < GROWTH_BYTES
        log = daemon.events_bytes()
        visited = VISITS + 5 * AT_ONCE if kind == "sockets" else 0
        assert log.count(b'"event":"connected"') == visited
        assert log.count(b'"event":"disconnected"') == visited
        assert "Traceback" not in daemon.log


FEED = (
    f"GET /api/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {STUDENT}\r\n\r\n"
).encode()


@contextmanager
def few_descriptors(daemon: Process, spare: int) -> Iterator[int]:
    """No more than it has and these, for the length of the block; the limit."""
    limits = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
    # The limit counts numbers, not files: whatever number is free below the highest is spare.
    limit = next(n for n in range(4096) if n - used_below(daemon, n) == spare)
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (limit, limits[1]))
    try:
        yield limit
    finally:
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, limits)


def used_below(daemon: Process, limit: int) -> int:
    """How many of the numbers below `limit` are in use."""
    return sum(int(path.name) < limit for path in Path(f"/proc/{daemon.pid}/fd").iterdir())


class Kept:
    """A connection that was there before, for one request after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def call(self, method: str, path: str) -> int:
        """The status of the answer."""
        self._writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {STUDENT}\r\n"
            "Content-Length: 0\r\n\r\n".encode()
        )
        head = await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), ANSWER_SECONDS)
        answer = parse(head)
        length = next(
            int(line.partition(":")[2])
            for line in answer.head.splitlines()
            if line.lower().startswith("content-length:")
        )
        self.body = await asyncio.wait_for(self._reader.readexactly(length), ANSWER_SECONDS)
        return answer.status


@asynccontextmanager
async def crowd(daemon: Process, limit: int) -> AsyncIterator[None]:
    """So many connections that no descriptor is left, and some that came too late."""
    async with AsyncExitStack() as open_ones:
        late = 0
        async with asyncio.timeout(ANSWER_SECONDS):
            while late < 10:
                late += used_below(daemon, limit) == limit
                with contextlib.suppress(ConnectionError):
                    _, writer = await open_ones.enter_async_context(daemon.connection())
                    writer.write(FEED)  # holds its connection
                await asyncio.sleep(0.01)  # for the daemon to take it, or not
        yield


async def test_without_descriptors_it_goes_on_and_recovers(tmp_path: Path) -> None:
    """Fault 49: who is there stays, who comes waits or is sent away, all is well afterwards."""
    steps: list[dict[str, Any]] = [  # Any: JSON
        {"id": "one", "goss": CHECKED, "expectedChecks": 1},
        {"id": "two"},
    ]
    with running(make_root(tmp_path, steps, navigation="free")) as daemon:
        async with daemon.page() as page, daemon.connection() as raw:
            await page.hears("hello")
            kept = Kept(*raw)
            assert await kept.call("GET", "/healthz") == 200
            with few_descriptors(daemon, 4) as limit:
                async with crowd(daemon, limit):
                    await page.type("echo is-$((6 * 7))\r")
                    await page.sees("is-42")
                    assert await kept.call("POST", "/api/steps/two/complete") == 200
                    assert await kept.call("POST", "/api/steps/one/validate") == 200
                    assert b'"outcome":"error"' in kept.body, kept.body
                    assert await kept.call("POST", "/api/terminals") == 409
                    assert await kept.call("GET", "/api/steps/one/content") == 503
                    assert b'"code":"machine_busy"' in kept.body
                    assert await kept.call("GET", "/readyz") == 200
            assert await kept.call("POST", "/api/steps/one/validate") == 200
            assert b'"outcome":"passed"' in kept.body
            assert await kept.call("POST", "/api/terminals") == 201
            async with daemon.page("terminal-2") as second:
                await second.type("echo is-$((6 * 7))\r")
                await second.sees("is-42")
        answer = await daemon.call("GET", "/api/state")
        assert answer.json["completedSteps"] == ["one", "two"]
        assert "Traceback" not in daemon.log
        assert len(daemon.log) < 100_000

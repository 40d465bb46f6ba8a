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
from tests.goss_binary import ROOT
from tests.runtime.daemon import ANSWER_SECONDS, Process, make_root, parse, running, wait
from tests.runtime.groups import groups
from tests.runtime.test_start import ALONE, needs_namespaces

VISITS = 1000  # fault 26
AT_ONCE = 20
GROWTH_BYTES = 24 << 20
CHECKED = "command: {true: {exit-status: 0}}\n"
STEPS: list[dict[str, Any]] = [  # Any: JSON
    {"id": "one", "goss": CHECKED, "expectedChecks": 1},
    {"id": "two"},
]


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
    with running(make_root(tmp_path, STEPS, navigation="free")) as daemon:
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


SPARE_PROCESSES = 20
TABLE_FULL = "Resource temporarily unavailable"
BOMBS = {
    "a fork bomb": "bomb() { bomb | bomb & }; bomb",
    "sleepers": "for i in $(seq 100); do sleep 600.75 & done",
}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("bomb", BOMBS)
async def test_a_shell_that_takes_every_process_leaves_the_daemon_its_work(
    tmp_path: Path, bomb: str
) -> None:
    """Faults 29 and 49: with a container's limit and a full table of processes, threads in it."""
    root = make_root(tmp_path, STEPS, navigation="free")
    with groups("pids") as group, running(root, group.prefix) as daemon:
        async with daemon.page() as page, daemon.page() as bystander:
            await page.hears("hello")
            await page.type("echo is-$((6 * 7))\r")
            await page.sees("is-42")
            group.write("pids.max", int(group.read("pids.current")) + SPARE_PROCESSES)
            await page.type(f"{BOMBS[bomb]}\r")
            await bystander.sees(TABLE_FULL)

            answers = await asyncio.gather(
                *(daemon.call("GET", "/api/state") for _ in range(20)),
                *(daemon.call("GET", "/api/recordings") for _ in range(20)),
                *(daemon.call("POST", "/api/steps/two/complete") for _ in range(20)),
            )
            assert {answer.status for answer in answers} == {200}
            checked = await daemon.call("POST", "/api/steps/one/validate")
            assert checked.status == 200
            # "failed" is what goss says of a command that it could not start.
            assert checked.json["reason"] or checked.json["outcome"] in ("passed", "failed")
            assert (await daemon.call("GET", "/")).status in (200, 503)

            assert (await daemon.call("POST", "/api/terminals/main/restart")).status == 200
            group.write("pids.max", "max")
            checked = await daemon.call("POST", "/api/steps/one/validate")
            assert checked.json["outcome"] == "passed"
            assert (await daemon.call("POST", "/api/terminals")).status == 201
        ready = await daemon.call("GET", "/readyz")
        assert ready.json["problems"] == []
        assert (await daemon.call("GET", "/api/state")).json["completedSteps"] == ["one", "two"]
        assert "Traceback" not in daemon.log


HOG_BYTES = 40 << 20  # each takes less than the daemon
MEMORY_BYTES = 400 << 20


@pytest.mark.timeout(240)
@pytest.mark.parametrize("hogs", [1, 20])
async def test_a_shell_that_takes_all_memory_loses_it_and_not_the_daemon(
    tmp_path: Path, hogs: int
) -> None:
    """Fault 29: one program that is large, and many of which each is smaller than the daemon."""
    root = make_root(tmp_path, STEPS, navigation="free")
    with groups("memory") as group, running(root, group.prefix) as daemon:
        group.write("memory.max", MEMORY_BYTES)
        async with daemon.page() as page:
            await page.hears("hello")
            size = 20 * HOG_BYTES // hogs
            hog = f"(head -c {size} /dev/zero; sleep 600) | tail >/dev/null &"
            await page.type(f"for i in $(seq {hogs}); do {hog} done\r")
            await asyncio.to_thread(wait, group.killed_for_memory, "no memory")
            for _ in range(40):
                assert (await daemon.call("GET", "/api/state")).status == 200
                await asyncio.sleep(0.02)
            assert (await daemon.call("POST", "/api/steps/two/complete")).status == 200
            assert (await daemon.call("POST", "/api/terminals/main/restart")).status == 200
            await page.type("echo is-$((6 * 7))\r")
            await page.sees("is-42")
        assert "Traceback" not in daemon.log


# A small /tmp without room in the place of the real one, and in it what the daemon itself is.
FULL_TMP = """
small=$1; shift
mount -t tmpfs -o size=64k none "$small"
for each in "$0" "$REPOSITORY"; do
  case $each in /tmp/*)
    mkdir -p "$small${each#/tmp}" && mount --rbind "$each" "$small${each#/tmp}"
  esac
done
head -c 1M /dev/zero >"$small/filler" 2>/dev/null || :
mount --rbind "$small" /tmp
exec "$@"
"""


async def test_a_full_tmp_is_missed_by_nobody_but_the_shell(tmp_path: Path) -> None:
    """Fault 49: nothing of the daemon is there, nor of a check."""
    needs_namespaces()
    small = tmp_path / "small"
    small.mkdir()
    root = make_root(tmp_path, STEPS, navigation="free")
    prefix = [*ALONE, "env", f"REPOSITORY={ROOT}", "sh", "-ec", FULL_TMP, str(root), str(small)]
    with running(root, prefix) as daemon:
        async with daemon.page() as page:
            await page.hears("hello")
            await page.type("echo more >/tmp/more\r")
            await page.sees("No space left on device")
            await page.type("cat <<< is-$((6 * 7))\r")
            await page.sees("is-42")
            assert (await daemon.call("POST", "/api/steps/two/complete")).status == 200
            checked = await daemon.call("POST", "/api/steps/one/validate")
            assert checked.json["outcome"] == "passed"
            assert (await daemon.call("POST", "/api/terminals")).status == 201
            assert (await daemon.call("GET", "/readyz")).json["problems"] == []
            await page.type("rm /tmp/filler; echo more >/tmp/more && echo room-$((6 * 7))\r")
            await page.sees("room-42")
        assert "Traceback" not in daemon.log


async def test_a_disk_that_fills_up_refuses_what_it_cannot_keep(tmp_path: Path) -> None:
    """Fault 10: 507, a log of whole lines, a shell that works, and all is well with the space."""
    needs_namespaces()
    root = make_root(tmp_path, STEPS, navigation="free")
    mounted = 'mount -t tmpfs -o size=256k none "$0" && exec "$@"'
    prefix = [*ALONE, "sh", "-c", mounted, str(root / "runtime")]
    with running(root, prefix, WORKSHOP_RECORD="off") as daemon:
        log = Path(f"/proc/{daemon.pid}/root{root}/runtime/state-events.jsonl")
        async with daemon.page() as page:
            await page.type("cat /dev/zero >runtime/filler; echo full-$((6 * 7))\r")
            await page.sees("full-42")
            kept = 0
            for number in range(300):
                hand = {"raised": number % 2 == 0, "note": "x" * (number % 97)}
                answer = await daemon.call("POST", "/api/hand", hand)
                if answer.status != 200:
                    break
                kept += 1
            assert (answer.status, answer.json["error"]["code"]) == (507, "storage_full")
            assert (await daemon.call("POST", "/api/steps/two/complete")).status == 507
            whole = log.read_bytes()
            assert whole.endswith(b"\n")
            assert sum(b'"event":"hand_' in line for line in whole.splitlines()) == kept
            state = await daemon.call("GET", "/api/state")
            assert state.json["completedSteps"] == []
            ready = await daemon.call("GET", "/readyz")
            assert [each["code"] for each in ready.json["problems"]] == ["storage"]

            await page.type("rm runtime/filler; echo room-$((6 * 7))\r")
            await page.sees("room-42")
            assert (await daemon.call("POST", "/api/steps/two/complete")).status == 200
            assert (await daemon.call("GET", "/readyz")).json["problems"] == []
            assert log.read_bytes().startswith(whole)

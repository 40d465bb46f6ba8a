"""The keeper of a terminal's shells: what it tells, and what is ended when it is not there."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runtime.services import processes
from runtime.services.kept import Kept, ShellSpec
from runtime.services.supervision import Supervision
from tests.services.shells import descriptors, machine, shell, until
from tests.services.test_processes import running, unique_sleep


@pytest.fixture
async def supervision() -> AsyncIterator[Supervision]:
    made = Supervision()
    yield made
    await made.close()


@contextmanager
def a_terminal() -> Iterator[int]:
    """The descriptor that a shell gets."""
    ours, theirs = os.openpty()
    try:
        yield theirs
    finally:
        os.close(ours)
        os.close(theirs)


def sh(script: str, **env: str) -> ShellSpec:
    spec = shell(Path("/"), **env)
    return spec._replace(argv=("/bin/sh", "-c", script))


def parent_of(pid: int) -> int:
    return processes.parents()[pid]


async def test_the_end_of_a_shell_that_ends_at_once_is_told_after_its_start(
    supervision: Supervision,
) -> None:
    kept = Kept(supervision)
    for code in range(20):
        told: list[int | str] = []
        with a_terminal() as terminal:
            await kept.start(sh(f"exit {code}"), terminal, told.append)
            told.append("started")
            await until(lambda: len(told) == 2)  # noqa: B023  # awaited here
        assert told == ["started", code]
    kept.close()


async def test_a_shell_has_its_terminal_and_no_other_descriptor(supervision: Supervision) -> None:
    """Fault 1: the keeper's own socket in a student's hands would command the keeper."""
    kept, codes = Kept(supervision), list[int]()
    with a_terminal() as terminal:
        script = "set -- /proc/self/fd/*; exit $#"  # the three, and the folder that is read
        await kept.start(sh(script), terminal, codes.append)
        await until(lambda: codes)
    assert codes == [4]
    kept.close()


async def test_an_environment_of_any_size_arrives(supervision: Supervision) -> None:
    kept, codes = Kept(supervision), list[int]()
    large = {f"LARGE_{number}": "x" * 100_000 for number in range(8)}
    with a_terminal() as terminal:
        await kept.start(sh("exit $((${#LARGE_7} / 1000))", **large), terminal, codes.append)
        await until(lambda: codes)
    assert codes == [100]
    kept.close()


async def test_every_orphan_of_a_shell_is_the_keepers_and_no_other_terminals(
    supervision: Supervision,
) -> None:
    sleeps = [unique_sleep(200 + number) for number in range(2)]
    kept = [Kept(supervision) for _ in sleeps]
    shells = []
    with a_terminal() as first, a_terminal() as second:
        for each, sleep, terminal in zip(kept, sleeps, (first, second), strict=True):
            script = f"env -i setsid {sleep} >/dev/null 2>&1 & sleep 1000"
            shells.append(await each.start(sh(script), terminal, lambda code: None))
        for pid, sleep in zip(shells, sleeps, strict=True):
            await until(lambda: sleeping(sleep), sleep)  # noqa: B023  # awaited here
            os.kill(pid, signal.SIGKILL)
            [orphan] = sleeping(sleep)
            await until(lambda: not Path(f"/proc/{pid}").exists())  # noqa: B023
            assert b"runtime.services.supervisor" in command(parent_of(orphan))
        assert await kept[0].end()
        assert [bool(running(sleep)) for sleep in sleeps] == [False, True]
        assert await kept[1].end()
        assert not running(sleeps[1])
    for each in kept:
        each.close()


def sleeping(sleep: str) -> list[int]:
    """The processes that are this sleep, and not on their way to be."""
    words = sleep.replace(" ", "\0").encode() + b"\0"
    return [pid for pid in running(sleep) if command(pid) == words]


def command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


async def test_a_killed_keeper_takes_its_shell_along_and_the_terminal_goes_on(
    tmp_path: Path,
) -> None:
    sleep = unique_sleep(210)
    async with machine(tmp_path) as made, made.page() as page:
        await page.run(f"env -i setsid {sleep} >/dev/null 2>&1 &")
        await until(lambda: running(sleep), sleep)
        os.kill(parent_of(page.terminal._last_pid), signal.SIGKILL)
        await until(lambda: page.exits == [128 + signal.SIGKILL])
        await until(lambda: not running(sleep), f"the end of {sleep}")
        before = page.given
        await page.type("\r")
        await page.sees("ready$", since=before)


async def test_shells_outlive_a_killed_supervisor_and_still_end_with_everything(
    tmp_path: Path,
) -> None:
    sleep = unique_sleep(211)
    async with machine(tmp_path) as made, made.page() as page:
        await page.run(f"env -i setsid {sleep} >/dev/null 2>&1 &")
        await until(lambda: running(sleep), sleep)
        os.kill(parent_of(parent_of(page.terminal._last_pid)), signal.SIGKILL)
        assert "42" in await page.run("echo $((6 * 7))")
        async with made.page("other") as other:  # by a new supervisor
            assert "43" in await other.run("echo $((6 * 7 + 1))")
        await made.terminals.close("main")
        assert running(sleep) == []


async def test_a_cancelled_start_leaves_no_process_and_no_descriptor(
    supervision: Supervision,
) -> None:
    sleep = unique_sleep(212)
    await supervision.warm()
    before = descriptors()
    for turns in range(12):
        kept = Kept(supervision)
        with a_terminal() as terminal:
            start = asyncio.create_task(kept.start(sh(sleep), terminal, lambda code: None))
            for _ in range(turns):
                await asyncio.sleep(0)
            start.cancel()
            await asyncio.gather(start, return_exceptions=True)
            kept.close()
    await until(lambda: not running(sleep), f"the end of {sleep}")
    assert descriptors() == before

"""The command feed: what is typed reaches its readers once, whatever is done to the log."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from runtime.services import commands
from runtime.services.commands import CommandFeed
from tests.bash.shell import Shell

PATIENCE_SECONDS = 20.0


def line(cmd: str) -> bytes:
    return json.dumps({"ts": "2026-01-31T14:22:01.123Z", "cmd": cmd, "exit": 0}).encode() + b"\n"


def write(path: Path, *pieces: bytes) -> None:
    with path.open("ab") as file:
        file.write(b"".join(pieces))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Feed:
    """A running feed, what it published and what damage it told of."""

    def __init__(self, path: Path) -> None:
        self.damage: list[str] = []
        self.published: list[tuple[int, str]] = []
        self.clock = Clock()
        self.feed = CommandFeed(path, on_damage=self._on_damage, monotonic=self.clock)

    async def _on_damage(self, what: str, shift: int) -> None:
        self.damage.append(what)

    async def listen(self) -> None:
        with self.feed.subscribe() as typed:
            async for place, command in typed:
                self.published.append((place, command.cmd))

    @property
    def commands(self) -> list[str]:
        return [cmd for _, cmd in self.published]

    async def wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, (self.published, self.damage, self.feed.skipped)
            await asyncio.sleep(0.005)

    async def wait_for(self, *expected: str) -> None:
        await self.wait(lambda: self.commands == list(expected))


@asynccontextmanager
async def running(path: Path) -> AsyncIterator[Feed]:
    feed = Feed(path)
    tasks = [asyncio.create_task(feed.listen()), asyncio.create_task(feed.feed.run())]
    try:
        yield feed
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_commands_typed_from_now_on_are_published(tmp_path: Path) -> None:
    log = tmp_path / "log"
    write(log, line("before"))
    async with running(log) as feed:
        write(log, line("one"), line("two"))
        await feed.wait_for("one", "two")
        assert [cmd.cmd for _, cmd in feed.feed.recent(10)] == ["before", "one", "two"]
        assert feed.published[-1][0] == log.stat().st_size


async def test_a_command_typed_at_a_real_prompt_is_published(tmp_path: Path) -> None:
    with Shell(tmp_path) as shell:
        async with running(shell.log) as feed:
            await asyncio.to_thread(shell.type, "echo 'é' \"q\"")
            await feed.wait_for("echo 'é' \"q\"")


async def test_recent_commands_are_paged_by_their_places(tmp_path: Path) -> None:
    log = tmp_path / "log"
    names = [f"command {number}" for number in range(commands.KEPT_COMMANDS + 500)]
    write(log, *map(line, names), b"torn")
    feed = CommandFeed(log, on_damage=_nobody)
    pages: list[str] = []
    before = None
    while page := feed.recent(70, before):
        pages = [command.cmd for _, command in page] + pages
        before = page[0][0]
    assert pages == names


async def test_only_the_end_of_a_large_log_is_looked_through(tmp_path: Path) -> None:
    log = tmp_path / "log"
    filler = b'{"filler": "' + b"x" * 9986 + b'"}\n'
    write(log, line("first"), filler * 600, line("last"))
    feed = CommandFeed(log, on_damage=_nobody)
    assert [command.cmd for _, command in feed.recent(10)] == ["last"]
    assert 400 < feed.skipped < 440


async def test_a_log_that_is_one_endless_line_is_not_history(tmp_path: Path) -> None:
    log = tmp_path / "log"
    write(log, line("old"), b"x" * 5_000_000)
    async with running(log) as feed:
        write(log, b"\n", line("new"))
        await feed.wait_for("new")


async def test_forged_lines_are_counted_and_told_of_once_a_minute(tmp_path: Path) -> None:
    """Fault 13: random bytes, NULs, bad UTF-8, NaN, deep nesting, 10 MB in one line."""
    chance = random.Random(13)
    forged = [
        *(chance.randbytes(80).replace(b"\n", b"") for _ in range(50)),
        b"\0" * 1000,
        line("x")[:-2] + b"\xff",
        line("x")[:-2] + b',"exit":NaN}',
        b"[" * 50_000,
        b"y" * 10_000_000,
        b'{"event":"goss_result","step":"one","passed":true}',
    ]
    log = tmp_path / "log"
    async with running(log) as feed:
        for each in forged:
            write(log, each + b"\n")
        write(log, line("real"), b"\n", line("after an empty line"))
        await feed.wait_for("real", "after an empty line")
        assert feed.feed.skipped == len(forged)
        assert feed.damage == ["malformed"]
        feed.clock.now += 61
        write(log, b"{}\n")
        await feed.wait(lambda: feed.damage == ["malformed"] * 2)


async def test_damage_loses_nothing_that_comes_after_it(tmp_path: Path) -> None:
    """Fault 35: truncated, replaced, deleted; places only grow."""
    log = tmp_path / "log"
    async with running(log) as feed:
        write(log, line("one"), line("two"))
        await feed.wait_for("one", "two")
        os.truncate(log, 0)
        await feed.wait(lambda: feed.damage == ["truncated"])
        write(log, line("three"))
        await feed.wait_for("one", "two", "three")
        (tmp_path / "new").write_bytes(line("four"))
        (tmp_path / "new").replace(log)
        await feed.wait_for("one", "two", "three", "four")
        log.unlink()
        await feed.wait(lambda: feed.damage[-1] == "deleted")
        write(log, line("five"))
        await feed.wait_for("one", "two", "three", "four", "five")
        places = [place for place, _ in feed.published]
        assert places == sorted(set(places))
        assert [command.cmd for _, command in feed.feed.recent(3, places[-1])] == [
            "two",
            "three",
            "four",
        ]


async def test_damage_without_end_is_told_of_once_a_minute(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with running(log) as feed:
        for number in range(5):
            write(log, line(str(number)))
            await feed.wait_for(*map(str, range(number + 1)))
            os.truncate(log, 0)
            feed.feed.look()
            await asyncio.sleep(0.02)
        assert feed.damage.count("truncated") == 1


async def test_a_burst_reaches_a_reader_that_listens(tmp_path: Path) -> None:
    log = tmp_path / "log"
    names = [str(number) for number in range(5000)]
    async with running(log) as feed:
        write(log, *map(line, names))
        await feed.wait_for(*names)


async def _nobody(what: str, shift: int) -> None:
    raise AssertionError(what)

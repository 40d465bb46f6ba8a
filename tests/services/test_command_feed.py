"""The command feed: what the student typed, however the file looks."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from runtime.services.commands import KEPT_COMMANDS, CommandFeed


def line(cmd: str, **more: object) -> bytes:
    fields = {"ts": "2026-01-31T12:00:00.000Z", "cmd": cmd, "exit": 0, **more}
    return json.dumps(fields).encode() + b"\n"


class Damage:
    """What the feed said of damage."""

    def __init__(self) -> None:
        self.said: list[str] = []

    async def __call__(self, what: str, shift: int) -> None:
        self.said.append(what)


@asynccontextmanager
async def running(path: Path, damage: Damage) -> AsyncIterator[CommandFeed]:
    feed = CommandFeed(path, on_damage=damage)
    task = asyncio.create_task(feed.run())
    await asyncio.sleep(0)
    try:
        yield feed
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], object], feed: CommandFeed) -> None:
    async with asyncio.timeout(20):
        while not condition():
            feed.look()
            await asyncio.sleep(0.01)


async def test_a_command_is_seen_when_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "command-log.jsonl"
    path.write_bytes(line("before"))
    async with running(path, Damage()) as feed:
        with feed.subscribe() as typed, path.open("ab") as log:
            log.write(line("ls -la", exit=2, term="main"))
            log.flush()
            async with asyncio.timeout(20):
                offset, command = await anext(typed)
        assert (command.cmd, command.exit, command.term) == ("ls -la", 2, "main")
        assert offset == path.stat().st_size
        assert [each.cmd for _, each in feed.recent(10)] == ["before", "ls -la"]


async def test_older_commands_are_paged_back_to_the_first(tmp_path: Path) -> None:
    path = tmp_path / "command-log.jsonl"
    total = KEPT_COMMANDS + 50
    path.write_bytes(b"".join(line(f"echo {n}") for n in range(total)))
    feed = CommandFeed(path, on_damage=Damage())
    seen: list[str] = []
    before = None
    while page := feed.recent(400, before):
        seen = [command.cmd for _, command in page] + seen
        before = page[0][0]
    assert seen == [f"echo {n}" for n in range(total)]


async def test_a_forged_log_is_counted_and_harms_nobody(tmp_path: Path) -> None:
    """Fault 13."""
    path = tmp_path / "command-log.jsonl"
    chance = random.Random(13)
    rubbish = [
        b"\0" * 4000 + b"\n",
        b"x" * (10 << 20) + b"\n",
        b'{"ts":"2026-01-31T12:00:00Z","cmd":"\xff\xfe","exit":0}\n',
        b'{"ts":"2026-01-31T12:00:00Z","cmd":"a","exit":NaN}\n',
        b'{"ts":"2026-01-31T12:00:00Z","cmd":"a","exit":1e999}\n',
        b"[" * 60_000 + b"\n",
        b'{"event":"goss_result","step":"one","passed":true}\n',
        *(chance.randbytes(300).replace(b"\n", b" ") + b"\n" for _ in range(200)),
    ]
    path.write_bytes(b"")
    damage = Damage()
    async with running(path, damage) as feed:
        with path.open("ab") as log:
            for each in rubbish:
                log.write(each)
            log.write(line("still here"))
        await until(lambda: feed.recent(1), feed)
        assert [command.cmd for _, command in feed.recent(10)] == ["still here"]
        assert feed.skipped == len(rubbish)
        assert set(damage.said) == {"malformed"}


async def test_a_log_that_is_cut_is_said_and_followed_on(tmp_path: Path) -> None:
    """Fault 35."""
    path = tmp_path / "command-log.jsonl"
    path.write_bytes(line("one") + line("two"))
    damage = Damage()
    async with running(path, damage) as feed:
        path.write_bytes(b"")
        await until(lambda: damage.said, feed)
        with path.open("ab") as log:
            log.write(line("three"))
        await until(lambda: len(feed.recent(10)) == 3, feed)
    assert damage.said == ["truncated"]
    assert [command.cmd for _, command in feed.recent(10)] == ["one", "two", "three"]


async def test_a_secret_does_not_leave_the_daemon(tmp_path: Path) -> None:
    """Fault 45."""
    path = tmp_path / "command-log.jsonl"
    path.write_bytes(line("export DB_PASSWORD=hunter2"))
    feed = CommandFeed(path, on_damage=Damage())
    assert [command.cmd for _, command in feed.recent(1)] == ["export DB_PASSWORD=[redacted]"]

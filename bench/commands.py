"""From Enter in a terminal to the command feed's readers, through everything, recording on."""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from bench.table import Row
from runtime.domain.events import Connected, Disconnected
from runtime.services.commands import CommandFeed
from runtime.services.pty import ShellSpec
from runtime.services.recording import Desk
from runtime.services.terminals import Terminals
from runtime.store.recordings import Recordings
from tests.bash.shell import HOOK

COMMANDS = 200
PAUSE_SECONDS = 0.02  # between two of them: nobody types faster
MOST_P95_MS = 30
PATIENCE_SECONDS = 20.0


def rows() -> list[Row]:
    """The 95th percentile of `:` typed at a prompt of a real bash."""
    with tempfile.TemporaryDirectory() as folder:
        taken = uvloop.run(_measure(Path(folder)))
    p95 = statistics.quantiles(taken, n=20)[-1]
    return [
        Row(
            "command typed to feed, p95",
            f"{p95:.1f} ms",
            f"p50 {statistics.median(taken):.1f} ms",
            f"at most {MOST_P95_MS} ms",
            p95 <= MOST_P95_MS,
        )
    ]


async def _measure(folder: Path) -> list[float]:
    log = folder / "command-log.jsonl"
    log.touch()
    (folder / "rc").write_text(f". {HOOK}\n")
    feed = CommandFeed(log, on_damage=_refuse)
    terminals = Terminals(
        ShellSpec(
            argv=("/bin/bash", "--rcfile", str(folder / "rc"), "-i"),
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(folder),
                "LC_ALL": "C.UTF-8",
                "WORKSHOP_COMMAND_LOG": str(log),
            },
            cwd=folder,
        ),
        Desk(
            Recordings(folder),
            record_input="masked",
            file_bytes=64 << 20,
            shell="/bin/bash",
            now=lambda: datetime.now(UTC),
            is_paused=lambda: False,
            on_problem=lambda code, message: None,
        ),
        now=lambda: datetime.now(UTC),
        on_event=_ignore,
        on_output=feed.look,
    )
    following = asyncio.create_task(feed.run())
    try:
        return await _type(terminals, feed)
    finally:
        await terminals.close_all()
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def _type(terminals: Terminals, feed: CommandFeed) -> list[float]:
    taken = []
    terminal = await terminals.open("main")
    async with terminal.attach("bench") as page:
        reading = asyncio.create_task(_read(page.frames()))
        with feed.subscribe() as typed:
            for number in range(COMMANDS):
                await terminal.write(page, f": {number}".encode())
                await asyncio.sleep(PAUSE_SECONDS)
                began = time.perf_counter()
                await terminal.write(page, b"\r")
                _, command = await asyncio.wait_for(anext(typed), PATIENCE_SECONDS)
                taken.append((time.perf_counter() - began) * 1000)
                assert command.cmd == f": {number}", command
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    return taken


async def _read(frames: AsyncIterator[object]) -> None:
    async for _ in frames:
        pass


async def _ignore(event: Connected | Disconnected) -> None:
    pass


async def _refuse(what: str, shift: int) -> None:
    raise AssertionError(f"the log was damaged: {what}")

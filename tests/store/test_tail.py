"""Following a file that somebody else appends to, cuts, replaces and deletes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from runtime.store.jsonl import MAX_LINE_BYTES
from runtime.store.tail import LEAST_SECONDS, Appended, Change, Damaged, Tail, _Follower

PATIENCE_SECONDS = 40.0


class Followed:
    """A running tail and what it has seen so far."""

    def __init__(self, path: Path, *, start: int = 0, poll_seconds: float = 0.05) -> None:
        self.path = path
        self.tail = Tail(path, start=start, poll_seconds=poll_seconds)
        self.changes: list[Change] = []

    async def run(self) -> None:
        async with aclosing(self.tail.__aiter__()) as changes:  # type: ignore[type-var]
            async for change in changes:
                self.changes.append(change)

    def append(self, *lines: bytes) -> None:
        with self.path.open("ab") as file:
            for line in lines:
                file.write(line + b"\n")

    @property
    def lines(self) -> list[bytes]:
        return [
            line.raw
            for change in self.changes
            if isinstance(change, Appended)
            for line in change.lines
        ]

    @property
    def damage(self) -> list[str]:
        return [change.what for change in self.changes if isinstance(change, Damaged)]

    async def wait_for(self, *lines: bytes) -> None:
        """Until these are all the lines that were seen."""
        await self.until(lambda: self.lines == list(lines))

    async def wait_for_damage(self, *what: str) -> None:
        await self.until(lambda: self.damage == list(what))

    async def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, (self.lines, self.damage, self.tail.mode)
            await asyncio.sleep(0.005)


@asynccontextmanager
async def following(path: Path, *, start: int = 0, poll: float = 0.05) -> AsyncIterator[Followed]:
    followed = Followed(path, start=start, poll_seconds=poll)
    task = asyncio.create_task(followed.run())
    try:
        yield followed
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_lines_are_seen_as_they_come(tmp_path: Path) -> None:
    async with following(tmp_path / "log") as log:
        log.append(b"one")
        await log.wait_for(b"one")
        log.append(b"two", b"three")
        await log.wait_for(b"one", b"two", b"three")
        assert log.damage == []


async def test_following_begins_where_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"one\ntwo\n")
    async with following(tmp_path / "log", start=4) as log:
        await log.wait_for(b"two")
        log.append(b"three")
        await log.wait_for(b"two", b"three")


async def test_a_start_behind_the_end_is_a_truncated_file(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"one\n")
    async with following(tmp_path / "log", start=400) as log:
        await log.wait_for(b"one")
        assert log.damage == ["truncated"]


async def test_an_unfinished_line_waits_for_its_end(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"o")
    async with following(tmp_path / "log") as log:
        log.tail.look()
        with log.path.open("ab") as file:
            file.write(b"n")
            file.flush()
            log.tail.look()
            await asyncio.sleep(0.05)
            assert log.lines == []
            file.write(b"e\ntw")
        await log.wait_for(b"one")
        log.append(b"o")
        await log.wait_for(b"one", b"two")


async def test_the_kernel_says_when_to_look(tmp_path: Path) -> None:
    (tmp_path / "log").touch()
    async with following(tmp_path / "log", poll=60.0) as log:
        await log.until(lambda: log.tail.mode == "watching")
        log.append(b"one")
        await log.wait_for(b"one")
        log.path.unlink()
        await log.wait_for_damage("deleted")
        log.append(b"two")
        await log.wait_for(b"one", b"two")
        log.append(b"three")
        await log.wait_for(b"one", b"two", b"three")


async def test_a_hint_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "log").touch()
    async with following(tmp_path / "nowhere" / "log", poll=60.0) as log:
        await asyncio.sleep(0.05)
        assert log.tail.mode == "polling"  # there is no directory to watch
        log.path.parent.mkdir()
        log.append(b"one")
        log.tail.look()
        await log.wait_for(b"one")


async def test_a_truncated_file_is_read_from_its_new_beginning(tmp_path: Path) -> None:
    """Fault 35: truncated."""
    async with following(tmp_path / "log") as log:
        log.append(b"one", b"two")
        await log.wait_for(b"one", b"two")
        os.truncate(log.path, 0)
        await log.wait_for_damage("truncated")
        log.append(b"three")
        await log.wait_for(b"one", b"two", b"three")


async def test_what_stays_of_a_truncated_file_is_not_read_twice(tmp_path: Path) -> None:
    """Fault 35: truncated in the middle of a line."""
    async with following(tmp_path / "log") as log:
        log.append(b"one", b"two", b"three")
        await log.wait_for(b"one", b"two", b"three")
        os.truncate(log.path, 10)
        await log.wait_for_damage("truncated")
        log.append(b"four")
        await log.wait_for(b"one", b"two", b"three", b"four")


@pytest.mark.parametrize("length", [3, 300, 70_000], ids=["short", "long", "too long"])
async def test_a_file_cut_in_its_first_line_goes_on_with_the_next(
    tmp_path: Path, length: int
) -> None:
    """Fault 35: truncated in front of every line end that is known."""
    async with following(tmp_path / "log") as log:
        first = b"1" * length
        log.append(first)
        seen = b"" if length > MAX_LINE_BYTES else first
        await log.wait_for(seen)
        os.truncate(log.path, length - 1)
        await log.wait_for_damage("truncated")
        log.append(b"two")
        await log.wait_for(seen, b"two")


async def test_a_new_first_line_that_is_unfinished_is_not_taken_for_an_old_one(
    tmp_path: Path,
) -> None:
    """Fault 35: recreated, and looked at in the middle of its first line."""
    async with following(tmp_path / "log") as log:
        log.append(b"first of all")
        await log.wait_for(b"first of all")
        log.path.unlink()
        await log.wait_for_damage("deleted")
        log.path.write_bytes(b"secon")
        await log.wait_for_damage("deleted", "created again")
        log.append(b"d")
        await log.wait_for(b"first of all", b"second")


async def test_a_file_written_anew_with_more_in_it_is_noticed(tmp_path: Path) -> None:
    """Fault 35: truncated and longer than before when somebody looks."""
    async with following(tmp_path / "log") as log:
        log.append(b"one")
        await log.wait_for(b"one")
        log.path.write_bytes(b"another\nand more\n")
        await log.wait_for(b"one", b"another", b"and more")
        assert log.damage in (["rewritten"], ["truncated"])


async def test_a_replaced_file_is_followed(tmp_path: Path) -> None:
    """Fault 35: replaced, and the old one written to until the end."""
    async with following(tmp_path / "log") as log:
        log.append(b"one")
        await log.wait_for(b"one")
        (tmp_path / "new").write_bytes(b"two\n")
        (tmp_path / "new").replace(log.path)
        await log.wait_for(b"one", b"two")
        assert log.damage == ["replaced"]
        log.append(b"three")
        await log.wait_for(b"one", b"two", b"three")


async def test_a_copy_in_the_files_place_is_not_read_twice(tmp_path: Path) -> None:
    """Fault 35: replaced by itself, as editors do."""
    async with following(tmp_path / "log") as log:
        log.append(b"one", b"two")
        await log.wait_for(b"one", b"two")
        (tmp_path / "copy").write_bytes(log.path.read_bytes() + b"three\n")
        (tmp_path / "copy").replace(log.path)
        await log.wait_for(b"one", b"two", b"three")


async def test_a_deleted_file_is_followed_when_it_comes_back(tmp_path: Path) -> None:
    """Fault 35: deleted, recreated, with the inode of the one before if the system likes."""
    async with following(tmp_path / "log") as log:
        seen = []
        for count in range(5):
            log.append(str(count).encode())
            seen.append(str(count).encode())
            await log.wait_for(*seen)
            log.path.unlink()
            await log.wait_for_damage(*["deleted", "created again"] * count, "deleted")
        assert log.damage.count("deleted") == 5


@pytest.mark.parametrize("kind", ["pipe", "link", "directory"])
async def test_what_is_no_file_is_said_once_and_survived(tmp_path: Path, kind: str) -> None:
    """Fault 35: replaced by something that would hang or lead astray."""
    async with following(tmp_path / "log") as log:
        log.append(b"one")
        await log.wait_for(b"one")
        log.path.unlink()
        match kind:
            case "pipe":
                os.mkfifo(log.path)
            case "link":
                log.path.symlink_to("/etc/passwd")
            case _:
                log.path.mkdir()
        await log.until(lambda: any("cannot be read" in what for what in log.damage))
        await asyncio.sleep(0.2)
        assert len(log.damage) <= 2
        log.path.rmdir() if kind == "directory" else log.path.unlink()
        log.append(b"two")
        await log.wait_for(b"one", b"two")


async def test_a_directory_that_goes_and_comes_back_is_watched_again(tmp_path: Path) -> None:
    """Fault 35: the whole directory replaced."""
    folder = tmp_path / "runtime"
    folder.mkdir()
    async with following(folder / "log") as log:
        log.append(b"one")
        await log.wait_for(b"one")
        folder.rename(tmp_path / "old")
        await log.wait_for_damage("deleted")
        folder.mkdir()
        log.append(b"two")
        await log.wait_for(b"one", b"two")
        await log.until(lambda: log.tail.mode == "watching")


async def test_a_flood_leaves_room_for_others(tmp_path: Path) -> None:
    """Fault 13: 10 MB at once, part of it in one line."""
    (tmp_path / "log").write_bytes(b"x" * 5_000_000 + b"\n" + (b"y" * 99 + b"\n") * 50_000)
    ticks = 0
    async with following(tmp_path / "log") as log:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(log.lines) < 50_001:
            assert time.monotonic() < deadline
            ticks += 1
            await asyncio.sleep(0)
    assert log.lines[0] == b""
    assert set(log.lines[1:]) == {b"y" * 99}
    assert ticks > 20


async def test_nothing_is_left_open(tmp_path: Path) -> None:
    """Fault 26: descriptors, here of a hundred tails."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(100):
        async with following(tmp_path / "log") as log:
            log.append(b"one")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("turns", range(6))
async def test_a_tail_ends_although_a_hint_comes_at_that_moment(tmp_path: Path, turns: int) -> None:
    """Fault 18: a tail that misses its end would keep the daemon from stopping."""
    followed = Followed(tmp_path / "log", poll_seconds=60.0)
    task = asyncio.create_task(followed.run())
    followed.append(b"one")
    await followed.wait_for(b"one")
    await asyncio.sleep(2 * LEAST_SECONDS)  # by now it waits, as a rule; it has to end anyhow
    followed.tail.look()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=PATIENCE_SECONDS)
    ended = task in done
    task.cancel()
    assert ended


EXHAUSTED = """
import asyncio, sys, time
from pathlib import Path
from runtime.store.jsonl import MAX_LINE_BYTES
from runtime.store.tail import LEAST_SECONDS, Appended, Tail

async def main() -> None:
    path = Path(sys.argv[1])
    tail = Tail(path)
    task = asyncio.create_task(anext(tail.__aiter__()))
    await asyncio.sleep(0.2)
    began = time.monotonic()
    path.write_bytes(b"one\\n")
    change = await task
    print(tail.mode, change.lines[0].raw.decode(), time.monotonic() - began < 2)

asyncio.run(main())
"""


def test_without_inotify_the_file_is_looked_at(tmp_path: Path) -> None:
    """Fault 36: the machine has no inotify instance left; polling within 2 s."""
    limit = 'echo 0 >/proc/sys/user/max_inotify_instances && exec "$@"'
    namespace = ["unshare", "--user", "--map-root-user", "sh", "-c", limit, "sh"]
    ran = subprocess.run(
        [*namespace, sys.executable, "-c", EXHAUSTED, str(tmp_path / "log")],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    if "max_inotify_instances" in ran.stderr or "unshare" in ran.stderr:
        pytest.skip("this machine lets nobody make a user namespace with limits of its own")
    assert (ran.stdout, ran.stderr) == ("polling one True\n", "")


class Damages(RuleBasedStateMachine):
    """Fault 35: a log under random appends, cuts, replacements and deletions.

    Every line is written once in the whole run and says its number, so that a line that was lost
    or given twice is seen. A line may be lost only by damage before anybody looked.
    """

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "log"
        self.follower = _Follower(self.path, 0)
        self.written = 0
        self.unseen: list[bytes] = []  # in the file, whole, and not looked at
        self.seen: list[bytes] = []

    @rule(count=st.integers(1, 3), size=st.sampled_from([0, 10, 300, 70_000]))
    def append(self, count: int, size: int) -> None:
        with self.path.open("ab") as file:
            for _ in range(count):
                self.written += 1
                line = b"x" * size + b"#%06d" % self.written
                file.write(line + b"\n")
                self.unseen.append(line)

    @precondition(lambda self: self.path.exists())
    @rule(part=st.floats(0, 1))
    def truncate(self, part: float) -> None:
        self.look()  # else a cut and an append make one line of two, which nobody can tell apart
        os.truncate(self.path, int(self.path.stat().st_size * part))
        self.look()

    @rule(keep=st.booleans())
    def replace(self, keep: bool) -> None:
        self.look()
        new = self.path.with_name("new")
        new.write_bytes(self.path.read_bytes() if keep and self.path.exists() else b"")
        is_torn = not (b"\n" + new.read_bytes()).endswith(b"\n")
        new.replace(self.path)
        if is_torn:
            self.look()  # as after a cut

    @precondition(lambda self: self.path.exists())
    @rule()
    def delete(self) -> None:
        status = self.path.stat()
        if self.follower._identity != (status.st_dev, status.st_ino):
            self.look()  # else it comes and goes with nobody looking
        self.path.unlink()  # what it holds unseen is read still: the follower has it open

    @rule()
    def look(self) -> None:
        while True:
            for change in self.follower.look():
                if isinstance(change, Appended):
                    self.seen += [
                        b"too long" if line.too_long else line.raw for line in change.lines
                    ]
            if not self.follower.is_behind:
                break
        expected = [b"too long" if len(line) > 65_536 else line for line in self.unseen]
        assert self.seen == expected
        self.unseen.clear()
        self.seen.clear()

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            try:
                self.look()
            finally:
                self.follower.close()
                self.folder.cleanup()


TestDamages = Damages.TestCase
TestDamages.settings = settings(max_examples=200, stateful_step_count=25, deadline=None)

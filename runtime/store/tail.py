"""Follows a file of lines that somebody else appends to, and may cut, replace or delete.

`_Follower` is the reading, plain and synchronous: one `look` at a time. `Tail` decides when to
look: when inotify says so, when the caller has a hint, and at least once a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from runtime.store.inotify import Watch
from runtime.store.jsonl import PIECE_BYTES, Line, Splitter, open_for_reading

LOOK_BYTES = 4 * PIECE_BYTES  # read before others on the event loop get a turn
MARK_BYTES = 256  # of the file in front of a place, by which the place is known again
MARKS = 4096  # line ends that are remembered
LEAST_SECONDS = 0.01  # between two looks, however many hints come
REWATCH_SECONDS = 1.0  # between two attempts to get an inotify watch


class Appended(NamedTuple):
    """New complete lines, oldest first."""

    lines: list[Line]


class Damaged(NamedTuple):
    """The file is not what it was; `what` says how, reading goes on at the offset `position`.

    Lines that were given before and are still there are not given again.
    """

    what: str
    position: int


Change = Appended | Damaged


class Tail:
    """An async iterator over what happens to the file at `path`; iterate it once.

    `start` is the end of a line known already. `mode` says how changes are noticed: "polling"
    when the machine has no inotify watch to give.
    """

    def __init__(self, path: Path, *, start: int = 0, poll_seconds: float = 1.0) -> None:
        self._path = path
        self._start = start
        self._poll_seconds = poll_seconds
        self._hint = asyncio.Event()
        self._watch: Watch | None = None
        self._next_attempt = 0.0
        self.mode: Literal["watching", "polling"] = "polling"

    def look(self) -> None:
        """A hint: something may be there. Cheap enough for every piece of terminal output."""
        self._hint.set()

    async def __aiter__(self) -> AsyncIterator[Change]:
        loop = asyncio.get_running_loop()
        follower = _Follower(self._path, self._start)
        try:
            while True:
                self._keep_watching(loop.time())
                self._hint.clear()
                looked = loop.time()
                for change in follower.look():
                    yield change
                if follower.is_behind:
                    await asyncio.sleep(0)
                    continue
                # Not `wait_for`: before Python 3.12 it loses a cancellation that meets a hint.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_seconds):
                        await self._hint.wait()
                await asyncio.sleep(max(0.0, looked + LEAST_SECONDS - loop.time()))
        finally:
            follower.close()
            self._stop_watching()

    def _keep_watching(self, now: float) -> None:
        if self._watch is not None and self._watch.is_blind:
            self._stop_watching()
            self._next_attempt = 0.0
        if self._watch is None and now >= self._next_attempt:
            self._next_attempt = now + REWATCH_SECONDS
            with contextlib.suppress(OSError):
                self._watch = Watch(self._path, self._hint.set)
                self.mode = "watching"

    def _stop_watching(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        self.mode = "polling"


class _Follower:
    """Reads on in one file by offset; knows its place again by the bytes in front of it.

    The file stays open, so its inode cannot be given to another file of the same name.
    """

    def __init__(self, path: Path, start: int) -> None:
        self._path = path
        self._descriptor = -1
        self._identity = (0, 0)  # device and inode
        self._seen = (-1, -1)  # size and mtime of the last look
        self._splitter = Splitter(start)
        self._before = b""  # the MARK_BYTES in front of the splitter's position
        self._head = b""  # the first MARK_BYTES of the file, as far as it was read
        self._marks: deque[tuple[int, int]] = deque(maxlen=MARKS)  # line end, hash of its bytes
        self._trouble: str | None = None  # said already
        self.is_behind = False

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def look(self) -> Iterator[Change]:
        """What is new since the last look; not more than LOOK_BYTES, see `is_behind`."""
        try:
            if self._is_ours(_identity_at(self._path)) or (yield from self._change_over()):
                yield from self._look()
        except OSError as error:
            self.close()
            yield from self._say(f"cannot be read ({error.strerror})")

    def _is_ours(self, identity: tuple[int, int] | None) -> bool:
        return self._descriptor >= 0 and identity == self._identity

    def _look(self) -> Iterator[Change]:
        status = os.fstat(self._descriptor)
        seen = (status.st_size, status.st_mtime_ns)
        if seen == self._seen and not self.is_behind:
            return
        self._seen = seen
        if not self._is_same_text(status.st_size):
            short = status.st_size < self._splitter.position
            self._find_place(status.st_size)
            yield Damaged("truncated" if short else "rewritten", self._splitter.line_start)
        yield from self._read()

    def _change_over(self) -> Generator[Change, None, bool]:
        """From the file that went to the one that is there now; returns whether there is one."""
        if self._descriptor >= 0:
            yield from self._read()  # what the old one got before it went
            if self.is_behind:
                return False
        try:
            descriptor = open_for_reading(self._path)
        except FileNotFoundError:
            if self._descriptor >= 0:
                yield from self._say("deleted")
            return False
        is_first = self._descriptor < 0 and self._trouble is None
        self.close()
        self._descriptor = descriptor
        status = os.fstat(descriptor)
        self._identity = (status.st_dev, status.st_ino)
        self._seen = (-1, -1)
        if is_first and self._splitter.position <= status.st_size:
            self._go_to(self._splitter.position)
        else:
            what = "truncated" if is_first else "created again" if self._trouble else "replaced"
            self._find_place(status.st_size)
            yield Damaged(what, self._splitter.line_start)
        self._trouble = None
        return True

    def _say(self, trouble: str) -> Iterator[Change]:
        if self._trouble != trouble:
            self._trouble = trouble
            yield Damaged(trouble, self._splitter.line_start)

    def _is_same_text(self, size: int) -> bool:
        position = self._splitter.position
        return size >= position and self._bytes_before(position) == self._before

    def _bytes_before(self, position: int) -> bytes:
        start = max(0, position - MARK_BYTES)
        return os.pread(self._descriptor, position - start, start)

    def _find_place(self, size: int) -> None:
        """Go to the newest line end that is still what it was, else to the beginning."""
        next_end = self._splitter.position  # of the line behind that place, or what was read of it
        if size == next_end == self._splitter.line_start and self._is_same_text(size):
            self._go_to(size)  # a copy, perhaps of a file that was cut in the middle of a line
            return
        while self._marks:
            end, mark = self._marks[-1]
            if end <= size and hash(self._bytes_before(end)) == mark:
                break
            next_end = self._marks.pop()[0]
        known = self._marks[-1][0] if self._marks else 0
        rest = os.pread(self._descriptor, LOOK_BYTES, known)
        is_torn = size < next_end and b"\n" not in rest
        if not known:  # nothing tells yet that this is the text it was
            is_torn = is_torn and self._head.startswith(rest[:MARK_BYTES])
        # Cut in the middle of a line: the next one begins where the file ends now.
        self._go_to(size if is_torn else known)

    def _go_to(self, position: int) -> None:
        self._splitter = Splitter(position)
        self._before = self._bytes_before(position)
        self._head = os.pread(self._descriptor, min(position, MARK_BYTES), 0)

    def _read(self) -> Iterator[Change]:
        limit = self._splitter.position + LOOK_BYTES
        self.is_behind = False
        while self._splitter.position < limit:
            position = self._splitter.position
            piece = os.pread(self._descriptor, PIECE_BYTES, position)
            if not piece:
                return
            window = self._before + piece
            first = position - len(self._before)
            self._before = window[-MARK_BYTES:]
            if position < MARK_BYTES:
                self._head += piece[: MARK_BYTES - position]
            lines = [line for block in self._splitter.feed(piece) for line in block.each()]
            for line in lines[-MARKS:]:
                end = line.end - first
                self._marks.append((line.end, hash(window[max(0, end - MARK_BYTES) : end])))
            if lines:
                yield Appended(lines)
        self.is_behind = True


def _identity_at(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino

"""The event log on disk: one holder, repaired at the start, appended with one synced write.

A torn last line was never acknowledged: it is cut off and kept beside. A bad line in the middle is
damage: a copy of the whole file is kept and the log goes on with everything that parses.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

from runtime.domain.errors import AlreadyRunning, PermissionRefused, StorageFailed, StorageFull
from runtime.domain.events import Event, MalformedEvent, encode, parse
from runtime.domain.state import State, apply
from runtime.store.jsonl import JsonlWriter, read_blocks

FILE_NAME = "state-events.jsonl"
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Repair(NamedTuple):
    """What was mended at the start: bad lines, their bytes, and the copy's file name."""

    lines: int
    bytes: int
    kept: str


class DirectoryLock:
    """One daemon per runtime directory, held as an flock for the life of the process."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / ".lock"
        try:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise refused(directory, error) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._fd, 200, 0).decode(errors="replace").strip()
            os.close(self._fd)
            raise AlreadyRunning(
                f"Another daemon serves {directory} already ({holder or 'it did not say who'}). "
                "Stop it first, or give this one a runtime directory of its own."
            ) from error
        self.write(f"process {os.getpid()}")  # at once: what stands there is of one that is gone

    def write(self, holder: str) -> None:
        """Say who holds it, for a second daemon's message; a full disk is no reason to stop."""
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, holder.encode(), 0)
        except OSError as error:
            if error.errno not in FULL:
                raise

    def release(self) -> None:
        """Give the directory free."""
        os.close(self._fd)


class EventLog:
    """The log of one session. Blocking: the session calls it from a thread."""

    def __init__(self, directory: Path, *, now: Callable[[], datetime]) -> None:
        self.path = directory / FILE_NAME
        self.repairs: list[Repair] = []
        self.degraded: str | None = None
        self._now = now
        self.state = State()
        try:
            self._replay()
            self._writer = JsonlWriter(self.path, mode=0o600)
        except OSError as error:
            raise refused(directory, error) from error

    @property
    def offset(self) -> int:
        """Bytes in the log; the id of its last event."""
        return self._writer.offset

    def append(self, event: Event) -> int:
        """Write and sync one event; returns the offset after it.

        Raises StorageFull or StorageFailed, and then the log is as it was.
        """
        try:
            offset = self._writer.append(encode(event), sync=True)
        except OSError as error:
            if error.errno in FULL:
                self.degraded = "The disk is full: progress cannot be saved until there is room."
                raise StorageFull(
                    "The disk is full; nothing was changed. Free some space and try again."
                ) from error
            self.degraded = f"The event log cannot be written: {error.strerror or error}."
            raise StorageFailed(
                f"The event log could not be written ({error.strerror or error}); "
                "nothing was changed."
            ) from error
        self.degraded = None
        return offset

    def close(self) -> None:
        """Close the file; every acknowledged event is on disk already."""
        self._writer.close()

    def _replay(self) -> None:
        if not self.path.exists():
            return
        bad = _fold(self.path, self.state)
        self._cut_torn_tail()
        if bad:
            self._drop_bad_lines(bad)

    def _cut_torn_tail(self) -> None:
        with self.path.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            good = _end_of_last_line(file.fileno(), size)
            if good == size:
                return
            kept = self._beside("torn")
            file.seek(good)
            with _create(kept) as copy:
                shutil.copyfileobj(file, copy)
            file.truncate(good)
            os.fdatasync(file.fileno())
        self.repairs.append(Repair(lines=1, bytes=size - good, kept=kept.name))

    def _drop_bad_lines(self, bad: list[tuple[int, int]]) -> None:
        kept = self._beside("damaged")
        mended = self.path.with_name(f"{FILE_NAME}.mending")
        with self.path.open("rb") as source:
            with _create(kept) as copy:
                shutil.copyfileobj(source, copy)
            mended.unlink(missing_ok=True)
            with _create(mended) as target:
                position = 0
                for start, end in [*bad, (os.fstat(source.fileno()).st_size, 0)]:
                    source.seek(position)
                    _copy_bytes(source.fileno(), target.fileno(), position, start - position)
                    position = end
                os.fsync(target.fileno())
        mended.replace(self.path)
        lost = sum(end - start for start, end in bad)
        self.repairs.append(Repair(lines=len(bad), bytes=lost, kept=kept.name))

    def _beside(self, what: str) -> Path:
        stamp = self._now().strftime("%Y%m%dT%H%M%SZ")
        name = f"{FILE_NAME}.{what}-{stamp}"
        path = self.path.with_name(name)
        attempt = 1
        while path.exists():
            attempt += 1
            path = self.path.with_name(f"{name}-{attempt}")
        return path


def read_state(directory: Path) -> State:
    """What a log says that nobody holds, damage passed over and nothing mended; raises OSError."""
    state = State()
    _fold(directory / FILE_NAME, state)
    return state


def refused(directory: Path, error: OSError) -> PermissionRefused | StorageFull | StorageFailed:
    """The sentence for a runtime directory that cannot be used."""
    if error.errno in FULL:
        return StorageFull(
            f"The disk that holds {directory} is full; free some space and start again."
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        mend = (
            "mount it writable"
            if error.errno == errno.EROFS
            else f"run `chown -R {os.getuid()} {directory}` on the machine that holds it"
        )
        return PermissionRefused(
            f"{directory} cannot be written ({error.strerror}); to mend it, {mend}."
        )
    at = error.filename if isinstance(error.filename, str) else directory
    return StorageFailed(f"{at} cannot be used: {error.strerror or error}.")


def _fold(path: Path, state: State) -> list[tuple[int, int]]:
    """Fold every good line into `state`; the byte ranges of the bad ones."""
    bad: list[tuple[int, int]] = []
    for block in read_blocks(path):
        malformed: list[int] = []
        for index, raw in enumerate(block.lines):
            try:
                apply(state, parse(raw))
            except MalformedEvent:
                malformed.append(index)
        if malformed:
            lines = list(block.each())
            bad.extend((lines[index].start, lines[index].end) for index in malformed)
    return bad


def _create(path: Path) -> BinaryIO:
    return os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb"
    )


def _end_of_last_line(fd: int, size: int) -> int:
    """The offset after the last newline before `size`."""
    step = 64 * 1024
    end = size
    while end > 0:
        start = max(0, end - step)
        found = os.pread(fd, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _copy_bytes(source: int, target: int, start: int, count: int) -> None:
    while count > 0:
        piece = os.pread(source, min(count, 1 << 20), start)
        if not piece:
            return
        written = os.write(target, piece)  # may be less than all of it when the disk fills up
        start += written
        count -= written

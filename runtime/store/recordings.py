"""The casts of a runtime directory: start one, list all, open one by a name from outside.

Whoever asks for a recording names a file of this one directory and nothing else: no folders, no
symbolic links, no other kinds of files.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from runtime.domain.asciicast import Header, encode_header, parse_event, parse_header
from runtime.domain.errors import NotFound
from runtime.store.allowance import Allowance, WhenFull

SUFFIX = ".cast"
MAX_NAME_BYTES = 255  # of a file name, in most file systems
HEADER_BYTES = 64 * 1024  # a first line longer than this is no header
TAIL_BYTES = 128 * 1024  # holds the last event: a line has at most 64 KiB
SAME_SECOND = 100  # recordings of one terminal that may start in the same second
FOLLOWED_SECONDS = 10.0  # a foreign file that changed this recently is being written

OURS = re.compile(
    r"session-(?P<start>\d{8}T\d{6}Z)-(?P<terminal>[a-z0-9-]{1,32})(\.(?P<number>\d{1,9}))?\.cast"
)


class RecordingInfo(NamedTuple):
    """One cast file; `live` while it is being written."""

    name: str
    terminal: str | None
    started: datetime | None
    bytes: int
    duration_ms: int | None
    live: bool


class OpenRecording(NamedTuple):
    """A cast opened for reading; whoever has it closes `descriptor`."""

    descriptor: int
    size: int
    etag: str
    modified: float


class CastFile:
    """A cast being written, whole lines at a time. Its methods block."""

    def __init__(
        self,
        descriptor: int,
        name: str,
        *,
        take: Callable[[int], None],
        on_close: Callable[[str], None],
    ) -> None:
        self.name = name
        self.offset = 0  # end of the last whole line
        self._descriptor = descriptor
        self._take = take
        self._on_close = on_close

    def append(self, lines: bytes) -> None:
        """Write whole lines; raises OSError when not all could be written.

        Only whole lines are in the file then, too.
        """
        self._take(len(lines))
        written = os.write(self._descriptor, lines)
        if written == len(lines):
            self.offset += written
            return
        self.offset += lines.rfind(b"\n", 0, written) + 1
        # Should this fail too the last line stays torn, which readers expect of any file.
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, self.offset)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.name)

    def close(self) -> None:
        """Close the file; harmless when it is closed already."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self._on_close(self.name)


class Recordings:
    """The casts in one directory. Methods block; call them in a thread."""

    def __init__(
        self,
        directory: Path,
        *,
        limit_bytes: int = 1 << 30,
        when_full: WhenFull = "stop",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._writing: set[str] = set()
        self._allowance = Allowance(directory, limit_bytes, when_full, self._oldest)
        self._known: dict[tuple[int, int, int], tuple[datetime | None, int | None]] = {}

    def create(self, terminal: str, started: datetime, header: Header) -> CastFile:
        """Start the recording of a terminal, its header written; raises OSError."""
        stem = f"session-{started.astimezone(UTC):%Y%m%dT%H%M%SZ}-{terminal}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        for number in range(1, SAME_SECOND + 1):
            name = stem + (f".{number}" if number > 1 else "") + SUFFIX
            try:
                descriptor = os.open(self._directory / name, flags, 0o600)
            except FileExistsError:
                continue
            self._writing.add(name)
            file = CastFile(
                descriptor, name, take=self._allowance.take, on_close=self._writing.discard
            )
            try:
                file.append(encode_header(header))
            except OSError:
                file.close()
                with contextlib.suppress(OSError):
                    os.unlink(self._directory / name)  # noqa: PTH108  # beside os.open
                raise
            return file
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), stem + SUFFIX)

    def list(self) -> list[RecordingInfo]:
        """Every cast here, oldest start first; foreign ones too."""
        found = []
        with contextlib.suppress(FileNotFoundError), os.scandir(self._directory) as entries:
            names = [entry.name for entry in entries if _is_cast_name(entry.name)]
            for name in names:
                with contextlib.suppress(NotFound):
                    found.append(self._describe(name))
        return sorted(found, key=_age)

    def open(self, name: str) -> OpenRecording:
        """Open one for reading; raises NotFound for every name that is not a cast right here."""
        if not _is_cast_name(name):
            raise _no_such()
        # O_NONBLOCK: opening a FIFO must not wait for its writer.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(self._directory / name, flags)
        except OSError as error:
            raise _no_such() from error
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise _no_such()
        etag = f'"{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}"'
        return OpenRecording(descriptor, status.st_size, etag, status.st_mtime)

    def path(self, name: str) -> Path:
        """Where a cast lies; raises NotFound as `open` does."""
        os.close(self.open(name).descriptor)
        return self._directory / name

    def is_live(self, name: str) -> bool:
        """Whether it is being written; a foreign one, by when it last grew. Raises NotFound."""
        opened = self.open(name)
        os.close(opened.descriptor)
        return self._is_live(name, opened)

    def delete(self, name: str) -> None:
        """Remove one that is not being written by us; raises NotFound and OSError."""
        self.path(name).unlink(missing_ok=True)
        self._allowance.look_again()

    def _oldest(self, names: Iterable[str]) -> Sequence[str]:
        """Ours that are not being written, oldest first."""
        return sorted(name for name in names if OURS.fullmatch(name) and name not in self._writing)

    def _is_live(self, name: str, opened: OpenRecording) -> bool:
        recent = self._clock() - opened.modified < FOLLOWED_SECONDS
        return name in self._writing or (not OURS.fullmatch(name) and recent)

    def _describe(self, name: str) -> RecordingInfo:
        opened = self.open(name)
        try:
            started, duration_ms = self._inside(opened)
        finally:
            os.close(opened.descriptor)
        ours = OURS.fullmatch(name)
        if ours and started is None:
            with contextlib.suppress(ValueError):  # anybody may name a file so
                named = datetime.strptime(ours["start"], "%Y%m%dT%H%M%SZ")
                started = named.replace(tzinfo=UTC)
        return RecordingInfo(
            name=name,
            terminal=ours["terminal"] if ours else None,
            started=started,
            bytes=opened.size,
            duration_ms=duration_ms,
            live=self._is_live(name, opened),
        )

    def _inside(self, opened: OpenRecording) -> tuple[datetime | None, int | None]:
        """Start and length as the file itself says; remembered until the file changes."""
        status = os.fstat(opened.descriptor)
        key = (status.st_ino, status.st_size, status.st_mtime_ns)
        if key not in self._known:
            if len(self._known) > 1000:
                self._known.clear()
            self._known[key] = _look_inside(opened.descriptor, status.st_size)
        return self._known[key]


def _look_inside(descriptor: int, size: int) -> tuple[datetime | None, int | None]:
    first, newline, _ = os.pread(descriptor, HEADER_BYTES, 0).partition(b"\n")
    header = parse_header(first) if newline else None
    if header is None:
        return None, None
    started = None
    if header.timestamp is not None:
        with contextlib.suppress(OverflowError, ValueError, OSError):
            started = datetime.fromtimestamp(header.timestamp, UTC)
    if header.version != 2:  # version 3 counts from event to event
        return started, None
    start = max(len(first) + 1, size - TAIL_BYTES)
    lines = os.pread(descriptor, TAIL_BYTES, start).split(b"\n")
    for line in reversed(lines[:-1]):
        event = parse_event(line)
        if event is not None and 0 <= event.seconds < 1e9:
            return started, round(event.seconds * 1000)
    return started, 0


def _age(recording: RecordingInfo) -> tuple[datetime, int, str]:
    """Sorts by start; those of one terminal that began in the same second by their number."""
    ours = OURS.fullmatch(recording.name)
    number = int(ours["number"] or 1) if ours else 1
    return recording.started or datetime.fromtimestamp(0, UTC), number, recording.name


def _is_cast_name(name: str) -> bool:
    return (
        name.endswith(SUFFIX)
        and not name.startswith(".")
        and "/" not in name
        and name.isprintable()
        and len(name.encode("utf-8", "surrogateescape")) <= MAX_NAME_BYTES
    )


def _no_such() -> NotFound:
    return NotFound("There is no such recording.")

"""Files of one JSON object per line: append to one, read one.

A line is bytes up to `\\n`, at most 64 KiB; whoever writes does so with one `write(2)` to an
`O_APPEND` descriptor. Files may be hostile here: `parse_object` never raises, readers hold one
line at most in memory, `Tail` expects the file to be cut, replaced and deleted under it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import orjson

MAX_LINE_BYTES = 64 * 1024  # without the newline
# A piece no longer than a line may be: only its first line, begun in an earlier piece, can be
# too long, so the others need no look at their length.
PIECE_BYTES = MAX_LINE_BYTES


class Line(NamedTuple):
    """One complete line: `raw` without its newline, `start` and `end` as offsets in the file.

    `end` is behind the newline. A line over 64 KiB has `too_long` set and nothing in `raw`.
    """

    start: int
    end: int
    raw: bytes
    too_long: bool = False


class Block(NamedTuple):
    """Neighbouring complete lines, without their newlines; the cheapest way through a large file.

    `too_long` says that this block stands for one line over 64 KiB, given as `b""`.
    """

    start: int
    end: int
    lines: list[bytes]
    too_long: bool = False

    def each(self) -> Iterator[Line]:
        """The lines with their offsets."""
        if self.too_long:
            yield Line(self.start, self.end, b"", True)
            return
        start = self.start
        for raw in self.lines:
            end = start + len(raw) + 1
            yield Line(start, end, raw)
            start = end


def parse_object(raw: bytes) -> dict[str, object] | None:
    """The JSON object in `raw`; None for everything else, whatever the bytes. Never raises."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


class JsonlWriter:
    """The one writer of a file: every line whole, or not there at all.

    A file that does not end in a newline is given one in front of the first new line, so that
    nothing is ever glued to a torn line.
    """

    def __init__(self, path: Path, *, mode: int = 0o600) -> None:
        self.path = path
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(path, flags, mode)
        self.offset = os.fstat(self._descriptor).st_size
        self._torn = self.offset > 0 and os.pread(self._descriptor, 1, self.offset - 1) != b"\n"
        self._uncertain = False  # bytes of a failed append may still be behind `offset`

    def append(self, raw: bytes, *, sync: bool = False) -> int:
        """Write one line, with `sync` down to the disk; returns the offset behind it. Blocks.

        Raises OSError, with the file as it was before, when it cannot be written or synced, and
        ValueError for something that is not one line.
        """
        if b"\n" in raw or len(raw) > MAX_LINE_BYTES:
            raise ValueError(
                f"expected one line of at most {MAX_LINE_BYTES} bytes, found {len(raw)}"
            )
        if self._uncertain:
            self._cut_back()
        piece = b"\n" + raw + b"\n" if self._torn else raw + b"\n"
        try:
            written = os.write(self._descriptor, piece)
            if written != len(piece):
                raise OSError(errno.ENOSPC, "only a part of the line was written", str(self.path))
            if sync:
                os.fdatasync(self._descriptor)
        except BaseException:
            self._uncertain = True
            # Should this fail too, the next append tries again before it writes.
            with contextlib.suppress(OSError):
                self._cut_back()
            raise
        self.offset += written
        self._torn = False
        return self.offset

    def _cut_back(self) -> None:
        if os.fstat(self._descriptor).st_size > self.offset:
            os.ftruncate(self._descriptor, self.offset)
        self._uncertain = False

    def close(self) -> None:
        """Close the file; harmless when it is closed already."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Splitter:
    """Pieces of a file in, complete lines out; holds at most one unfinished line."""

    def __init__(self, start: int) -> None:
        self.line_start = start
        self.position = start  # behind the last byte fed
        self._rest = b""
        self._skipping = False

    def feed(self, piece: bytes) -> Iterator[Block]:
        """The lines that `piece`, of at most PIECE_BYTES, completes."""
        self.position += len(piece)
        if self._skipping:
            newline = piece.find(b"\n")
            if newline < 0:
                return
            piece = piece[newline + 1 :]
            yield self._too_long(self.position - len(piece))
        lines = (self._rest + piece).split(b"\n")
        self._rest = lines.pop()
        if lines and len(lines[0]) > MAX_LINE_BYTES:
            yield self._too_long(self.line_start + len(lines[0]) + 1)
            del lines[0]
        if lines:
            start, self.line_start = self.line_start, self.position - len(self._rest)
            yield Block(start, self.line_start, lines)
        if len(self._rest) > MAX_LINE_BYTES:
            self._rest = b""
            self._skipping = True

    def _too_long(self, end: int) -> Block:
        start, self.line_start = self.line_start, end
        self._skipping = False
        return Block(start, end, [b""], too_long=True)


def open_for_reading(path: Path) -> int:
    """A descriptor of the regular file at `path`; OSError for a FIFO, a link, a device.

    The student may put anything in the place of a log of his own; none of it may hang us.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "expected a regular file", str(path))
    return descriptor


def read_blocks(
    source: Path | int, start: int = 0, *, limit_bytes: int | None = None
) -> Iterator[Block]:
    """The complete lines of a file, or of an open descriptor, from the offset `start` on.

    With `limit_bytes` only that many bytes are read. An unfinished last line is left out. Flat
    memory; the position of a descriptor is neither used nor changed. Raises OSError.
    """
    descriptor = source if isinstance(source, int) else open_for_reading(source)
    splitter = Splitter(start)
    end = None if limit_bytes is None else start + limit_bytes
    try:
        while True:
            wanted = PIECE_BYTES if end is None else min(PIECE_BYTES, end - splitter.position)
            piece = os.pread(descriptor, wanted, splitter.position) if wanted > 0 else b""
            if not piece:
                return
            yield from splitter.feed(piece)
    finally:
        if descriptor is not source:
            os.close(descriptor)


def read_lines(
    source: Path | int, start: int = 0, *, limit_bytes: int | None = None
) -> Iterator[Line]:
    """As `read_blocks`, line by line."""
    for block in read_blocks(source, start, limit_bytes=limit_bytes):
        yield from block.each()

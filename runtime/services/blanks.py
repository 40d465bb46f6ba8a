"""Cells that nothing was written to, beside text of a style that would show on them.

The library's formatter gives such cells as spaces in the style of what comes before: a word on a
coloured ground would run on to the next one. Here a terminal is told to pass over them instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Protocol

WITHIN_BYTES = 128 * 1024  # of the end of a redraw, where the screen is: the rest takes too long
MOST_CELLS = 4000  # looked at for one redraw, the newest first; each takes some 3 us

# Text on a ground, underlined, inverse, struck through or overlined.
SEEN = rb"\x1b\[(?:48;[\d;]*|4(?::\d)?|7|9|53)m"
OTHERS = rb"(?:\x1b\[[\d;:]*m)*"
SEEN_SPACE = re.compile(SEEN + OTHERS + rb"[^\x1b ]* ")
SEGMENT = re.compile(rb"\x1b\[0m(?:\x1b\[[\d;:]*m)*?" + SEEN + OTHERS + rb"([^\x1b]*)")
SPACES = re.compile(rb" +")
ESCAPES = re.compile(rb"\x1b(?:\][^\x1b\x07]*(?:\x1b\\|\x07)|\[[^a-zA-Z]*[a-zA-Z]|[()].|.)")
FORWARD = b"\x1b[%dC"


class Grid(Protocol):
    """The cells that a text was made from."""

    cols: int

    def is_empty(self, x: int, y: int) -> bool:
        """Whether nothing was written there, not even a ground."""

    def goes_on(self, y: int) -> bool:
        """Whether the row goes on with the line of the row above."""

    def width(self, text: str) -> int:
        """In columns."""


def passed_over(body: bytes, last_row: int, grid: Grid, *, joined: bool) -> bytes:
    """`body` with its empty cells left empty; when `joined`, a line of it may be several rows."""
    if not SEEN_SPACE.search(body, max(0, len(body) - WITHIN_BYTES)):
        return body
    start = body.find(b"\r\n", len(body) - WITHIN_BYTES) + 2 if len(body) > WITHIN_BYTES else 0
    if start == 1:
        return body  # one line as long as that
    lines = body[start:].split(b"\r\n")
    row, looked = last_row, 0
    for number in reversed(range(len(lines))):
        line = lines[number]
        if (
            joined and len(line) > grid.cols // 2
        ):  # else it has no room for two rows, whatever it holds
            while row > 0 and grid.goes_on(row):
                row -= 1
        spaces = list(_seen_spaces(line))
        looked += sum(stop - start for start, stop in spaces)
        if looked > MOST_CELLS:
            break
        lines[number] = _line(line, spaces, row, grid)
        row -= 1
    return body[:start] + b"\r\n".join(lines)


def _seen_spaces(line: bytes) -> Iterator[tuple[int, int]]:
    for segment in SEGMENT.finditer(line):
        for spaces in SPACES.finditer(line, *segment.span(1)):
            yield spaces.span()


def _line(line: bytes, spaces: list[tuple[int, int]], row: int, grid: Grid) -> bytes:
    """One walk along the line: a program decides how long it is, and nobody may wait for that."""
    parts: list[bytes] = []
    taken, measured, columns, is_ascii = 0, 0, 0, True
    for start, stop in spaces:
        text = ESCAPES.sub(b"", line[measured:start]).decode("utf-8", "replace")
        measured = start
        columns += grid.width(text)
        is_ascii = is_ascii and text.isascii()
        further, column = divmod(columns, grid.cols)
        if further and not is_ascii:
            break  # a wide character may have left a gap at the end of a row: all later ones, too
        # Behind a full row a terminal waits at its end.
        is_known = further == 0 or column > 0
        if is_known and column + stop - start <= grid.cols:
            cells = [grid.is_empty(column + each, row + further) for each in range(stop - start)]
            parts += [line[taken:start], _drawn(cells)]
            taken = stop
    return b"".join((*parts, line[taken:]))


def _drawn(cells: list[bool]) -> bytes:
    runs = ((empty, len(list(each))) for empty, each in groupby(cells))
    return b"".join(FORWARD % size if empty else b" " * size for empty, size in runs)

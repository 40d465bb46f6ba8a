"""The single cells of a screen, scroll-back included; looking at many of them takes long."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_bool, c_int, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p

from runtime.services.ghostty import GridRef, Point, load


class Cells:
    """The cells of one terminal as it is now; rows count from the oldest of the scroll-back."""

    def __init__(self, terminal: c_void_p, cols: int) -> None:
        self._library = load()
        self._terminal = terminal
        self.cols = cols
        self._ref = GridRef(ctypes.sizeof(GridRef))
        self._point = Point(self._library.number("GhosttyPointTag", "SCREEN"))
        self._text = self._library.number("GhosttyCellContentTag", "CODEPOINT")
        self._kind, self._character, self._continues = (
            self._library.number(f"Ghostty{data}", name)
            for data, name in (
                ("CellData", "CONTENT_TAG"),
                ("CellData", "CODEPOINT"),
                ("RowData", "WRAP_CONTINUATION"),
            )
        )

    @property
    def rows(self) -> int:
        """How many there are."""
        total = c_size_t()
        kind = self._library.number("GhosttyTerminalData", "TOTAL_ROWS")
        self._library.terminal_get(self._terminal, kind, byref(total))
        return total.value

    def is_empty(self, x: int, y: int) -> bool:
        """Whether nothing was written there, not even a ground."""
        cell, kind, character = c_uint64(), c_int(), c_uint32()
        if not self._find(x, y) or self._library.grid_ref_cell(byref(self._ref), byref(cell)) != 0:
            return False
        self._library.cell_get(cell, self._kind, byref(kind))
        self._library.cell_get(cell, self._character, byref(character))
        return kind.value == self._text and character.value == 0

    def goes_on(self, y: int) -> bool:
        """Whether the row goes on with the line of the row above."""
        row, continues = c_uint64(), c_bool()
        if not self._find(0, y) or self._library.grid_ref_row(byref(self._ref), byref(row)) != 0:
            return False
        self._library.row_get(row, self._continues, byref(continues))
        return continues.value

    def width(self, text: str) -> int:
        """In columns."""
        if text.isascii():
            return len(text)
        points = (c_uint32 * len(text))(*map(ord, text))
        width, columns, at = c_uint8(), 0, 0
        while at < len(text):
            rest = ctypes.cast(byref(points, at * 4), POINTER(c_uint32))
            taken = self._library.unicode_grapheme_width(rest, len(text) - at, byref(width))
            columns += width.value
            at += max(1, taken)
        return columns

    def _find(self, x: int, y: int) -> bool:
        self._point.value.x, self._point.value.y = x, y
        found = self._library.terminal_grid_ref(self._terminal, self._point, byref(self._ref))
        return bool(found == 0)

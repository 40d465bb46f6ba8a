"""A small copy of a student's terminal: fed what it printed, asked what it shows now.

pyghostty (libghostty-vt) draws it; it has no scroll-back and never answers a query.
"""

from __future__ import annotations

import re
from typing import Any

SEQUENCE = re.compile(
    r"\x1b\[[0-9;:]*m"  # a style: the only one that stays
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # palette, title
    r"|\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-_]|[\x00-\x09\x0b-\x1a\x1c-\x1f\x7f]"
)
STYLE = re.compile(r"\x1b\[[0-9;:]*m")
MOST_CELLS = (400, 200)  # of a thumbnail; a larger terminal is cut
MOST_TEXT = 128 * 1024  # characters of a picture; one with more in it is shown without colours


class Screen:
    """Make it in a thread the first time: importing the library takes 0.2 s."""

    def __init__(self, cols: int, rows: int) -> None:
        from pyghostty import core  # type: ignore[import-untyped]  # has none
        from pyghostty._ffi import lib  # type: ignore[import-untyped]

        self._core: Any = core  # Any: the binding has no types
        self._lib: Any = lib
        self._terminal: Any = core.Terminal(*_bounded(cols, rows), scrollback=0)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        cols, rows = self._terminal.size
        return int(cols), int(rows)

    def feed(self, text: str) -> None:
        """What the terminal printed."""
        self._terminal.feed(text.encode("utf-8", "replace"))

    def resize(self, cols: int, rows: int) -> None:
        """Another size."""
        self._terminal.resize(*_bounded(cols, rows))

    def text(self) -> str:
        """The rows from top to bottom, with colours as SGR sequences and no other sequence."""
        core, lib = self._core, self._lib
        cols, rows = self.size
        selection = core.init_sized("GhosttySelection")
        selection.start = self._terminal.ref(0, 0)[0]
        selection.end = self._terminal.ref(cols - 1, rows - 1)[0]
        options = core.init_sized("GhosttyTerminalSelectionFormatOptions")
        options.emit = lib.GHOSTTY_FORMATTER_FORMAT_VT
        options.unwrap, options.trim, options.selection = False, True, selection
        handle = self._terminal._t[0]
        drawn = core.read_buf(
            lambda buffer, size, needed: lib.ghostty_terminal_selection_format_buf(
                handle, options[0], buffer, size, needed
            )
        )
        return plain(str(drawn))

    def close(self) -> None:
        """Free its memory."""
        self._terminal.close()


def plain(drawn: str) -> str:
    """The text with no control characters but line feeds and styles."""
    text = SEQUENCE.sub(lambda found: found[0] if STYLE.fullmatch(found[0]) else "", drawn)
    return text if len(text) <= MOST_TEXT else STYLE.sub("", text)[:MOST_TEXT]


def _bounded(cols: int, rows: int) -> tuple[int, int]:
    return min(max(cols, 2), MOST_CELLS[0]), min(max(rows, 1), MOST_CELLS[1])

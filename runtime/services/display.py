"""A terminal's output as a stream of bytes with absolute offsets, and the picture it amounts to."""

from __future__ import annotations

import logging
import re

from runtime.services.ghostty import ScreenUnavailable
from runtime.services.plain import first_to_show
from runtime.services.ring import Ring
from runtime.services.screen import RESET, Screen

RING_BYTES = 1 << 20  # a page that was away for less continues where it was
DRAW_BYTES = 768 * 1024  # drawn in pieces of this size, or when the picture is needed
HEAD_BYTES = 4096  # of output that is not drawn otherwise

# A redraw ends before one of these. What comes then owes nothing to the character before it, as an
# accent, the next part of an emoji or "repeat that character" would.
FRESH_START = re.compile(rb"[\r\n]|\x1b(?!\[\d*(?:b|\Z)|\Z)")
START_WITHIN_BYTES = 4096

# What a program may have left behind; the text on the screen stays.
AFRESH = (
    b"\x1b[!p\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1l\x1b>\x1b(B\x0f"
    b"\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1004l\x1b[?1006l\x1b[?2004l\r\n"
)

log = logging.getLogger("workshop.terminal")


class Display:
    """The newest output in `ring`, and the screen, whose `size` is in columns and rows.

    Pages get what was there when it was last shown.

    The screen is made on first use: loading its library is no part of a start.
    """

    def __init__(self, size: tuple[int, int], start: int) -> None:
        self.ring = Ring(RING_BYTES, start)
        self._asked = (start, b"")  # what was asked for last, and its offset
        self.shown = start  # offset up to which pages get output
        self.size = size
        self._drawn = start  # offset up to which the screen is drawn
        self._screen: Screen | None = None

    def add(self, data: bytes) -> None:
        """More output."""
        self.ring.append(data)
        if self.ring.end - self._drawn >= DRAW_BYTES:
            self._draw_if_possible(leaves_rest=True, is_needed=False)

    def show(self) -> None:
        """Pages get everything that came."""
        self.shown = self.ring.end

    def output(self, offset: int, size: int) -> bytes:
        """`size` bytes from `offset` on; the same object for all who ask for the same."""
        asked, data = self._asked
        if asked != offset or len(data) != size:
            data = self.ring.read(offset, size)
            self._asked = offset, data
        return data

    def resize(self, cols: int, rows: int) -> None:
        """Another size from here on; what came before was meant for the one before."""
        self._draw_if_possible()
        self.size = cols, rows
        if self._screen is not None:
            self._screen.resize(cols, rows)

    def redraw(self) -> bytes:
        """Bytes that draw what is shown now, anywhere."""
        return self._redraw(leaves_rest=False)

    def rejoin(self) -> tuple[bytes, int]:
        """Bytes that draw what is shown, and the offset of the output that goes on from there.

        That may be a little before the newest output, where a terminal owes nothing to what it
        drew before.
        """
        return self._redraw(leaves_rest=True), self._drawn

    def afresh(self) -> bytes:
        """Output that takes back what a program left behind, before another shell begins."""
        try:
            return self._draw().leave_alternate() + AFRESH
        except ScreenUnavailable:
            return AFRESH

    def close(self) -> None:
        """Free the screen's memory."""
        if self._screen is not None:
            self._screen.close()
            self._screen = None

    def _redraw(self, *, leaves_rest: bool) -> bytes:
        try:
            return self._draw(leaves_rest=leaves_rest).redraw()
        except ScreenUnavailable as error:
            log.error("the screen cannot be redrawn, the latest output must do: %s", error)
            self._drawn = self.ring.end
            return RESET + self.ring.read(self.ring.start, RING_BYTES)

    def _draw(self, *, leaves_rest: bool = False, is_needed: bool = True) -> Screen:
        """The screen with everything drawn that came; raises ScreenUnavailable.

        The rest is what follows the last fresh start. When the picture is not needed, nothing is
        drawn that more output may push out.
        """
        if self._screen is None:
            self._screen = Screen(*self.size)
        self._drawn = max(self._drawn, self.ring.start)
        is_shortened = self._pass_over(self._screen)
        if is_needed or not is_shortened:
            output = self.ring.read(self._drawn, RING_BYTES)
            if leaves_rest:
                output = output[: _fresh_start(output)]
            self._screen.feed(output)
            self._drawn += len(output)
        return self._screen

    def _pass_over(self, screen: Screen) -> bool:
        """Leave out what later output has pushed out; whether there was any."""
        first = first_to_show(self.ring, self._drawn, screen.most_lines)
        if first == self._drawn:
            return False
        # The beginning may end a sequence of earlier output, and tells whether lines are pushed.
        head = self.ring.read(self._drawn, HEAD_BYTES)
        head = head[: head.rfind(b"\n") + 1] or head
        self._drawn += len(head)
        if not screen.scrolls(head):
            return False
        self._drawn = first
        return True

    def _draw_if_possible(self, *, leaves_rest: bool = False, is_needed: bool = True) -> None:
        try:
            self._draw(leaves_rest=leaves_rest, is_needed=is_needed)
        except ScreenUnavailable:
            self._drawn = self.ring.end  # said when somebody needs it


def _fresh_start(output: bytes) -> int:
    """Where the last one is, or the end when there is none near it."""
    near = max(0, len(output) - START_WITHIN_BYTES)
    starts = [found.start() for found in FRESH_START.finditer(output, near)]
    return starts[-1] if starts else len(output)

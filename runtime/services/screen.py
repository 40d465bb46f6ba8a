"""What a terminal shows, kept on the server: the screen, its scroll-back, modes and title.

libghostty-vt does it. A screen never answers: no reply of it can reach a program, no file is read
for it.
"""

from __future__ import annotations

import ctypes
import re
from ctypes import byref, c_bool, c_int, c_size_t, c_uint16, c_void_p
from typing import Any

from runtime.services import blanks
from runtime.services.cells import Cells
from runtime.services.ghostty import (
    FormatOptions,
    Mode,
    ScreenExtra,
    ScreenUnavailable,
    String,
    TerminalExtra,
    load,
)

SCROLLBACK_LINES = 5_000  # what a page keeps, and so the least that is kept here
SCROLLBACK_BYTES = 4 << 20, 16 << 20  # at least and at most, however wide the terminal is
CONTINUATION_BYTES = 4096  # of an escape sequence whose end has not come yet
TITLE_CHARACTERS = 200
LEAST_CELL_BYTES = 8  # of the scroll-back; plain output beyond that leaves no trace
BLOCK_LINES = 600  # the library gives up that many at once, or fewer
SPARE_LINES = 2 * 1000  # the screen itself, and room for doubt
TAIL_WITHIN_BYTES = 1024
CLUSTERS = 2027  # the mode in which a cluster is as wide as it looks
CELL_PIXELS = (8, 16)

RESET = b"\x1bc"
HOME = b"\x1b[H"
GROUND = b"\x1b[48;"
STYLE_OFF = b"\x1b[0m"
LINK = b"\x1b]8;"
ORIGIN = b"\x1b[?6h"  # rows count from the top of the scrolling region
MODES = re.compile(rb"\A(?:\x1b\[\??\d+[hl])*")
ALTERNATE = re.compile(rb"\x1b\[\?(?:47|1047|1049)h")
REGION = re.compile(rb"\x1b\[(\d+);\d+r")
TAIL = re.compile(rb"\x1b\[(?:\d+;\d+[rsH]|>4;\d+m)")  # nothing of a text looks like these
CURSOR = re.compile(rb"\x1b\[(\d+);(\d+)H")
CUT = b"\x1b[%dG\x1b[K\x1b[%dG"
LEAVE_ALTERNATE = b"\x1b[?1049l"


class Screen:
    """One terminal's screen. Feed it all output; `redraw` gives bytes that draw it elsewhere."""

    def __init__(self, cols: int, rows: int) -> None:
        self._library = load()
        self._handle = c_void_p()
        self._cols, self._rows = cols, rows
        self._check(self._library.terminal_new(None, byref(self._handle), cols, rows), "new")
        for name, value in (
            ("SCROLLBACK_MAX_LINES", c_size_t(1 << 30)),
            ("CONTINUATION_MAX_BYTES", c_size_t(CONTINUATION_BYTES)),
            # Images would be memory that a student decides on, and files that root reads for them.
            ("KITTY_IMAGE_STORAGE_LIMIT", ctypes.c_uint64(0)),
            ("KITTY_IMAGE_MEDIUM_FILE", c_bool(False)),
            ("KITTY_IMAGE_MEDIUM_TEMP_FILE", c_bool(False)),
            ("KITTY_IMAGE_MEDIUM_SHARED_MEM", c_bool(False)),
            ("APC_MAX_BYTES", c_size_t(CONTINUATION_BYTES)),
            # A page measures a cluster of characters as a whole, and so does this.
            ("MODE_DEFAULT", Mode(CLUSTERS, True)),
            ("MODE", Mode(CLUSTERS, True)),
        ):
            self._set(name, value)
        self._set("SCROLLBACK_MAX_BYTES", c_size_t(scrollback_bytes(cols)))

    @property
    def most_lines(self) -> int:
        """How many it keeps at most, those of the screen itself among them."""
        return SPARE_LINES + scrollback_bytes(self._cols) // (LEAST_CELL_BYTES * self._cols)

    def feed(self, data: bytes) -> None:
        """Draw `data`."""
        self._library.terminal_vt_write(self._handle, data, len(data))

    def scrolls(self, lines: bytes) -> bool:
        """Draw `lines`; whether they were text, and others moved into the scroll-back for them.

        None does within a sequence without end, below a scrolling region, on an alternate screen.
        """
        before = self._scrolled()
        self.feed(lines)
        return self._is_ground() and self._scrolled() != before  # the oldest are given up at times

    def resize(self, cols: int, rows: int) -> None:
        """Another size; lines flow anew, but for the cursor's: its program draws that itself."""
        if cols < self._cols:
            self._cut_cursor_line(cols)
        self._cols, self._rows = cols, rows
        self._set("SCROLLBACK_MAX_BYTES", c_size_t(scrollback_bytes(cols)))
        self._check(self._library.terminal_resize(self._handle, cols, rows, *CELL_PIXELS), "resize")

    def _cut_cursor_line(self, cols: int) -> None:
        """What a page does with the line of the cursor when it has fewer columns for it."""
        x = c_uint16()
        self._get("CURSOR_X", x, self._handle)
        if self._is_ground() and not self._is_alternate():
            cut = CUT % (cols + 1, min(x.value, cols - 1) + 1)
            self.feed(cut)

    def _is_ground(self) -> bool:
        """Whether no sequence or character is half here."""
        is_ground = c_bool()
        self._get("VT_GROUND", is_ground, self._handle)
        return is_ground.value

    def _scrolled(self) -> int:
        """Rows of the scroll-back."""
        rows = c_size_t()
        self._get("SCROLLBACK_ROWS", rows, self._handle)
        return rows.value

    def _is_alternate(self) -> bool:
        active = c_int()
        self._get("ACTIVE_SCREEN", active, self._handle)
        return active.value == self._library.number("GhosttyTerminalScreen", "ALTERNATE")

    def redraw(self) -> bytes:
        """Bytes that make any terminal of this size show the same and go on in the same way.

        They reset it first, hold no query that it would answer, and end with what has come so far
        of a sequence or character that is not whole yet.
        """
        parts = [RESET]
        is_alternate = self._is_alternate()
        # Lines do not flow there, and a program that moves rows about leaves wrong joins behind.
        shown = self._format(self._handle, unwrap=not is_alternate)
        modes = MODES.match(shown)
        assert modes is not None  # it matches nothing, too
        body = shown[modes.end() :]
        if switch := ALTERNATE.search(modes[0]):
            parts += [self._primary(), switch[0], HOME]
        parts.append(
            self._drawing(self._handle, body, ALTERNATE.sub(b"", modes[0]), joined=not is_alternate)
        )
        parts += [self._title(), self._continuation()]
        return b"".join(parts)

    def leave_alternate(self) -> bytes:
        """What leads back from an alternate screen; empty when none is shown."""
        modes = MODES.match(self._format(self._handle))
        switch = ALTERNATE.search(modes[0]) if modes else None
        return switch[0][:-1] + b"l" if switch else b""

    def close(self) -> None:
        """Free the memory; harmless when it is free already."""
        if self._handle:
            self._library.terminal_free(self._handle)
            self._handle = c_void_p()

    def _primary(self) -> bytes:
        """The screen behind the alternate one: seen by a copy of the terminal that goes back."""
        raw = self._taken(self._library.snapshot_encode_alloc, self._handle)
        decoder, copy = c_void_p(), c_void_p()
        made = self._library.snapshot_decoder_new_buf(None, byref(decoder), raw, len(raw))
        self._check(made, "decoder")
        try:
            self._check(self._library.snapshot_decoder_decode(decoder, byref(copy)), "decode")
        finally:
            self._library.snapshot_decoder_free(decoder)
        try:
            self._library.terminal_vt_write(copy, LEAVE_ALTERNATE, len(LEAVE_ALTERNATE))
            body = self._drawing(
                copy, MODES.sub(b"", self._format(copy), count=1), b"", joined=True
            )
            # The scrolling region is the alternate screen's, whose rows are still to be drawn.
            start = max(0, len(body) - TAIL_WITHIN_BYTES)
            return body[:start] + REGION.sub(b"", body[start:])
        finally:
            self._library.terminal_free(copy)

    def _format(self, handle: c_void_p, emit: str = "VT", *, unwrap: bool = True) -> bytes:
        """Modes, text with scroll-back, region, cursor; in this order. PLAIN is one line a row."""
        options = FormatOptions(size=ctypes.sizeof(FormatOptions), unwrap=unwrap and emit == "VT")
        options.emit = self._library.number("GhosttyFormatterFormat", emit)
        extra = options.extra
        extra.size = ctypes.sizeof(TerminalExtra)
        extra.modes = extra.scrolling_region = extra.keyboard = True
        extra.screen.size = ctypes.sizeof(ScreenExtra)
        extra.screen.cursor = extra.screen.style = extra.screen.hyperlink = True
        extra.screen.protection = extra.screen.charsets = extra.screen.kitty_keyboard = True
        formatter = c_void_p()
        made = self._library.formatter_terminal_new(None, byref(formatter), handle, options)
        self._check(made, "formatter")
        try:
            return self._taken(self._library.formatter_format_alloc, formatter)
        finally:
            self._library.formatter_free(formatter)

    def _drawing(self, handle: c_void_p, body: bytes, modes: bytes, *, joined: bool) -> bytes:
        """The text with what the formatter leaves out of it, and the modes at its end."""
        cells = Cells(handle, self._cols)
        end = _tail_start(body)
        drawn = self._rows_drawn(handle, body)
        text = _newest(body[:end], SCROLLBACK_LINES + self._rows)
        body = blanks.passed_over(text, drawn - 1, cells, joined=joined) + body[end:]
        # Empty rows at the bottom; they matter when there is scroll-back above them.
        below = cells.rows - drawn if cells.rows > self._rows else 0
        return _with_modes(body, modes, below)

    def _rows_drawn(self, handle: c_void_p, body: bytes) -> int:
        """How many rows the formatter gave; it drops empty ones at the bottom."""
        if GROUND in body[-blanks.WITHIN_BYTES :]:
            return self._format(handle, unwrap=False).count(b"\r\n") + 1
        return self._format(handle, "PLAIN").count(b"\n") + 1  # far quicker, but blind to grounds

    def _taken(self, function: Any, handle: c_void_p) -> bytes:  # Any: a ctypes function
        """The bytes a function allocates; freed here."""
        start, size = c_void_p(), c_size_t()
        self._check(function(handle, None, byref(start), byref(size)), "alloc")
        try:
            return ctypes.string_at(start, size.value) if size.value else b""
        finally:
            self._library.free(None, start, size)

    def _title(self) -> bytes:
        text = String()
        self._get("TITLE", text, self._handle)
        raw = ctypes.string_at(text.ptr, text.len) if text.len else b""
        title = "".join(each for each in raw.decode("utf-8", "replace") if each.isprintable())
        return f"\x1b]2;{title[:TITLE_CHARACTERS]}\x1b\\".encode() if title else b""

    def _continuation(self) -> bytes:
        buffer = ctypes.create_string_buffer(CONTINUATION_BYTES)
        size = c_size_t()
        result = self._library.terminal_continuation_buf(
            self._handle, buffer, CONTINUATION_BYTES, byref(size)
        )
        return buffer.raw[: size.value] if result == 0 else b""

    def _get(
        self, name: str, value: ctypes._SimpleCData[Any] | ctypes.Structure, handle: c_void_p
    ) -> None:
        kind = self._library.number("GhosttyTerminalData", name)
        self._check(self._library.terminal_get(handle, kind, byref(value)), name)

    def _set(self, name: str, value: ctypes._SimpleCData[Any] | ctypes.Structure) -> None:
        option = self._library.number("GhosttyTerminalOption", name)
        self._check(self._library.terminal_set(self._handle, option, byref(value)), name)

    def _check(self, result: int, what: str) -> None:
        if result != 0:
            raise ScreenUnavailable(f"libghostty-vt refused {what}: {result}")


def scrollback_bytes(cols: int) -> int:
    """Room for what a page keeps; a limit by lines would do, but is ten times slower to keep."""
    line = (LEAST_CELL_BYTES * cols + 16) * 6 // 5  # with its styles
    least, most = SCROLLBACK_BYTES
    return max(least, min(most, (SCROLLBACK_LINES + BLOCK_LINES) * line))


def _with_modes(body: bytes, modes: bytes, blank_rows: int) -> bytes:
    """The text, then what is below it, then the modes: they would change how it is drawn."""
    start = _tail_start(body)
    position = body[start:]
    if ORIGIN in modes and (region := REGION.search(position)):
        top = int(region[1])
        position = CURSOR.sub(lambda at: b"\x1b[%d;%sH" % (int(at[1]) - top + 1, at[2]), position)
    below = STYLE_OFF + b"\r\n" * blank_rows if blank_rows else b""
    return body[:start] + below + modes + position


def _newest(text: bytes, lines: int) -> bytes:
    """Without lines that a page gives up at once, unless one of them leaves a style or a link."""
    more = text.count(b"\r\n") - lines
    if more <= 0:
        return text
    kept = text.split(b"\r\n", more)[more]
    size = len(text) - len(kept)
    last = text.rfind(b"\x1b", 0, size)
    is_clean = last < 0 or text.startswith(STYLE_OFF, last)
    return kept if is_clean and text.find(LINK, 0, size) < 0 else text


def _tail_start(body: bytes) -> int:
    """Where the text ends, and what places the cursor begins."""
    tail = TAIL.search(body, max(0, len(body) - TAIL_WITHIN_BYTES))
    return tail.start() if tail else len(body)

"""Output that needs no drawing: plain lines that others have pushed out of the scroll-back."""

from __future__ import annotations

from runtime.services.ring import Ring

LEAST_BYTES = 64 * 1024  # less is drawn as fast
SAMPLE_BYTES = 32 * 1024  # tells how long lines are
LINE_BYTES = 4096  # a line that is longer is not looked for
NOT_PLAIN = (b"\x1b", b"\x0e", b"\x0f", b"\x07", b"\x18", b"\x1a")


def first_to_show(ring: Ring, offset: int, most_lines: int) -> int:
    """Where that begins which output from `offset` on has left of itself; `offset` if unsure.

    `most_lines` are kept. What begins there ends a line, so it may be drawn wherever the cursor is.
    """
    size = ring.end - offset
    if size <= LEAST_BYTES:
        return offset
    lines = ring.count(b"\n", ring.end - SAMPLE_BYTES)
    shown = SAMPLE_BYTES * (most_lines + most_lines // 8) // lines if lines else size
    if shown > size // 2:  # no great gain
        return offset
    start = ring.end - shown
    if (
        any(ring.holds(each, offset) for each in NOT_PLAIN)
        or ring.count(b"\n", start) <= most_lines
    ):
        return offset
    end_of_line = ring.read(start, LINE_BYTES).find(b"\r\n")
    return start + end_of_line if end_of_line >= 0 else offset

"""Empty cells beside text of a style that would show on them stay empty in a redraw."""

from __future__ import annotations

import pytest

from runtime.services.blanks import passed_over
from runtime.services.screen import Screen

COLS, ROWS = 40, 6
RED = "\x1b[41m"
OFF = "\x1b[0m"


def body(output: str) -> str:
    """The text of a redraw, without what resets and what places the cursor."""
    screen = Screen(COLS, ROWS)
    screen.feed(output.encode())
    redraw = screen.redraw().decode()
    other = Screen(COLS, ROWS)
    other.feed(redraw.encode())
    assert other.redraw().decode() == redraw
    text = redraw.rpartition("\x1b[?1049h\x1b[H" if "?1049h" in redraw else "\x1bc")[2]
    return text.replace("\x1b[48;5;1m", RED).replace(OFF, "")


@pytest.mark.parametrize(
    ("output", "expected"),
    {
        "a tab behind a ground": (f"{RED}ab{OFF}\tcd", f"{RED}ab\x1b[6Ccd"),
        "spaces, then nothing": (f"{RED}ab  {OFF}\tcd", f"{RED}ab  \x1b[4Ccd"),
        "nothing within a ground": (f"{RED}ab\x1b[3Ccd", f"{RED}ab\x1b[3Ccd"),
        "an erased ground": (f"{RED}ab\x1b[K{OFF}\x1b[9Gcd", f"{RED}ab      cd"),
        "underlined": ("\x1b[4mab\x1b[0m\tcd", "\x1b[4mab\x1b[6Ccd"),
        "inverse": ("\x1b[7mab\x1b[0m\tcd", "\x1b[7mab\x1b[6Ccd"),
        "bold shows on nothing": ("\x1b[1mab\x1b[0m\tcd", "\x1b[1mab      cd"),
        "behind wide characters": (f"漢字👩‍👩‍👧{RED}ab{OFF}\tcd", f"漢字👩‍👩‍👧{RED}ab\x1b[8Ccd"),
        "on a row that goes on": ("x" * 38 + f"{RED}abcd{OFF}\tef", f"x{RED}abcd\x1b[6Cef"),
        "on a later row": (f"one\r\n{'two ' * 15}\r\n{RED}a{OFF}\tb", f"{RED}a\x1b[7Cb"),
        "on the alternate screen": (f"$\x1b[?1049h\x1b[2;1H{RED}a{OFF}\tb", f"\r\n{RED}a\x1b[7Cb"),
    }.values(),
)  # fmt: skip
def test_nothing_is_drawn_where_nothing_is(output: str, expected: str) -> None:
    assert expected in body(output)


def test_a_row_that_ends_in_a_space_and_waits_to_wrap_still_does() -> None:
    screens = [Screen(COLS, ROWS), Screen(COLS, ROWS)]
    screens[0].feed(b"\x1b[?1049h\x1b[5;1Hbelow\x1b[3;1H\x1b[7m" + b"x" * (COLS - 1) + b" \x1b[m")
    screens[1].feed(screens[0].redraw())
    for each in screens:
        each.feed(b"next")
    assert screens[0].redraw() == screens[1].redraw()
    assert b"\r\nnext\r\nbelow" in screens[1].redraw()


class Counted:
    """A grid of empty cells that counts what it is asked to measure."""

    cols = 10_000_000  # one row, so that every space has a known place

    def __init__(self) -> None:
        self.measured = 0

    def is_empty(self, x: int, y: int) -> bool:
        return True

    def goes_on(self, y: int) -> bool:
        return False

    def width(self, text: str) -> int:
        self.measured += len(text)
        return len(text)


def test_a_line_is_measured_once_however_many_gaps_it_has() -> None:
    """Fault 25: a program prints one endless line of emoji, and others live."""
    grid = Counted()
    gaps = 1_000
    line = f"\x1b[0m\x1b[7m👩 x{OFF}".encode() * gaps
    drawn = passed_over(line, 0, grid, joined=True)
    assert drawn == line.replace(b" ", b"\x1b[1C")
    assert grid.measured <= 3 * gaps


def test_a_long_scroll_back_is_mended_where_it_is_newest() -> None:
    screen = Screen(COLS, ROWS)
    for _ in range(60):
        screen.feed(f"{RED}ab{OFF}\tcd\r\n".encode() * 100)
    lines = screen.redraw().split(b"\r\n")
    assert len(lines) > 5000
    assert all(b"ab\x1b[6C" in line for line in lines[-500:-2])

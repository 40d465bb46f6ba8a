"""The copy of a student's terminal that a thumbnail is drawn from."""

from __future__ import annotations

from contextlib import closing

from host.classroom.screen import MOST_TEXT, Screen


def test_a_picture_has_rows_and_colours_and_no_other_sequence() -> None:
    with closing(Screen(20, 3)) as screen:
        screen.feed("\x1b]0;title\x07\x1b[31mred\x1b[0m \x1b[2;1Htwo")
        drawn = screen.text()
    assert "\x1b[38;5;1mred" in drawn or "\x1b[31mred" in drawn
    assert drawn.splitlines()[1].startswith("two")
    assert "title" not in drawn


def test_a_picture_has_a_bound_whatever_is_in_its_cells() -> None:
    """A student may print what makes every cell large: colours of its own, many accents."""
    cells = "".join(
        f"\x1b[38;2;{n % 256};{n // 256};7m\x1b[48;2;{n % 255};1;2mx" for n in range(80_000)
    )
    for text in (cells, ("e" + "\u0301" * 20) * 80_000):
        with closing(Screen(400, 200)) as screen:
            screen.feed(text)
            drawn = screen.text()
        assert len(drawn) <= MOST_TEXT
        assert "x" in drawn or "e" in drawn

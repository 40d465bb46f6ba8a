"""The picture that output amounts to, and where a page goes on behind it."""

from __future__ import annotations

import pytest

import runtime.services.display as module
from runtime.services.display import DRAW_BYTES, START_WITHIN_BYTES, Display
from runtime.services.screen import SCROLLBACK_LINES, Screen

START = 1000
FAMILY = "👩‍👩‍👧".encode()


def redrawn(output: bytes) -> bytes:
    screen = Screen(40, 6)
    screen.feed(output)
    return screen.redraw()


def kept(screen: Screen) -> list[str]:
    """What is shown, with as much scroll-back as a page keeps."""
    rows = screen._format(screen._handle, "PLAIN").decode(errors="replace").split("\n")
    return rows[-SCROLLBACK_LINES:]


def kept_by(display: Display) -> list[str]:
    display.redraw()
    assert display._screen is not None
    return kept(display._screen)


def left_out(display: Display) -> bytes:
    """What a redraw leaves to be sent as output; the two together must show everything."""
    picture, offset = display.rejoin()
    rest = display.ring.read(offset, 1 << 20)
    assert redrawn(picture + rest) == display.redraw()
    return rest


@pytest.mark.parametrize(
    ("output", "rest"),
    [
        (b"", b""),
        (b"$ ls\r\n$ ", b"\n$ "),
        (b"$ \x1b[31mred", b"\x1b[31mred"),
        (b"one\r\n" + FAMILY[:11], b"\n" + FAMILY[:11]),
        (b"one\r\ne\xcc", b"\ne\xcc"),
        (b"one\r\nx\x1b[5b", b"\nx\x1b[5b"),
        (b"one\r\nx\x1b[5", b"\nx\x1b[5"),
        (b"one\r\nx\x1b", b"\nx\x1b"),
        (b"x\x1b[5;1H", b"\x1b[5;1H"),
    ],
)
def test_a_redraw_ends_where_the_rest_owes_nothing_to_it(output: bytes, rest: bytes) -> None:
    display = Display((40, 6), START)
    display.add(output)
    assert left_out(display) == rest


@pytest.mark.parametrize("piece", range(1, 12))
def test_it_does_so_however_often_it_was_drawn_before(piece: int) -> None:
    display = Display((40, 6), START)
    output = b"$ \r\n" + FAMILY + b"\x1b[1m" + FAMILY + b"end"
    for at in range(0, len(output), piece):
        display.add(output[at : at + piece])
        left_out(display)
    assert display.redraw() == redrawn(output)


def test_what_is_left_out_is_never_much() -> None:
    display = Display((40, 6), START)
    display.add(b"\r\n" + FAMILY * START_WITHIN_BYTES)
    assert left_out(display) == b""


def test_who_asks_for_the_same_output_gets_the_same_bytes() -> None:
    display = Display((40, 6), START)
    display.add(b"x" * 500)
    display.add(b"y" * 500)
    first = display.output(START + 100, 600)
    assert first == b"x" * 400 + b"y" * 200
    assert display.output(START + 100, 600) is first
    assert display.output(START + 101, 600) == first[1:] + b"y"


def test_pages_get_what_was_shown() -> None:
    display = Display((40, 6), START)
    display.add(b"one")
    assert display.shown == START
    display.show()
    assert display.shown == START + 3


def test_a_resize_draws_everything_that_came_before_it() -> None:
    display = Display((40, 6), START)
    display.add(b"one\r\ntwo")
    display.resize(20, 6)
    assert left_out(display) == b""


LINES = [
    b"y\r\n",
    b"12345678\r\n",
    b"x" * 38 + b"\r\n",
    b"%07d\r\n",
    b"bare\n",
    b"z" * 700 + b"\r\n",
]


def flood(line: bytes, size: int) -> bytes:
    number = size // len(line)
    if b"%" in line:
        return b"".join(line % each for each in range(size // 9))
    return line * number


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize(
    "before", [b"$ ", b"\x1b[31mred \x1b]2;a ti", b"\xe2\x82", b"\x1b[?1049h\x1b[2;4r"]
)
def test_a_flood_of_plain_lines_ends_as_if_each_was_drawn(line: bytes, before: bytes) -> None:
    """The lines that others push out need not be drawn, and the others can wait."""
    display, drawing = Display((40, 6), START), Screen(40, 6)
    pieces = [before]
    whole = flood(line, 3 * DRAW_BYTES)
    pieces += [whole[at : at + 4095] for at in range(0, len(whole), 4095)]
    pieces += [b"last\x1b[2Aend"]
    for piece in pieces:
        display.add(piece)
        drawing.feed(piece)
    assert kept_by(display) == kept(drawing)
    assert display.redraw()[-400:] == drawing.redraw()[-400:]  # cursor, modes, title
    drawing.close()


@pytest.mark.parametrize(
    ("before", "within"),
    [
        (b"\x1b[1;4r\x1b[6;1H", b"a long line that is written over\r\n"),
        (b"\x1b[?1049h\x1b[1;4r\x1b[6;1H", b"a long line that is written over\r\n"),
        (b"\x1b_text without end", "“…”".encode()),  # libghostty-vt sees an end here
    ],
)
def test_a_flood_that_pushes_nothing_out_is_drawn(before: bytes, within: bytes) -> None:
    display, drawing = Display((40, 6), START), Screen(40, 6)
    display.add(before)
    display.redraw()
    whole = b"y\r\n" * 10_000 + within + b"y\r\n" * 600_000 + b"end"
    for at in range(0, len(whole), 4095):
        display.add(whole[at : at + 4095])
    drawing.feed(before + whole)
    assert kept_by(display) == kept(drawing)
    assert display.redraw()[-400:] == drawing.redraw()[-400:]  # cursor, modes, title
    drawing.close()


@pytest.mark.parametrize("every", [1, 7, 50, 200])
def test_it_does_so_however_often_it_is_looked_at(every: int) -> None:
    display, drawing = Display((80, 24), START), Screen(80, 24)
    whole = flood(b"%07d\r\n", 2 * DRAW_BYTES)
    for number, at in enumerate(range(0, len(whole), 4095)):
        display.add(whole[at : at + 4095])
        drawing.feed(whole[at : at + 4095])
        if number % every == 0 and number > 300:
            display.rejoin()
    assert kept_by(display) == kept(drawing)
    assert display.redraw()[-400:] == drawing.redraw()[-400:]  # cursor, modes, title
    drawing.close()


def test_most_of_a_flood_is_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the terminal that floods would slow all others down."""
    drawn = 0

    class Counting(Screen):
        def feed(self, data: bytes) -> None:
            nonlocal drawn
            drawn += len(data)
            super().feed(data)

    monkeypatch.setattr(module, "Screen", Counting)
    display = Display((80, 24), START)
    whole = flood(b"0123456789abcdefghijklmnopqrstuvwxyz\r\n", 20_000_000)
    for at in range(0, len(whole), 4095):
        display.add(whole[at : at + 4095])
    assert drawn < len(whole) / 20
    assert display.redraw()

"""The picture that output amounts to, and where a page goes on behind it."""

from __future__ import annotations

import pytest

from runtime.services.display import START_WITHIN_BYTES, Display
from runtime.services.screen import Screen

START = 1000
FAMILY = "👩‍👩‍👧".encode()


def redrawn(output: bytes) -> bytes:
    screen = Screen(40, 6)
    screen.feed(output)
    return screen.redraw()


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


def test_a_resize_draws_everything_that_came_before_it() -> None:
    display = Display((40, 6), START)
    display.add(b"one\r\ntwo")
    display.resize(20, 6)
    assert left_out(display) == b""

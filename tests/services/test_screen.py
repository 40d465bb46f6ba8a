"""The server-side screen: a redraw shows the same anywhere, and asks and answers nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.services.ghostty import load
from runtime.services.screen import LEAVE_ALTERNATE, SCROLLBACK_LINES, Screen

COLS, ROWS = 40, 6
TWENTY_LINES = b"".join(b"line %d\r\n" % number for number in range(20))
QUERY = re.compile(
    rb"\x1b\[[?>=]?[\d;]*[cn]|\x1b\[[\d;]*t|\x1bZ|\x1bP|\x1b\]\d+;[^\x07\x1b]*\?|\x1b\[\?[\d;]*\$p|\x05"
)


def screen_with(*pieces: bytes) -> Screen:
    screen = Screen(COLS, ROWS)
    for piece in pieces:
        screen.feed(piece)
    return screen


def shown(screen: Screen) -> list[str]:
    """The rows a person sees, after which the scroll-back is gone."""
    screen.feed(b"\x1b[3J")
    text = screen._format(screen._handle, "PLAIN").decode()
    return [row.rstrip() for row in text.split("\n")]


def copy_of(screen: Screen) -> Screen:
    return screen_with(screen.redraw())


CASES = {
    "nothing": b"",
    "a prompt": b"$ ls",
    "scroll-back": TWENTY_LINES + b"$ ",
    "a cleared screen below scroll-back": TWENTY_LINES + b"\x1b[H\x1b[2J$ ls",
    "a ground below scroll-back": TWENTY_LINES + b"\x1b[H\x1b[44m\x1b[2J\x1b[0m$ ls",
    "a cursor above the text": b"a\r\nb\r\nc\x1b[2A",
    "a full row": b"x" * COLS + b"\r\nnext",
    "a row that waits to wrap": b"x" * COLS,
    "wrapped lines": b"word " * 30,
    "wide characters": "漢字".encode() * 15,
    "clusters": "👩‍👩‍👧 é ❤️".encode(),
    "colours": b"\x1b[1;31mred\x1b[0m \x1b[48;2;1;2;3mback\x1b[0m \x1b[4munder",
    "a scrolling region": b"\x1b[2;4r\x1b[2;1Habc",
    "origin mode": b"\x1b[2;4r\x1b[?6h\x1b[2;1Habc",
    "line drawing": b"\x1b(0lqqk\x1b(B ok \x1b(0qq",
    "no wrap": b"\x1b[?7l" + b"word " * 3,
    "an alternate screen": TWENTY_LINES + b"$ vim\x1b[?1049h\x1b[H\x1b[2Jtext\x1b[6;1H~",
    "an old alternate screen": b"before\r\n$ \x1b[?47h\x1b[H\x1b[2Jtext",
    "modes": b"\x1b[?2004h\x1b[?1h\x1b[?25l\x1b[?1000h\x1b[?1006hx",
    "a title": b"\x1b]0;at home\x07$ ",
}


@pytest.mark.parametrize("output", CASES.values(), ids=CASES.keys())
def test_a_redraw_shows_the_same_and_redraws_to_the_same(output: bytes) -> None:
    screen = screen_with(output)
    other = copy_of(screen)
    assert other.redraw() == screen.redraw()
    assert shown(other) == shown(screen)


@pytest.mark.parametrize("output", CASES.values(), ids=CASES.keys())
def test_output_after_a_redraw_lands_in_the_same_place(output: bytes) -> None:
    screen = screen_with(output)
    other = copy_of(screen)
    for each in (screen, other):
        each.feed(b"more\r\n\x1b[Aup")
    assert shown(other) == shown(screen)


def test_leaving_an_alternate_screen_after_a_redraw_shows_the_old_one() -> None:
    screen = screen_with(TWENTY_LINES + b"$ vim\x1b[?1049h\x1b[H\x1b[2Jtext\x1b[6;1H~")
    other = copy_of(screen)
    assert shown(copy_of(screen))[0] == "text"
    for each in (screen, other):
        each.feed(LEAVE_ALTERNATE + b"\r\n$ ")
    assert shown(other) == shown(screen)
    assert shown(other)[-2:] == ["$ vim", "$"]
    assert b"line 3\r\n" in copy_of(screen_with(CASES["an alternate screen"])).redraw()


def test_modes_are_part_of_a_redraw() -> None:
    redraw = screen_with(CASES["modes"]).redraw()
    for mode in (b"?2004h", b"?1h", b"?25l", b"?1000h", b"?1006h"):
        assert b"\x1b[" + mode in redraw


@pytest.mark.parametrize("cut", range(1, len(b"\x1b[38;2;1;2;3mX\xe6\xbc\xa2")))
def test_a_redraw_in_the_middle_of_a_sequence_or_character_goes_on_with_it(cut: int) -> None:
    """Fault 32: a redraw between any two bytes."""
    output = b"\x1b[38;2;1;2;3mX\xe6\xbc\xa2"
    screen = screen_with(output[:cut])
    other = copy_of(screen)
    for each in (screen, other):
        each.feed(output[cut:])
    assert other.redraw() == screen.redraw()


@given(st.lists(st.one_of(st.binary(max_size=30), st.sampled_from(list(CASES.values())))))
def test_no_output_makes_a_redraw_ask_a_terminal_anything(pieces: list[bytes]) -> None:
    """Fault 44: title reports, device queries: a replay makes a terminal send nothing."""
    screen = screen_with(*pieces)
    redraw = screen.redraw()
    rest = screen._continuation()
    assert not QUERY.search(redraw[: len(redraw) - len(rest)])


HOSTILE = (
    b"\x1b[c\x1b[>c\x1b[=c\x1b[5n\x1b[6n\x1b[?6n\x1b[21t\x1b[20t\x1b[18t\x1bZ\x05"
    b"\x1b]10;?\x07\x1b]11;?\x1b\\\x1b]4;1;?\x07\x1b]52;c;?\x07\x1b]52;c;cm0gLXJmIC8=\x07"
    b"\x1bP$qm\x1b\\\x1bP+q544e\x1b\\\x1b[?2026$p\x1b[?u\x1b_Gi=1,a=q;AAAA\x1b\\"
    b"\x1b]0;$(reboot)\r\n\x07\x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07text"
)


def test_queries_clipboards_and_titles_leave_nothing_a_terminal_would_answer() -> None:
    """Fault 44: title report, OSC 52, OSC 8."""
    redraw = screen_with(HOSTILE).redraw()
    assert not QUERY.search(redraw)
    assert b"\x1b]52" not in redraw
    assert b"\x1b_" not in redraw
    assert b"text" in redraw


def test_a_title_is_one_short_printable_line() -> None:
    """Fault 44: long titles."""
    long = screen_with(b"\x1b]2;" + b"t" * 3000 + b"\x07x").redraw()
    title = re.search(rb"\x1b\]2;([^\x1b]*)\x1b\\", long)
    assert title is None or len(title[1]) <= 200
    short = screen_with("\x1b]2;é title\x07x".encode()).redraw()
    assert "\x1b]2;é title\x1b\\".encode() in short


def test_a_picture_costs_no_memory_and_reads_no_file() -> None:
    """Fault 44: a terminal picture may name a file; the daemon is root."""
    screen = screen_with(b"\x1b_Ga=T,t=f,f=100;L2V0Yy9wYXNzd2Q=\x1b\\after")
    assert shown(screen) == ["after"]


@pytest.mark.parametrize("cols", [1, 20, 80, 120, 200, 240])
@pytest.mark.parametrize("line", [b"y", b"\x1b[31mab\x1b[32mcd\x1b[0m " * 12])
def test_as_many_lines_are_kept_as_a_page_keeps(cols: int, line: bytes) -> None:
    screen = Screen(cols, ROWS)
    for number in range(120):
        screen.feed((line + b"\r\n") * 100)
        if number >= 60:  # whatever moment the oldest were given up at
            rows = screen._format(screen._handle, "PLAIN").count(b"\n")
            assert rows > SCROLLBACK_LINES


@pytest.mark.parametrize(
    "line",
    [
        b"%06d",
        b"%06d " + b"wrapped " * 9,
        b"\x1b[31m%06d \x1b[42mground\x1b[0m",
        b"%06d \x1b[38;2;1;2;3mleft on \x1b[4m",
        "%06d é漢👩‍👩‍👧".encode(),
    ],
)
def test_a_redraw_has_no_more_lines_than_a_page_keeps(line: bytes) -> None:
    flood = b"".join(line % number + b"\r\n" for number in range(9000))
    screen = screen_with(flood, b"$ \x1b[31mred")
    redraw = screen.redraw()
    assert SCROLLBACK_LINES <= redraw.count(b"\r\n") <= SCROLLBACK_LINES + ROWS
    copy = screen_with(redraw)
    rows = [each._format(each._handle).split(b"\r\n") for each in (copy, screen)]
    assert rows[0][-SCROLLBACK_LINES:] == rows[1][-SCROLLBACK_LINES:]


def test_lines_of_a_link_stay_together() -> None:
    screen = screen_with(b"\x1b]8;;https://example.com\x1b\\" + b"link\r\n" * 6000)
    copy = screen_with(screen.redraw())
    rows = [each._format(each._handle).split(b"\r\n") for each in (copy, screen)]
    assert rows[0][-SCROLLBACK_LINES:] == rows[1][-SCROLLBACK_LINES:]


def test_a_row_stays_where_it_is_when_a_program_moved_the_one_it_went_on_from() -> None:
    split = b"\x1b[?1049h\x1b[H\x1b[2J\x1b[3;36H" + b"left right"
    screen = screen_with(split + b"\x1b[1;3r\x1b[3Ltitle")
    assert shown(copy_of(screen)) == shown(screen) == ["title", "", "", "right"]


def test_a_cluster_is_as_wide_as_a_page_draws_it() -> None:
    family, flag = "👩‍👩‍👧", "🇩🇪"
    screen = screen_with(f"{family}{flag}❤️".encode())
    assert screen.redraw().endswith(b"\x1b[1;7H\x1b[0m")
    reset = screen_with(b"\x1bc", family.encode())
    assert reset.redraw().endswith(b"\x1b[1;3H\x1b[0m")


def test_a_resize_flows_the_lines_anew() -> None:
    screen = screen_with(b"word " * 12)
    screen.resize(80, ROWS)
    assert shown(screen) == [("word " * 12).rstrip()]


def test_a_narrower_terminal_does_not_show_a_prompt_twice() -> None:
    """A shell draws its prompt anew where the cursor was; a page cuts that line, so we do, too."""
    prompt = b"someone@a-machine:/a/long/folder$ "
    screen = screen_with(b"before\r\n" + prompt)
    screen.resize(20, ROWS)
    screen.feed(b"\r\x1b[K" + prompt)
    assert shown(screen) == ["before", "someone@a-machine:/a", "/long/folder$"]


@pytest.mark.parametrize("size", [(1, 1), (1000, 1000), (1, 1000), (1000, 1)])
def test_every_size_a_page_may_ask_for_works(size: tuple[int, int]) -> None:
    """Fault 30: the smallest and the largest."""
    screen = screen_with(CASES["an alternate screen"])
    screen.resize(*size)
    screen.feed(b"x" * 5000)
    assert screen.redraw()
    screen.close()
    screen.close()


def test_the_library_is_loaded_once() -> None:
    assert load() is load()

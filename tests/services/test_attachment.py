"""What one page is given: bytes by offset, a window, a redraw when it is too far behind."""

from __future__ import annotations

import asyncio

from runtime.services.attachment import (
    FRAME_BYTES,
    LAG_BYTES,
    WINDOW_BYTES,
    Attachment,
    Exited,
    Frame,
    Offset,
    Resized,
    Restarted,
)
from runtime.services.redraws import FRESH_BYTES, Redraw, Redraws
from runtime.services.ring import Ring

START = 1000


class Source:
    """A stream without a terminal; a redraw says which one it is."""

    def __init__(self) -> None:
        self.ring = Ring(1 << 20, START)
        self.shown = START
        self.redraws = Redraws(self)
        self.made = 0
        self.rest = 0  # bytes that a redraw leaves out

    def print(self, data: bytes, *, is_shown: bool = True) -> None:
        self.ring.append(data)
        if is_shown:
            self.shown = self.ring.end

    def output(self, offset: int, size: int) -> bytes:
        return self.ring.read(offset, size)

    def rejoin(self) -> tuple[bytes, int]:
        self.made += 1
        return b"redraw %d" % self.made, self.ring.end - self.rest


def ready(page: Attachment) -> list[Frame]:
    """Every frame that can be sent now."""
    frames = []
    while (frame := page._next()) is not None:
        frames.append(frame)
    return frames


def size(frames: list[Frame]) -> int:
    return sum(len(frame) for frame in frames if isinstance(frame, bytes))


def drawn(source: Source, offset: int | None = START) -> Attachment:
    """A page that is up to date."""
    page = Attachment(source, source.redraws, "page", offset)
    ready(page)
    return page


def test_a_new_page_begins_with_a_redraw_and_goes_on_with_bytes() -> None:
    source = Source()
    source.print(b"before")
    page = Attachment(source, source.redraws, "page")
    assert page.start == START + 6
    assert ready(page) == [Redraw(b"redraw 1", START + 6)]
    source.print(b"after")
    assert ready(page) == [b"after"]


def test_what_a_redraw_leaves_out_follows_as_bytes() -> None:
    source = Source()
    source.print(b"before the rest")
    source.rest = len(b" the rest")
    assert ready(Attachment(source, source.redraws, "page")) == [
        Redraw(b"redraw 1", START + 6),
        b" the rest",
    ]


def test_a_page_that_comes_back_continues_at_its_byte() -> None:
    source = Source()
    source.print(b"0123456789")
    page = Attachment(source, source.redraws, "page", START + 4)
    assert page.start == START + 4
    assert ready(page) == [b"456789"]
    assert ready(Attachment(source, source.redraws, "page", START + 10)) == []


def test_an_offset_that_is_too_old_or_of_another_stream_gets_a_redraw() -> None:
    source = Source()
    source.print(b"x" * (1 << 20))
    source.print(b"y" * 100)
    for offset in (START + 99, START - 1, 0, source.ring.end + 1):
        page = Attachment(source, source.redraws, "page", offset)
        assert page.start == source.ring.end
        assert isinstance(ready(page)[0], Redraw)


def test_a_page_that_confirms_has_64_kib_on_their_way_at_most() -> None:
    """Fault 25: what a page has not read is bounded."""
    source = Source()
    page = drawn(source)
    page.confirm(START)
    source.print(b"x" * 200_000)
    frames = ready(page)
    assert size(frames) == WINDOW_BYTES
    assert frames[-1] == Offset(START + WINDOW_BYTES)
    page.confirm(START + 10_000)
    assert size(ready(page)) == 10_000
    page.confirm(START + WINDOW_BYTES + 10_000)
    assert size(ready(page)) == WINDOW_BYTES


def test_a_page_that_never_confirms_is_paced_by_its_socket() -> None:
    source = Source()
    page = drawn(source)
    for _ in range(10):
        source.print(b"x" * 200_000)
        frames = ready(page)
        assert size(frames) == 200_000
        assert all(len(frame) <= FRAME_BYTES for frame in frames if isinstance(frame, bytes))


def test_the_offset_is_told_every_64_kib_and_is_right() -> None:
    source = Source()
    page = drawn(source)
    position = START
    told = []
    for _ in range(100):
        source.print(b"x" * 10_000)
        for frame in ready(page):
            if isinstance(frame, bytes):
                position += len(frame)
            else:
                assert frame == Offset(position)
                told.append(position)
    gaps = [later - earlier for earlier, later in zip([START, *told], told, strict=False)]
    assert len(told) > 10
    assert max(gaps) <= 64 * 1024 + 10_000


def test_a_page_far_behind_gets_a_redraw_once_it_has_drawn_what_it_has() -> None:
    """Fault 25: its bytes are dropped, nobody waits."""
    source = Source()
    page = drawn(source)
    page.confirm(START)
    source.print(b"x" * 200_000)
    ready(page)
    source.print(b"y" * LAG_BYTES)
    assert ready(page) == []  # 64 KiB are still on their way to it
    page.confirm(START + WINDOW_BYTES)
    assert ready(page) == [Redraw(b"redraw 1", source.ring.end)]
    source.print(b"z")
    assert ready(page) == [b"z"]


def test_a_page_that_confirms_by_its_own_count_is_not_forgotten() -> None:
    source = Source()
    page = drawn(source)
    page.confirm(START)
    source.print(b"x" * (LAG_BYTES + WINDOW_BYTES))
    page.confirm(START + WINDOW_BYTES // 2)
    assert isinstance(ready(page)[-1], Redraw)


def test_a_confirmation_never_goes_back_or_ahead() -> None:
    source = Source()
    page = drawn(source)
    source.print(b"x" * 100)
    page.confirm(1 << 52)
    page.confirm(0)
    page.confirm(-5)
    source.print(b"x" * 200_000)
    assert size(ready(page)) == WINDOW_BYTES


def test_notices_come_in_their_place_between_the_bytes() -> None:
    source = Source()
    page = drawn(source)
    source.print(b"before")
    page.notify(Resized(100, 30))
    source.print(b"between")
    page.notify(Exited(3))
    page.notify(Restarted())
    source.print(b"after")
    assert ready(page) == [
        b"before",
        Resized(100, 30),
        b"between",
        Exited(3),
        Restarted(),
        b"after",
    ]


def test_a_page_that_does_not_read_holds_one_notice_of_each_kind() -> None:
    """Fault 25: memory is bounded."""
    source = Source()
    page = drawn(source)
    for number in range(1000):
        source.print(b"x")
        page.notify(Resized(number, 10))
        page.notify(Exited(number))
    frames = ready(page)
    assert [frame for frame in frames if not isinstance(frame, bytes)] == [
        Resized(999, 10),
        Exited(999),
    ]


def test_a_redraw_comes_after_the_size_it_is_for_and_before_the_end_of_the_shell() -> None:
    source = Source()
    page = drawn(source)
    source.print(b"x" * (LAG_BYTES + 1))
    page.notify(Resized(100, 30))
    source.print(b"bye")
    page.notify(Exited(0))
    assert ready(page) == [
        Resized(100, 30),
        Redraw(b"redraw 1", source.ring.end),
        Exited(0),
    ]


async def test_frames_end_when_the_terminal_says_so() -> None:
    source = Source()
    page = drawn(source)
    source.print(b"x")
    frames = []
    async for frame in page.frames():
        frames.append(frame)
        page.end(4404)
    assert frames == [b"x"]
    assert page.close_code == 4404


async def test_a_redraw_that_waited_comes_without_more_output() -> None:
    source = Source()
    page = Attachment(source, source.redraws, "page")
    frames = page.frames()
    assert await anext(frames) == Redraw(b"redraw 1", START)
    source.print(b"x" * (LAG_BYTES + 1))
    page.wake()
    async with asyncio.timeout(5):
        assert await anext(frames) == Redraw(b"redraw 2", source.ring.end)


async def test_a_redraw_that_may_be_made_just_after_a_look_for_it_comes_too() -> None:
    """The wait may end between two looks at the clock, and nothing else wakes the page."""
    source = Source()
    now = 100.0
    source.redraws = Redraws(source, clock=lambda: now)
    page = drawn(source, None)
    source.print(b"x" * (LAG_BYTES + FRESH_BYTES + 1))
    wait = source.redraws.rest()

    def passing() -> float:
        nonlocal now
        now += wait * 0.6
        return now

    source.redraws._clock = passing
    async with asyncio.timeout(5):
        assert isinstance(await anext(page.frames()), Redraw)


def test_pages_that_fell_behind_share_a_redraw() -> None:
    source = Source()
    pages = [drawn(source), drawn(source)]
    source.print(b"x" * (LAG_BYTES + 1))
    [first], [second] = (ready(page) for page in pages)
    assert first is second
    source.print(b"more")
    assert [ready(page) for page in pages] == [[b"more"], [b"more"]]


def test_what_is_not_shown_yet_waits() -> None:
    source = Source()
    page = drawn(source)
    source.print(b"shown")
    source.print(b"later", is_shown=False)
    assert size(ready(page)) == 5
    source.shown = source.ring.end
    assert size(ready(page)) == 5


def test_a_page_whose_next_bytes_are_gone_already_is_drawn_anew() -> None:
    source = Source()
    page = drawn(source)
    source.print(b"x" * 10)
    source.print(b"x" * (2 << 20), is_shown=False)  # more than the ring holds
    assert ready(page) == [Redraw(b"redraw 1", source.ring.end)]
    assert ready(page) == []


def test_a_page_that_confirms_gets_the_next_redraw_when_it_has_drawn_the_last() -> None:
    """Else pictures would pile up in a slow page, and a key's effect show behind all of them."""
    now = 100.0
    source = Source()
    source.redraws = Redraws(source, clock=lambda: now)
    page = drawn(source)
    page.confirm(START)
    source.print(b"x" * (LAG_BYTES + 1))
    [redraw] = [each for each in ready(page) if isinstance(each, Redraw)]
    for _ in range(5):
        now += 1
        source.print(b"x" * (LAG_BYTES + FRESH_BYTES + 1))
        assert not any(isinstance(each, Redraw) for each in ready(page))
    page.confirm(redraw.offset)
    assert ready(page) == [Redraw(b"redraw 2", source.ring.end)]

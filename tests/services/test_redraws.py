"""Redraws of one terminal: shared by pages, seldom in a flood."""

from __future__ import annotations

from runtime.services.redraws import FRESH_BYTES, REDRAW_REST, REDRAW_SECONDS, Redraw, Redraws
from runtime.services.ring import Ring


class Source:
    """A stream without a terminal, and a clock; a redraw says which one it is."""

    def __init__(self) -> None:
        self.ring = Ring(1 << 20)
        self.now = 0.0
        self.takes = 0.0  # seconds that a redraw takes
        self.made = 0

    def rejoin(self) -> tuple[bytes, int]:
        self.made += 1
        self.now += self.takes
        return b"redraw %d" % self.made, self.ring.end


def made() -> tuple[Source, Redraws]:
    source = Source()
    return source, Redraws(source, clock=lambda: source.now)


def test_one_serves_everybody_while_nothing_came_after_it() -> None:
    source, redraws = made()
    first = redraws.take()
    assert first == Redraw(b"redraw 1", 0)
    source.now += 1
    assert redraws.take() is first
    source.ring.append(b"x")
    assert redraws.take() == Redraw(b"redraw 2", 1)


def test_one_that_was_made_just_now_serves_with_a_little_output_after_it() -> None:
    source, redraws = made()
    first = redraws.take()
    source.ring.append(b"x" * FRESH_BYTES)
    assert redraws.take() is first
    source.ring.append(b"x")
    assert redraws.take() is None


def test_in_a_flood_they_keep_their_distance() -> None:
    source, redraws = made()
    redraws.take()
    source.ring.append(b"x" * (FRESH_BYTES + 1))
    assert redraws.take() is None, "the last one was a moment ago"
    assert redraws.rest() == REDRAW_SECONDS
    source.now = REDRAW_SECONDS
    assert redraws.take() == Redraw(b"redraw 2", source.ring.end)


def test_one_that_took_long_is_not_repeated_soon() -> None:
    """While one is made nobody else is served."""
    source, redraws = made()
    source.takes = 0.1
    redraws.take()
    source.ring.append(b"x" * (FRESH_BYTES + 1))
    source.now += 0.1 * REDRAW_REST - 0.01
    assert redraws.take() is None
    source.now += 0.02
    assert redraws.take() is not None


def test_one_of_another_size_serves_nobody() -> None:
    source, redraws = made()
    redraws.take()
    redraws.forget()
    assert redraws.take() is None, "not at once: the rest holds"
    source.now += REDRAW_SECONDS
    assert redraws.take() == Redraw(b"redraw 2", 0)

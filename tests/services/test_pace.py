"""When pages see output: at once, and in a flood seldom; on a clock that the tests move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import pytest

from runtime.services.pace import CALM_BYTES, FLOOD_BYTES, LOOK_SECONDS, SHOWN_SECONDS, Pace


@dataclass
class Call:
    """One that is to come."""

    due: float
    callback: Callable[[int], None]
    came: int
    is_cancelled: bool = False

    def cancel(self) -> None:
        self.is_cancelled = True


class Watched:
    """A stream, its clock, and when everything of it was shown, in seconds and bytes."""

    def __init__(self) -> None:
        self.now = 100.0
        self.calls: list[Call] = []
        self.came = 0
        self.shown: list[tuple[float, int]] = []
        self.pace = Pace(lambda: self.came, self._show, self)

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[int], None], /, came: int) -> Call:
        self.calls.append(Call(self.now + delay, callback, came))
        return self.calls[-1]

    def _show(self) -> None:
        self.shown.append((self.now, self.came))

    @property
    def is_all_shown(self) -> bool:
        return self.shown[-1][1] == self.came

    def print(self, size: int) -> None:
        self.came += size
        self.pace.turn()

    def wait(self, seconds: float) -> None:
        self.now += seconds
        due = [each for each in self.calls if each.due <= self.now and not each.is_cancelled]
        self.calls = [each for each in self.calls if each.due > self.now]
        for each in due:
            each.callback(each.came)

    def flood(self, seconds: float) -> None:
        for _ in range(int(seconds * 1000)):
            self.print(32 * 1024)
            self.wait(0.001)


def test_what_is_typed_is_shown_at_once() -> None:
    watched = Watched()
    for _ in range(200):
        watched.print(10)
        assert watched.is_all_shown
        watched.wait(0.01)
    assert watched.calls == []


def test_as_much_as_a_screen_of_colours_is_shown_at_once() -> None:
    watched = Watched()
    watched.print(FLOOD_BYTES)
    watched.print(1)
    assert watched.is_all_shown


def test_a_stream_that_is_no_flood_is_shown_as_it_comes() -> None:
    watched = Watched()
    for _ in range(100):
        watched.print(FLOOD_BYTES // 20)
        assert watched.is_all_shown
        watched.wait(SHOWN_SECONDS / 10)


def test_a_flood_is_shown_from_time_to_time() -> None:
    watched = Watched()
    watched.flood(2.0)
    begin = next(at for at, came in watched.shown if came > FLOOD_BYTES)
    times = [at for at, _ in watched.shown if at > begin]
    assert 2.0 / SHOWN_SECONDS * 0.8 <= len(times) <= 2.0 / SHOWN_SECONDS
    assert all(later - earlier >= SHOWN_SECONDS * 0.99 for earlier, later in pairwise(times))


def test_the_end_of_a_flood_is_shown_soon_and_what_follows_at_once() -> None:
    watched = Watched()
    watched.flood(0.5)
    watched.print(5)
    watched.wait(LOOK_SECONDS)
    watched.wait(LOOK_SECONDS)
    assert watched.is_all_shown
    watched.wait(SHOWN_SECONDS * 1.01)
    for _ in range(10):
        watched.print(7)
        assert watched.is_all_shown


def test_a_stream_that_goes_on_slowly_after_a_flood_is_no_flood() -> None:
    watched = Watched()
    watched.flood(0.5)
    for _ in range(20):
        watched.print(CALM_BYTES // 8)
        watched.wait(LOOK_SECONDS)
    watched.print(1)
    assert watched.is_all_shown


@pytest.mark.parametrize("is_flood", [False, True])
def test_an_end_shows_everything_and_leaves_nothing_to_come(is_flood: bool) -> None:
    watched = Watched()
    if is_flood:
        watched.flood(0.5)
    watched.print(3)
    watched.pace.end()
    assert watched.is_all_shown
    shown = list(watched.shown)
    watched.wait(SHOWN_SECONDS * 2)
    assert watched.shown == shown

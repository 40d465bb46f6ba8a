"""When pages see output: at once, and in a flood seldom."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from runtime.services.pace import CALM_BYTES, FLOOD_BYTES, LOOK_SECONDS, SHOWN_SECONDS, Pace


class Watched:
    """A stream, and when everything of it was shown, in seconds and bytes."""

    def __init__(self) -> None:
        self.came = 0
        self.shown: list[tuple[float, int]] = []
        self.pace = Pace(lambda: self.came, self._show)

    def _show(self) -> None:
        self.shown.append((asyncio.get_running_loop().time(), self.came))

    def print(self, size: int) -> None:
        self.came += size
        self.pace.turn()

    async def flood(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end:
            self.print(32 * 1024)
            await asyncio.sleep(0.0005)


async def test_what_is_typed_is_shown_at_once() -> None:
    watched = Watched()
    for number in range(1, 200):
        watched.print(10)
        assert watched.shown[-1][1] == number * 10


async def test_as_much_as_a_screen_of_colours_is_shown_at_once() -> None:
    watched = Watched()
    watched.print(FLOOD_BYTES)
    watched.print(1)
    assert watched.shown[-1][1] == FLOOD_BYTES + 1


async def test_a_flood_is_shown_from_time_to_time() -> None:
    watched = Watched()
    await watched.flood(1.0)
    begin = next(at for at, came in watched.shown if came > FLOOD_BYTES)
    times = [at for at, _ in watched.shown if at > begin]
    assert 2 <= len(times) <= 1.0 / SHOWN_SECONDS + 1
    assert all(later - earlier >= SHOWN_SECONDS * 0.9 for earlier, later in pairwise(times))
    watched.pace.end()


async def test_the_end_of_a_flood_is_shown_soon_and_what_follows_at_once() -> None:
    watched = Watched()
    await watched.flood(0.3)
    watched.print(5)
    end = asyncio.get_running_loop().time()
    while watched.shown[-1][1] < watched.came:
        await asyncio.sleep(0.001)
    # At most a look that still saw the flood, and the next one.
    assert watched.shown[-1][0] - end < 2 * LOOK_SECONDS + 0.2
    await asyncio.sleep(SHOWN_SECONDS * 1.5)
    watched.print(7)
    assert watched.shown[-1][1] == watched.came


async def test_a_stream_that_goes_on_slowly_after_a_flood_is_no_flood() -> None:
    watched = Watched()
    await watched.flood(0.2)
    for _ in range(20):
        watched.print(CALM_BYTES // 8)
        await asyncio.sleep(LOOK_SECONDS)
    await asyncio.sleep(SHOWN_SECONDS * 1.5)
    watched.print(1)
    assert watched.shown[-1][1] == watched.came


@pytest.mark.parametrize("is_flood", [False, True])
async def test_an_end_shows_everything_and_leaves_nothing_to_come(is_flood: bool) -> None:
    watched = Watched()
    if is_flood:
        await watched.flood(0.2)
    watched.print(3)
    watched.pace.end()
    shown = list(watched.shown)
    assert shown[-1][1] == watched.came
    await asyncio.sleep(SHOWN_SECONDS * 2)
    assert watched.shown == shown

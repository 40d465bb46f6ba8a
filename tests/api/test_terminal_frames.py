"""Frames that are none of the protocol, and sizes nobody has, sent to one real daemon."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed

from tests.api.served import Served, Socket, served
from tests.services.shells import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def daemon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """One for all: nothing here may change it."""
    root = tmp_path_factory.mktemp("frames") / "workshop"
    root.mkdir()
    async with served(root) as made:
        yield made


BAD_FRAMES: dict[str, tuple[str | bytes, set[int]]] = {
    "no JSON": ("hello", {1007}),
    "half a JSON": ('{"type": "resize"', {1007}),
    "empty": ("", {1007}),
    "a list": ("[]", {1008}),
    "deep": ("[" * 4000, {1007}),
    "unknown type": ('{"type": "reboot"}', {1008}),
    "no type": ('{"cols": 80, "rows": 24}', {1008}),
    "a missing field": ('{"type": "resize", "cols": 80}', {1008}),
    "a float": ('{"type": "resize", "cols": 80.5, "rows": 24}', {1008}),
    "a string": ('{"type": "resize", "cols": "80", "rows": 24}', {1008}),
    "a boolean": ('{"type": "resize", "cols": true, "rows": 24}', {1008}),
    "not a number": ('{"type": "ack", "offset": NaN}', {1007, 1008}),
    "null": ('{"type": "ack", "offset": null}', {1008}),
    "a server's message": ('{"type": "exit", "code": 0}', {1008}),
    "long text": ('{"type": "ack", "offset": 1' + " " * 5000 + "}", {1009}),
    "17 MB": (b"x" * (17 << 20), {1009}),
}


@pytest.mark.parametrize("what", BAD_FRAMES)
async def test_a_frame_that_is_none_of_the_protocol_closes_the_socket(
    daemon: Served, what: str
) -> None:
    """Fault 31: bad JSON, wrong frame type, 17 MB, unknown type: a code, no effect."""
    frame, codes = BAD_FRAMES[what]
    async with daemon.socket() as page, daemon.socket() as other:
        await page.hears("hello")
        with contextlib.suppress(ConnectionClosed):
            await page.send(frame)
        assert await page.close_code() in codes
        await other.has_a_living_shell()
        assert {each["type"] for each in other.messages} <= {"hello", "screen", "offset"}


SIZES = {
    (0, 0): (1, 1),
    (-1, 24): (1, 24),
    (65536, 65536): (1000, 1000),
    (10**9, 1): (1000, 1),
    (10**30, -(10**30)): (1000, 1),
}


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_a_size_out_of_bounds_is_clamped(daemon: Served, size: tuple[int, int]) -> None:
    """Fault 30: 0, -1, 65536, 10^9."""
    terminal = daemon.daemon.services.terminals.get("main")
    async with daemon.socket() as page:
        await page.type(" ")  # who typed last decides the size
        for asked, expected in (((90, 33), (90, 33)), (size, SIZES[size])):
            await page.say(type="resize", cols=asked[0], rows=asked[1])
            await until(lambda: terminal.size == expected, f"{expected}")  # noqa: B023  # awaited
        told = {"type": "resize", "cols": expected[0], "rows": expected[1]}
        await until(lambda: page.messages[-1] == told, f"{told}")
        await page.say(type="resize", cols=90, rows=33)
        await until(lambda: terminal.size == (90, 33), "a size to work with")
        await page.has_a_living_shell()


TRIES, TRY_SECONDS = 4, 8.0
numbers = st.integers(-(2**63), 2**63 - 1) | st.integers(1, 300)
good_frames = st.one_of(
    st.fixed_dictionaries({"type": st.just("resize"), "cols": numbers, "rows": numbers}),
    st.fixed_dictionaries({"type": st.just("ack"), "offset": numbers}),
    st.just({"type": "restart"}),  # of a shell that runs: nothing
).map(json.dumps)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
names = st.sampled_from(["type", "cols", "rows", "offset"]) | words
values = st.recursive(
    st.none() | st.booleans() | st.floats() | numbers | words | st.sampled_from(["resize", "ack"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=6,
)
any_frames = good_frames | values.map(json.dumps) | words | st.just(b"")


async def works_at_a_size_to_read(daemon: Served, page: Socket) -> None:
    """In one column, which the frames may have asked for, nobody finds what bash prints."""
    terminal = daemon.daemon.services.terminals.get("main")
    await page.type(" \x15")  # who typed last decides the size; an empty line again
    await page.say(type="resize", cols=90, rows=33)
    await until(lambda: terminal.size == (90, 33), "a size to work with")
    for _ in range(TRIES - 1):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TRY_SECONDS):
                await page.has_a_living_shell()
                return
        # bash itself ends at some sizes, and the key that starts another one is not typed into it.
        assert [each for each in page.messages if each["type"] == "exit"], page.messages[-20:]
    await page.has_a_living_shell()


@given(frames=st.lists(good_frames, max_size=6))
@settings(max_examples=20)
async def test_any_frames_of_the_protocol_are_taken(daemon: Served, frames: list[str]) -> None:
    """Faults 30 and 31, the other way round: what is allowed closes nothing."""
    async with daemon.socket() as page:
        for frame in frames:
            await page.send(frame)
        await works_at_a_size_to_read(daemon, page)


@given(frames=st.lists(any_frames, min_size=1, max_size=8))
@settings(max_examples=40)
async def test_any_frames_are_taken_or_close_one_socket_with_a_code(
    daemon: Served, frames: list[str | bytes]
) -> None:
    """Fault 31."""
    async with daemon.socket() as other, daemon.socket() as page:
        await page.hears("hello")
        with contextlib.suppress(ConnectionClosed):
            for frame in frames:
                await page.send(frame)
            await page.send("the end")  # is no JSON
        assert await page.close_code() in {1007, 1008}
        await works_at_a_size_to_read(daemon, other)

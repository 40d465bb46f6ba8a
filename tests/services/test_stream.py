"""One stream for many readers: the same bytes, bounded, gathered."""

from __future__ import annotations

import asyncio

import pytest

from runtime.services.stream import PIECE_BYTES, Stream


async def test_every_reader_gets_everything_from_when_it_came() -> None:
    stream = Stream()
    stream.publish(b"before")
    with stream.reader() as one:
        stream.publish(b"a")
        with stream.reader() as other:
            stream.publish(b"b")
            assert await stream.read(one) == b"ab"
            assert await stream.read(other) == b"b"


async def test_readers_at_the_same_place_share_the_same_bytes() -> None:
    stream = Stream()
    with stream.reader() as one, stream.reader() as other:
        stream.publish(b"x" * 1000)
        assert await stream.read(one) is await stream.read(other)


async def test_a_reader_waits_for_what_comes() -> None:
    stream = Stream()
    with stream.reader() as reader:
        waiting = asyncio.create_task(stream.read(reader))
        await asyncio.sleep(0)
        stream.publish(b"now")
        assert await waiting == b"now"


async def test_a_reader_that_is_too_far_behind_is_cut_off_and_others_are_not() -> None:
    """Fault 25."""
    stream = Stream(kept_bytes=1000)
    cut: list[str] = []
    with stream.reader() as slow, stream.reader() as fast:
        slow.on_cut = lambda: cut.append("slow")
        fast.on_cut = lambda: cut.append("fast")
        for _ in range(5):
            waiting = asyncio.create_task(stream.read(fast))
            await asyncio.sleep(0)
            stream.publish(b"x" * 300)
            assert len(await waiting) == 300
        assert cut == ["slow"]
        assert slow.is_cut
        assert await stream.read(slow) == b""


async def test_what_is_behind_comes_in_pieces() -> None:
    stream = Stream()
    with stream.reader() as reader:
        stream.publish(b"x" * (PIECE_BYTES + 10))
        assert len(await stream.read(reader)) == PIECE_BYTES
        assert len(await stream.read(reader)) == 10


async def test_many_readers_are_woken_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream()
    monkeypatch.setattr("runtime.services.stream.GATHER_SECONDS_A_READER", 0.05)
    with stream.reader() as reader:
        waiting = asyncio.create_task(stream.read(reader))
        await asyncio.sleep(0)
        stream.publish(b"first")
        assert await waiting == b"first"
        waiting = asyncio.create_task(stream.read(reader))
        await asyncio.sleep(0)
        stream.publish(b"a")
        stream.publish(b"b")
        assert await waiting == b"ab"


async def test_an_ended_stream_ends_its_readers() -> None:
    stream = Stream()
    with stream.reader() as reader:
        waiting = asyncio.create_task(stream.read(reader))
        await asyncio.sleep(0)
        stream.close()
        assert await waiting == b""
        assert len(stream) == 1
    assert len(stream) == 0

"""Reading server-sent events."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.classroom.sse import MOST_BYTES, Message, Parser, TooLarge

STREAM = (
    b"retry: 1000\n\n"
    b'id: 1-2\nevent: status\ndata: {"a": 1}\n\n'
    b": still here\n\n"
    b"data: one\r\ndata: two\r\n\r\n"
    b"id: 3-4\n\n"
)
EXPECTED = [Message("1-2", "status", b'{"a": 1}'), Message("", "message", b"one\ntwo")]


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_messages_are_the_same_however_the_stream_is_cut(cuts: list[int]) -> None:
    parser = Parser()
    edges = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[start:end] for start, end in pairwise(edges)]
    assert [message for piece in pieces for message in parser.feed(piece)] == EXPECTED


@given(st.binary(max_size=200))
def test_no_bytes_stop_it(noise: bytes) -> None:
    Parser().feed(noise)


def test_a_message_without_an_end_is_refused() -> None:
    parser = Parser()
    with pytest.raises(TooLarge):
        for _ in range(MOST_BYTES // 1000 + 2):
            parser.feed(b"data: " + b"x" * 1000 + b"\n")


@pytest.mark.parametrize("line", [b"data:\n", b":\n", b"\x00\n"])
def test_a_message_of_empty_lines_without_an_end_is_refused(line: bytes) -> None:
    parser = Parser()
    with pytest.raises(TooLarge):
        for _ in range(MOST_BYTES // (1000 * len(line)) + 2):
            parser.feed(line * 1000)

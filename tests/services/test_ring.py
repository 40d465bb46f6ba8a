"""The ring holds the newest bytes at their absolute offsets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.services.ring import Ring


@given(
    capacity=st.integers(1, 20),
    start=st.integers(0, 1 << 52),
    pieces=st.lists(st.binary(max_size=50), max_size=12),
)
def test_every_byte_that_is_held_is_the_byte_of_its_offset(
    capacity: int, start: int, pieces: list[bytes]
) -> None:
    ring = Ring(capacity, start)
    whole = b""
    for piece in pieces:
        ring.append(piece)
        whole += piece
        assert ring.end == start + len(whole)
        assert ring.end - ring.start == min(len(whole), capacity)
        held = whole[ring.start - start :]
        assert ring.read(ring.start, 1 << 20) == held
        for offset in range(len(held) + 1):
            assert ring.read(ring.start + offset, 3) == held[offset : offset + 3]
            for byte in (b"\0", b"\1", held[:1] or b"x"):
                assert ring.count(byte, ring.start + offset) == held.count(byte, offset)
                assert ring.holds(byte, ring.start + offset) == (byte in held[offset:])


@pytest.mark.parametrize("offset", [9, 15])
def test_bytes_that_are_not_here_cannot_be_read(offset: int) -> None:
    ring = Ring(4, 0)
    ring.append(b"0123456789abcd")
    for read in (lambda: ring.read(offset, 1), lambda: ring.count(b"a", offset)):
        with pytest.raises(ValueError, match="expected 10 to 14"):
            read()

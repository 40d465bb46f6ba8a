"""Cast lines: what is written is JSON, whole characters, short lines, and reads back the same."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.domain.asciicast import (
    MARKER_CHARACTERS,
    MAX_LINE_BYTES,
    CastEvent,
    Header,
    TextDecoder,
    encode_event,
    encode_header,
    marker_text,
    parse_event,
    parse_header,
    resize_text,
)

SAMPLE = "$ printf 'é漢字👩‍👧'\r\n\x1b[31mé漢字👩‍👧\x1b[0m\r\n"


def lines_of(event: CastEvent) -> list[bytes]:
    encoded = encode_event(event)
    assert encoded.endswith(b"\n")
    return encoded[:-1].split(b"\n")


def text_of(event: CastEvent) -> str:
    return "".join(json.loads(line)[2] for line in lines_of(event))


def test_an_event_is_a_json_array_on_one_line() -> None:
    assert json.loads(encode_event(CastEvent(1.25, "o", SAMPLE))) == [1.25, "o", SAMPLE]


def test_the_header_has_the_fields_of_the_format() -> None:
    header = Header(
        width=80,
        height=24,
        timestamp=1769869321,
        title="main",
        env={"SHELL": "/bin/bash", "TERM": "xterm-256color"},
    )
    assert json.loads(encode_header(header)) == {
        "version": 2,
        "width": 80,
        "height": 24,
        "timestamp": 1769869321,
        "title": "main",
        "env": {"SHELL": "/bin/bash", "TERM": "xterm-256color"},
    }
    assert parse_header(encode_header(header)) == header


@pytest.mark.parametrize("cut", range(len(SAMPLE.encode()) + 1))
def test_a_cut_anywhere_in_utf_8_gives_the_same_text(cut: int) -> None:
    """Fault 32: UTF-8 cut at every boundary."""
    raw = SAMPLE.encode()
    decoder = TextDecoder()
    assert decoder.feed(raw[:cut]) + decoder.feed(raw[cut:]) + decoder.end() == SAMPLE


def test_one_byte_at_a_time_gives_the_same_text() -> None:
    """Fault 32."""
    decoder = TextDecoder()
    pieces = [decoder.feed(bytes([byte])) for byte in SAMPLE.encode()]
    assert "".join(pieces) + decoder.end() == SAMPLE


@given(st.lists(st.binary(max_size=40)))
def test_any_bytes_in_any_pieces_become_valid_lines_of_their_text(pieces: list[bytes]) -> None:
    """Fault 32: invalid bytes."""
    decoder = TextDecoder()
    text = "".join(decoder.feed(piece) for piece in pieces) + decoder.end()
    assert text == b"".join(pieces).decode("utf-8", "replace")
    assert text_of(CastEvent(0, "o", text)) == text


@pytest.mark.parametrize(
    ("character", "times"),
    [("x", 10_000_000), ("\x1b", 300_000), ("é", 300_000), ("漢", 300_000), ("👩", 300_000)],
)
def test_a_text_without_newline_of_any_length_stays_in_short_lines(
    character: str, times: int
) -> None:
    """Fault 32: 10 MB without newline."""
    text = character * times
    event = CastEvent(3, "o", text)
    lines = lines_of(event)
    assert max(map(len, lines)) < MAX_LINE_BYTES
    assert all(json.loads(line)[:2] == [3, "o"] for line in lines[:3])
    assert text_of(event) == text


def test_a_lone_surrogate_does_not_stop_a_recording() -> None:
    assert json.loads(encode_event(CastEvent(0, "m", "a\ud800b")))[2] == "a?b"


@given(st.binary(max_size=200))
def test_no_line_makes_the_parsers_fail(raw: bytes) -> None:
    parse_event(raw)
    parse_header(raw)


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"[]", b'[1,"o"]', b'["1","o","x"]', b'[true,"o","x"]', b"[" * 100_000]
)
def test_what_is_no_event_is_none(raw: bytes) -> None:
    assert parse_event(raw) is None


def test_an_event_of_a_kind_we_do_not_know_is_read() -> None:
    assert parse_event(b'[2, "x", "later", 1]') == CastEvent(2.0, "x", "later")


def test_a_marker_is_one_short_line_without_control_characters() -> None:
    assert marker_text("$ ls\n\x1b]0;title\x07" + "x" * 200) == ("$ ls  ]0;title " + "x" * 200)[:80]
    assert len(marker_text("é" * 200)) == MARKER_CHARACTERS


def test_a_resize_is_columns_by_rows() -> None:
    assert resize_text(120, 40) == "120x40"


events = st.builds(
    CastEvent,
    st.integers(0, 10**9).map(lambda micros: micros / 1e6),
    st.sampled_from("oirm"),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
)


@given(st.lists(events, max_size=6))
def test_a_recording_cut_anywhere_reads_as_what_was_whole(recorded: list[CastEvent]) -> None:
    """Fault 32, and 18: every cut of the bytes on disk."""
    whole = b"".join(map(encode_event, recorded))
    for cut in range(len(whole) + 1):
        *lines, torn = whole[:cut].split(b"\n")
        assert [parse_event(line) for line in lines] == recorded[: len(lines)]
        following = whole[cut : cut + 1]
        assert parse_event(torn) is None or following == b"\n"


@given(st.text(max_size=60), st.data())
def test_the_same_text_comes_out_of_two_pieces_at_every_cut(text: str, data: st.DataObject) -> None:
    """Fault 32: with invalid bytes anywhere."""
    raw = text.encode("utf-8", "surrogatepass")
    broken = data.draw(st.integers(0, len(raw)))
    raw = raw[:broken] + data.draw(st.binary(max_size=3)) + raw[broken:]
    for cut in range(len(raw) + 1):
        decoder = TextDecoder()
        pieces = [decoder.feed(raw[:cut]), decoder.feed(raw[cut:]), decoder.end()]
        assert "".join(pieces) == raw.decode("utf-8", "replace")
        read = [
            parse_event(encode_event(CastEvent(0, "o", piece))[:-1]) for piece in pieces if piece
        ]
        assert "".join(each.text for each in read if each) == "".join(pieces)

"""Casts as text and as a page: what is kept, what is moved, what nobody obeys."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from host import exports
from runtime.domain.errors import BadRequest

HEADER: dict[str, Any] = {"version": 2, "width": 40, "height": 5}  # Any: JSON


def cast(*events: list[Any], header: dict[str, Any] = HEADER) -> bytes:
    lines = [json.dumps(each) for each in (header, *events)]
    return ("\n".join(lines) + "\n").encode()


def inside(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="cast">(.*?)</script>', page, re.DOTALL)
    assert found
    parsed: dict[str, Any] = json.loads(found[1])
    return parsed


def test_the_text_keeps_what_scrolled_away_and_what_was_cleared() -> None:
    lines = "".join(f"line {number}\r\n" for number in range(50))
    text = exports.as_text(
        cast([0.1, "o", lines], [0.2, "o", "\x1b[H\x1b[2J\x1b[3Jafter \x1b[31mred\x1b[0m\r\n"]),
        "a.cast",
    )
    assert text.splitlines() == [*(f"line {number}" for number in range(50)), "after red"]


def test_the_text_of_a_long_recording_is_whole() -> None:
    lines = "".join(f"line {number}\r\n" for number in range(50_000))
    text = exports.as_text(cast([0.1, "o", lines]), "a.cast").splitlines()
    assert (len(text), text[0], text[-1]) == (50_000, "line 0", "line 49999")


def test_what_was_cleared_by_a_sequence_in_two_events_is_kept() -> None:
    parts = ["one\r\n\x1b[H\x1b[2", "Jtwo\r\n\x1b[H\x1b", "[Jthree\r\n\x1bcfour\r\n"]
    text = exports.as_text(cast(*([0.1, "o", each] for each in parts)), "a.cast")
    assert [line for line in text.splitlines() if line] == ["one", "two", "three", "four"]


def test_a_page_lists_so_many_moments_as_a_browser_can_draw() -> None:
    page = exports.as_html(cast(*([0.1, "m", "again"] for _ in range(5000))), "a.cast", "")
    assert len(inside(page)["moments"]) == exports.MOST_MOMENTS


@pytest.mark.parametrize("version", [1, 9])
def test_another_version_is_refused(version: int) -> None:
    with pytest.raises(BadRequest, match=f"asciicast version {version}"):
        exports.as_text(cast(header={**HEADER, "version": version}), "a.cast")


def test_the_text_ends_a_full_screen_program_where_it_was_left() -> None:
    events = ["before\r\n", "\x1b[?1049h\x1b[Hin vim", "\x1b[?1049l", "after\r\n"]
    text = exports.as_text(cast(*([0.1, "o", each] for each in events)), "a.cast")
    assert text.splitlines() == ["before", "after"]


def test_a_commands_moment_is_where_enter_was_typed() -> None:
    page = exports.as_html(
        cast([0.0, "m", "step one"], [5.0, "i", "make\r"], [5.1, "o", "…"], [65.0, "m", "$ make"]),
        "a.cast",
        "",
    )
    assert [(each["time"], each["label"], each["kind"]) for each in inside(page)["moments"]] == [
        ("0:00", "step one", "other"),
        ("0:05", "$ make", "command"),
    ]
    events = [json.loads(line) for line in inside(page)["text"].splitlines()[1:]]
    assert [each[:2] for each in events] == [[0.0, "m"], [5.0, "i"], [5.0, "m"], [5.1, "o"]]


def test_times_of_version_3_are_made_absolute() -> None:
    header = {"version": 3, "term": {"cols": 50, "rows": 10}}
    page = exports.as_html(cast([1.0, "o", "a"], [2.0, "m", "here"], header=header), "a.cast", "")
    first, *events = [json.loads(line) for line in inside(page)["text"].splitlines()]
    assert (first["version"], first["width"], first["height"]) == (2, 50, 10)
    assert events == [[1.0, "o", "a"], [3.0, "m", "here"]]


def test_nothing_a_recording_says_becomes_part_of_the_page() -> None:
    """Fault 19."""
    hostile = "</script><script>alert(1)</script><img src=x onerror=alert(1)>@TITLE@"
    page = exports.as_html(
        cast([0.1, "o", hostile], [0.2, "m", hostile]), f"{hostile}.cast", hostile
    )
    assert "<script>alert" not in page and "<img" not in page
    assert inside(page)["moments"][0]["label"] == hostile


@pytest.mark.parametrize("content", [b"", b"hello\n", b"[1]\n", b"\x00\xff", b'"version"\n'])
def test_what_is_no_cast_is_said_so(content: bytes) -> None:
    with pytest.raises(BadRequest, match="is no asciicast: its first line"):
        exports.as_html(content, "a.cast", "")


def test_lines_that_are_no_events_are_left_out() -> None:
    torn = cast([0.1, "o", "whole\r\n"]) + b'null\n{"a":1}\n[0.2, "o", "to'
    assert exports.as_text(torn, "a.cast") == "whole\n"


def test_the_player_is_named_when_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "PLAYER", tmp_path)
    with pytest.raises(Exception, match="make setup"):
        exports.as_html(cast([0.1, "o", "a"]), "a.cast", "")

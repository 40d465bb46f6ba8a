"""A line of the command log: believed as far as its shape goes."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.domain.commands import Command, parse_command

TS = "2026-01-31T14:22:01.123Z"


def line(**fields: object) -> bytes:
    return json.dumps({"ts": TS, "cmd": "ls", "exit": 0, **fields}).encode()


def test_a_line_of_the_hook_is_a_command() -> None:
    raw = line(exit=127, cwd="/workspace", ms=12, term="main", cut=True)
    assert parse_command(raw) == Command(
        ts=datetime(2026, 1, 31, 14, 22, 1, 123000, tzinfo=UTC),
        cmd="ls",
        exit=127,
        cwd="/workspace",
        ms=12,
        term="main",
        cut=True,
    )


def test_fields_of_a_newer_hook_are_ignored() -> None:
    """Fault 39: what a newer version writes, in the command log."""
    assert parse_command(line(shell="fish", nested={"a": [1]})) == parse_command(line())


def test_a_time_elsewhere_is_told_in_utc() -> None:
    command = parse_command(line(ts="2026-01-31T16:22:01.123+02:00"))
    assert command is not None
    assert command.ts.isoformat() == "2026-01-31T14:22:01.123000+00:00"


def test_a_command_that_is_too_long_is_cut() -> None:
    command = parse_command(line(cmd="é" * 2000))
    assert command is not None
    assert (len(command.cmd), command.cut) == (1024, True)


@pytest.mark.parametrize(
    "fields",
    [
        {"cmd": ""},
        {"cmd": None},
        {"cmd": 1},
        {"cmd": ["ls"]},
        {"cmd": "\ud800"},
        {"exit": "0"},
        {"exit": True},
        {"exit": 0.5},
        {"exit": -1},
        {"exit": 256},
        {"exit": 10**1000},
        {"exit": float("nan")},
        {"ts": ""},
        {"ts": 17},
        {"ts": "yesterday"},
        {"ts": "2026-01-31T14:22:01"},
        {"ts": "0001-01-01T00:00:00+14:00"},
        {"ts": "9999-12-31T23:59:59-14:00"},
        {"ms": -1},
        {"ms": 1 << 60},
        {"ms": "1"},
        {"term": "x" * 65},
        {"cwd": "x" * 5000},
        {"cut": "yes"},
    ],
    ids=str,
)
def test_a_line_of_another_shape_is_no_command(fields: dict[str, object]) -> None:
    """Fault 13: a forged command log."""
    assert parse_command(line(**fields)) is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0" * 60_000,
        b"null",
        b"[]",
        b'{"ts":"x"',
        line()[:-1] + b',"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        line()[:-1] + b',"x":' + b"9" * 60_000 + b"}",
        line().replace(b"ls", b"\xff"),
        line().replace(b"ls", b"\xed\xa0\x80"),
        line().replace(b"ls", b"a\nb"),
    ],
    ids=range(10),
)
def test_bytes_that_are_no_command_are_none(raw: bytes) -> None:
    """Fault 13: random and hostile bytes."""
    assert parse_command(raw) is None


@given(st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_parsing_any_bytes_raises_nothing(raw: bytes) -> None:
    """Fault 13: random bytes."""
    parse_command(raw)

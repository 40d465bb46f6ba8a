"""Events: one line in, one line out, and no bytes that can do harm."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.domain import events as ev
from runtime.domain.transitions import TransitionKind

NOON = datetime(2026, 1, 31, 12, 0, 0, 123_456, tzinfo=UTC)

LINES = {
    ev.SessionStarted(
        ts=NOON, session="s1", workshop="hello", boot="b1"
    ): b'{"ts":"2026-01-31T12:00:00.123Z","event":"session_started","session":"s1",'
    b'"workshop":"hello","boot":"b1"}',
    ev.TransitionRequested(
        ts=NOON, id="t1", step="b", kind=TransitionKind.GO, from_step="a"
    ): b'{"ts":"2026-01-31T12:00:00.123Z","event":"transition_requested","id":"t1","step":"b",'
    b'"kind":"go","from":"a"}',
    ev.GossResult(
        ts=NOON,
        step="a",
        passed=False,
        outcome="failed",
        checks=ev.CheckCounts(total=2, passed=1, failed=1, skipped=0),
        trigger="auto",
        duration_ms=12,
        results=(ev.FailedResult(name="file /a: exists", expected="true", found="false"),),
    ): b'{"ts":"2026-01-31T12:00:00.123Z","event":"goss_result","step":"a","passed":false,'
    b'"outcome":"failed","checks":{"total":2,"passed":1,"failed":1,"skipped":0},'
    b'"trigger":"auto","duration_ms":12,"results":[{"name":"file /a: exists",'
    b'"expected":"true","found":"false"}]}',
}


@pytest.mark.parametrize(("event", "line"), LINES.items(), ids=lambda value: type(value).__name__)
def test_an_event_is_written_as_its_contract_says_and_read_back(
    event: ev.Event, line: bytes
) -> None:
    assert ev.encode(event) == line
    assert ev.encode(ev.parse(line)) == line


def test_times_are_written_in_utc_with_milliseconds() -> None:
    there = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert ev.timestamp(there) == "2026-01-31T12:00:00.123Z"


def test_an_event_of_a_newer_version_is_kept_whole() -> None:
    """Fault 39: kept, ignored, counted."""
    line = b'{"ts":"2026-01-31T12:00:00.123Z","event":"step_skipped","step":"a","why":["x"]}'
    event = ev.parse(line)
    assert isinstance(event, ev.UnknownEvent)
    assert ev.encode(event) == line


def test_a_new_field_of_a_known_event_is_ignored() -> None:
    event = ev.parse(b'{"ts":"2026-01-31T12:00:00.123Z","event":"step_viewed","step":"a","x":1}')
    assert event == ev.StepViewed(ts=NOON.replace(microsecond=123_000), step="a")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"null",
        b'{"event":"step_viewed"}',
        b'{"ts":"2026-01-31T12:00:00Z","event":"step_viewed","step":7}',
        b'{"ts":"2026-01-31T12:00:00Z","event":7}',
        b'{"ts":"yesterday","event":"unheard_of"}',
        b'{"ts":"2026-01-31T12:00:00Z","event":"step_viewed","step":"\xff"}',
        b"\0" * 1000,
        b'{"event":' + b"[" * 50_000,
        b'{"ts":' + b"9" * 5_000 + b',"event":"step_viewed","step":"a"}',
    ],
    ids=repr,
)
def test_what_is_no_event_is_refused_without_any_other_error(raw: bytes) -> None:
    with pytest.raises(ev.MalformedEvent):
        ev.parse(raw)


@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_but_malformed_event(raw: bytes) -> None:
    with contextlib.suppress(ev.MalformedEvent):
        ev.parse(raw)

"""The session: append, apply, publish, in this order or not at all."""

from __future__ import annotations

import asyncio
import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runtime.domain import events as ev
from runtime.domain.errors import StorageFull
from runtime.services.session import Session
from runtime.store.artifact import load
from runtime.store.eventlog import EventLog
from tests.made import make_artifact

NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


def make_session(root: Path) -> Session:
    if not (root / "workshop.json").exists():
        make_artifact(root)
    return Session(
        load(root).workshop, EventLog(root / "runtime", now=lambda: NOON), now=lambda: NOON
    )


async def test_a_recorded_event_is_on_disk_in_the_state_and_on_the_feed(tmp_path: Path) -> None:
    session = make_session(tmp_path)
    event = ev.StepCompleted(ts=NOON, step="one", by="student")
    with session.events.subscribe() as events:
        await session.record(event)
        [recorded] = events.gather()
    log = (tmp_path / "runtime/state-events.jsonl").read_bytes()
    assert log == ev.encode(event) + b"\n"
    assert [step.id for step in session.completed] == ["one"]
    assert (recorded.event, recorded.offset) == (event, len(log))


async def test_a_full_disk_changes_nothing_and_is_said(tmp_path: Path) -> None:
    """Fault 10."""
    session = make_session(tmp_path)

    def full(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with session.events.subscribe() as events:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "write", full)
            with pytest.raises(StorageFull):
                await session.record(ev.StepCompleted(ts=NOON, step="one", by="student"))
        assert events.gather() == []
    assert session.completed == []
    assert [problem.code for problem in session.problems] == ["storage"]
    await session.record(ev.StepViewed(ts=NOON, step="one"))
    assert list(session.problems) == []


async def test_a_caller_that_goes_away_leaves_log_and_state_alike(tmp_path: Path) -> None:
    session = make_session(tmp_path)
    for number in range(20):
        task = asyncio.create_task(session.record(ev.HandRaised(ts=NOON, note=str(number))))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await session.stop("test")
    lines = (tmp_path / "runtime/state-events.jsonl").read_bytes().splitlines()
    assert len(lines) == session.state.events


async def test_concurrent_recorders_keep_one_order(tmp_path: Path) -> None:
    session = make_session(tmp_path)
    with session.events.subscribe() as events:
        await asyncio.gather(
            *(session.record(ev.HandRaised(ts=NOON, note=str(n))) for n in range(30))
        )
        published = [recorded.event for recorded in events.gather()]
    lines = (tmp_path / "runtime/state-events.jsonl").read_bytes().splitlines()
    assert [ev.parse(line) for line in lines] == published


async def test_the_session_is_the_same_after_a_restart_and_the_boot_is_not(tmp_path: Path) -> None:
    first = make_session(tmp_path)
    await first.start(None)
    await first.stop("test")
    second = make_session(tmp_path)
    await second.start(None)
    assert second.id == first.id
    assert second.boot != first.boot
    await second.stop("test")


async def test_a_mended_log_is_said_in_the_log_and_on_the_page(tmp_path: Path) -> None:
    """Fault 14."""
    make_artifact(tmp_path)
    (tmp_path / "runtime/state-events.jsonl").write_bytes(b"rubbish\n")
    session = make_session(tmp_path)
    await session.start(None)
    await session.stop("test")
    lines = (tmp_path / "runtime/state-events.jsonl").read_bytes().splitlines()
    assert [ev.parse(line).event for line in lines] == [
        "session_started",
        "log_repaired",
        "session_stopped",
    ]
    assert [problem.code for problem in session.problems] == ["log_repaired"]

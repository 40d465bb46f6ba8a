"""The event log on a real disk: torn, damaged, full, read-only, held by another."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runtime.domain import events as ev
from runtime.domain.errors import AlreadyRunning, PermissionRefused, StorageFailed, StorageFull
from runtime.domain.state import fold
from runtime.store.eventlog import FILE_NAME, DirectoryLock, EventLog, read_state

NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
EVENTS: list[ev.Event] = [
    ev.SessionStarted(ts=NOON, session="s", workshop="w", boot="b"),
    ev.StepStart(ts=NOON, step="a"),
    ev.StepCompleted(ts=NOON, step="a", by="student"),
    ev.HandRaised(ts=NOON, note="ünïcode ☃"),
    ev.StepCompleted(ts=NOON, step="b", by="student"),
]
LINES = [ev.encode(event) + b"\n" for event in EVENTS]
WHOLE = b"".join(LINES)


def opened(directory: Path) -> EventLog:
    return EventLog(directory, now=lambda: NOON)


def test_every_cut_of_the_log_starts_with_its_longest_whole_part(tmp_path: Path) -> None:
    """Fault 2."""
    for cut in range(len(WHOLE) + 1):
        directory = tmp_path / str(cut)
        directory.mkdir()
        (directory / FILE_NAME).write_bytes(WHOLE[:cut])
        log = opened(directory)
        whole_lines = WHOLE[:cut].count(b"\n")
        assert log.state == fold(EVENTS[:whole_lines])
        good = len(b"".join(LINES[:whole_lines]))
        assert (directory / FILE_NAME).read_bytes() == WHOLE[:good]
        torn = directory / f"{FILE_NAME}.torn-20260131T120000Z"
        assert (torn.read_bytes() if torn.exists() else b"") == WHOLE[good:cut]
        assert len(log.repairs) == (1 if good != cut else 0)
        if cut % 20 == 0:  # a sync each: enough to see that the next event stands on its own line
            log.append(EVENTS[0])
            assert (directory / FILE_NAME).read_bytes() == WHOLE[:good] + LINES[0]
        log.close()


@pytest.mark.parametrize(
    "damage",
    [b"not json\n", b"\n", b'{"event":"step_completed","step":"c"}\n', b"\0" * 70_000 + b"\n"],
    ids=["text", "empty", "no time", "long"],
)
def test_a_bad_line_in_the_middle_is_kept_aside_and_adds_no_progress(
    tmp_path: Path, damage: bytes
) -> None:
    """Fault 14."""
    damaged = b"".join([*LINES[:3], damage, *LINES[3:]])
    (tmp_path / FILE_NAME).write_bytes(damaged)
    log = opened(tmp_path)
    log.close()
    assert log.state == fold(EVENTS)
    [repair] = log.repairs
    assert (repair.lines, repair.bytes) == (1, len(damage))
    assert (tmp_path / repair.kept).read_bytes() == damaged
    assert (tmp_path / FILE_NAME).read_bytes() == WHOLE
    again = opened(tmp_path)
    again.close()
    assert again.repairs == []


def test_a_log_nobody_holds_is_read_and_left_as_it_is(tmp_path: Path) -> None:
    damaged = LINES[0] + b"not an event\n" + WHOLE[len(LINES[0]) :] + b'{"torn'
    (tmp_path / FILE_NAME).write_bytes(damaged)
    assert read_state(tmp_path) == fold(EVENTS)
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]
    assert (tmp_path / FILE_NAME).read_bytes() == damaged
    with pytest.raises(FileNotFoundError):
        read_state(tmp_path / "none")


def test_damage_and_a_torn_tail_are_both_mended(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(LINES[0] + b"x\n" + LINES[1] + LINES[2][:10])
    log = opened(tmp_path)
    log.close()
    assert [repair.kept.split("-20")[0] for repair in log.repairs] == [
        f"{FILE_NAME}.torn",
        f"{FILE_NAME}.damaged",
    ]
    assert (tmp_path / FILE_NAME).read_bytes() == LINES[0] + LINES[1]


def test_replaying_twice_gives_the_same_state(tmp_path: Path) -> None:
    """Fault 38."""
    (tmp_path / FILE_NAME).write_bytes(WHOLE)
    first, second = opened(tmp_path), opened(tmp_path)
    assert first.state == second.state == fold(EVENTS)
    first.close()
    second.close()


def test_only_the_owner_can_read_the_log(tmp_path: Path) -> None:
    opened(tmp_path).close()
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_a_full_disk_refuses_the_event_and_recovers(tmp_path: Path) -> None:
    """Faults 10 and 48: the write stops in the middle of a line."""
    log = opened(tmp_path)
    log.append(EVENTS[0])
    real = os.write

    def half(fd: int, data: bytes) -> int:
        real(fd, bytes(data)[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", half)
        with pytest.raises(StorageFull, match="disk is full"):
            log.append(EVENTS[1])
    assert log.degraded is not None
    assert (tmp_path / FILE_NAME).read_bytes() == LINES[0]
    log.append(EVENTS[1])
    assert log.degraded is None
    log.close()
    assert (tmp_path / FILE_NAME).read_bytes() == LINES[0] + LINES[1]


CALLS = ("open", "write", "ftruncate", "fsync", "fdatasync", "rename", "replace", "pread")


class FailingCalls:
    """The kernel's answer to the N-th call, counted over all of `CALLS`, is a failure."""

    def __init__(self, patch: pytest.MonkeyPatch, failing: int) -> None:
        self.made = 0
        self._failing = failing
        for name in CALLS:
            patch.setattr(os, name, self._counted(getattr(os, name)))

    @property
    def has_failed(self) -> bool:
        return self.made >= self._failing

    def _counted(self, real: Callable[..., object]) -> Callable[..., object]:
        def call(*given: object, **named: object) -> object:
            self.made += 1
            if self.made == self._failing:
                raise OSError(errno.EIO, "Input/output error")
            return real(*given, **named)

        return call


def acknowledged_until_a_failure(directory: Path) -> int:
    """How many of EVENTS were acknowledged, going on after each failure as the daemon would."""
    acknowledged = 0
    try:
        log = opened(directory)
    except StorageFailed:
        return 0
    for event in EVENTS:
        with contextlib.suppress(StorageFailed):
            log.append(event)
            acknowledged += 1
    log.close()
    return acknowledged


def test_whatever_call_fails_what_was_acknowledged_is_there(tmp_path: Path) -> None:
    """Fault 48: every N, at the mending of a damaged and torn log and at the appends after it."""
    damaged = b"".join([*LINES[:2], b"x\n", LINES[2], LINES[3][:9]])
    for failing in range(1, 200):
        directory = tmp_path / str(failing)
        directory.mkdir()
        (directory / FILE_NAME).write_bytes(damaged)
        with pytest.MonkeyPatch.context() as patch:
            calls = FailingCalls(patch, failing)
            acknowledged = acknowledged_until_a_failure(directory)
        log = opened(directory)
        log.close()
        assert log.state.events == 3 + acknowledged, failing
        assert {"a"} <= log.state.completed.keys()
        assert (directory / FILE_NAME).read_bytes().endswith(b"\n")
        if not calls.has_failed:
            assert acknowledged == len(EVENTS)
            break
    else:
        pytest.fail("there is no end to the calls")
    assert failing > 10, "the calls are counted"


def test_writes_that_are_cut_short_lose_nothing_of_a_mended_log(tmp_path: Path) -> None:
    """Fault 48: the kernel takes a few bytes of a write at a time, and says so."""
    (tmp_path / FILE_NAME).write_bytes(b"".join([*LINES[:2], b"x\n", *LINES[2:]]))
    real = os.write
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", lambda fd, raw: real(fd, raw[:7]))
        log = opened(tmp_path)
    log.close()
    assert log.state == fold(EVENTS)
    assert (tmp_path / FILE_NAME).read_bytes() == WHOLE


def test_a_failed_sync_is_not_acknowledged(tmp_path: Path) -> None:
    """Fault 47."""
    log = opened(tmp_path)

    def broken(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fdatasync", broken)
        with pytest.raises(StorageFailed, match="Input/output error"):
            log.append(EVENTS[0])
    assert log.degraded is not None
    log.close()
    assert (tmp_path / FILE_NAME).read_bytes() == b""


def test_a_second_daemon_is_told_who_holds_the_directory(tmp_path: Path) -> None:
    """Fault 33."""
    first = DirectoryLock(tmp_path)
    first.write("process 42")
    with pytest.raises(AlreadyRunning, match="process 42"):
        DirectoryLock(tmp_path)
    first.release()
    DirectoryLock(tmp_path).release()


def test_a_daemon_that_is_gone_is_not_named_as_the_holder(tmp_path: Path) -> None:
    """Fault 33: asked before the new one has had the time to say more of itself."""
    gone = DirectoryLock(tmp_path)
    gone.write("process 42")
    gone.release()
    holder = DirectoryLock(tmp_path)
    with pytest.raises(AlreadyRunning, match=rf"\(process {os.getpid()}\)"):
        DirectoryLock(tmp_path)
    holder.release()


def test_a_directory_that_cannot_be_written_is_refused_with_its_mend(tmp_path: Path) -> None:
    """Fault 46: the kernel's answer, injected, because tests may run as root."""

    def refuse(*_: object, **__: object) -> int:
        raise OSError(errno.EROFS, "Read-only file system")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(PermissionRefused, match="mount it writable"):
            DirectoryLock(tmp_path)

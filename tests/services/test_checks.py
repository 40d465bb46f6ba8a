"""The checks of a session: real goss, a real event log."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from runtime.domain import events as ev
from runtime.domain.checks import Report
from runtime.domain.errors import NotFound, StorageFull
from runtime.services.checks import Checks, Pace
from runtime.services.goss import Goss
from runtime.services.session import Session
from runtime.store.artifact import load
from runtime.store.eventlog import EventLog
from tests.goss_binary import goss_binary
from tests.made import make_artifact

NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
QUICK = Pace(debounce_seconds=0.05, patience_seconds=0.5, slow_seconds=20)

WANTS_A = "file: {a: {exists: true, meta: {title: Make a, hint: Use touch.}}}"
COUNTS_RUNS = "command: {'echo x >> runs; test -e a': {exit-status: 0}}"
WAITS = "command: {'echo x >> runs; while [ ! -e go ]; do sleep 0.02; done': {exit-status: 0}}"


@dataclass
class Bench:
    """A session, its checks, and what came of them."""

    root: Path
    session: Session
    checks: Checks
    outcomes: list[Report] = field(default_factory=list)

    @property
    def recorded(self) -> list[ev.GossResult]:
        log = (self.root / "runtime/state-events.jsonl").read_bytes()
        events = [ev.parse(line) for line in log.splitlines()]
        return [event for event in events if isinstance(event, ev.GossResult)]

    async def ran(self, times: int) -> None:
        await until(lambda: self.runs >= times)

    @property
    def runs(self) -> int:
        with suppress(FileNotFoundError):
            return len((self.root / "runs").read_text().splitlines())
        return 0


@asynccontextmanager
async def bench(
    root: Path,
    *goss: str,
    pace: Pace = QUICK,
    interval_seconds: float = 0,
    timeout_seconds: float = 30,
    background: bool = True,
    step: dict[str, Any] | None = None,  # Any: JSON fields
    **workshop: Any,  # Any: JSON fields
) -> AsyncIterator[Bench]:
    """Steps `s0`, `s1`, … with these specs; `step` are further fields of each meta.json."""
    if not (root / "workshop.json").exists():
        steps = [{"id": f"s{n}", "goss": spec, **(step or {})} for n, spec in enumerate(goss)]
        make_artifact(root, [*steps, {"id": "unchecked"}], **workshop)
    artifact = load(root)
    session = Session(
        artifact.workshop, EventLog(root / "runtime", now=lambda: NOON), now=lambda: NOON
    )
    outcomes: list[Report] = []
    checks = Checks(
        session,
        artifact,
        Goss(goss_binary(), timeout_seconds=timeout_seconds),
        on_outcome=outcomes.append,
        interval_seconds=interval_seconds,
        pace=pace,
    )
    task = asyncio.create_task(checks.run()) if background else None
    try:
        yield Bench(root, session, checks, outcomes)
    finally:
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await checks.close()
        await session.stop("test")


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


# The button


async def test_a_validation_is_recorded_and_completes_the_step(tmp_path: Path) -> None:
    async with bench(tmp_path, WANTS_A) as here:
        failed = await here.checks.validate("s0")
        (tmp_path / "a").touch()
        passed = await here.checks.validate("s0")
        assert [failed.outcome, passed.outcome] == ["failed", "passed"]
        assert [step.id for step in here.session.completed] == ["s0"]
        assert [event.outcome for event in here.recorded] == ["failed", "passed"]
        first = here.recorded[0]
        assert (first.trigger, first.checks.failed) == ("student", 1)
        assert first.results
        assert first.results[0].summary == "The file a does not exist."
        assert [report.outcome for report in here.outcomes] == ["failed", "passed"]


async def test_the_report_has_the_authors_title_and_hint(tmp_path: Path) -> None:
    async with bench(tmp_path, WANTS_A) as here:
        (check,) = (await here.checks.validate("s0")).checks
        assert (check.title, check.hint) == ("Make a", "Use touch.")
        assert (check.expected, check.found) == ("exists", "does not exist")


async def test_the_button_is_recorded_even_when_nothing_changed(tmp_path: Path) -> None:
    async with bench(tmp_path, WANTS_A) as here:
        await here.checks.validate("s0")
        await here.checks.validate("s0")
        assert len(here.recorded) == 2


async def test_two_who_ask_at_once_share_one_run(tmp_path: Path) -> None:
    async with bench(tmp_path, WAITS) as here:
        asking = [asyncio.create_task(here.checks.validate("s0")) for _ in range(5)]
        await until(lambda: here.runs == 1)
        asking.append(asyncio.create_task(here.checks.validate("s0")))
        await asyncio.sleep(0)
        (tmp_path / "go").touch()
        reports = await asyncio.gather(*asking)
        assert here.runs == len(here.recorded) == 1
        assert all(report is reports[0] for report in reports)


async def test_one_who_goes_away_does_not_stop_the_run_for_the_others(tmp_path: Path) -> None:
    async with bench(tmp_path, WAITS) as here:
        gone = asyncio.create_task(here.checks.validate("s0"))
        stays = asyncio.create_task(here.checks.validate("s0"))
        await until(lambda: here.runs == 1)
        gone.cancel()
        (tmp_path / "go").touch()
        assert (await stays).passed


async def test_different_steps_run_at_the_same_time(tmp_path: Path) -> None:
    async with bench(tmp_path, WAITS, WANTS_A, navigation="free") as here:
        waiting = asyncio.create_task(here.checks.validate("s0"))
        assert (await here.checks.validate("s1")).outcome == "failed"
        (tmp_path / "go").touch()
        assert (await waiting).passed


@pytest.mark.parametrize("step", ["nowhere", "unchecked"])
async def test_a_step_without_checks_has_nothing_to_validate(tmp_path: Path, step: str) -> None:
    async with bench(tmp_path, WANTS_A) as here:
        with pytest.raises(NotFound):
            await here.checks.validate(step)


async def test_a_full_disk_refuses_the_report_and_tells_nobody(tmp_path: Path) -> None:
    """Fault 10."""
    async with bench(tmp_path, WANTS_A) as here:
        (tmp_path / "a").touch()
        write = os.write

        def full(fd: int, data: bytes) -> int:
            if b"goss_result" in bytes(data):
                raise OSError(errno.ENOSPC, "No space left on device")
            return write(fd, data)

        with here.checks.reports.subscribe() as reports, pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "write", full)
            with pytest.raises(StorageFull):
                await here.checks.validate("s0")
            assert reports.gather() == []
        assert here.session.completed == []
        assert here.outcomes == []
        assert (await here.checks.validate("s0")).passed


# Errors are not failures


async def test_a_broken_spec_is_an_error_with_the_reason(tmp_path: Path) -> None:
    """Fault 4."""
    async with bench(tmp_path, "file: {a: {exist: true}}") as here:
        report = await here.checks.validate("s0")
        assert report.outcome == "error"
        assert report.reason
        assert "invalid Attribute" in report.reason
        (event,) = here.recorded
        assert (event.passed, event.outcome) == (False, "error")
        assert event.results
        assert event.results[0].summary == report.reason


async def test_a_count_the_compiler_did_not_expect_never_completes(tmp_path: Path) -> None:
    """Fault 4."""
    async with bench(tmp_path, "user: {root: {exists: true}}", step={"expectedChecks": 2}) as here:
        assert (await here.checks.validate("s0")).outcome == "error"
        assert here.session.completed == []


async def test_an_undeclared_skip_never_completes(tmp_path: Path) -> None:
    """Fault 4."""
    spec = "user: {root: {exists: true}, bin: {exists: true, skip: true}}"
    async with bench(tmp_path, spec) as here:
        assert (await here.checks.validate("s0")).outcome == "error"
        assert here.session.completed == []


async def test_a_declared_skip_completes(tmp_path: Path) -> None:
    spec = "user: {root: {exists: true}, bin: {exists: true, skip: true}}"
    fields = {"expectedChecks": 2, "declaredSkips": ["user/bin"]}
    async with bench(tmp_path, spec, step=fields) as here:
        assert (await here.checks.validate("s0")).passed


async def test_a_hanging_check_is_an_error_in_the_deadline(tmp_path: Path) -> None:
    """Fault 11."""
    async with bench(tmp_path, "command: {sleep 60: {exit-status: 0}}", timeout_seconds=1) as here:
        report = await here.checks.validate("s0")
        assert report.outcome == "error"
        assert report.reason == "The checks did not finish within 1 s and were stopped."


async def test_what_the_student_puts_beside_has_no_effect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault 5."""
    for name in ("goss.yaml", "sh", "test", "vars.yaml"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 0\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("GOSS_MAX_CONCURRENT", "0")
    monkeypatch.setenv("GOSS_FILE", str(tmp_path / "goss.yaml"))
    async with bench(tmp_path, "command: {test -e nothing: {exit-status: 0}}") as here:
        assert (await here.checks.validate("s0")).outcome == "failed"


# By themselves


async def test_a_command_turns_the_step_green_without_a_click(tmp_path: Path) -> None:
    async with bench(tmp_path, WANTS_A) as here:
        (tmp_path / "a").touch()
        with here.checks.reports.subscribe() as reports:
            here.checks.nudge()
            report = await anext(aiter(reports))
        assert (report.outcome, report.trigger) == ("passed", "auto")
        assert [step.id for step in here.session.completed] == ["s0"]


async def test_commands_in_a_row_are_one_run(tmp_path: Path) -> None:
    pace = Pace(debounce_seconds=0.3, patience_seconds=30, slow_seconds=20)
    async with bench(tmp_path, COUNTS_RUNS, pace=pace) as here:
        for _ in range(10):
            here.checks.nudge()
            await asyncio.sleep(0.01)
        await until(lambda: len(here.recorded) == 1)
        assert here.runs == 1


async def test_commands_without_a_pause_are_checked_all_the_same(tmp_path: Path) -> None:
    pace = Pace(debounce_seconds=5, patience_seconds=0.2, slow_seconds=20)
    async with bench(tmp_path, COUNTS_RUNS, pace=pace) as here:

        async def keep_typing() -> None:
            while True:
                here.checks.nudge()
                await asyncio.sleep(0.01)

        typing = asyncio.create_task(keep_typing())
        await until(lambda: here.runs > 0)
        typing.cancel()


async def test_a_command_during_a_run_makes_another_after_it(tmp_path: Path) -> None:
    async with bench(tmp_path, WAITS) as here:
        here.checks.nudge()
        await until(lambda: here.runs == 1)
        here.checks.nudge()
        (tmp_path / "go").touch()
        await until(lambda: here.runs == 2)


async def test_a_command_during_the_buttons_run_makes_another_after_it(tmp_path: Path) -> None:
    async with bench(tmp_path, WAITS) as here:
        clicked = asyncio.create_task(here.checks.validate("s0"))
        await until(lambda: here.runs == 1)
        here.checks.nudge()
        (tmp_path / "go").touch()
        assert (await clicked).trigger == "student"
        await until(lambda: here.runs == 2)


async def test_a_student_who_asks_during_an_automatic_run_owns_it(tmp_path: Path) -> None:
    async with bench(tmp_path, WAITS) as here:
        here.checks.nudge()
        await until(lambda: here.runs == 1)
        clicked = asyncio.create_task(here.checks.validate("s0"))
        await asyncio.sleep(0)
        (tmp_path / "go").touch()
        assert (await clicked).trigger == "student"
        assert [event.trigger for event in here.recorded] == ["student"]


async def test_the_viewed_step_is_the_one_that_is_checked(tmp_path: Path) -> None:
    async with bench(tmp_path, WANTS_A, COUNTS_RUNS, navigation="free") as here:
        await here.session.record(ev.StepViewed(ts=NOON, step="s1"))
        here.checks.nudge()
        await until(lambda: len(here.recorded) == 1)
        assert here.recorded[0].step == "s1"


async def test_an_automatic_run_is_recorded_only_when_a_result_changed(tmp_path: Path) -> None:
    async with bench(tmp_path, COUNTS_RUNS) as here:
        for number in range(1, 4):
            here.checks.nudge()
            await here.ran(number)
        (tmp_path / "a").touch()
        here.checks.nudge()
        await until(lambda: len(here.outcomes) == 2)
        assert [event.outcome for event in here.recorded] == ["failed", "passed"]
        assert [report.outcome for report in here.outcomes] == ["failed", "passed"]


async def test_another_failing_result_is_a_change(tmp_path: Path) -> None:
    (tmp_path / "b").touch()
    spec = "file: {a: {exists: true}, b: {exists: true}}"
    async with bench(tmp_path, spec) as here:
        await here.checks.validate("s0")
        (tmp_path / "b").rename(tmp_path / "a")
        here.checks.nudge()
        await until(lambda: len(here.recorded) == 2)
        assert here.recorded[1].trigger == "auto"
        assert here.recorded[1].checks == here.recorded[0].checks


async def test_after_a_restart_the_same_result_is_not_recorded_again(tmp_path: Path) -> None:
    async with bench(tmp_path, COUNTS_RUNS) as here:
        await here.checks.validate("s0")
    async with bench(tmp_path) as again:
        again.checks.nudge()
        await until(lambda: again.runs == 2 and "s0" in again.checks.latest)
        assert len(again.recorded) == 1


@pytest.mark.parametrize("where", ["workshop", "step"])
async def test_automatic_checks_can_be_switched_off(tmp_path: Path, where: str) -> None:
    off = {"autoValidate": "off"}
    made = {"step": off} if where == "step" else off
    async with bench(tmp_path, COUNTS_RUNS, **made) as here:
        here.checks.nudge()
        assert (await here.checks.validate("s0")).trigger == "student"
        assert here.runs == 1


async def test_a_slow_step_falls_back_to_the_button_and_says_so(tmp_path: Path) -> None:
    slow = "command: {'echo x >> runs; sleep 0.3': {exit-status: 0}}"
    pace = Pace(debounce_seconds=0.01, patience_seconds=0.5, slow_seconds=0.25)
    async with bench(tmp_path, slow, pace=pace) as here:
        with here.checks.reports.subscribe() as reports:
            here.checks.nudge()
            report = await anext(aiter(reports))
        assert report.auto_paused is True
        assert here.checks.slow == {"s0"}
        here.checks.nudge()
        assert (await here.checks.validate("s0")).auto_paused is True
        assert here.runs == 2  # the automatic one and the button's


async def test_a_quick_run_of_the_button_lets_a_slow_step_run_by_itself_again(
    tmp_path: Path,
) -> None:
    spec = "command: {'echo x >> runs; test -e fast || sleep 1.2': {exit-status: 0}}"
    pace = Pace(debounce_seconds=0.01, patience_seconds=0.5, slow_seconds=1)
    async with bench(tmp_path, spec, pace=pace) as here:
        assert (await here.checks.validate("s0")).auto_paused is True
        (tmp_path / "fast").touch()
        for _ in range(10):  # a loaded machine may be slow for reasons of its own
            if (await here.checks.validate("s0")).auto_paused is None:
                break
        before = here.runs
        here.checks.nudge()
        await until(lambda: here.runs == before + 1)


async def test_automatic_checks_go_on_after_a_full_disk(tmp_path: Path) -> None:
    """Fault 10."""
    async with bench(tmp_path, COUNTS_RUNS) as here:
        write = os.write

        def full(fd: int, data: bytes) -> int:
            if b"goss_result" in bytes(data):
                raise OSError(errno.ENOSPC, "No space left on device")
            return write(fd, data)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "write", full)
            here.checks.nudge()
            await until(lambda: here.runs == 1 and bool(list(here.session.problems)))
        here.checks.nudge()
        await until(lambda: len(here.recorded) == 1)


async def test_on_an_interval_the_viewed_step_is_checked(tmp_path: Path) -> None:
    off = {"autoValidate": "off"}
    async with bench(tmp_path, COUNTS_RUNS, interval_seconds=0.05, step=off) as here:
        await until(lambda: here.runs >= 3)
        assert [event.trigger for event in here.recorded] == ["interval"]


async def test_stopping_ends_a_run_under_way(tmp_path: Path) -> None:
    """Fault 18."""
    async with bench(tmp_path, WAITS) as here:
        here.checks.nudge()
        await until(lambda: here.runs == 1)
        async with asyncio.timeout(5):
            await here.checks.close()
        assert here.recorded == []


# Bounds


async def test_recorded_results_stay_within_their_bytes(tmp_path: Path) -> None:
    names = ", ".join(f"'echo {'ü' * 100} {n}; false': {{exit-status: 0}}" for n in range(60))
    async with bench(tmp_path, f"command: {{{names}}}") as here:
        report = await here.checks.validate("s0")
        assert report.counts.failed == 60
        (event,) = here.recorded
        assert event.results
        line = ev.encode(event)
        assert 15 << 10 < len(line) < (16 << 10) + 400


async def test_a_secret_that_a_check_found_is_in_no_log(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("export API_TOKEN=abc123hidden\n")
    wants = f"command: {{'cat {tmp_path}/env': {{exit-status: 0, stdout: {{equal: ready}}}}}}"
    async with bench(tmp_path, wants) as here:
        report = await here.checks.validate("s0")
        assert "abc123hidden" in str(report.checks), "the student sees what is in their file"
        (event,) = here.recorded
        assert "[redacted]" in str(event.results)
        assert "abc123hidden" not in str(event.results)

"""Runs the checks of steps: when the student asks, when a command finished, on an interval.

One run per step at a time; whoever asks meanwhile gets the same report. A run becomes a fact in
the event log before anybody hears of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol

from runtime.domain.checks import Report, Result, Trigger, could_not_check, judge
from runtime.domain.errors import NotFound, Stopping, StorageFailed, StorageFull
from runtime.domain.events import Event, FailedResult, GossResult
from runtime.domain.redaction import redact
from runtime.domain.state import State
from runtime.domain.workshop import Step, Workshop
from runtime.services.broadcast import Broadcast
from runtime.services.goss import GossRun

logger = logging.getLogger(__name__)

DEBOUNCE_SECONDS = 0.3  # quiet time after a command before the checks run by themselves
PATIENCE_SECONDS = 1.5  # a student who never pauses that long gets the checks anyway
SLOW_SECONDS = 2.0  # a step whose run takes longer is checked by the button only
CONCURRENT_RUNS = 4  # of different steps
RECORDED_BYTES = 16 << 10  # 16 KiB, contracts section 2: `results` of a goss_result
RECORDED_CHARACTERS = 500  # of one text of a recorded result
STOPPING = "The workshop is being stopped or moved; check again when it is back."


class SessionLike(Protocol):
    """What this service needs of the session (`runtime.services.session.Session`)."""

    now: Callable[[], datetime]

    @property
    def workshop(self) -> Workshop: ...
    @property
    def state(self) -> State: ...
    @property
    def viewed(self) -> Step: ...
    async def record(self, event: Event) -> None: ...


class Specs(Protocol):
    """Where a step's goss file is (`runtime.store.artifact.Artifact`)."""

    def goss_path(self, step: Step) -> Path: ...


class Runner(Protocol):
    """What runs goss (`runtime.services.goss.Goss`)."""

    async def warm(self) -> None: ...
    async def run(self, spec: Path, cwd: Path) -> GossRun: ...
    async def close(self) -> None: ...


class Pace(NamedTuple):
    """How eager the automatic checks are."""

    debounce_seconds: float = DEBOUNCE_SECONDS
    patience_seconds: float = PATIENCE_SECONDS
    slow_seconds: float = SLOW_SECONDS


PACE = Pace()


class Checks:
    """The checks of one session; owns `goss`. `interval_seconds` 0 means no interval.

    `reports` publishes every report that says something new, after it was recorded; `on_outcome`
    hears of every recorded one. `latest` holds the last report of each step since the start,
    `slow` the steps that no longer run by themselves.
    """

    def __init__(
        self,
        session: SessionLike,
        specs: Specs,
        goss: Runner,
        *,
        on_outcome: Callable[[Report], None] = lambda report: None,
        interval_seconds: float = 0,
        pace: Pace = PACE,
    ) -> None:
        self.reports: Broadcast[Report] = Broadcast()
        self.latest: dict[str, Report] = {}
        self.slow: set[str] = set()
        self._session = session
        self._specs = specs
        self._goss = goss
        self._on_outcome = on_outcome
        self._interval_seconds = interval_seconds
        self._pace = pace
        self._under_way: dict[str, _Run] = {}
        self._slots = asyncio.Semaphore(CONCURRENT_RUNS)
        self._nudged = asyncio.Event()
        self._stopped = False

    async def validate(self, step_id: str, trigger: Trigger = "student") -> Report:
        """Run the step's checks, or join the run that is under way.

        Raises NotFound for a step that is not there or has no checks, StorageFull and
        StorageFailed when the result could not be recorded, Stopping when `stop_runs` came first.
        A caller that goes away does not stop the run for the others.
        """
        if self._stopped:
            raise Stopping(STOPPING)
        step = self._session.workshop.find(step_id)
        if step is None:
            raise NotFound(f"There is no step named {step_id}.")
        if not step.has_goss:
            raise NotFound(f"The step “{step.title}” has no checks.")
        run = self._under_way.get(step_id) or self._start(step, trigger)
        if trigger == "student":
            run.trigger = trigger
        try:
            return await asyncio.shield(run.task)
        except asyncio.CancelledError:
            if self._stopped and run.task.cancelled():
                raise Stopping(STOPPING) from None
            raise

    def nudge(self) -> None:
        """A command finished: run the checks of the step the student looks at, soon."""
        if self._runs_by_itself(self._session.viewed):
            self._nudged.set()

    async def run(self) -> None:
        """The automatic checks and the interval, until cancelled; runs under way end with it."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._goss.warm(), name="warm goss")
                group.create_task(self._follow_nudges(), name="automatic checks")
                if self._interval_seconds:
                    group.create_task(self._follow_interval(), name="interval checks")
        finally:
            await self.close()

    def stop_runs(self) -> None:
        """End the runs under way and start no more; whoever waits for one is told so."""
        self._stopped = True
        for run in self._under_way.values():
            run.task.cancel()

    async def close(self) -> None:
        """Stop every run and goss, end the subscriptions."""
        tasks = [run.task for run in self._under_way.values()]
        self.stop_runs()
        if tasks:
            await asyncio.wait(tasks)
        await self._goss.close()
        self.reports.close()

    def _runs_by_itself(self, step: Step) -> bool:
        return self._session.workshop.auto_validates(step) and step.id not in self.slow

    async def _follow_nudges(self) -> None:
        while True:
            await self._nudged.wait()
            await self._quiet()
            await self._validate_viewed("auto")

    async def _quiet(self) -> None:
        """Wait until no command has finished for a moment, or patience ends."""
        loop = asyncio.get_running_loop()
        limit = loop.time() + self._pace.patience_seconds
        while self._nudged.is_set():
            self._nudged.clear()
            left = limit - loop.time()
            if left <= 0:
                return
            try:
                async with asyncio.timeout(min(self._pace.debounce_seconds, left)):
                    await self._nudged.wait()
            except TimeoutError:
                return

    async def _follow_interval(self) -> None:
        while True:
            await asyncio.sleep(self._interval_seconds)
            await self._validate_viewed("interval")

    async def _validate_viewed(self, trigger: Trigger) -> None:
        """Run the viewed step's checks anew; a run under way may have looked too early."""
        step = self._session.viewed
        if run := self._under_way.get(step.id):
            await asyncio.wait([run.task])
        if step.id in self.slow or not step.has_goss:
            return
        if trigger == "auto" and not self._runs_by_itself(step):
            return
        try:
            await self.validate(step.id, trigger)
        except Stopping:
            return
        except (StorageFull, StorageFailed) as error:
            logger.warning("the %s checks of %s were not recorded: %s", trigger, step.id, error)

    def _start(self, step: Step, trigger: Trigger) -> _Run:
        task = asyncio.create_task(self._run(step), name=f"checks of {step.id}")
        task.add_done_callback(lambda task: self._ended(step.id, task))
        run = self._under_way[step.id] = _Run(trigger, task)
        return run

    async def _run(self, step: Step) -> Report:
        async with self._slots:
            answer = await self._goss.run(
                self._specs.goss_path(step), Path(self._session.workshop.terminal.workdir)
            )
        trigger = self._under_way[step.id].trigger
        now = self._session.now()
        report = self._note_speed(_report(step, trigger, answer))._replace(ts=now)
        before = self.latest.get(step.id)
        if report.trigger == "student" or self._is_news(report, before):
            await self._session.record(_event(report, now))
            self._on_outcome(report)
        self.latest[step.id] = report
        del self._under_way[step.id]  # whoever asks from now on wants to know what is true now
        self.reports.publish(report)
        return report

    def _note_speed(self, report: Report) -> Report:
        """Take a slow step off the automatic checks, put it back once the button was quick."""
        if report.duration_ms > self._pace.slow_seconds * 1000:
            self.slow.add(report.step)
        else:
            self.slow.discard(report.step)
        return report._replace(auto_paused=True) if report.step in self.slow else report

    def _is_news(self, report: Report, before: Report | None) -> bool:
        """Whether an automatic run says anything the log does not."""
        if before is not None:
            return _essence(report) != _essence(before)
        logged = self._session.state.reports.get(report.step)
        return logged is None or (logged.outcome, logged.counts) != (report.outcome, report.counts)

    def _ended(self, step_id: str, task: asyncio.Task[Report]) -> None:
        run = self._under_way.get(step_id)
        if run is not None and run.task is task:
            del self._under_way[step_id]
        if not task.cancelled():
            task.exception()  # every caller that still waits has it


@dataclass(slots=True)
class _Run:
    """A run under way; the student's asking outweighs what it was started for."""

    trigger: Trigger
    task: asyncio.Task[Report]


def _report(step: Step, trigger: Trigger, answer: GossRun) -> Report:
    if answer.exit_code is None:
        verdict = could_not_check(answer.reason or "goss gave no answer.")
    else:
        verdict = judge(
            answer.stdout,
            answer.exit_code,
            expected=step.expected_checks,
            declared_skips=step.declared_skips,
        )
    if verdict.outcome == "error":
        logger.warning("the checks of %s cannot run: %s", step.id, verdict.reason)
    return Report(
        step=step.id,
        trigger=trigger,
        outcome=verdict.outcome,
        checks=verdict.checks,
        duration_ms=answer.duration_ms,
        reason=verdict.reason,
    )


def _essence(report: Report) -> object:
    """What a change of is worth a line in the log."""
    return report.outcome, [(each.name, each.passed, each.skipped) for each in report.checks]


def _event(report: Report, ts: datetime) -> GossResult:
    return GossResult(
        ts=ts,
        step=report.step,
        passed=report.passed,
        outcome=report.outcome,
        checks=report.counts,
        trigger=report.trigger,
        duration_ms=report.duration_ms,
        results=tuple(_recorded(report)) or None,
    )


def _recorded(report: Report) -> Iterator[FailedResult]:
    """The failing results, and the reason of an error, as far as RECORDED_BYTES reach."""
    room = RECORDED_BYTES - len("[]")
    failing = [check for check in report.checks if not check.passed and not check.skipped]
    if report.reason is not None:
        failing.insert(0, Result("checks", passed=False, summary=report.reason))
    for check in failing:
        result = FailedResult(
            name=check.name,
            title=_shorten(check.title),
            summary=_shorten(_redacted(check.summary)),
            expected=_shorten(check.expected),
            found=_shorten(_redacted(check.found)),
        )
        room -= len(result.model_dump_json(exclude_none=True).encode()) + len(",")
        if room < 0:
            return
        yield result


def _redacted(text: str | None) -> str | None:
    """What a check found may be the content of a file; what is logged, instructors see."""
    return None if text is None else redact(text)


def _shorten(text: str | None) -> str | None:
    if text is None or len(text) <= RECORDED_CHARACTERS:
        return text
    return text[: RECORDED_CHARACTERS - 1] + "…"

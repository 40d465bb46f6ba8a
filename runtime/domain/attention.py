"""How a student gets on: time on each step, attempts, idleness, and whether somebody should help.

A second fold of the event log, and of the command log beside it. Nothing in here decides anything
about progress: a student can write to the command log. docs/instructing.md explains the words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from runtime.domain import events as ev
from runtime.domain.commands import Command

READING = timedelta(minutes=5)  # without a sign of life that still counts as work on the step
LONG_IDLE = timedelta(minutes=8)  # with the page open: somebody should ask
STALE = timedelta(minutes=15)  # a failure older than this says nothing about now
SAME_CHECK = 3  # failures of one check in a row
SAME_COMMAND = 3  # failures of one command line in a row
SAME_PROGRAM = 5  # failures of one program in a row, whatever its arguments
BROKEN_CHECKS = 2  # runs in a row that could not check at all
KEPT_STREAKS = 100  # of failing commands; the oldest make room

STOPPED_BY_HAND = frozenset((130, 131, 141, 148))  # Ctrl-C, Ctrl-\, a closed pipe, Ctrl-Z
# For these, exit 1 is an answer and no failure.
ANSWER_WITH_ONE = frozenset(
    (
        "grep",
        "egrep",
        "fgrep",
        "rg",
        "ag",
        "diff",
        "cmp",
        "test",
        "[",
        "[[",
        "((",
        "which",
        "type",
        "command",
        "pgrep",
        "expr",
        "find",
    )
)
IN_FRONT = frozenset(
    (
        "sudo",
        "doas",
        "env",
        "time",
        "nohup",
        "exec",
        "command",
    )
)

Reason = Literal["failing_check", "broken_check", "failing_command", "idle"]


class Stuck(NamedTuple):
    """Why somebody should look; `message` is a sentence, `what` the check or the command."""

    reason: Reason
    step: str
    since: datetime
    message: str
    what: str | None = None
    times: int | None = None


@dataclass(slots=True)
class Effort:
    """What one step has cost so far. `attempts` are check runs of the student's making."""

    on_task: timedelta = timedelta()
    attempts: int = 0
    failed: int = 0
    commands: int = 0
    failed_commands: int = 0
    helps: int = 0
    started: datetime | None = None
    completed: datetime | None = None


@dataclass(slots=True)
class _Streak:
    count: int
    since: datetime
    last: datetime

    def again(self, ts: datetime) -> _Streak:
        return _Streak(self.count + 1, self.since, ts)


@dataclass(slots=True)
class Attention:
    """Changed by `apply` and `typed` only. `first` is the step a session begins with."""

    first: str
    viewed: str = ""
    steps: dict[str, Effort] = field(default_factory=dict)
    clients: set[tuple[str, str]] = field(default_factory=set)
    last_activity: datetime | None = None
    _counted: datetime | None = None  # up to when time was given to steps
    _checks: dict[str, dict[str, _Streak]] = field(default_factory=dict)  # by step and check
    _broken: dict[str, _Streak] = field(default_factory=dict)  # by step
    _commands: dict[str, _Streak] = field(default_factory=dict)
    _programs: dict[str, _Streak] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.viewed = self.viewed or self.first

    def apply(self, event: ev.Event) -> None:
        """Fold in one event."""
        effect = _EFFECTS.get(type(event))
        if effect is not None:
            effect(self, event)

    def typed(self, command: Command) -> None:
        """Fold in one command, which belongs to the step that is viewed."""
        self._active(command.ts)
        effort = self._effort(self.viewed)
        effort.commands += 1
        line = " ".join(command.cmd.split())
        program = _program(line)
        if _failed(program, command.exit):
            effort.failed_commands += 1
            _count(self._commands, line, command.ts)
            _count(self._programs, program, command.ts)
        elif command.exit == 0:
            self._programs.pop(program, None)
            for known in [each for each in self._commands if _program(each) == program]:
                del self._commands[known]

    def on_task(self, step: str, now: datetime) -> timedelta:
        """Time spent on the step, the running stretch included."""
        spent = self.steps[step].on_task if step in self.steps else timedelta()
        return spent + self._stretch(now) if step == self.viewed else spent

    def is_running(self, now: datetime) -> bool:
        """Whether time counts for the viewed step right now."""
        return (
            bool(self.clients)
            and self.last_activity is not None
            and now < self.last_activity + READING
        )

    def stuck(self, now: datetime) -> tuple[Stuck, ...]:
        """Every reason to think so, the strongest first; none for a step that is completed."""
        step = self.viewed
        if step in self.steps and self.steps[step].completed:
            return ()
        found = [*self._stuck_checks(step, now), *self._stuck_commands(step, now)]
        if (
            self.clients
            and self.last_activity is not None
            and now - self.last_activity >= LONG_IDLE
        ):
            minutes = int((now - self.last_activity).total_seconds() // 60)
            found.append(
                Stuck(
                    "idle",
                    step,
                    self.last_activity,
                    f"The page is open, and nothing has happened for {minutes} minutes.",
                )
            )
        return tuple(found)

    def _stuck_checks(self, step: str, now: datetime) -> Iterable[Stuck]:
        failing = list(_fresh(self._checks.get(step, {}), SAME_CHECK, now))
        if failing:
            (name, streak), others = failing[0], len(failing) - 1
            also = f", and {others} more with it" if others else ""
            message = f"The check “{name}” has failed {streak.count} times in a row{also}."
            yield Stuck("failing_check", step, streak.since, message, name, streak.count)
        broken = self._broken.get(step)
        if broken is not None and broken.count >= BROKEN_CHECKS and now - broken.last < STALE:
            message = f"The checks could not run {broken.count} times in a row."
            yield Stuck("broken_check", step, broken.since, message, None, broken.count)

    def _stuck_commands(self, step: str, now: datetime) -> Iterable[Stuck]:
        same = list(_fresh(self._commands, SAME_COMMAND, now))
        for line, streak in same:
            message = f"“{_short(line)}” has failed {streak.count} times in a row."
            yield Stuck("failing_command", step, streak.since, message, line, streak.count)
        told = {_program(line) for line, _ in same}
        for program, streak in _fresh(self._programs, SAME_PROGRAM, now):
            if program not in told:
                message = (
                    f"“{_short(program)}” has failed {streak.count} times in a row, "
                    "with different arguments."
                )
                yield Stuck("failing_command", step, streak.since, message, program, streak.count)

    def _effort(self, step: str) -> Effort:
        return self.steps.setdefault(step, Effort())

    def _active(self, ts: datetime) -> None:
        """A sign of life of the student."""
        self._count_time(ts)
        self.last_activity = ts
        effort = self._effort(self.viewed)
        effort.started = effort.started or ts

    def _count_time(self, ts: datetime) -> None:
        stretch = self._stretch(ts)
        if stretch:
            self._effort(self.viewed).on_task += stretch
        self._counted = ts

    def _stretch(self, ts: datetime) -> timedelta:
        """What counts between the last look and `ts`; nothing when the clock went back."""
        if not self.clients or self._counted is None or self.last_activity is None:
            return timedelta()
        return max(timedelta(), min(ts, self.last_activity + READING) - self._counted)

    def _look_at(self, step: str, ts: datetime) -> None:
        self._active(ts)
        if step != self.viewed:
            self._commands.clear()
            self._programs.clear()
            self.viewed = step
            self._active(ts)

    def _complete(self, step: str, ts: datetime) -> None:
        effort = self._effort(step)
        effort.completed = effort.completed or ts
        self._checks.pop(step, None)
        self._broken.pop(step, None)
        if step == self.viewed:
            self._commands.clear()
            self._programs.clear()


def _session_started(self: Attention, event: ev.SessionStarted) -> None:
    # When the daemon before died nobody knows how long the page was open after the last event.
    self.clients.clear()


def _session_stopped(self: Attention, event: ev.SessionStopped) -> None:
    self._count_time(event.ts)
    self.clients.clear()


def _connected(self: Attention, event: ev.Connected) -> None:
    if self.clients:
        self._count_time(event.ts)
    else:
        self._active(event.ts)  # the page was opened
    self.clients.add((event.terminal, event.client))


def _disconnected(self: Attention, event: ev.Disconnected) -> None:
    self._count_time(event.ts)
    self.clients.discard((event.terminal, event.client))


def _step_viewed(self: Attention, event: ev.StepViewed | ev.StepStart) -> None:
    self._look_at(event.step, event.ts)


def _goss_result(self: Attention, event: ev.GossResult) -> None:
    if event.trigger == "student":
        self._active(event.ts)
    if event.passed:
        if event.trigger == "student":
            self._effort(event.step).attempts += 1
        self._complete(event.step, event.ts)
        return
    if event.trigger == "interval":
        return
    effort = self._effort(event.step)
    effort.attempts += 1
    effort.failed += 1
    if event.outcome == "error":
        _count(self._broken, event.step, event.ts)
        return
    self._broken.pop(event.step, None)
    before = self._checks.get(event.step, {})
    names = [result.title or result.name for result in event.results or ()]
    failing = names or ["the checks of this step"]
    self._checks[event.step] = {
        name: before[name].again(event.ts) if name in before else _Streak(1, event.ts, event.ts)
        for name in failing
    }


def _step_completed(self: Attention, event: ev.StepCompleted) -> None:
    self._active(event.ts)
    self._complete(event.step, event.ts)


def _help_given(self: Attention, event: ev.HelpGiven) -> None:
    self._active(event.ts)
    self._effort(event.step).helps += 1


def _sign_of_life(
    self: Attention, event: ev.HandRaised | ev.TransitionRequested | ev.WatchAnswered
) -> None:
    self._active(event.ts)


# Any: each function takes the one event its key names.
_EFFECTS: dict[type[ev.EventModel], Callable[[Attention, Any], None]] = {
    ev.SessionStarted: _session_started,
    ev.SessionStopped: _session_stopped,
    ev.Connected: _connected,
    ev.Disconnected: _disconnected,
    ev.StepViewed: _step_viewed,
    ev.StepStart: _step_viewed,
    ev.GossResult: _goss_result,
    ev.StepCompleted: _step_completed,
    ev.HelpGiven: _help_given,
    ev.HandRaised: _sign_of_life,
    ev.TransitionRequested: _sign_of_life,
    ev.WatchAnswered: _sign_of_life,
}


def merged(first: str, events: Iterable[ev.Event], commands: Iterable[Command]) -> Attention:
    """The fold of both logs, each in its order, woven together by their times."""
    attention = Attention(first)
    waiting = iter(commands)
    command = next(waiting, None)
    for event in events:
        while command is not None and command.ts <= event.ts:
            attention.typed(command)
            command = next(waiting, None)
        attention.apply(event)
    while command is not None:
        attention.typed(command)
        command = next(waiting, None)
    return attention


def _count(streaks: dict[str, _Streak], key: str, ts: datetime) -> None:
    streak = streaks.pop(key, None)
    fresh = streak is not None and ts - streak.last < STALE
    streaks[key] = streak.again(ts) if streak is not None and fresh else _Streak(1, ts, ts)
    if len(streaks) > KEPT_STREAKS:
        del streaks[next(iter(streaks))]


def _fresh(streaks: dict[str, _Streak], least: int, now: datetime) -> Iterable[tuple[str, _Streak]]:
    found = [
        (key, streak)
        for key, streak in streaks.items()
        if streak.count >= least and now - streak.last < STALE
    ]
    return sorted(found, key=lambda each: -each[1].count)


def _program(line: str) -> str:
    """The program a command line starts with, without wrappers, assignments and folders."""
    for word in line.split(" "):
        name = word.rpartition("/")[2]
        if name and name not in IN_FRONT and not word.startswith("-") and "=" not in word:
            return name
    return line


def _failed(program: str, code: int) -> bool:
    if code == 0 or code in STOPPED_BY_HAND:
        return False
    return not (code == 1 and program in ANSWER_WITH_ONE)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"

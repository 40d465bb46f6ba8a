"""On-task time, attempts, idleness and *stuck*, by tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.domain import events as ev
from runtime.domain.attention import Attention, merged
from runtime.domain.commands import Command
from tests.domain.strategies import any_event, times

NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def opened(minutes: float) -> ev.Event:
    return ev.Connected(ts=at(minutes), terminal="main", client="page")


def closed(minutes: float) -> ev.Event:
    return ev.Disconnected(ts=at(minutes), terminal="main", client="page")


def viewed(minutes: float, step: str) -> ev.Event:
    return ev.StepViewed(ts=at(minutes), step=step)


def ran(minutes: float, cmd: str, code: int = 0) -> Command:
    return Command(ts=at(minutes), cmd=cmd, exit=code)


def checked(
    minutes: float, *failing: str, step: str = "one", trigger: str = "student", outcome: str = ""
) -> ev.Event:
    outcome = outcome or ("failed" if failing else "passed")
    return ev.GossResult.model_validate(
        {
            "ts": at(minutes),
            "step": step,
            "passed": outcome == "passed",
            "outcome": outcome,
            "checks": {
                "total": 3,
                "passed": 3 - len(failing),
                "failed": len(failing),
                "skipped": 0,
            },
            "trigger": trigger,
            "duration_ms": 5,
            "results": [{"name": name} for name in failing],
        }
    )


Facts = list[ev.Event | Command]


def after(facts: Facts) -> Attention:
    attention = Attention("one")
    for fact in facts:
        if isinstance(fact, Command):
            attention.typed(fact)
        else:
            attention.apply(fact)
    return attention


@pytest.mark.parametrize(
    ("facts", "now", "minutes"),
    [
        ([], 9, 0),
        ([opened(0)], 2, 2),  # it runs on while the page is open
        ([opened(0)], 60, 5),  # but not for ever without a sign of life
        ([opened(0), ran(4, "ls"), ran(8, "ls")], 9, 9),
        ([opened(0), ran(20, "ls")], 21, 6),
        ([opened(0), closed(3)], 60, 3),
        ([opened(0), closed(3), opened(50)], 52, 5),
        ([ran(0, "ls"), ran(1, "ls")], 2, 0),  # no page: nobody is at work
        ([opened(0), viewed(2, "two")], 4, 2),  # the rest is the other step's
        ([opened(0), viewed(2, "two"), viewed(4, "one")], 5, 3),
        ([opened(0), opened(10), ran(-1440, "ls")], -1439, 6),  # a clock that went back a day
        ([opened(0), ran(525_600, "ls")], 525_600, 5),  # or on a year
        ([opened(0), checked(8, "a", trigger="interval")], 9, 5),  # no sign of life
    ],
)
def test_time_counts_for_the_viewed_step_while_the_student_works(
    facts: Facts, now: float, minutes: float
) -> None:
    """Fault 37."""
    spent = after(facts).on_task("one", at(now))
    assert spent == timedelta(minutes=minutes)


FAILING: Facts = [opened(0), checked(1, "a", "b"), checked(2, "a"), checked(3, "a", "c")]
PUSH: Facts = [opened(0), *(ran(n, "git pussh", 1) for n in (1, 2, 3))]
TRIES: Facts = [opened(0), *(ran(n, f"make target{n}", 2) for n in range(1, 6))]


def test_a_failing_check_is_called_by_the_authors_word_for_it() -> None:
    titled = ev.FailedResult(name="command 1 tuesday: exit status", title="Tuesday is told")
    facts = [
        (
            each.model_copy(update={"results": (titled,)})
            if isinstance(each, ev.GossResult)
            else each
        )
        for each in FAILING
    ]
    [found] = after(facts).stuck(at(4))
    assert found.message == "The check “Tuesday is told” has failed 3 times in a row."


@pytest.mark.parametrize(
    ("facts", "now", "reasons"),
    [
        (FAILING, 4, ["failing_check a 3"]),
        (FAILING[:3], 4, []),
        ([*FAILING, checked(3.5)], 4, []),  # it passed
        ([*FAILING, checked(3.5, "c")], 4, []),  # something else is wrong now
        ([*FAILING, viewed(3.5, "two")], 4, []),  # the student is elsewhere
        ([*FAILING, ran(17, "ls")], 19, []),  # long ago
        ([opened(0), *(checked(n, "a", trigger="interval") for n in range(5))], 6, []),
        ([opened(0), *(checked(n, outcome="error") for n in range(2))], 3, ["broken_check None 2"]),
        (PUSH, 4, ["failing_command git pussh 3"]),
        (PUSH[:3], 4, []),
        ([*PUSH, ran(3.5, "git push")], 4, []),  # found it
        ([*PUSH, ran(3.5, "ls")], 4, ["failing_command git pussh 3"]),
        ([*PUSH, viewed(3.5, "two")], 4, []),
        (TRIES, 6, ["failing_command make 5"]),
        ([opened(0), *(ran(n, "sleep 99", 130) for n in range(5))], 6, []),  # Ctrl-C
        ([opened(0), *(ran(n, "grep x file", 1) for n in range(5))], 6, []),  # an answer
        ([opened(0), *(ran(n, "sudo  apt  x", 100) for n in range(3))], 4,
         ["failing_command sudo apt x 3"]),
        ([opened(0), ran(1, "ls")], 8.9, []),
        ([opened(0), ran(1, "ls")], 9, ["idle None None"]),
        ([opened(0), closed(1)], 60, []),  # the page is closed
        ([opened(0), checked(1)], 60, []),  # the step is done
    ],
)  # fmt: skip
def test_stuck_has_a_reason(facts: Facts, now: float, reasons: list[str]) -> None:
    found = after(facts).stuck(at(now))
    assert [f"{each.reason} {each.what} {each.times}" for each in found] == reasons
    assert all(each.message.endswith(".") for each in found)


def test_a_steps_effort_is_counted() -> None:
    attention = after(
        [
            opened(0),
            checked(1, "a"),
            ran(1.5, "false", 1),
            ran(1.6, "cat x", 1),
            ev.HelpGiven(ts=at(2), step="one", mode="hints", source="author", outcome="answered"),
            checked(3),
        ]
    )
    effort = attention.steps["one"]
    assert (effort.attempts, effort.failed, effort.helps) == (2, 1, 1)
    assert (effort.commands, effort.failed_commands) == (2, 2)
    assert (effort.started, effort.completed) == (at(0), at(3))


def test_both_logs_are_woven_together_by_their_times() -> None:
    attention = merged("one", [opened(0), viewed(2, "two")], [ran(1, "a", 1), ran(3, "b")])
    assert attention.steps["one"].commands == attention.steps["two"].commands == 1


@given(
    st.lists(
        st.one_of(
            any_event(), st.builds(ran, st.floats(-1e4, 1e4), st.just("x"), st.integers(0, 255))
        )
    ),
    times,
)
def test_any_log_can_be_folded_and_no_time_is_negative(facts: Facts, now: datetime) -> None:
    """Faults 13 and 37."""
    attention = after(facts)
    assert all(effort.on_task >= timedelta() for effort in attention.steps.values())
    assert all(attention.on_task(step, now) >= timedelta() for step in attention.steps)
    attention.stuck(now)

"""State is a fold: the same log gives the same state, and nothing takes progress away."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from runtime.domain import events as ev
from runtime.domain.state import State, apply, fold
from runtime.domain.transitions import TransitionKind, TransitionStatus
from tests.domain.strategies import NOON, logs, pages_come_and_go


def requested(transition_id: str = "t1", step: str = "b") -> ev.TransitionRequested:
    return ev.TransitionRequested(
        ts=NOON, id=transition_id, step=step, kind=TransitionKind.GO, from_step="a"
    )


def checked(step: str, passed: bool) -> ev.GossResult:
    return ev.GossResult(
        ts=NOON,
        step=step,
        passed=passed,
        outcome="passed" if passed else "failed",
        checks=ev.CheckCounts(total=1, passed=int(passed), failed=int(not passed), skipped=0),
        trigger="student",
        duration_ms=3,
    )


@given(logs)
def test_replaying_a_log_twice_gives_the_same_state(log: list[ev.Event]) -> None:
    """Fault 38."""
    assert fold(log) == fold(log)


@given(logs)
def test_a_log_read_back_from_disk_gives_the_same_state(log: list[ev.Event]) -> None:
    assert fold(ev.parse(ev.encode(event)) for event in log) == fold(log)


@given(logs, logs)
def test_progress_only_grows(first: list[ev.Event], then: list[ev.Event]) -> None:
    state = fold(first)
    before = dict(state.completed)
    for event in then:
        apply(state, event)
    assert before.items() <= state.completed.items()


@given(logs)
def test_at_most_one_transition_is_on_its_way(log: list[ev.Event]) -> None:
    state = State()
    for event in log:
        pending = state.pending
        apply(state, event)
        if pending is not None and state.pending is not None:
            assert state.pending.id == pending.id


def plain_state(log: list[ev.Event]) -> dict[str, object]:
    """The contract's sentences on the fold, each as one look over the whole log."""
    started = max((n for n, each in enumerate(log) if isinstance(each, ENDS_PAGES)), default=-1)
    clients: set[tuple[str, str]] = set()
    for each in log[started + 1 :]:
        if isinstance(each, ev.Connected):
            clients.add((each.terminal, each.client))
        elif isinstance(each, ev.Disconnected):
            clients.discard((each.terminal, each.client))
    return {
        "active": last([each.step for each in log if isinstance(each, ev.StepStart)]),
        "viewed": last(
            [each.step for each in log if isinstance(each, ev.StepStart | ev.StepViewed)]
        ),
        "completed": {
            each.step
            for each in log
            if isinstance(each, ev.StepCompleted)
            or (isinstance(each, ev.GossResult) and each.passed)
        },
        "session": next(
            (each.session for each in log if isinstance(each, ev.SessionStarted)), None
        ),
        "clients": clients,
        "events": len(log),
        "unknown": sum(isinstance(each, ev.UnknownEvent) for each in log),
    }


ENDS_PAGES = (ev.SessionStarted, ev.SessionStopped)


def last(steps: list[str]) -> str | None:
    return steps[-1] if steps else None


@given(logs, pages_come_and_go)
def test_the_fold_agrees_with_the_contract_in_plain_words(
    first: list[ev.Event], then: list[ev.Event]
) -> None:
    log = first + then
    state = fold(log)
    assert plain_state(log) == {
        "active": state.active,
        "viewed": state.viewed,
        "completed": set(state.completed),
        "session": state.session,
        "clients": state.clients,
        "events": state.events,
        "unknown": state.unknown_events,
    }


@given(logs, logs, st.randoms(use_true_random=False))
def test_progress_is_the_same_however_two_logs_are_interleaved(
    one: list[ev.Event], other: list[ev.Event], chance: Random
) -> None:
    rest = [iter(one), iter(other)]
    turns = [0] * len(one) + [1] * len(other)
    chance.shuffle(turns)
    mixed = fold(next(rest[turn]) for turn in turns)
    assert set(mixed.completed) == set(fold(one).completed) | set(fold(other).completed)


@given(logs)
def test_every_event_written_twice_changes_no_more_than_once(log: list[ev.Event]) -> None:
    """Fault 38: an append that was repeated although the first one had reached the disk."""
    once, twice = fold(log), fold(each for event in log for each in (event, event))
    assert list(once.completed.items()) == list(twice.completed.items())
    assert (twice.events, twice.unknown_events) == (2 * once.events, 2 * once.unknown_events)
    twice.events, twice.unknown_events = once.events, once.unknown_events
    twice.command_shift = once.command_shift  # a sum on purpose: each damage is one of its own
    assert once == twice


@given(logs, st.lists(st.tuples(st.integers(0, 40), st.text(min_size=1)), max_size=10))
def test_unknown_events_anywhere_change_nothing_but_their_count(
    log: list[ev.Event], strangers: list[tuple[int, str]]
) -> None:
    """Fault 39."""
    mixed = list(log)
    for position, name in strangers:
        mixed.insert(position, ev.UnknownEvent(ts=NOON, event=f"new_{name}"))
    plain, state = fold(log), fold(mixed)
    assert state.unknown_events == plain.unknown_events + len(strangers)
    state.events, state.unknown_events = plain.events, plain.unknown_events
    assert state == plain


@given(logs)
def test_order_is_by_position_whatever_the_clock_says(log: list[ev.Event]) -> None:
    """Fault 37: a clock a day back or a year on changes nothing but the times shown."""
    jumped = [
        event.model_copy(update={"ts": event.ts + timedelta(days=-1 if index % 2 else 365)})
        for index, event in enumerate(log)
    ]
    one, other = fold(log), fold(jumped)
    assert list(one.completed) == list(other.completed)
    assert (one.active, one.viewed, one.clients) == (other.active, other.viewed, other.clients)
    assert (one.pending is None) == (other.pending is None)


def test_a_later_failing_result_does_not_take_a_completion_away() -> None:
    state = fold([checked("a", True), checked("a", False)])
    assert list(state.completed) == ["a"]
    assert state.reports["a"].outcome == "failed"


def test_viewing_does_not_move_the_machine() -> None:
    state = fold([ev.StepStart(ts=NOON, step="a"), ev.StepViewed(ts=NOON, step="b")])
    assert (state.active, state.viewed) == ("a", "b")


def test_pages_of_an_earlier_daemon_are_gone() -> None:
    connected = ev.Connected(ts=NOON, terminal="main", client="c1")
    started = ev.SessionStarted(ts=NOON, session="s", workshop="w", boot="b")
    assert fold([connected, started]).clients == set()
    assert fold([started, connected]).clients == {("main", "c1")}


def test_the_session_keeps_its_first_id() -> None:
    starts = [ev.SessionStarted(ts=NOON, session=name, workshop="w", boot=name) for name in "st"]
    state = fold(starts)
    assert (state.session, state.boot) == ("s", "t")


def test_a_transition_lives_from_request_to_completion() -> None:
    state = fold([requested(), ev.TransitionClaimed(ts=NOON, id="t1", host="h")])
    assert state.pending is not None
    assert (state.pending.status, state.pending.host) == (TransitionStatus.CLAIMED, "h")
    apply(state, ev.TransitionCompleted(ts=NOON, id="t1", step="b"))
    assert state.pending is None


def test_news_of_another_transition_changes_nothing() -> None:
    state = fold([requested("t1"), ev.TransitionCompleted(ts=NOON, id="t2", step="b")])
    assert state.pending is not None


def test_a_second_request_while_one_is_pending_is_ignored() -> None:
    state = fold([requested("t1", "b"), requested("t2", "c")])
    assert state.pending is not None
    assert state.pending.id == "t1"


def test_an_unknown_event_is_counted_and_changes_nothing_else() -> None:
    """Fault 39."""
    state = fold([ev.UnknownEvent(ts=NOON, event="new")])
    assert (state.events, state.unknown_events) == (1, 1)

"""Random but well-formed logs for property tests."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import strategies as st

from runtime.domain import events as ev
from runtime.domain.transitions import TransitionKind

NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
STEPS = ("a", "b", "c")

times = st.datetimes(
    min_value=datetime(2020, 1, 1), max_value=datetime(2030, 1, 1), timezones=st.just(UTC)
).map(lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000))
steps = st.sampled_from(STEPS)
ids = st.sampled_from(("t1", "t2"))
names = st.sampled_from(("main", "two"))
modes = st.sampled_from(("always", "ask", "off"))
kinds = st.sampled_from(("watch", "assist"))


def goss_results() -> st.SearchStrategy[ev.GossResult]:
    """Check runs of any outcome."""
    return st.builds(
        lambda ts, step, outcome: ev.GossResult(
            ts=ts,
            step=step,
            passed=outcome == "passed",
            outcome=outcome,
            checks=ev.CheckCounts(total=1, passed=int(outcome == "passed"), failed=0, skipped=0),
            trigger="auto",
            duration_ms=5,
        ),
        times,
        steps,
        st.sampled_from(("passed", "failed", "error")),
    )


def any_event() -> st.SearchStrategy[ev.Event]:
    """Every event that changes the state, and some that do not."""
    return st.one_of(
        goss_results(),
        st.builds(ev.WatchingChosen, ts=times, watching=modes),
        st.builds(ev.WatchRequested, ts=times, id=ids, kind=kinds, terminal=names),
        st.builds(ev.WatchAnswered, ts=times, id=ids, allowed=st.booleans()),
        st.builds(ev.WatchEnded, ts=times, id=ids, by=st.just("student")),
        st.builds(ev.WatcherJoined, ts=times, terminal=names, client=names),
        st.builds(ev.WatcherLeft, ts=times, terminal=names, client=names),
        st.builds(ev.LogDamaged, ts=times, file=names, what=names, shift=st.integers(0, 99)),
        st.builds(ev.StepViewed, ts=times, step=steps),
        st.builds(ev.StepStart, ts=times, step=steps),
        st.builds(ev.StepCompleted, ts=times, step=steps, by=st.just("student")),
        st.builds(ev.Connected, ts=times, terminal=names, client=names),
        st.builds(ev.Disconnected, ts=times, terminal=names, client=names),
        st.builds(ev.SessionStarted, ts=times, session=ids, workshop=names, boot=ids),
        st.builds(ev.SessionStopped, ts=times, reason=names),
        st.builds(
            ev.TransitionRequested,
            ts=times,
            id=ids,
            step=steps,
            kind=st.sampled_from(TransitionKind),
            from_step=steps,
        ),
        st.builds(ev.TransitionClaimed, ts=times, id=ids, host=names),
        st.builds(ev.TransitionCompleted, ts=times, id=ids, step=steps),
        st.builds(ev.TransitionFailed, ts=times, id=ids, code=names, reason=names),
        st.builds(ev.TransitionCancelled, ts=times, id=ids, by=st.sampled_from(("student",))),
        st.builds(ev.HandRaised, ts=times, note=st.none() | names),
        st.builds(ev.HandLowered, ts=times, by=names),
        st.builds(ev.RecordingPaused, ts=times, by=names),
        st.builds(ev.RecordingResumed, ts=times, by=names),
        st.builds(ev.RecordingDeleted, ts=times, by=names, name=names),
        st.builds(ev.UnknownEvent, ts=times, event=st.just("from_the_future")),
    )


logs = st.lists(any_event(), max_size=40)

# Few kinds, so that those which undo each other meet.
pages_come_and_go = st.lists(
    st.one_of(
        st.builds(ev.Connected, ts=times, terminal=names, client=names),
        st.builds(ev.Disconnected, ts=times, terminal=names, client=names),
        st.builds(ev.SessionStarted, ts=times, session=ids, workshop=names, boot=ids),
        st.builds(ev.StepViewed, ts=times, step=steps),
        st.builds(ev.StepStart, ts=times, step=steps),
    ),
    min_size=10,
    max_size=30,
)

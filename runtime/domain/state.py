"""State is a fold of the event log: pure, total, the same for the same events in the same order.

An event that makes no sense where it stands (a claim of an unknown transition, a step the workshop
does not have) changes nothing; the log may be older or newer than the artifact.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from runtime.domain import events as ev
from runtime.domain.transitions import Transition, TransitionStatus
from runtime.domain.watching import Permission, PermissionStatus, Watching

TransitionEvent = (
    ev.TransitionRequested
    | ev.TransitionClaimed
    | ev.TransitionCompleted
    | ev.TransitionFailed
    | ev.TransitionCancelled
)


class LastReport(NamedTuple):
    """The last recorded check run of a step."""

    ts: datetime
    outcome: str
    passed: bool
    counts: ev.CheckCounts
    trigger: str


class Hand(NamedTuple):
    """A raised hand."""

    since: datetime
    note: str | None


class Reply(NamedTuple):
    """What an instructor wrote when lowering a hand; shown until the hand is raised again."""

    ts: datetime
    note: str


@dataclass(slots=True)
class State:
    """What the log says now. Changed by `apply` only; readers must not touch it.

    `completed` and `reports` keep insertion order; `clients` are open `(terminal, client)` pairs
    since the last `session_started`.
    """

    session: str | None = None
    boot: str | None = None
    active: str | None = None
    viewed: str | None = None
    completed: dict[str, datetime] = field(default_factory=dict)
    reports: dict[str, LastReport] = field(default_factory=dict)
    clients: set[tuple[str, str]] = field(default_factory=set)
    transition: Transition | None = None
    hand: Hand | None = None
    recording_paused: bool = False
    reply: Reply | None = None
    watching: Watching = field(default_factory=Watching)
    command_shift: int = 0  # of the command log's ids, see LogDamaged
    events: int = 0
    unknown_events: int = 0

    @property
    def pending(self) -> Transition | None:
        """The transition on its way, if one is."""
        return self.transition if self.transition and self.transition.is_open else None


def apply(state: State, event: ev.Event) -> None:
    """Fold one event into `state`, in place.

    A table and not a `match`: a million events are replayed at the start, and a `match` costs one
    isinstance for every case above the right one.
    """
    state.events += 1
    effect = _EFFECTS.get(type(event))
    if effect is not None:
        effect(state, event)


def fold(events: Iterable[ev.Event]) -> State:
    """The state after all of `events`."""
    state = State()
    for event in events:
        apply(state, event)
    return state


def _session_started(state: State, event: ev.SessionStarted) -> None:
    state.session = state.session or event.session
    state.boot = event.boot
    _everybody_left(state)


def _session_stopped(state: State, event: ev.SessionStopped) -> None:
    _everybody_left(state)


def _everybody_left(state: State) -> None:
    state.clients.clear()
    state.watching.watchers.clear()


def _connected(state: State, event: ev.Connected) -> None:
    state.clients.add((event.terminal, event.client))


def _disconnected(state: State, event: ev.Disconnected) -> None:
    state.clients.discard((event.terminal, event.client))


def _step_viewed(state: State, event: ev.StepViewed) -> None:
    state.viewed = event.step


def _step_start(state: State, event: ev.StepStart) -> None:
    state.active = state.viewed = event.step


def _goss_result(state: State, event: ev.GossResult) -> None:
    state.reports[event.step] = LastReport(
        event.ts, event.outcome, event.passed, event.checks, event.trigger
    )
    if event.passed:
        state.completed.setdefault(event.step, event.ts)


def _step_completed(state: State, event: ev.StepCompleted) -> None:
    state.completed.setdefault(event.step, event.ts)


def _hand_raised(state: State, event: ev.HandRaised) -> None:
    since = state.hand.since if state.hand else event.ts  # another word is not another hand
    state.hand = Hand(since, event.note)
    state.reply = None


def _hand_lowered(state: State, event: ev.HandLowered) -> None:
    state.hand = None
    state.reply = Reply(event.ts, event.note) if event.note else None


def _watching_chosen(state: State, event: ev.WatchingChosen) -> None:
    state.watching.chosen = event.watching
    if event.watching == "off":
        state.watching.permissions.clear()


def _watch_requested(state: State, event: ev.WatchRequested) -> None:
    state.watching.permissions[event.kind] = Permission(
        event.id, event.kind, event.terminal, "requested", event.ts
    )


def _watch_answered(state: State, event: ev.WatchAnswered) -> None:
    found = state.watching.find(event.id)
    if found is not None and found.status == "requested":
        status: PermissionStatus = "allowed" if event.allowed else "declined"
        state.watching.permissions[found.kind] = found._replace(status=status, since=event.ts)


def _watch_ended(state: State, event: ev.WatchEnded) -> None:
    found = state.watching.find(event.id)
    if found is not None:
        del state.watching.permissions[found.kind]


def _watcher_joined(state: State, event: ev.WatcherJoined) -> None:
    state.watching.watchers.add((event.terminal, event.client))


def _watcher_left(state: State, event: ev.WatcherLeft) -> None:
    state.watching.watchers.discard((event.terminal, event.client))


def _log_damaged(state: State, event: ev.LogDamaged) -> None:
    if event.shift is not None:
        state.command_shift = event.shift


def _recording_paused(state: State, event: ev.RecordingPaused) -> None:
    state.recording_paused = True


def _recording_resumed(state: State, event: ev.RecordingResumed) -> None:
    state.recording_paused = False


def _unknown(state: State, event: ev.UnknownEvent) -> None:
    state.unknown_events += 1


def _transition(state: State, event: TransitionEvent) -> None:
    state.transition = _moved(state.transition, event)


def _moved(current: Transition | None, event: TransitionEvent) -> Transition | None:
    """The transition after one of its events; events of any other transition change nothing."""
    if isinstance(event, ev.TransitionRequested):
        if current is not None and current.is_open:
            return current
        return Transition(
            id=event.id,
            step=event.step,
            kind=event.kind,
            from_step=event.from_step,
            status=TransitionStatus.REQUESTED,
            requested=event.ts,
        )
    if current is None or current.id != event.id or not current.is_open:
        return current
    match event:
        case ev.TransitionClaimed():
            change: dict[str, object] = {
                "status": TransitionStatus.CLAIMED,
                "host": event.host,
                "claimed_at": event.ts,
            }
        case ev.TransitionCompleted():
            change = {"status": TransitionStatus.COMPLETED}
        case ev.TransitionFailed():
            change = {
                "status": TransitionStatus.FAILED,
                "code": event.code,
                "reason": event.reason,
            }
        case ev.TransitionCancelled():
            change = {"status": TransitionStatus.CANCELLED, "reason": event.by}
    return current.model_copy(update=change)


# Any: each function takes the one event its key names.
_EFFECTS: dict[type[ev.EventModel], Callable[[State, Any], None]] = {
    ev.SessionStarted: _session_started,
    ev.SessionStopped: _session_stopped,
    ev.Connected: _connected,
    ev.Disconnected: _disconnected,
    ev.StepViewed: _step_viewed,
    ev.StepStart: _step_start,
    ev.GossResult: _goss_result,
    ev.StepCompleted: _step_completed,
    ev.HandRaised: _hand_raised,
    ev.HandLowered: _hand_lowered,
    ev.RecordingPaused: _recording_paused,
    ev.RecordingResumed: _recording_resumed,
    ev.WatchingChosen: _watching_chosen,
    ev.WatchRequested: _watch_requested,
    ev.WatchAnswered: _watch_answered,
    ev.WatchEnded: _watch_ended,
    ev.WatcherJoined: _watcher_joined,
    ev.WatcherLeft: _watcher_left,
    ev.LogDamaged: _log_damaged,
    ev.UnknownEvent: _unknown,
    ev.TransitionRequested: _transition,
    ev.TransitionClaimed: _transition,
    ev.TransitionCompleted: _transition,
    ev.TransitionFailed: _transition,
    ev.TransitionCancelled: _transition,
}

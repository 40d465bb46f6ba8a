"""The facts of a session: one frozen model per event of `state-events.jsonl`.

Fields are only ever added. An event of a newer version is kept as `UnknownEvent` and changes
nothing; a line that is no event at all is `MalformedEvent`'s business.
"""

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, TypeAdapter, ValidationError

from runtime.domain.transitions import TransitionKind
from runtime.domain.watching import PermissionKind, WatchMode


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds: `2026-01-31T14:22:01.123Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Timestamp = Annotated[datetime, PlainSerializer(timestamp, return_type=str)]


class EventModel(BaseModel):
    """Common to all: when it was recorded. Order is by position in the log, never by `ts`."""

    # Built at first use: a log that is new needs few of the kinds.
    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    ts: Timestamp


class SessionStarted(EventModel):
    """A daemon began to serve this directory; `session` is made once and kept."""

    event: Literal["session_started"] = "session_started"
    session: str
    workshop: str
    image: str | None = None
    boot: str


class SessionStopped(EventModel):
    """The daemon stopped on purpose."""

    event: Literal["session_stopped"] = "session_stopped"
    reason: str


class Connected(EventModel):
    """A page attached to a terminal."""

    event: Literal["connected"] = "connected"
    terminal: str
    client: str


class Disconnected(EventModel):
    """A page left a terminal."""

    event: Literal["disconnected"] = "disconnected"
    terminal: str
    client: str


class StepViewed(EventModel):
    """The student looks at this step; the machine stays where it is."""

    event: Literal["step_viewed"] = "step_viewed"
    step: str


class StepStart(EventModel):
    """The machine is now at this step."""

    event: Literal["step_start"] = "step_start"
    step: str


class CheckCounts(BaseModel):
    """How many results one run had, by outcome."""

    model_config = ConfigDict(defer_build=True, frozen=True)

    total: int
    passed: int
    failed: int
    skipped: int


class FailedResult(BaseModel):
    """A failing result as the log keeps it; `title` is the author's word for it."""

    model_config = ConfigDict(defer_build=True, frozen=True)

    name: str
    title: str | None = None
    summary: str | None = None
    expected: str | None = None
    found: str | None = None


class GossResult(EventModel):
    """One check run; `results` are failing ones, at most 16 KiB in all."""

    event: Literal["goss_result"] = "goss_result"
    step: str
    passed: bool
    outcome: Literal["passed", "failed", "error"]
    checks: CheckCounts
    trigger: Literal["student", "auto", "interval"]
    duration_ms: int
    results: tuple[FailedResult, ...] | None = None


class StepCompleted(EventModel):
    """A step without checks was ticked off."""

    event: Literal["step_completed"] = "step_completed"
    step: str
    by: str


class TransitionRequested(EventModel):
    """The student asked for the machine to move; `from` is the step it was at."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore", populate_by_name=True)

    event: Literal["transition_requested"] = "transition_requested"
    id: str
    step: str
    kind: TransitionKind
    from_step: str = Field(alias="from")


class TransitionClaimed(EventModel):
    """A host works on it."""

    event: Literal["transition_claimed"] = "transition_claimed"
    id: str
    host: str


class TransitionCompleted(EventModel):
    """The new machine is serving."""

    event: Literal["transition_completed"] = "transition_completed"
    id: str
    step: str


class TransitionFailed(EventModel):
    """It did not happen; the old machine goes on."""

    event: Literal["transition_failed"] = "transition_failed"
    id: str
    code: str
    reason: str


class TransitionCancelled(EventModel):
    """Withdrawn before it was claimed, or expired."""

    event: Literal["transition_cancelled"] = "transition_cancelled"
    id: str
    by: Literal["student", "expiry"]


class HelpGiven(EventModel):
    """A hint was answered; `confirmed` says that the student agreed to see the solution."""

    event: Literal["help_given"] = "help_given"
    step: str
    mode: str
    source: Literal["model", "author"]
    outcome: str
    id: str | None = None
    confirmed: bool | None = None


class HandRaised(EventModel):
    """The student wants a person."""

    event: Literal["hand_raised"] = "hand_raised"
    note: str | None = None


class HandLowered(EventModel):
    """The student or a person took the hand down; `note` is what that person says to it."""

    event: Literal["hand_lowered"] = "hand_lowered"
    by: str
    note: str | None = None


class WatchingChosen(EventModel):
    """The student decided how far instructors may look; it never goes beyond the workshop's own."""

    event: Literal["watching_chosen"] = "watching_chosen"
    watching: WatchMode


class WatchRequested(EventModel):
    """An instructor asks to look at a terminal (`watch`) or to type into it (`assist`)."""

    event: Literal["watch_requested"] = "watch_requested"
    id: str
    kind: PermissionKind
    terminal: str


class WatchAnswered(EventModel):
    """The student said yes or no."""

    event: Literal["watch_answered"] = "watch_answered"
    id: str
    allowed: bool


class WatchEnded(EventModel):
    """A request was withdrawn, or what it allowed is over."""

    event: Literal["watch_ended"] = "watch_ended"
    id: str
    by: Literal["student", "instructor"]


class WatcherJoined(EventModel):
    """Somebody sees a terminal live from now on."""

    event: Literal["watcher_joined"] = "watcher_joined"
    terminal: str
    client: str


class WatcherLeft(EventModel):
    """And no longer."""

    event: Literal["watcher_left"] = "watcher_left"
    terminal: str
    client: str


class RecordingPaused(EventModel):
    """From here on nothing is recorded."""

    event: Literal["recording_paused"] = "recording_paused"
    by: str


class RecordingResumed(EventModel):
    """Terminals are recorded again."""

    event: Literal["recording_resumed"] = "recording_resumed"
    by: str


class RecordingDeleted(EventModel):
    """A cast was removed; `name` was its file's."""

    event: Literal["recording_deleted"] = "recording_deleted"
    name: str
    by: str


class LogRepaired(EventModel):
    """The daemon mended its own log at start; `kept` is the copy of what was there."""

    event: Literal["log_repaired"] = "log_repaired"
    file: str
    lines: int
    bytes: int
    kept: str


class LogDamaged(EventModel):
    """A log the student can write was truncated, replaced or malformed.

    `shift` is what its line's offsets are behind the ids of the commands in it from now on.
    """

    event: Literal["log_damaged"] = "log_damaged"
    file: str
    what: str
    shift: int | None = None


class UnknownEvent(EventModel):
    """An event of a newer version: kept, counted, without effect."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="allow")

    event: str


KnownEvent = (
    SessionStarted
    | SessionStopped
    | Connected
    | Disconnected
    | StepViewed
    | StepStart
    | GossResult
    | StepCompleted
    | TransitionRequested
    | TransitionClaimed
    | TransitionCompleted
    | TransitionFailed
    | TransitionCancelled
    | HelpGiven
    | HandRaised
    | HandLowered
    | RecordingPaused
    | RecordingResumed
    | RecordingDeleted
    | WatchingChosen
    | WatchRequested
    | WatchAnswered
    | WatchEnded
    | WatcherJoined
    | WatcherLeft
    | LogRepaired
    | LogDamaged
)
Event = KnownEvent | UnknownEvent

EVENT_NAMES = frozenset(kind.model_fields["event"].default for kind in get_args(KnownEvent))

_known: TypeAdapter[KnownEvent] = TypeAdapter(
    Annotated[KnownEvent, Field(discriminator="event")], config=ConfigDict(defer_build=True)
)


class MalformedEvent(ValueError):
    """A line that is not an event."""


def parse(raw: bytes) -> Event:
    """One line of the log, without its newline.

    Raises MalformedEvent for anything that is not an event: bad JSON, a missing or wrong field of
    a known event. Never any other error, whatever the bytes.
    """
    try:
        # The adapter's own validate_json is a function more: a tenth of a replay.
        event: KnownEvent = _known.validator.validate_json(raw)
        return event
    except ValidationError as error:
        if error.errors(include_url=False, include_input=False)[0]["type"] != "union_tag_invalid":
            raise MalformedEvent("not an event of this log") from error
    try:
        return UnknownEvent.model_validate_json(raw)
    except ValidationError as error:
        raise MalformedEvent("not an event of this log") from error


def encode(event: Event) -> bytes:
    """The line for `event`, without its newline; UTF-8, fields with no value left out."""
    return event.model_dump_json(by_alias=True, exclude_none=True).encode()


def to_json(event: Event) -> dict[str, Any]:  # Any: the JSON object of any event
    """The event as the JSON object that was logged."""
    decoded: dict[str, Any] = json.loads(encode(event))
    return decoded

"""What a daemon says of its student, as far as the wall needs it, and what the wall tells its page.

Daemons are other people's machines: texts and lists have bounds, unknown fields are ignored, and
what does not fit is no daemon's answer. `web/src/lib/protocol.ts` is generated from here as well.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field, PlainSerializer

from host.sessions import HostModel
from runtime.domain.events import timestamp
from runtime.domain.watching import PermissionKind, PermissionStatus, WatchMode

MOST_STEPS = 500
MOST_COUNT = 1 << 53  # what JSON numbers hold exactly


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:  # the first day of the year 1, east of Greenwich
        raise ValueError("a time that cannot be told in UTC") from error


Timestamp = Annotated[
    AwareDatetime, AfterValidator(_in_utc), PlainSerializer(timestamp, return_type=str)
]
Word = Annotated[str, Field(max_length=200)]
Sentence = Annotated[str, Field(max_length=2000)]
Count = Annotated[int, Field(ge=0, le=MOST_COUNT)]


class StudentStep(HostModel):
    """One step, with what it has cost so far."""

    id: Word
    title: Word
    completed: bool
    completed_at: Timestamp | None = None
    started_at: Timestamp | None = None
    on_task_seconds: Count
    attempts: Count
    failed: Count
    commands: Count
    failed_commands: Count
    helps: Count


class StudentStuck(HostModel):
    """Why somebody should look, as a sentence."""

    reason: Word
    step: Word
    since: Timestamp
    message: Sentence


class StudentHand(HostModel):
    """A raised hand."""

    since: Timestamp
    note: Sentence | None = None


class StudentPermission(HostModel):
    """What the student was asked for, and said."""

    kind: PermissionKind
    terminal: Word
    status: PermissionStatus


class StudentWatching(HostModel):
    """Who may look: `mode` is what holds now."""

    mode: WatchMode
    permissions: Annotated[list[StudentPermission], Field(max_length=20)] = Field([])

    def allows(self, terminal: str) -> bool:
        """Whether an instructor may see this terminal now."""
        return self.mode == "always" or (
            self.mode == "ask"
            and any(
                each.status == "allowed" and each.terminal == terminal for each in self.permissions
            )
        )


class StudentTerminal(HostModel):
    """One terminal."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")]
    running: bool


class StudentStatus(HostModel):
    """`status` of an instructor's feed."""

    session: Annotated[str, Field(min_length=1, max_length=100)]
    ts: Timestamp
    workshop: Word
    title: Word
    active_step: Word
    viewed_step: Word
    steps: Annotated[list[StudentStep], Field(max_length=MOST_STEPS)]
    completed: Count
    total: Count
    finished: bool
    connected: Count
    last_activity: Timestamp | None = None
    idle_since: Timestamp | None = None
    running: bool
    stuck: Annotated[list[StudentStuck], Field(max_length=50)]
    hand: StudentHand | None = None
    watching: StudentWatching
    terminals: Annotated[list[StudentTerminal], Field(max_length=100)]


class LastCommand(HostModel):
    """The newest command; `term` is the terminal it was typed in."""

    ts: Timestamp
    cmd: str
    exit: int
    term: Word | None = None


class Tally(HostModel):
    """What a student's facts add up to."""

    commands: int = 0
    failed_commands: int = 0
    checks: int = 0
    helps: int = 0
    hands: int = 0
    moves: int = 0
    last_command: LastCommand | None = None


Reach = Literal["connecting", "live", "unreachable", "refused"]


class SeatView(HostModel):
    """One student on the wall. `since` is when the daemon was last heard when it is not `live`,
    `why` a sentence then; `student` is what it said last."""

    id: str
    name: str
    place: str
    local: bool
    reach: Reach
    since: Timestamp | None = None
    why: str | None = None
    student: StudentStatus | None = None
    tally: Tally


class FunnelStep(HostModel):
    """How many students came to a step, are at it now, hang there, and are through with it.

    `medianSeconds` is the time on task of those who completed it.
    """

    id: str
    title: str
    reached: int
    here: int
    stuck: int
    completed: int
    median_seconds: int | None = None


class Funnel(HostModel):
    """The steps of one workshop; `hangs` is the step at which most are stuck or wait."""

    workshop: str
    title: str
    students: int
    steps: list[FunnelStep]
    hangs: str | None = None


class ClassView(HostModel):
    """The whole class: the seats' ids in order, hands in the order they went up."""

    name: str
    seats: list[str]
    queue: list[str]
    stuck: list[str]
    funnels: list[Funnel]


class ScreenView(HostModel):
    """A terminal as it is now: lines with colours as escape sequences, or none with its reason."""

    id: str
    terminal: str | None = None
    cols: int = 0
    rows: int = 0
    text: str | None = None
    why: str | None = None

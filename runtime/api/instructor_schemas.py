"""The wire contract of the instructor's API; see `runtime.api.schemas` for the student's."""

from typing import Annotated, Any, Literal

from pydantic import Field

from runtime.api.base_schemas import Problem, WireModel
from runtime.api.schemas import (
    CheckSummary,
    Hand,
    HandReply,
    HostPresence,
    RecordingMode,
    TerminalInfo,
    Transition,
    Watching,
)
from runtime.domain.attention import Reason
from runtime.domain.events import Timestamp
from runtime.domain.watching import PermissionKind
from runtime.domain.workshop import NavigationMode


class Stuck(WireModel):
    """Why somebody should look: a sentence, and `what` failed how many `times` in a row."""

    reason: Reason
    step: str
    since: Timestamp
    message: str
    what: str | None = None
    times: int | None = None


class StepEffort(WireModel):
    """What one step has cost so far; `attempts` are check runs of the student's making."""

    id: str
    title: str
    group: str | None = None
    position: int
    has_goss: bool
    completed: bool
    completed_at: Timestamp | None = None
    started_at: Timestamp | None = None
    on_task_seconds: int
    attempts: int
    failed: int
    commands: int
    failed_commands: int
    helps: int
    check: CheckSummary | None = None


class InstructorStatus(WireModel):
    """One student at a glance, as of `ts`. `id` is the feed's place: open the feed behind it.

    `running` says that time on the viewed step goes on now; `idleSince` is the last sign of life
    while a page is open.
    """

    id: str
    ts: Timestamp
    session: str
    boot: str
    workshop: str
    title: str
    navigation_mode: NavigationMode
    active_step: str
    viewed_step: str
    steps: list[StepEffort]
    completed: int
    total: int
    finished: bool
    connected: int
    last_activity: Timestamp | None = None
    idle_since: Timestamp | None = None
    running: bool
    stuck: list[Stuck]
    hand: Hand | None = None
    hand_reply: HandReply | None = None
    transition: Transition | None = None
    host: HostPresence
    watching: Watching
    terminals: list[TerminalInfo]
    recording: RecordingMode
    problems: list[Problem]


class LoggedReports(WireModel):
    """Check runs as they were logged, newest last, each with its `id`."""

    results: list[dict[str, Any]]  # Any: JSON of the event log


class LoggedHelp(WireModel):
    """Help as it was logged, newest last."""

    interactions: list[dict[str, Any]]  # Any: JSON of the help history


class LowerRequest(WireModel):
    """Body of POST /api/instructor/hand/lower; the student sees `note`."""

    note: Annotated[str, Field(max_length=500)] | None = None


class AskRequest(WireModel):
    """Body of POST /api/instructor/watching: ask the student."""

    kind: PermissionKind = "watch"
    terminal: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")] = "main"


class AskAnswer(WireModel):
    """Whether looking is allowed now, and otherwise by which `permission` it may be."""

    status: Literal["allowed", "requested"]
    permission: str | None = None


class TypeRequest(WireModel):
    """Body of POST /api/instructor/terminals/{name}/input."""

    text: Annotated[str, Field(min_length=1, max_length=16_384)]

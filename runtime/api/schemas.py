"""The wire contract: every request, answer and message of HTTP, the feeds and the terminal socket.

JSON is camelCase; absent means None. `web/src/lib/protocol.ts` is generated from this module.
"""

from typing import Annotated, Literal

from pydantic import Field

from runtime.api.base_schemas import Problem, WireModel
from runtime.domain.events import Timestamp
from runtime.domain.transitions import TransitionKind, TransitionStatus
from runtime.domain.watching import PermissionKind, PermissionStatus, WatchMode
from runtime.domain.workshop import NavigationMode

# GET /api/workshop


class Capabilities(WireModel):
    """What this daemon can do for the page."""

    llm: bool
    transitions: bool
    recording: bool
    auto_validate: bool


class Versions(WireModel):
    """Versions, for a bug report."""

    daemon: str
    schema_: str = Field(alias="schema")
    goss: str | None = None


class Workshop(WireModel):
    """The workshop's identity."""

    name: str
    title: str
    description: str
    navigation: NavigationMode
    session: str
    steps: int
    capabilities: Capabilities
    versions: Versions


# GET /api/state


class Transition(WireModel):
    """A requested move of the machine; `requested` is its log time."""

    id: str
    step: str
    kind: TransitionKind
    from_: str = Field(alias="from")
    status: TransitionStatus
    requested: Timestamp
    host: str | None = None
    code: str | None = None
    reason: str | None = None


class HostPresence(WireModel):
    """Whether a host is listening for transitions."""

    attached: bool
    last_seen: Timestamp | None = None


class Hand(WireModel):
    """A raised hand."""

    since: Timestamp
    note: str | None = None


class HandReply(WireModel):
    """What an instructor wrote when lowering the hand."""

    ts: Timestamp
    note: str


class Permission(WireModel):
    """What an instructor asked for: to `watch` a terminal or to type into it (`assist`)."""

    id: str
    kind: PermissionKind
    terminal: str
    status: PermissionStatus
    since: Timestamp


class Watching(WireModel):
    """`setting` is the workshop's, `mode` what holds; `watched` names terminals somebody sees."""

    setting: WatchMode
    mode: WatchMode
    permissions: list[Permission]
    watched: list[str]


class WatchingRequest(WireModel):
    """Body of POST /api/watching: the student's choice."""

    mode: WatchMode


class WatchAnswerRequest(WireModel):
    """Body of POST /api/watching/{id}: the student's answer."""

    allowed: bool


class CheckCounts(WireModel):
    """How many results, by outcome."""

    total: int
    passed: int
    failed: int
    skipped: int


class CheckSummary(WireModel):
    """The last report of a step, without its results."""

    outcome: Literal["passed", "failed", "error"]
    passed: bool
    counts: CheckCounts
    ts: Timestamp
    trigger: Literal["student", "auto", "interval"]


RecordingMode = Literal["on", "paused", "off"]
"""Whether terminals are recorded: `paused` by the student, `off` by a setting."""


class State(WireModel):
    """The whole state, as the page needs it; `checks` is by step id."""

    session: str
    boot: str
    navigation_mode: NavigationMode
    active_step: str
    viewed_step: str
    completed_steps: list[str]
    transition: Transition | None = None
    host: HostPresence
    hand: Hand | None = None
    hand_reply: HandReply | None = None
    watching: Watching
    connected: int
    checks: dict[str, CheckSummary]
    recording: RecordingMode
    problems: list[Problem]
    management_url: str | None = Field(default=None, alias="managementURL")


# Steps


class StepSummary(WireModel):
    """One line of the step list; `reason` says why a step is not accessible."""

    id: str
    title: str
    group: str | None = None
    requires: list[str] | None = None
    position: int
    accessible: bool
    reason: str | None = None
    completed: bool
    has_goss: bool
    has_hints: bool
    has_explain: bool
    has_solve: bool
    auto_validate: bool


class CheckResult(WireModel):
    """One line of a report; `title` and `hint` are the author's own words."""

    name: str
    title: str | None = None
    hint: str | None = None
    passed: bool
    skipped: bool
    summary: str | None = None
    expected: str | None = None
    found: str | None = None


class Report(WireModel):
    """One check run, ended at `ts`; `outcome: error`: it could not run, for `reason`."""

    step: str
    passed: bool
    outcome: Literal["passed", "failed", "error"]
    trigger: Literal["student", "auto", "interval"]
    counts: CheckCounts
    checks: list[CheckResult]
    duration_ms: int
    reason: str | None = None
    auto_paused: bool | None = None
    ts: Timestamp | None = None


class TransitionRequest(WireModel):
    """Body of POST /api/steps/{id}/transition."""

    kind: TransitionKind = TransitionKind.GO


class HandRequest(WireModel):
    """Body of POST /api/hand."""

    raised: bool
    note: Annotated[str, Field(max_length=500)] | None = None


# Terminals


class TerminalRequest(WireModel):
    """Body of POST /api/terminals; without a name the daemon chooses one."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")] | None = None


class TitleRequest(WireModel):
    """Body of PATCH /api/terminals/{name}; an empty title is none."""

    title: str


class TerminalInfo(WireModel):
    """One terminal; `title` when its student gave it one, `exitCode` when its shell ended."""

    name: str
    title: str | None = None
    cols: int
    rows: int
    clients: int
    running: bool
    exit_code: int | None = None


class TerminalList(WireModel):
    """Data of the feed's `terminal` message."""

    terminals: list[TerminalInfo]


class HelpNews(WireModel):
    """Data of the feed's `help` message: help with this step was given, to whichever page."""

    step: str


class Command(WireModel):
    """One line of the command log; `ms` is its run time in milliseconds, `term` its terminal.

    In a list it has an `id`; ask for what is `before` that.
    """

    id: int | None = None
    ts: Timestamp
    cmd: str
    exit: int
    cwd: str | None = None
    ms: int | None = None
    term: str | None = None
    cut: bool | None = None


class RecordingInfo(WireModel):
    """One cast file; `live` while it is being written."""

    name: str
    terminal: str | None = None
    started: Timestamp | None = None
    bytes: int
    duration_ms: int | None = None
    live: bool


class RecordingRequest(WireModel):
    """Body of POST /api/recording."""

    paused: Annotated[bool, Field(strict=True)]


class RecordingAnswer(WireModel):
    """Answer of POST /api/recording."""

    recording: RecordingMode


class CastStart(WireModel):
    """First message of a cast that is followed; `init` draws the screen at `time` seconds."""

    version: Literal[2] = 2
    width: int
    height: int
    time: float
    init: str


# Host


class HostTransitions(WireModel):
    """Answer of the long poll."""

    transitions: list[Transition]


class ClaimRequest(WireModel):
    """Body of POST /api/host/transitions/{id}/claim."""

    host: Annotated[str, Field(min_length=1, max_length=200)]


class FailRequest(WireModel):
    """Body of POST /api/host/transitions/{id}/fail."""

    code: Annotated[str, Field(min_length=1, max_length=64)]
    reason: Annotated[str, Field(min_length=1, max_length=2000)]


class HostStatus(WireModel):
    """What the host shows in `workshop list`; `boot` changes with every daemon start."""

    session: str
    boot: str
    workshop: str
    step: str
    completed: int
    steps: int
    connected: int
    transition: Transition | None = None
    version: str


# Operations

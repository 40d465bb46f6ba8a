"""What each HTTP route takes and answers, beside the route table: the source of the OpenAPI page.

Imported by the first request for it only; a start has no need of it. A test compares this table
with the route table, so that no route is without its line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runtime.api import help_schemas as helping
from runtime.api import instructor_schemas as teaching
from runtime.api import schemas as s
from runtime.api.base_schemas import Readiness, WireModel

Model = type[WireModel]

JSON = "application/json"
HTML = "text/html"
TEXT = "text/plain"
EVENTS = "text/event-stream"
CAST = "application/x-asciicast"
ANY = "application/octet-stream"


@dataclass(frozen=True)
class Number:
    """A whole number of the query string."""

    least: int
    most: int
    default: int | None = None


@dataclass(frozen=True)
class Operation:
    """One method of one address.

    `takes` is the body; `gives` the JSON that answers it, an array of it with `many`. `events` are
    the messages of a feed by name. `query` holds numbers, and texts as None. `statuses` are those
    of a success, and `also` of an answer that has the same shape without being one.
    """

    takes: Model | None = None
    gives: Model | None = None
    many: bool = False
    media: str = JSON
    statuses: tuple[int, ...] = (200,)
    also: tuple[int, ...] = ()
    query: Mapping[str, Number | None] = field(default_factory=dict)
    events: Mapping[str, Model] = field(default_factory=dict)
    summary: str = ""  # where the handler's own words do not say it


ID = 1 << 53
PAGED = {"limit": Number(1, 1000, 100), "before": Number(0, ID)}
AFTER: Mapping[str, Number | None] = {"after": None}
RECORDING = Operation(
    media=CAST, statuses=(200, 206, 304), summary="One recording, whole or a range of it."
)
FOLLOWED = Operation(media=EVENTS, summary="A recording that is being written, as it grows.")
LISTED = Operation(gives=s.RecordingInfo, many=True, summary="The recordings, oldest first.")
PAGE = Operation(
    media=HTML,
    statuses=(200, 303),
    query={"token": None},
    summary="The page; with a token it sets the cookie first.",
)
TYPED = "What was typed, newest last."
ANSWER: Mapping[str, Model] = {
    "token": helping.HelpToken,
    "reset": helping.HelpReset,
    "done": helping.HelpDone,
    "error": helping.HelpFailed,
}

OPERATIONS: Mapping[str, Operation] = {
    # Student
    "GET /api/workshop": Operation(gives=s.Workshop),
    "GET /api/state": Operation(gives=s.State),
    "GET /api/steps": Operation(gives=s.StepSummary, many=True),
    "GET /api/steps/{id}/content": Operation(
        media="text/markdown", statuses=(200, 304), summary="The step's text, Markdown."
    ),
    "GET /api/steps/{id}/files/{path}": Operation(media=ANY, statuses=(200, 206, 304)),
    "POST /api/steps/{id}/view": Operation(gives=s.StepSummary),
    "POST /api/steps/{id}/validate": Operation(gives=s.Report),
    "POST /api/steps/{id}/complete": Operation(gives=s.StepSummary),
    "POST /api/steps/{id}/transition": Operation(
        takes=s.TransitionRequest, gives=s.Transition, statuses=(202,)
    ),
    "GET /api/transitions/{id}": Operation(gives=s.Transition),
    "DELETE /api/transitions/{id}": Operation(gives=s.Transition),
    "GET /api/commands": Operation(gives=s.Command, many=True, query=PAGED, summary=TYPED),
    "POST /api/hand": Operation(takes=s.HandRequest, gives=s.State),
    "GET /api/events": Operation(
        media=EVENTS,
        events={
            "state": s.State,
            "report": s.Report,
            "terminal": s.TerminalList,
            "help": s.HelpNews,
        },
        summary="The student's feed: the whole state at first and at every change.",
    ),
    # Help
    "GET /api/steps/{id}/help": Operation(gives=helping.HelpLadder),
    "POST /api/steps/{id}/help": Operation(
        takes=helping.AuthorHelpRequest, gives=helping.AuthorHelp
    ),
    "POST /api/steps/{id}/llm/help": Operation(
        takes=helping.QuestionRequest, media=EVENTS, events=ANSWER
    ),
    "GET /api/steps/{id}/llm/history": Operation(gives=helping.HelpHistory),
    "POST /api/steps/{id}/llm/rating": Operation(takes=helping.RatingRequest, statuses=(204,)),
    # Terminals
    "GET /api/terminals": Operation(gives=s.TerminalInfo, many=True),
    "POST /api/terminals": Operation(
        takes=s.TerminalRequest, gives=s.TerminalInfo, statuses=(201,)
    ),
    "DELETE /api/terminals/{name}": Operation(statuses=(204,)),
    "PATCH /api/terminals/{name}": Operation(takes=s.TitleRequest, gives=s.TerminalInfo),
    "POST /api/terminals/{name}/restart": Operation(gives=s.TerminalInfo),
    # Recordings
    "GET /api/recordings": LISTED,
    "GET /api/recordings/{name}": RECORDING,
    "DELETE /api/recordings/{name}": Operation(
        statuses=(204,), summary="The recording is deleted for good."
    ),
    "GET /api/recordings/{name}/live": FOLLOWED,
    "POST /api/recording": Operation(takes=s.RecordingRequest, gives=s.RecordingAnswer),
    # Being watched
    "POST /api/watching": Operation(takes=s.WatchingRequest, gives=s.Watching),
    "POST /api/watching/{id}": Operation(takes=s.WatchAnswerRequest, gives=s.Watching),
    "DELETE /api/watching/{id}": Operation(gives=s.Watching),
    # Instructor
    "GET /api/instructor/status": Operation(gives=teaching.InstructorStatus),
    "GET /api/instructor/events": Operation(media=EVENTS, query=AFTER),
    "GET /api/instructor/commands": Operation(
        gives=s.Command, many=True, query=PAGED, summary=TYPED
    ),
    "GET /api/instructor/commands/stream": Operation(
        media=EVENTS,
        query=AFTER,
        events={"command": s.Command},
        summary="The commands as they are typed.",
    ),
    "GET /api/instructor/goss/history": Operation(
        gives=teaching.LoggedReports, query={**PAGED, "step": None}
    ),
    "GET /api/instructor/llm/history": Operation(
        gives=teaching.LoggedHelp, query={"limit": PAGED["limit"], "step": None}
    ),
    "GET /api/instructor/recordings": LISTED,
    "GET /api/instructor/recordings/{name}": RECORDING,
    "GET /api/instructor/recordings/{name}/live": FOLLOWED,
    "POST /api/instructor/hand/lower": Operation(
        takes=teaching.LowerRequest, gives=teaching.InstructorStatus
    ),
    "POST /api/instructor/watching": Operation(
        takes=teaching.AskRequest, gives=teaching.AskAnswer, statuses=(200, 202)
    ),
    "DELETE /api/instructor/watching/{id}": Operation(statuses=(204,)),
    "GET /api/instructor/terminals/{name}/live": Operation(media=EVENTS, query=AFTER),
    "POST /api/instructor/terminals/{name}/input": Operation(
        takes=teaching.TypeRequest, statuses=(204,)
    ),
    # Host
    "GET /api/host/transitions": Operation(
        gives=s.HostTransitions, query={"wait": Number(0, 30, 0)}
    ),
    "POST /api/host/transitions/{id}/claim": Operation(takes=s.ClaimRequest, gives=s.Transition),
    "POST /api/host/transitions/{id}/fail": Operation(takes=s.FailRequest, gives=s.Transition),
    "GET /api/host/status": Operation(gives=s.HostStatus),
    # Operations and pages
    "GET /healthz": Operation(media=TEXT),
    "GET /readyz": Operation(gives=Readiness, also=(503,)),
    "GET /metrics": Operation(media=TEXT),
    "GET /api/openapi.json": Operation(),
    "GET /": PAGE,
    "GET /instructor/": PAGE,
    "GET /instructor": Operation(media=HTML, statuses=(307,)),
    "GET /assets/{path}": Operation(media=ANY, statuses=(200, 206, 304)),
    "GET /favicon.svg": Operation(
        media="image/svg+xml", statuses=(200, 206, 304), summary="The page's icon."
    ),
}

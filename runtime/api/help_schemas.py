"""The wire contract of help: the author's ladder, questions, the stream of an answer, the history.

As `runtime.api.schemas`, and part of `web/src/lib/protocol.ts` like it.
"""

from typing import Annotated, Literal

from pydantic import Field

from runtime.api.base_schemas import WireModel
from runtime.domain.events import Timestamp

HelpMode = Literal["hints", "explain", "solve"]


class HelpHint(WireModel):
    """One hint of the author, Markdown."""

    title: str | None = None
    text: str


class HelpLadder(WireModel):
    """Answer of GET /api/steps/{id}/help: what help there is and what was uncovered.

    `modes` are what a student may ask for; `written` of them have the author's words.
    """

    model: bool
    modes: list[HelpMode]
    written: list[HelpMode]
    default_mode: HelpMode
    hints: int
    uncovered: list[HelpHint]
    used_tokens: int
    session_tokens: int


class AuthorHelpRequest(WireModel):
    """Body of POST /api/steps/{id}/help: the author's next hint, explanation or solution."""

    mode: HelpMode = "hints"
    confirmed: bool = False


class AuthorHelp(WireModel):
    """The author's words, Markdown; a hint has its number, from 1, and how many there are."""

    mode: HelpMode
    title: str | None = None
    text: str
    hint: int | None = None
    hints: int | None = None


class QuestionRequest(WireModel):
    """Body of POST /api/steps/{id}/llm/help; `solve` needs `confirmed`."""

    question: Annotated[str, Field(min_length=1, max_length=4000, pattern=r"\S")]
    mode: HelpMode | None = None
    confirmed: bool = False


class HelpTokens(WireModel):
    """What an answer cost; `estimated` when the model did not say."""

    input: int
    output: int
    estimated: bool | None = None


class HelpInteraction(WireModel):
    """One piece of help that was given; an author's hint has no question and a number.

    `partial`: the answer broke off; `stopped`: the student left or stopped it; `failed`: no word
    came; `replaced`: it would have given the solution away, so these are the author's words.
    """

    id: str
    ts: Timestamp
    step: str
    mode: HelpMode
    question: str
    response: str
    source: Literal["model", "author"]
    outcome: Literal["answered", "partial", "stopped", "failed", "replaced"]
    model: str | None = None
    tokens: HelpTokens | None = None
    hint: int | None = None
    left_out: list[str] | None = None
    useful: bool | None = None


class HelpHistory(WireModel):
    """Answer of GET /api/steps/{id}/llm/history, oldest first."""

    interactions: list[HelpInteraction]


class RatingRequest(WireModel):
    """Body of POST /api/steps/{id}/llm/rating."""

    id: str
    useful: bool


class HelpToken(WireModel):
    """Data of the stream's `token`: the next piece of the answer, Markdown."""

    text: str


class HelpReset(WireModel):
    """Data of `reset`: what was shown so far does not count, the answer begins anew."""


class HelpDone(WireModel):
    """Data of `done`: the whole answer was sent."""

    source: Literal["model", "author"]
    tokens: HelpTokens | None = None
    interaction: HelpInteraction


class HelpFailed(WireModel):
    """Data of `error`: no whole answer; `interaction` has what came of it."""

    code: str
    message: str
    interaction: HelpInteraction

"""Help with a step: the author's ladder, questions to a model, what was answered before.

The schemas are imported by the first request: a start has no need of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from runtime.api.base_schemas import WireModel
from runtime.api.body import json_response, parse_body
from runtime.api.feeds import feed_response
from runtime.api.routing import Role, RoleRoute, route
from runtime.api.student import open_step_of, services_of
from runtime.domain.errors import NotFound

if TYPE_CHECKING:
    from runtime.api import help_schemas as schemas
    from runtime.domain.interactions import Interaction
    from runtime.services.answering import Answering, Message
    from runtime.services.help import Help


async def _help(request: Request) -> Help:
    return await services_of(request).help()


async def ladder(request: Request) -> Response:
    """GET /api/steps/{id}/help."""
    from runtime.api import help_schemas as schemas

    step = open_step_of(request)
    found = await (await _help(request)).ladder(step)
    return json_response(
        schemas.HelpLadder(
            model=found.has_model,
            modes=list(found.modes),
            written=list(found.written),
            default_mode=found.default,
            hints=found.hints,
            uncovered=[
                schemas.HelpHint(title=hint.title, text=hint.text) for hint in found.uncovered
            ],
            used_tokens=found.used_tokens,
            session_tokens=found.session_tokens,
        )
    )


async def uncover(request: Request) -> Response:
    """POST /api/steps/{id}/help: the author's next hint, explanation or solution."""
    from runtime.api import help_schemas as schemas

    step = open_step_of(request)
    wish = await parse_body(request, schemas.AuthorHelpRequest)
    given = await (await _help(request)).uncover(step, wish.mode, confirmed=wish.confirmed)
    return json_response(
        schemas.AuthorHelp(
            mode=wish.mode,
            title=given.title,
            text=given.text,
            hint=given.hint or None,
            hints=given.hints or None,
        )
    )


async def ask(request: Request) -> Response:
    """POST /api/steps/{id}/llm/help: a stream of `token`, `reset`, and `done` or `error`."""
    from runtime.api import help_schemas as schemas

    step = open_step_of(request)
    if not services_of(request).has_model:
        raise NotFound("This workshop answers no questions: no model is configured.")
    wish = await parse_body(request, schemas.QuestionRequest)
    answering = await (await _help(request)).ask(
        step, wish.question, wish.mode, confirmed=wish.confirmed
    )
    return feed_response(lambda: _stream(answering))


async def history(request: Request) -> Response:
    """GET /api/steps/{id}/llm/history."""
    from runtime.api import help_schemas as schemas

    step = open_step_of(request)
    given = await (await _help(request)).interactions(step)
    return json_response(
        schemas.HelpHistory(interactions=[interaction(each, useful) for each, useful in given])
    )


async def rate(request: Request) -> Response:
    """POST /api/steps/{id}/llm/rating: whether an answer was useful."""
    from runtime.api import help_schemas as schemas

    open_step_of(request)
    wish = await parse_body(request, schemas.RatingRequest)
    await (await _help(request)).rate(wish.id, useful=wish.useful)
    return Response(status_code=204)


def interaction(each: Interaction, useful: bool | None = None) -> schemas.HelpInteraction:
    """One piece of help, for the wire."""
    from runtime.api import help_schemas as schemas

    return schemas.HelpInteraction(
        id=each.id,
        ts=each.ts,
        step=each.step,
        mode=each.mode,
        question=each.question,
        response=each.response,
        source=each.source,
        outcome=each.outcome,
        model=each.model,
        tokens=_tokens(each),
        hint=each.hint,
        left_out=list(each.left_out) if each.left_out else None,
        useful=useful,
    )


async def _stream(answering: Answering) -> AsyncIterator[bytes]:
    async for message in answering.messages():
        yield _encode(message)


def _encode(message: Message) -> bytes:
    from runtime.api import help_schemas as schemas
    from runtime.services.answering import Done, Failed, Reset, Token

    match message:
        case Token(text=text):
            return _event("token", schemas.HelpToken(text=text))
        case Reset():
            return _event("reset", schemas.HelpReset())
        case Done(interaction=given):
            done = schemas.HelpDone(
                source=given.source, tokens=_tokens(given), interaction=interaction(given)
            )
            return _event("done", done)
        case Failed(code=code, message=sentence, interaction=given):
            failed = schemas.HelpFailed(code=code, message=sentence, interaction=interaction(given))
            return _event("error", failed)


def _event(name: str, body: WireModel) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), body.wire())


def _tokens(each: Interaction) -> schemas.HelpTokens | None:
    from runtime.api import help_schemas as schemas

    if each.tokens is None:
        return None
    return schemas.HelpTokens.model_validate(each.tokens, from_attributes=True)


routes: list[RoleRoute] = [
    route("/api/steps/{id}/help", ladder, role=Role.STUDENT),
    route("/api/steps/{id}/help", uncover, methods=["POST"], role=Role.STUDENT),
    route("/api/steps/{id}/llm/help", ask, methods=["POST"], role=Role.STUDENT),
    route("/api/steps/{id}/llm/history", history, role=Role.STUDENT),
    route("/api/steps/{id}/llm/rating", rate, methods=["POST"], role=Role.STUDENT),
]

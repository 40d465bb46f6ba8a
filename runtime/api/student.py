"""What the student's page asks for and does: contracts, section 3, Student."""

from __future__ import annotations

import hashlib

from starlette.requests import Request
from starlette.responses import Response

from runtime.api import schemas, views
from runtime.api.body import json_list, json_response, parse_body, query_number
from runtime.api.files import FileAnswer
from runtime.api.routing import Handler, Role, RoleRoute, route
from runtime.api.services import Services
from runtime.domain import events as ev
from runtime.domain.errors import HasChecks, NotFound, StepLocked
from runtime.domain.workshop import Step

MARKDOWN = "text/markdown; charset=utf-8"
MAX_COMMANDS = 1000


def services_of(request: Request) -> Services:
    """The daemon's services."""
    services: Services = request.app.state.services
    return services


def step_of(request: Request) -> Step:
    """The step the address names; raises NotFound."""
    step_id = request.path_params["id"]
    workshop = services_of(request).session.workshop
    step = workshop.find(step_id)
    if step is None:
        known = ", ".join(each.id for each in workshop.steps)
        raise NotFound(f"This workshop has no step “{step_id[:80]}”; it has: {known}.")
    return step


def open_step_of(request: Request) -> Step:
    """The step the address names; raises StepLocked with the reason when it is not accessible."""
    step = step_of(request)
    if reason := services_of(request).session.locked_reason(step):
        raise StepLocked(reason)
    return step


async def workshop(request: Request) -> Response:
    """GET /api/workshop."""
    services = services_of(request)
    definition = services.session.workshop
    return json_response(
        schemas.Workshop(
            name=definition.name,
            title=definition.title,
            description=definition.description,
            navigation=definition.navigation,
            session=services.session.id,
            steps=len(definition.steps),
            capabilities=schemas.Capabilities(
                llm=services.has_model,
                transitions=services.access.host is not None,
                recording=services.recordings is not None,
                auto_validate=any(map(definition.auto_validates, definition.steps)),
            ),
            versions=schemas.Versions.model_validate(services.versions),
        )
    )


async def state(request: Request) -> Response:
    """GET /api/state."""
    services = services_of(request)
    return json_response(
        views.state(
            services.session,
            services.transitions,
            services.recording_switch,
            services.management_url,
        )
    )


async def steps(request: Request) -> Response:
    """GET /api/steps."""
    session = services_of(request).session
    return json_list([views.step(session, each) for each in session.workshop.steps])


async def content(request: Request) -> Response:
    """GET /api/steps/{id}/content."""
    step = open_step_of(request)
    body = services_of(request).artifact.read_text(step, "content.md").encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"etag": etag, "cache-control": "private, no-cache"}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=MARKDOWN)


async def step_file(request: Request) -> Response:
    """GET /api/steps/{id}/files/{path}: what the step's text refers to."""
    step = open_step_of(request)
    path = services_of(request).artifact.file_path(step, request.path_params["path"])
    return FileAnswer(
        path,
        headers={
            "cache-control": "private, no-cache",
            # An SVG opened by itself must not run anything.
            "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        },
    )


async def view(request: Request) -> Response:
    """POST /api/steps/{id}/view: the machine is not touched."""
    step = open_step_of(request)
    session = services_of(request).session
    if session.viewed.id != step.id or session.state.viewed is None:
        await session.record(ev.StepViewed(ts=session.now(), step=step.id))
    return json_response(views.step(session, step))


async def validate(request: Request) -> Response:
    """POST /api/steps/{id}/validate."""
    step = open_step_of(request)
    if not step.has_goss:
        raise NotFound(f"“{step.title}” has no checks; tick it off instead.")
    report = await services_of(request).checks.validate(step.id, "student")
    return json_response(views.report(report))


async def complete(request: Request) -> Response:
    """POST /api/steps/{id}/complete: tick off a step without checks."""
    step = open_step_of(request)
    if step.has_goss:
        raise HasChecks(f"“{step.title}” is completed by its checks.")
    session = services_of(request).session
    await session.record_if(
        lambda: (
            None
            if step.id in session.state.completed
            else ev.StepCompleted(ts=session.now(), step=step.id, by="student")
        )
    )
    return json_response(views.step(session, step))


async def request_transition(request: Request) -> Response:
    """POST /api/steps/{id}/transition."""
    step = step_of(request)
    wish = await parse_body(request, schemas.TransitionRequest)
    services = services_of(request)
    if services.access.host is None:
        raise NotFound("This machine cannot be moved: it was started without a host.")
    transition = await services.transitions.request(step, wish.kind)
    return json_response(views.transition(transition), 202)


async def transition(request: Request) -> Response:
    """GET /api/transitions/{id}."""
    found = services_of(request).transitions.find(request.path_params["id"])
    return json_response(views.transition(found))


async def cancel_transition(request: Request) -> Response:
    """DELETE /api/transitions/{id}."""
    moves = services_of(request).transitions
    return json_response(views.transition(await moves.cancel(request.path_params["id"], "student")))


async def commands(request: Request) -> Response:
    """GET /api/commands?limit=&before=: newest last."""
    limit = query_number(request, "limit", 100, least=1, most=MAX_COMMANDS)
    has_before = "before" in request.query_params
    before = query_number(request, "before", 0, least=0, most=1 << 53) if has_before else None
    recent = services_of(request).commands.recent(limit, before)
    return json_list([views.command(each, number) for number, each in recent])


async def hand(request: Request) -> Response:
    """POST /api/hand."""
    wish = await parse_body(request, schemas.HandRequest)
    session = services_of(request).session

    def make() -> ev.Event | None:
        hand = session.state.hand
        if not wish.raised:
            return ev.HandLowered(ts=session.now(), by="student") if hand else None
        if hand and hand.note == wish.note:
            return None  # it is up already
        return ev.HandRaised(ts=session.now(), note=wish.note)

    await session.record_if(make)
    return await state(request)


def _route(path: str, handler: Handler, method: str = "GET") -> RoleRoute:
    return route(path, handler, methods=[method], role=Role.STUDENT)


routes: list[RoleRoute] = [
    _route("/api/workshop", workshop),
    _route("/api/state", state),
    _route("/api/steps", steps),
    _route("/api/steps/{id}/content", content),
    _route("/api/steps/{id}/files/{path:path}", step_file),
    _route("/api/steps/{id}/view", view, "POST"),
    _route("/api/steps/{id}/validate", validate, "POST"),
    _route("/api/steps/{id}/complete", complete, "POST"),
    _route("/api/steps/{id}/transition", request_transition, "POST"),
    _route("/api/transitions/{id}", transition),
    _route("/api/transitions/{id}", cancel_transition, "DELETE"),
    _route("/api/commands", commands),
    _route("/api/hand", hand, "POST"),
]

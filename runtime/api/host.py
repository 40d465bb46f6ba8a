"""What the host asks for and says: contracts, section 3, Host."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from runtime.api import schemas, views
from runtime.api.body import json_response, parse_body, query_number
from runtime.api.routing import Role, RoleRoute, route
from runtime.api.services import Services

MAX_WAIT_SECONDS = 30


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


async def poll(request: Request) -> Response:
    """GET /api/host/transitions?wait=25: the long poll."""
    seconds = query_number(request, "wait", 0, least=0, most=MAX_WAIT_SECONDS)
    found = await _services(request).transitions.wait_open(seconds)
    return json_response(
        schemas.HostTransitions(transitions=[views.transition(each) for each in found])
    )


async def claim(request: Request) -> Response:
    """POST /api/host/transitions/{id}/claim."""
    wish = await parse_body(request, schemas.ClaimRequest)
    moves = _services(request).transitions
    return json_response(views.transition(await moves.claim(request.path_params["id"], wish.host)))


async def fail(request: Request) -> Response:
    """POST /api/host/transitions/{id}/fail."""
    wish = await parse_body(request, schemas.FailRequest)
    moves = _services(request).transitions
    return json_response(
        views.transition(await moves.fail(request.path_params["id"], wish.code, wish.reason))
    )


async def status(request: Request) -> Response:
    """GET /api/host/status."""
    services = _services(request)
    session = services.session
    pending = services.transitions.pending
    return json_response(
        schemas.HostStatus(
            session=session.id,
            boot=session.boot,
            workshop=session.workshop.name,
            step=session.active.id,
            completed=len(session.completed),
            steps=len(session.workshop.steps),
            connected=len(session.state.clients),
            transition=views.transition(pending) if pending else None,
            version=services.versions["daemon"],
        )
    )


routes: list[RoleRoute] = [
    route("/api/host/transitions", poll, role=Role.HOST),
    route("/api/host/transitions/{id}/claim", claim, methods=["POST"], role=Role.HOST),
    route("/api/host/transitions/{id}/fail", fail, methods=["POST"], role=Role.HOST),
    route("/api/host/status", status, role=Role.HOST),
]

"""Is it alive, is it ready, how much of everything: for operators and their tools."""

from __future__ import annotations

import asyncio

import orjson
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from runtime.api import schemas, views
from runtime.api.body import json_response
from runtime.api.routing import Role, RoleRoute, route
from runtime.api.services import Services

POLLED = (
    "This machine has no inotify watch to give: commands are seen within a second, not at once. "
    "Raise fs.inotify.max_user_watches to mend it."
)


async def healthz(request: Request) -> Response:
    """GET /healthz: the event loop turns."""
    return PlainTextResponse("ok\n")


async def readyz(request: Request) -> Response:
    """GET /readyz: 200 when artifact, log and terminal are ready, else 503 with what is missing."""
    services: Services = request.app.state.services
    missing = []
    if services.session.storage_problem:
        missing.append("the event log cannot be written")
    if not any(each.running or each.exit_code is not None for each in services.terminals.list()):
        missing.append("the terminal has not started")
    problems = views.problems(services.session)
    if services.commands.watching == "polling":
        problems.append(schemas.Problem(code="commands_polled", message=POLLED))
    body = schemas.Readiness(ready=not missing, missing=missing, problems=problems)
    return json_response(body, 503 if missing else 200)


async def metrics(request: Request) -> Response:
    """GET /metrics: Prometheus text."""
    from runtime.api.metrics import exposition  # 15 ms that no start has to wait for

    services: Services = request.app.state.services
    watched = services.access.instructor is not None
    attention = await services.observer.attention() if watched else None
    readers = len(request.app.state.instructor_feed)
    text, content_type = exposition(services, attention, readers)
    return Response(text, media_type=content_type)


async def openapi(request: Request) -> Response:
    """GET /api/openapi.json: this API as OpenAPI 3.1."""
    from runtime.api.openapi import document  # builds every model: no start has to wait for it

    state = request.app.state
    if not hasattr(state, "openapi"):
        made = await asyncio.to_thread(document, request.app.routes)  # 0.1 s of others' time
        state.openapi = orjson.dumps(made, option=orjson.OPT_SORT_KEYS)
    return Response(state.openapi, media_type="application/json")


routes: list[RoleRoute] = [
    route("/api/openapi.json", openapi, role=[Role.STUDENT, Role.INSTRUCTOR, Role.HOST]),
    route("/healthz", healthz, role=Role.PUBLIC),
    route("/readyz", readyz, role=Role.PUBLIC),
    route("/metrics", metrics, role=[Role.HOST, Role.INSTRUCTOR]),
]

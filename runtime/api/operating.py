"""How much of everything, and what there is to call: for operators and their tools."""

from __future__ import annotations

import asyncio

import orjson
from starlette.requests import Request
from starlette.responses import Response

from runtime.api.instructor_feed import InstructorFeed
from runtime.api.routing import Role, RoleRoute, route
from runtime.api.services import Services


async def metrics(request: Request) -> Response:
    """GET /metrics: Prometheus text."""
    from runtime.api.metrics import exposition  # its library is loaded where somebody collects

    services: Services = request.app.state.services
    feed: InstructorFeed = request.app.state.instructor_feed
    watched = services.access.instructor is not None
    attention = await feed.observer.attention() if watched else None
    text, content_type = exposition(services, attention, len(feed))
    return Response(text, media_type=content_type)


async def openapi(request: Request) -> Response:
    """GET /api/openapi.json: this API as OpenAPI 3.1."""
    from runtime.api.openapi import document  # builds every model, where somebody asks

    state = request.app.state
    if not hasattr(state, "openapi"):
        made = await asyncio.to_thread(document, request.app.routes)  # 0.1 s of others' time
        state.openapi = orjson.dumps(made, option=orjson.OPT_SORT_KEYS)
    return Response(state.openapi, media_type="application/json")


routes: list[RoleRoute] = [
    route("/api/openapi.json", openapi, role=[Role.STUDENT, Role.INSTRUCTOR, Role.HOST]),
    route("/metrics", metrics, role=[Role.HOST, Role.INSTRUCTOR]),
]

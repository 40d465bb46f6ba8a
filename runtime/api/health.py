"""Is it alive, is it ready: asked from the first moment on, so this needs little else."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from runtime.api.base_schemas import Problem, Readiness
from runtime.api.body import json_response
from runtime.api.routing import Role, RoleRoute, route
from runtime.api.services import Services
from runtime.services.session import Session

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
    problems = known_problems(services.session)
    if services.commands.watching == "polling":
        problems.append(Problem(code="commands_polled", message=POLLED))
    body = Readiness(ready=not missing, missing=missing, problems=problems)
    return json_response(body, 503 if missing else 200)


def known_problems(session: Session) -> list[Problem]:
    """What is wrong or weaker than it should be."""
    return [Problem(code=each.code, message=each.message) for each in session.problems]


routes: list[RoleRoute] = [
    route("/healthz", healthz, role=Role.PUBLIC),
    route("/readyz", readyz, role=Role.PUBLIC),
]

PATHS = frozenset(each.path for each in routes)

"""Routes that name who may use them: a route without a role cannot be made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket


class Role(StrEnum):
    """Who a caller is; `public` needs no token."""

    STUDENT = "student"
    INSTRUCTOR = "instructor"
    HOST = "host"
    PUBLIC = "public"


Handler = Callable[[Request], Awaitable[Response]]
SocketHandler = Callable[[WebSocket], Awaitable[None]]


class RoleRoute(Route):
    """An HTTP route and the roles that may call it."""

    roles: frozenset[Role]


class RoleSocket(WebSocketRoute):
    """A WebSocket route and the roles that may open it."""

    roles: frozenset[Role]


def route(
    path: str, endpoint: Handler, *, methods: Sequence[str] = ("GET",), role: Role | Sequence[Role]
) -> RoleRoute:
    """An HTTP route for one role or several."""
    made = RoleRoute(path, endpoint, methods=list(methods))
    made.roles = _roles(role)
    return made


def socket(path: str, endpoint: SocketHandler, *, role: Role | Sequence[Role]) -> RoleSocket:
    """A WebSocket route for one role or several."""
    made = RoleSocket(path, endpoint)
    made.roles = _roles(role)
    return made


def _roles(role: Role | Sequence[Role]) -> frozenset[Role]:
    return frozenset({role} if isinstance(role, Role) else role)

"""The gate in front of every request and every WebSocket: Host, Origin, size, who is calling.

Pure ASGI, because Starlette's middleware classes do not see WebSockets. A handler finds
`scope["state"]["role"]` and `["roles"]`; nothing else of the caller's credentials goes further in.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import Mapping, Sequence

from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runtime.api.errors import error_response
from runtime.api.routing import Role, RoleRoute, RoleSocket
from runtime.domain.origin import (
    SAFE_METHODS,
    SECURITY_HEADERS,
    Headers,
    bearer_token,
    foreign_sentence,
)

MAX_BODY_BYTES = 64 * 1024
BODY_SECONDS = 20.0  # a body slower than this is no body
SLOW_SECONDS = 0.5  # what a wrong token costs its sender
NOT_ALLOWED = 4401  # close code of the terminal protocol


class Tokens:
    """The tokens by role, compared in constant time; a role without one is closed.

    A student token of None opens the student's role to everybody, on purpose.
    """

    def __init__(self, tokens: Mapping[Role, str | None], session: str) -> None:
        self._tokens = {role: token for role, token in tokens.items() if token is not None}
        self._everybody = frozenset({Role.PUBLIC}) | (
            frozenset() if Role.STUDENT in self._tokens else frozenset({Role.STUDENT})
        )
        self._configured = frozenset(self._tokens) | self._everybody
        self._session = session[:12]

    def is_open(self, role: Role) -> bool:
        """Whether anybody at all can have this role."""
        return role in self._configured

    def everybody_is(self, role: Role) -> bool:
        """Whether nobody needs a token for this role."""
        return role in self._everybody

    def cookie_name(self, role: Role) -> str:
        """Cookies do not tell ports apart: the session's id does."""
        return f"workshop-{role}-{self._session}"

    def matches(self, role: Role, presented: str) -> bool:
        """Whether `presented` is the role's token."""
        token = self._tokens.get(role)
        return hmac.compare_digest(
            (token or "").encode(), presented.encode(errors="surrogateescape")
        ) and bool(token)

    def roles(self, bearer: str | None, cookies: Mapping[str, str]) -> frozenset[Role]:
        """Every role the credentials give."""
        found = set(self._everybody)
        for role in self._tokens:
            cookie = cookies.get(self.cookie_name(role))
            if (bearer is not None and self.matches(role, bearer)) or (
                cookie is not None and self.matches(role, cookie)
            ):
                found.add(role)
        return frozenset(found)


class Gate:
    """ASGI middleware: answers what may not pass, hands on the rest with its role."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        tokens: Tokens,
        allowed_hosts: Sequence[str],
        routes: Sequence[BaseRoute],
    ) -> None:
        self._app = app
        self._tokens = tokens
        self._allowed = frozenset(host.lower() for host in allowed_hosts)
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        send = _with_security_headers(send, scope)
        refusal = await self._refusal(scope)
        if refusal is not None:
            await _refuse(scope, receive, send, *refusal)
            return
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        await self._limited(scope, receive, send)

    async def _refusal(self, scope: Scope) -> tuple[int, str, str] | None:
        """Status, code and sentence of the answer, or None when the request may pass."""
        headers = Headers(scope["headers"])
        host = headers.only("host")
        if host is None:
            return 400, "bad_host", "The request must name exactly one Host."
        if not self._knows(host):
            return (
                421,
                "unknown_host",
                "This daemon does not answer to that host name; "
                "WORKSHOP_ALLOWED_HOSTS lists the names it does.",
            )
        is_socket = scope["type"] == "websocket"
        bearer = bearer_token(headers.only("authorization"))
        foreign = foreign_sentence(
            headers, host, bearer, method=None if is_socket else scope["method"]
        )
        if foreign is not None:
            return 403, "foreign_origin", foreign
        return await self._role_refusal(scope, headers, bearer)

    async def _role_refusal(
        self, scope: Scope, headers: Headers, bearer: str | None
    ) -> tuple[int, str, str] | None:
        wanted = self._wanted(scope)
        if wanted is None:
            return None  # no such route; the router says so
        if not any(self._tokens.is_open(role) for role in wanted):
            return 404, "not_found", "There is nothing at this address."
        cookies = headers.cookies()
        held = self._tokens.roles(bearer, cookies)
        granted = wanted & held
        if not granted:
            presented = bearer is not None or any(
                self._tokens.cookie_name(role) in cookies for role in Role
            )
            if presented and held <= {Role.PUBLIC, Role.STUDENT}:
                await asyncio.sleep(SLOW_SECONDS)
            return (
                401,
                "unauthorized",
                "Open the link with the token once more, or send it as a bearer token.",
            )
        scope.setdefault("state", {})
        scope["state"]["roles"] = held
        scope["state"]["role"] = min(granted, key=list(Role).index)
        return None

    def _wanted(self, scope: Scope) -> frozenset[Role] | None:
        for route in self._routes:
            if isinstance(route, RoleRoute | RoleSocket):
                match, _ = route.matches(scope)
                if match is not Match.NONE:
                    return route.roles
        return None

    def _knows(self, host: str) -> bool:
        lowered = host.lower()
        name = re.sub(r":[0-9]{1,5}$", "", lowered)
        return "*" in self._allowed or name in self._allowed or lowered in self._allowed

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app with a body of at most MAX_BODY_BYTES that came in time."""
        length = Headers(scope["headers"]).only("content-length")
        if length is not None and int(length) > MAX_BODY_BYTES:
            await _refuse(scope, receive, send, 413, "too_large", TOO_LARGE)
            return
        body = await _read_body(receive) if scope["method"] not in SAFE_METHODS else b""
        if isinstance(body, _Refused):
            await _refuse(scope, receive, send, body.status, body.code, body.message)
            return
        await self._app(scope, _replay(body, receive), send)


TOO_LARGE = "The request is larger than 64 KiB."


class _Refused:
    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.code, self.message = status, code, message


async def _read_body(receive: Receive) -> bytes | _Refused:
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return _Refused(400, "bad_request", "The request ended too early.")
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > MAX_BODY_BYTES:
                    return _Refused(413, "too_large", TOO_LARGE)
                if not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        return _Refused(408, "too_slow", "The request's body did not come in time.")


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def once() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return once


async def _refuse(
    scope: Scope, receive: Receive, send: Send, status: int, code: str, message: str
) -> None:
    if scope["type"] == "http":
        headers = {"connection": "close"} if status in (400, 408, 413) else {}
        await error_response(status, code, message, headers=headers)(scope, receive, send)
        return
    await receive()  # websocket.connect
    if status == 401 and "workshop.terminal.v1" in scope.get("subprotocols", ()):
        # Only an accepted socket can carry a close code to the page.
        await send({"type": "websocket.accept", "subprotocol": "workshop.terminal.v1"})
        await send({"type": "websocket.close", "code": NOT_ALLOWED, "reason": message})
        return
    await error_response(status, code, message)(
        {**scope, "extensions": {"websocket.http.response": {}}}, receive, send
    )


def _with_security_headers(send: Send, scope: Scope) -> Send:
    """Every answer carries them; answers of the API are not stored unless they say otherwise."""
    is_api = scope["path"].startswith("/api/")

    async def sending(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            headers = list(message.get("headers", ()))
            names = {key.lower() for key, _ in headers}
            headers += [pair for pair in SECURITY_HEADERS if pair[0] not in names]
            if is_api and b"cache-control" not in names:
                headers.append((b"cache-control", b"no-store"))
            message = {**message, "headers": headers}
        await send(message)

    return sending

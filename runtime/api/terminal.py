"""Terminals: the list, titles, opening to closing, and the socket of a page (contracts, 5)."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from typing import Final

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from runtime.api import schemas, views
from runtime.api import terminal_schemas as frames
from runtime.api.base_schemas import WireModel
from runtime.api.body import json_list, json_response, parse_body
from runtime.api.routing import Role, RoleRoute, RoleSocket, route, socket
from runtime.api.services import Services
from runtime.domain.errors import AlreadyExists, MainTerminal, NotFound, TooMany
from runtime.services.attachment import (
    Attachment,
    Exited,
    Notice,
    Offset,
    Resized,
    Restarted,
)
from runtime.services.redraws import Redraw
from runtime.services.terminal import Terminal
from runtime.services.terminals import Terminals

PROTOCOL: Final = "workshop.terminal.v1"
MAIN: Final = "main"
MAX_INPUT_BYTES = 1 << 20  # in one frame; a page sends a larger paste in several
MAX_TEXT_CHARACTERS = 4096
MAX_OFFSET = 1 << 53  # beyond it a page could not count

NO_SUCH, TOO_MANY = 4404, 4409  # close codes of the protocol; the gate has 4401
INVALID, POLICY, TOO_BIG = 1007, 1008, 1009  # those of RFC 6455

_client_message: TypeAdapter[frames.TerminalClientMessage] = TypeAdapter(
    frames.TerminalClientMessage, config={"defer_build": True}
)


class Refused(Exception):
    """The socket is to be closed with `code`."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def _terminals(connection: Request | WebSocket) -> Terminals:
    services: Services = connection.app.state.services
    return services.terminals


async def list_terminals(request: Request) -> Response:
    """GET /api/terminals."""
    return json_list([views.terminal(each) for each in _terminals(request).list()])


async def open_terminal(request: Request) -> Response:
    """POST /api/terminals: a new one, or a new shell in one whose shell ended."""
    wanted = await parse_body(request, schemas.TerminalRequest)
    terminals = _terminals(request)
    with suppress(NotFound):
        if wanted.name is not None and terminals.get(wanted.name).running:
            raise AlreadyExists(f"The terminal {wanted.name} is open already.")
    terminal = await terminals.open(wanted.name)
    return json_response(views.terminal(terminal.info()), 201)


async def close_terminal(request: Request) -> Response:
    """DELETE /api/terminals/{name}: its shell and all that it started end."""
    name = request.path_params["name"]
    if name == MAIN:  # texts type into it, and without a terminal the daemon is not ready
        raise MainTerminal("The main terminal is always there; restart it instead.")
    await _terminals(request).close(name)
    return Response(status_code=204)


async def rename_terminal(request: Request) -> Response:
    """PATCH /api/terminals/{name}: what every page calls it."""
    change = await parse_body(request, schemas.TitleRequest)
    terminal = _terminals(request).get(request.path_params["name"])
    terminal.rename(change.title)
    return json_response(views.terminal(terminal.info()))


async def restart_terminal(request: Request) -> Response:
    """POST /api/terminals/{name}/restart: all that ran in it ends, a new shell starts."""
    terminal = await _terminals(request).restart(request.path_params["name"])
    return json_response(views.terminal(terminal.info()))


async def terminal_socket(socket: WebSocket) -> None:
    """WS /ws/terminal/{name}, `main` without a name: bytes both ways, JSON beside them."""
    offered = socket.scope.get("subprotocols", ())
    await socket.accept(PROTOCOL if PROTOCOL in offered else None)
    try:
        terminal = _terminals(socket).get(socket.path_params.get("name", MAIN))
        client = secrets.token_hex(6)
        async with terminal.attach(client, _offset(socket)) as page:
            await _serve(socket, terminal, page)
    except NotFound as error:
        await _close(socket, NO_SUCH, error.message)
    except TooMany as error:
        await _close(socket, TOO_MANY, error.message)
    except Refused as refusal:
        await _close(socket, refusal.code, refusal.reason)
    except WebSocketDisconnect:
        pass


async def _serve(socket: WebSocket, terminal: Terminal, page: Attachment) -> None:
    """Both directions, until one of them ends."""
    role = socket.scope.get("state", {}).get("role", Role.STUDENT)
    cols, rows = terminal.size
    hello = frames.TerminalHello(
        terminal=terminal.name, cols=cols, rows=rows, offset=page.start, role=role
    )
    await _say(socket, hello)
    sending = asyncio.create_task(_send(socket, page), name=f"to {page.client}")
    receiving = asyncio.create_task(
        _receive(socket, terminal, page, may_type=role != Role.INSTRUCTOR),
        name=f"from {page.client}",
    )
    tasks = {sending, receiving}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
    if page.close_code is not None:
        raise Refused(page.close_code, "The terminal was closed.")


async def _send(socket: WebSocket, page: Attachment) -> None:
    async for frame in page.frames():
        if isinstance(frame, bytes):
            await socket.send_bytes(frame)
        else:
            await _send_message(socket, frame)


async def _send_message(socket: WebSocket, frame: Redraw | Offset | Notice) -> None:
    match frame:
        case Redraw(data, offset):
            await _say(socket, frames.TerminalScreen())
            await socket.send_bytes(data)
            await _say(socket, frames.TerminalOffset(offset=offset))
        case Offset(offset):
            await _say(socket, frames.TerminalOffset(offset=offset))
        case Resized(cols, rows):
            await _say(socket, frames.TerminalResized(cols=cols, rows=rows))
        case Exited(code):
            await _say(socket, frames.TerminalExited(code=code))
        case Restarted():
            await _say(socket, frames.TerminalRestarted())


async def _receive(
    socket: WebSocket, terminal: Terminal, page: Attachment, *, may_type: bool
) -> None:
    """What the page sends; raises Refused for what is not the protocol."""
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        data = message.get("bytes")
        if data is None:
            await _obey(terminal, page, message.get("text") or "", may_type=may_type)
        elif len(data) > MAX_INPUT_BYTES:
            raise Refused(TOO_BIG, "At most 1 MiB of input fits one frame.")
        elif data and may_type:
            await terminal.write(page, data)


async def _obey(terminal: Terminal, page: Attachment, text: str, *, may_type: bool) -> None:
    if len(text) > MAX_TEXT_CHARACTERS:
        raise Refused(TOO_BIG, "At most 4096 characters fit one message.")
    try:
        message = _client_message.validate_json(text, strict=True)
    except ValidationError as error:
        kind = error.errors(include_url=False, include_input=False)[0]["type"]
        if kind == "json_invalid":
            raise Refused(INVALID, "A text frame holds one JSON object.") from error
        raise Refused(POLICY, "The message is none of this protocol.") from error
    match message:
        case frames.Ack(offset=offset):
            page.confirm(offset)
        case frames.ResizeRequest(cols=cols, rows=rows):
            if may_type:
                terminal.resize(page, cols, rows)
        case frames.RestartRequest():
            if may_type:
                await terminal.start()


def _offset(socket: WebSocket) -> int | None:
    """Where the page wants to continue; None when it does not say, or says nothing sensible."""
    raw = socket.query_params.get("offset", "")
    if not (raw.isascii() and raw.isdecimal() and len(raw) <= 16):
        return None
    return int(raw) if int(raw) <= MAX_OFFSET else None


async def _say(socket: WebSocket, message: WireModel) -> None:
    await socket.send_text(message.wire().decode())


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    with suppress(RuntimeError, WebSocketDisconnect):  # it may be closed already
        await socket.close(code, reason)


routes: list[RoleRoute | RoleSocket] = [
    route("/api/terminals", list_terminals, methods=["GET"], role=Role.STUDENT),
    route("/api/terminals", open_terminal, methods=["POST"], role=Role.STUDENT),
    route("/api/terminals/{name}", close_terminal, methods=["DELETE"], role=Role.STUDENT),
    route("/api/terminals/{name}", rename_terminal, methods=["PATCH"], role=Role.STUDENT),
    route("/api/terminals/{name}/restart", restart_terminal, methods=["POST"], role=Role.STUDENT),
    socket("/ws/terminal", terminal_socket, role=Role.STUDENT),
    socket("/ws/terminal/{name}", terminal_socket, role=Role.STUDENT),
]

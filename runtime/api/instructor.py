"""What an instructor asks for and does: contracts, section 3, Instructor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from runtime.api import instructor_schemas as schemas
from runtime.api import instructor_views as views
from runtime.api import recordings
from runtime.api import views as shared_views
from runtime.api.body import json_list, json_response, parse_body, query_number
from runtime.api.feeds import feed_response
from runtime.api.instructor_feed import InstructorFeed, parse_place
from runtime.api.routing import Handler, Role, RoleRoute, route
from runtime.api.services import Services
from runtime.api.streaming import FeedAnswer, until
from runtime.api.watched import live_answer
from runtime.domain import events as ev
from runtime.domain.errors import NotFound, WorkshopError
from runtime.domain.redaction import redact
from runtime.store.helplog import FILE_NAME as HELP_HISTORY
from runtime.store.jsonl import parse_object, read_lines
from runtime.store.recordings import RecordingInfo

MAX_LISTED = 1000
TEXTS = ("question", "response")
MAX_ID = 1 << 53


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


def _feed(request: Request) -> InstructorFeed:
    feed: InstructorFeed = request.app.state.instructor_feed
    return feed


def _last_id(request: Request) -> str | None:
    """Where the reader was: as EventSource says when it comes back by itself, else `?after=`."""
    return request.headers.get("last-event-id") or request.query_params.get("after")


def _before(request: Request) -> int | None:
    if "before" not in request.query_params:
        return None
    return query_number(request, "before", 0, least=0, most=MAX_ID)


async def status(request: Request) -> Response:
    """GET /api/instructor/status."""
    observer = _feed(request).observer
    attention = await observer.attention()
    return json_response(views.status(_services(request), attention, observer.place))


async def events(request: Request) -> Response:
    """GET /api/instructor/events: every fact; `?after=0-0` begins with the first one."""
    after = parse_place(_last_id(request))
    return FeedAnswer(lambda on_cut: _feed(request).events(after, on_cut))


async def command_stream(request: Request) -> Response:
    """GET /api/instructor/commands/stream."""
    last = _last_id(request) or ""
    known = last.isascii() and last.isdecimal() and len(last) <= 15
    after = int(last) if known else None
    return FeedAnswer(lambda on_cut: _feed(request).commands(after, on_cut))


async def commands(request: Request) -> Response:
    """GET /api/instructor/commands?limit=&before=: newest last."""
    limit = query_number(request, "limit", 100, least=1, most=MAX_LISTED)
    found = _services(request).commands.recent(limit, _before(request))
    return json_list([shared_views.command(each, number) for number, each in found])


async def reports(request: Request) -> Response:
    """GET /api/instructor/goss/history?step=&limit=&before=: as logged, newest last."""
    limit = query_number(request, "limit", 100, least=1, most=MAX_LISTED)
    before = _before(request)
    session = _services(request).session
    step = request.query_params.get("step")
    upto = session.offset if before is None else min(before - 1, session.offset)
    found = await asyncio.to_thread(_reports, session.log_path, step, upto, limit)
    return json_response(schemas.LoggedReports(results=found))


async def help_history(request: Request) -> Response:
    """GET /api/instructor/llm/history: as logged, newest last."""
    limit = query_number(request, "limit", 100, least=1, most=MAX_LISTED)
    path = _services(request).session.log_path.with_name(HELP_HISTORY)
    found = await asyncio.to_thread(_help, path, request.query_params.get("step"), limit)
    return json_response(schemas.LoggedHelp(interactions=found))


async def recording(request: Request) -> Response:
    """GET /api/instructor/recordings/{name}: one that grows counts as looking on."""
    watching = _services(request).watching
    watching.require_recordings()
    found = await _found(request)
    if found is None or not found.live:
        return await recordings.recording(request)
    async with watching.follow(found.name, found.terminal):
        return await recordings.recording(request)


async def follow(request: Request) -> Response:
    """GET /api/instructor/recordings/{name}/live: looking on, for as long as that is allowed."""
    watching = _services(request).watching
    watching.require_recordings()
    found = await _found(request)
    messages = await recordings.live_messages(request)
    if found is None:
        raise NotFound("There is no such recording.")
    watching.require_watch(found.terminal)

    async def allowed() -> AsyncGenerator[bytes, None]:
        with suppress(WorkshopError):  # a look that cannot be recorded is no look
            async with (
                watching.follow(found.name, found.terminal) as over,
                aclosing(messages()) as all_of_them,
                aclosing(until(over, all_of_them)) as lasting,
            ):
                async for message in lasting:
                    yield message

    return feed_response(allowed)


async def _found(request: Request) -> RecordingInfo | None:
    """The recording that the address names."""
    here = _services(request).recordings
    known = await asyncio.to_thread(here.list) if here is not None else ()
    name = request.path_params["name"]
    return next((each for each in known if each.name == name), None)


async def lower_hand(request: Request) -> Response:
    """POST /api/instructor/hand/lower."""
    wish = await parse_body(request, schemas.LowerRequest)
    session = _services(request).session
    note = (wish.note or "").strip() or None
    await session.record_if(
        lambda: (
            ev.HandLowered(ts=session.now(), by="instructor", note=note)
            if session.state.hand
            else None
        )
    )
    return await status(request)


async def ask(request: Request) -> Response:
    """POST /api/instructor/watching: ask the student, where somebody has to be asked."""
    wish = await parse_body(request, schemas.AskRequest)
    found = await _services(request).watching.ask(wish.kind, wish.terminal)
    waits = found is not None and found.status == "requested"
    answer = schemas.AskAnswer(
        status="requested" if waits else "allowed", permission=found.id if found else None
    )
    return json_response(answer, 202 if waits else 200)


async def end(request: Request) -> Response:
    """DELETE /api/instructor/watching/{id}: withdraw the question, or end what it allowed."""
    await _services(request).watching.end(request.path_params["id"], by_student=False)
    return Response(status_code=204)


async def type_(request: Request) -> Response:
    """POST /api/instructor/terminals/{name}/input: after the student's yes."""
    wish = await parse_body(request, schemas.TypeRequest)
    await _services(request).watching.type(request.path_params["name"], wish.text.encode())
    return Response(status_code=204)


async def live(request: Request) -> Response:
    """GET /api/instructor/terminals/{name}/live: a cast that begins with the screen so far."""
    services = _services(request)
    name = request.path_params["name"]
    terminal = services.terminals.get(name)
    services.watching.require_watch(name)
    return live_answer(services.watching, terminal, _last_id(request))


def _reports(path: Path, step: str | None, upto: int, limit: int) -> list[dict[str, Any]]:
    return [
        {"id": number, **record}
        for number, record in _records(path, upto)
        if record.get("event") == "goss_result" and step in (None, record.get("step"))
    ][-limit:]


def _help(path: Path, step: str | None, limit: int) -> list[dict[str, Any]]:
    """A question may quote a command, and an answer the question; a rating names no step."""
    try:
        found = [
            record
            for _, record in _records(path, None)
            if step in (None, record.get("step")) or "rated" in record
        ][-limit:]
    except FileNotFoundError:
        return []
    return [
        {key: redact(value) if key in TEXTS else value for key, value in each.items()}
        for each in found
    ]


def _records(path: Path, upto: int | None) -> Iterator[tuple[int, dict[str, Any]]]:
    if upto is not None and upto <= 0:
        return
    for line in read_lines(path, limit_bytes=upto):
        record = parse_object(line.raw)
        if record is not None:
            yield line.end, record


def _route(path: str, handler: Handler, method: str = "GET") -> RoleRoute:
    return route(f"/api/instructor{path}", handler, methods=[method], role=Role.INSTRUCTOR)


routes: list[RoleRoute] = [
    _route("/status", status),
    _route("/events", events),
    _route("/commands", commands),
    _route("/commands/stream", command_stream),
    _route("/goss/history", reports),
    _route("/llm/history", help_history),
    _route("/recordings", recordings.list_recordings),
    _route("/recordings/{name}", recording),
    _route("/recordings/{name}/live", follow),
    _route("/hand/lower", lower_hand, "POST"),
    _route("/watching", ask, "POST"),
    _route("/watching/{id}", end, "DELETE"),
    _route("/terminals/{name}/live", live),
    _route("/terminals/{name}/input", type_, "POST"),
]

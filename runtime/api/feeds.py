"""The student's feed: the whole state on every change, reports, terminals and help as they happen.

Each message is encoded once and the same bytes go to every page. A page that falls too far behind
is closed; it comes back and starts with the whole state.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from sse_starlette.event import ServerSentEvent
from sse_starlette.sse import EventSourceResponse
from starlette.requests import Request
from starlette.responses import Response

from runtime.api import views
from runtime.api.routing import Role, RoleRoute, route
from runtime.api.schemas import HelpNews, TerminalList
from runtime.api.services import Services
from runtime.domain.events import HelpGiven
from runtime.services.broadcast import Broadcast

RETRY_MILLISECONDS = 1000
PING_SECONDS = 15
BEHIND_MESSAGES = 64


def encode(event: str, data: bytes, offset: int) -> bytes:
    """One message of the feed; `data` is JSON and so has no line break."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (offset, event.encode(), data)


class StudentFeed:
    """Turns what happens in the services into messages for every open page."""

    def __init__(self, services: Services) -> None:
        self._session = services.session
        self._transitions = services.transitions
        self._checks = services.checks
        self._terminals = services.terminals
        self._recording_switch = services.recording_switch
        self._management_url = services.management_url
        self._messages: Broadcast[bytes] = Broadcast(BEHIND_MESSAGES)

    async def run(self) -> None:
        """Publish until the services stop."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_state(), name="feed of states")
            tasks.create_task(self._watch_reports(), name="feed of reports")
            tasks.create_task(self._watch_terminals(), name="feed of terminals")
            tasks.create_task(self._watch_help(), name="feed of help")

    def close(self) -> None:
        """End every open feed."""
        self._messages.close()

    async def messages(self) -> AsyncIterator[bytes]:
        """What one page gets: everything as it is, then everything that happens."""
        with self._messages.subscribe() as subscription:
            yield b"retry: %d\n\n" % RETRY_MILLISECONDS + self._state()
            yield self._terminal_list()
            for report in self._checks.latest.values():
                yield self._encode("report", views.report(report).wire())
            async for message in subscription:
                yield message + b"".join(subscription.gather())

    async def _watch_state(self) -> None:
        changes = self._session.changes
        seen = changes.version
        while not changes.closed:
            seen = await changes.after(seen)
            self._messages.publish(self._state())

    async def _watch_reports(self) -> None:
        with self._checks.reports.subscribe() as reports:
            async for report in reports:
                self._messages.publish(self._encode("report", views.report(report).wire()))

    async def _watch_terminals(self) -> None:
        with self._terminals.changes.subscribe() as changes:
            async for _ in changes:
                changes.gather()
                self._messages.publish(self._terminal_list())

    async def _watch_help(self) -> None:
        is_over = False
        while not is_over:
            with self._session.events.subscribe() as recorded:
                async for each in recorded:
                    if isinstance(each.event, HelpGiven):
                        news = HelpNews(step=each.event.step)
                        self._messages.publish(self._encode("help", news.wire()))
            is_over = not recorded.overflowed

    def _state(self) -> bytes:
        state = views.state(
            self._session, self._transitions, self._recording_switch, self._management_url
        )
        return self._encode("state", state.wire())

    def _terminal_list(self) -> bytes:
        terminals = [views.terminal(each) for each in self._terminals.list()]
        return self._encode("terminal", TerminalList(terminals=terminals).wire())

    def _encode(self, event: str, data: bytes) -> bytes:
        return encode(event, data, self._session.offset)


async def events(request: Request) -> Response:
    """GET /api/events."""
    feed: StudentFeed = request.app.state.student_feed
    return feed_response(feed.messages)


def feed_response(messages: Callable[[], AsyncIterator[bytes]]) -> Response:
    """A feed of ready-made messages with a comment every 15 seconds."""
    return EventSourceResponse(
        messages(),
        ping=PING_SECONDS,
        ping_message_factory=lambda: ServerSentEvent(comment="still here"),
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


routes: list[RoleRoute] = [route("/api/events", events, role=Role.STUDENT)]

"""Everything the API answers beyond health, and its feeds: loaded by `Later`."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator

import uvicorn.protocols.websockets.websockets_sansio_impl  # noqa: F401  # else by the first terminal
from starlette.routing import BaseRoute

from runtime.api import (
    feeds,
    help,
    host,
    instructor,
    operating,
    pages,
    recordings,
    student,
    terminal,
    watched,
)
from runtime.api.auth import Tokens
from runtime.api.feeds import StudentFeed
from runtime.api.instructor_feed import InstructorFeed
from runtime.api.services import Services
from runtime.services.observer import Observer


class Feeds:
    """What tells pages of changes: handlers find both feeds at `request.app.state`."""

    def __init__(self, services: Services) -> None:
        self._is_watched = services.access.instructor is not None
        self._observer = Observer(services.session, services.commands)
        self.student = StudentFeed(services)
        self.instructor = InstructorFeed(services, self._observer)

    def work(self) -> Iterator[tuple[str, Coroutine[object, None, None]]]:
        """What has to run until the daemon stops, by name."""
        yield "student feed", self.student.run()
        if self._is_watched:
            yield "observer", self._observer.run()
            yield "instructor feed", self.instructor.run()

    def close(self) -> None:
        """End every open feed."""
        self.student.close()
        self.instructor.close()


def routes(tokens: Tokens) -> list[BaseRoute]:
    """Every route but those of health."""
    return [
        *student.routes,
        *help.routes,
        *feeds.routes,
        *terminal.routes,
        *recordings.routes,
        *watched.routes,
        *instructor.routes,
        *host.routes,
        *operating.routes,
        *pages.routes(tokens),
    ]

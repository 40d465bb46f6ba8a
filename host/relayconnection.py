"""A connection to the relay with the bounds uvicorn does not set: how many, and how slow.

Whoever reaches the port may open connections, with or without a token. They must not use up the
files this computer's CLI may have open.
"""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_CONNECTIONS = 32
HANG_UP = "workshop.hang_up"  # in a request's scope: ends its connection after what was sent


class Connection(HttpToolsProtocol):
    """uvicorn's connection; one too many is closed at once, one without a request after a while."""

    patience_seconds = 10.0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Somebody came; the head of a request has to follow soon."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
        else:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """They left."""
        self._expect_nothing()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        scope: MutableMapping[str, Any] = self.scope  # type: ignore[assignment]  # Any: our own key
        scope[HANG_UP] = self.transport.close
        self._expect_head()

    def on_headers_complete(self) -> None:
        """The head is whole; the body is the relay's to wait for."""
        self._expect_nothing()
        super().on_headers_complete()

    def _expect_head(self) -> None:
        self._expect_nothing()
        self._deadline = self.loop.call_later(self.patience_seconds, self.transport.abort)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

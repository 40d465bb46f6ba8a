"""One HTTP connection with the bounds uvicorn does not set: size and time of a request's head.

A request that cannot be read is answered in the one shape of every error, and the connection ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from runtime.api.base_schemas import ErrorBody, ErrorDetail
from runtime.api.streaming import ABORT

MAX_HEAD_BYTES = 32 * 1024  # request line and headers
HEAD_SECONDS = 10.0  # from the connection's or the request's first byte to its last header
PIECE_BYTES = 4096  # parsed at once: a head is measured to within this
MAX_REQUESTS_AHEAD = 16  # sent before the one in front was answered; pages send none

REFUSALS = {
    400: ("bad_request", "The request is not valid HTTP."),
    408: ("too_slow", "The request's head did not come in time."),
    431: ("headers_too_large", "The request's head is larger than 32 KiB."),
}


def web_socket(**given: Any) -> asyncio.Protocol:  # Any: what uvicorn gives its own
    """uvicorn's connection of a WebSocket; its library is loaded with the rest of the API."""
    from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

    return WebSocketsSansIOProtocol(**given)


class Unreadable(Exception):
    """Raised inside the parser to stop it."""


class Connection(HttpToolsProtocol):
    """uvicorn's connection, refusing heads that are too large or too slow."""

    _head_bytes = 0
    _header_bytes = 0
    _in_head = True
    _refused = 400
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """A page came; its first request has to follow soon."""
        super().connection_made(transport)
        self._unanswered: list[RequestResponseCycle] = []
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The page left."""
        self._cancel_deadline()
        for cycle in self._unanswered:  # uvicorn tells the newest only
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of a head or a body; what follows a refusal or an upgrade is dropped."""
        for start in range(0, len(data), PIECE_BYTES):
            self._take(data[start : start + PIECE_BYTES])
            if not self._is_reading:
                return
            if self._in_head and self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(431)
                return
        if self._is_idle and self._deadline is None:
            # These bytes ended uvicorn's wait for the next request, and are none.
            self._expect_head()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        scope: MutableMapping[str, Any] = self.scope  # type: ignore[assignment]  # Any: our own key
        scope[ABORT] = self.transport.abort
        self._in_head = True
        self._head_bytes = 0
        self._header_bytes = 0
        self._expect_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._header_bytes += len(name) + len(value) + len(": \r\n")
        if self._header_bytes > MAX_HEAD_BYTES:
            self._refused = 431
            raise Unreadable
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head = False
        self._cancel_deadline()
        if len(self.url) > MAX_HEAD_BYTES:
            self._refused = 431
            raise Unreadable
        self._unanswered = [cycle for cycle in self._unanswered if not cycle.response_complete]
        if len(self._unanswered) > MAX_REQUESTS_AHEAD:
            raise Unreadable
        super().on_headers_complete()
        if self.cycle is not None and self.cycle not in self._unanswered:
            self._unanswered.append(self.cycle)

    def send_400_response(self, msg: str) -> None:
        """uvicorn's answer to what it cannot parse, in our shape."""
        self._refuse(self._refused)

    @property
    def _is_reading(self) -> bool:
        return not self.transport.is_closing() and self.transport.get_protocol() is self

    @property
    def _is_idle(self) -> bool:
        """Whether every request that came was answered, and no other has begun."""
        return not self._in_head and self.cycle is not None and self.cycle.response_complete

    @property
    def _owes_answer(self) -> bool:
        """Whether a whole request, or one whose answer has begun, is in front of what came last."""
        return any(
            not cycle.response_complete and (cycle.response_started or not cycle.more_body)
            for cycle in self._unanswered
        )

    def _take(self, piece: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(piece)
        super().data_received(piece)

    def _expect_head(self) -> None:
        self._cancel_deadline()
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._head_is_late)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _head_is_late(self) -> None:
        if self._in_head:
            self._refuse(408)
        else:
            self.transport.close()

    def _refuse(self, status: int) -> None:
        self._cancel_deadline()
        if self.transport is None or self.transport.is_closing():
            return
        if not self._owes_answer:  # else it would be taken for that one's, or land inside it
            self.transport.write(_refusal(status))
        self.transport.close()


def _refusal(status: int) -> bytes:
    code, message = REFUSALS[status]
    body = ErrorBody(error=ErrorDetail(code=code, message=message)).wire()
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        "x-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body

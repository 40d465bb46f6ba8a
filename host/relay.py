"""The help relay: the model's key stays on this computer, a session gets an address and a token.

It speaks the model's own wire format, so the daemon's client does not know the difference, and
lets through one thing only: `POST /v1/messages`, streamed, for the workshop's model, within the
workshop's longest answer and what is left of the budgets. Whoever holds the session's token can
spend that, and nothing else.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import re
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from host.ledger import Ledger, Spent
from host.relayconnection import HANG_UP, Connection
from host.relaymeter import BYTES_PER_TOKEN, Meter
from host.relaypolicy import Policy, Refused
from host.relayquestion import passed_on
from runtime.domain.errors import EngineFailure, PermissionRefused, StorageFailed, StorageFull

PROVIDER_URL = "https://api.anthropic.com"
MAX_BODY_BYTES = 1 << 20  # 1 MiB
MAX_ERROR_BYTES = 64 << 10
PATIENCE_SECONDS = 10.0  # for a request's head, and for its body
ANSWER_SECONDS = 600.0  # the longest answer, however slowly it is read
MOST_AT_ONCE = 4  # a session asks one at a time
CONNECT_SECONDS = 5.0
READ_SECONDS = 120.0
START_SECONDS = 10.0
BUDGET_ERROR = "workshop_budget_error"  # the daemon's client knows it
DEFAULT_VERSION = "2023-06-01"
KINDS = (  # of the model's errors; what else it says is not repeated
    *("invalid_request_error", "authentication_error", "billing_error", "permission_error"),
    *("not_found_error", "request_too_large", "rate_limit_error", "timeout_error"),
    *("api_error", "overloaded_error"),
)
_VERSION = re.compile(r"\d{4}-\d\d-\d\d")
_SECONDS = re.compile(r"\d{1,9}(\.\d{1,3})?")


class Relay:
    """Forwards one session's questions; `say` hears what the person at this computer must know."""

    def __init__(
        self,
        policy: Policy,
        key: str,
        ledger: Ledger,
        *,
        upstream: str = PROVIDER_URL,
        say: Callable[[str], None] = lambda _: None,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._policy = policy
        self._key = key
        self._ledger = ledger
        self._upstream = upstream.rstrip("/")
        self._say = say
        self._patience_seconds = patience_seconds
        self._reserved = 0
        self._under_way = 0
        self._unwritten = 0  # tokens
        self._complained: set[int] = set()
        self._client: httpx2.AsyncClient | None = None
        self.app = Starlette(
            routes=[Route("/v1/messages", self._messages, methods=["POST"])],
            exception_handlers={404: _not_here, 405: _not_here},
        )

    @contextmanager
    def serving(self, host: str, port: int) -> Iterator[int]:
        """Serve in a thread for the length of the block; gives the port, chosen when it is 0.

        Raises EngineFailure when the address cannot be had.
        """
        listener = _listen(host, port)
        config = uvicorn.Config(
            self.app,
            http=type("Patient", (Connection,), {"patience_seconds": self._patience_seconds}),
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(
            target=asyncio.run, args=(self._serve(server, listener),), name="help relay"
        )
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(START_SECONDS)
            listener.close()

    async def _serve(self, server: uvicorn.Server, listener: socket.socket) -> None:
        try:
            await server.serve(sockets=[listener])
        finally:
            if self._client is not None:
                await self._client.aclose()

    async def _messages(self, request: Request) -> Response:
        try:
            self._authorise(request)
            body = passed_on(await self._body(request), self._policy)
        except Refused as refused:
            return _error(refused)
        version = request.headers.get("anthropic-version", "")
        return _Passage(lambda: self._answer(body, version))

    def _authorise(self, request: Request) -> None:
        sent = request.headers.get("x-api-key") or ""
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            sent = bearer
        if not hmac.compare_digest(sent.encode(), self._policy.token.encode()):
            raise Refused(401, "authentication_error", "This is not the session's token.")

    async def _body(self, request: Request) -> bytes:
        raw = bytearray()
        try:
            async with asyncio.timeout(self._patience_seconds):
                async for piece in request.stream():
                    raw += piece
                    if len(raw) > MAX_BODY_BYTES:
                        raise Refused(413, "request_too_large", "The question is too large.")
        except TimeoutError:
            raise Refused(408, "timeout_error", "The question did not come in time.") from None
        return bytes(raw)

    @asynccontextmanager
    async def _answer(self, body: bytes, version: str) -> AsyncIterator[Response]:
        """What the session is answered; what it cost is counted at the end, however it comes."""
        meter: Meter | None = None
        try:
            reserved = self._reserve(body)
        except Refused as refused:
            yield _error(refused)
            return
        try:
            async with self._sent(body, version) as upstream:
                if upstream.status_code == 200:
                    meter = Meter(len(body) // BYTES_PER_TOKEN)
                    yield StreamingResponse(
                        _measured(upstream, meter), media_type="text/event-stream"
                    )
                else:
                    yield await self._refusal(upstream)
        except httpx2.HTTPError:
            if meter is not None:  # it has begun to answer: the session sees it break off
                raise
            yield _error(Refused(502, "api_error", "The model cannot be reached."))
        finally:
            self._reserved -= reserved
            self._under_way -= 1
            if meter is not None:
                self._count(meter.spent)

    def _reserve(self, body: bytes) -> int:
        """Tokens set aside for this request; Refused when a budget does not hold them."""
        policy = self._policy
        wanted = len(body) // BYTES_PER_TOKEN + int(json.loads(body)["max_tokens"])
        if self._under_way >= MOST_AT_ONCE:
            raise Refused(429, "rate_limit_error", "Too many questions at once.")
        left = policy.session_tokens - self._ledger.of_session(policy.session).total
        if policy.workshop_tokens is not None:
            spent = self._ledger.of_workshop(policy.workshop).total
            left = min(left, policy.workshop_tokens - spent)
        if wanted > left - self._reserved - self._unwritten:
            raise Refused(429, BUDGET_ERROR, "The budget for help is used up.")
        self._reserved += wanted
        self._under_way += 1
        return wanted

    def _count(self, spent: Spent) -> None:
        """Write it down; what cannot be written counts as long as this relay lives."""
        try:
            self._ledger.add(self._policy.session, self._policy.workshop, spent)
        except (StorageFull, StorageFailed, PermissionRefused) as error:
            if not self._unwritten:
                self._say(f"What help costs cannot be written down: {error.message}")
            self._unwritten += spent.total

    def _sent(self, body: bytes, version: str) -> AbstractAsyncContextManager[httpx2.Response]:
        if self._client is None:
            timeout = httpx2.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
            self._client = httpx2.AsyncClient(timeout=timeout, follow_redirects=False)
        headers = {
            "authorization": f"Bearer {self._key}",
            "content-type": "application/json",
            "accept": "text/event-stream",
            "anthropic-version": version if _VERSION.fullmatch(version) else DEFAULT_VERSION,
        }
        return self._client.stream(
            "POST", f"{self._upstream}/v1/messages", content=body, headers=headers
        )

    async def _refusal(self, upstream: httpx2.Response) -> Response:
        """The model's own refusal, by its kind alone: its words may hold what it was sent."""
        status = upstream.status_code if 400 <= upstream.status_code < 600 else 502
        self._complain(status)
        kind = await _kind(upstream)
        answer = _error(Refused(status, kind, f"The model's API answered {status}."))
        wait = upstream.headers.get("retry-after", "")
        if _SECONDS.fullmatch(wait):
            answer.headers["retry-after"] = wait
        return answer

    def _complain(self, status: int) -> None:
        """Say once what only a person at this computer can mend."""
        if status in self._complained:
            return
        if status in (401, 403):
            self._say(
                f"The model's API refused the key (status {status}). Change it with: "
                "workshop config help.key"
            )
        elif status == 404:
            self._say(
                f"The model's API knows no model {self._policy.model}, or {self._upstream} is not "
                "its address (status 404). Look at workshop.llm.model and help.base-url."
            )
        else:
            return
        self._complained.add(status)


class _Passage(Response):
    """A response that is made while it is sent, and ended when the session leaves."""

    def __init__(self, make: Callable[[], AbstractAsyncContextManager[Response]]) -> None:
        self._make = make

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As Starlette calls it."""
        passing = asyncio.create_task(self._pass(scope, send), name="pass an answer on")
        leaving = asyncio.create_task(_left(receive), name="see a session leave")
        try:
            await asyncio.wait(
                (passing, leaving), timeout=ANSWER_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            passing.cancel()
            leaving.cancel()
            await asyncio.wait((passing, leaving))
        if not passing.cancelled():
            passing.result()  # its failure is this response's

    async def _pass(self, scope: Scope, send: Send) -> None:
        try:
            async with self._make() as response:
                await response(scope, _never, send)
        except httpx2.HTTPError:  # the answer broke off, which the session sees by its connection
            scope[HANG_UP]()
            await _never()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _never() -> Message:
    """For responses that would look for the session's leaving themselves."""
    await asyncio.Event().wait()
    raise AssertionError


async def _measured(upstream: httpx2.Response, meter: Meter) -> AsyncIterator[bytes]:
    async for piece in upstream.aiter_bytes():
        meter.feed(piece)
        yield piece


async def _kind(upstream: httpx2.Response) -> str:
    """The error's type in the model's answer, when it is one of its own."""
    raw = b""
    try:
        async for piece in upstream.aiter_bytes():
            raw += piece
            if len(raw) > MAX_ERROR_BYTES:
                break
        said = json.loads(raw)["error"]["type"]
    except (httpx2.HTTPError, ValueError, KeyError, TypeError, RecursionError):
        return "api_error"
    return said if said in KINDS else "api_error"


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        try:
            listener.bind((host, 0))  # another program has the remembered port
        except OSError as error:
            listener.close()
            raise EngineFailure(
                f"The help relay cannot listen on {host}: {error.strerror}."
            ) from error
    listener.listen(64)  # now, so that nobody else can have the port
    listener.set_inheritable(False)
    return listener


def _error(refused: Refused) -> Response:
    """In the model's own shape; the rest of the request is not waited for."""
    error = {"type": refused.kind, "message": refused.message}
    headers = {"connection": "close"}
    return JSONResponse({"type": "error", "error": error}, refused.status, headers)


async def _not_here(request: Request, error: Exception) -> Response:
    return _error(Refused(404, "not_found_error", "Only POST /v1/messages is passed on."))

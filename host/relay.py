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
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from host.ledger import Ledger, Spent
from runtime.domain.errors import EngineFailure

PROVIDER_URL = "https://api.anthropic.com"
MAX_BODY_BYTES = 1 << 20  # 1 MiB
MAX_ERROR_BYTES = 64 << 10
MOST_AT_ONCE = 4  # a session asks one at a time
BYTES_PER_TOKEN = 4
CONNECT_SECONDS = 5.0
READ_SECONDS = 120.0
START_SECONDS = 10.0
BUDGET_ERROR = "workshop_budget_error"  # the daemon's client knows it
FORWARDED = ("system", "messages")  # of a request; all else is set here or left out


@dataclass(frozen=True)
class Policy:
    """What one session may ask for; budgets in tokens, in and out."""

    session: str
    workshop: str
    token: str
    model: str
    max_tokens: int
    session_tokens: int
    workshop_tokens: int | None = None


@dataclass
class Refused(Exception):
    """The answer to a request that is not forwarded."""

    status: int
    kind: str
    message: str


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
    ) -> None:
        self._policy = policy
        self._key = key
        self._ledger = ledger
        self._upstream = upstream.rstrip("/")
        self._say = say
        self._reserved = 0
        self._under_way = 0
        self._complained = False
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
            body = await self._body(request)
            reserved = self._reserve(body)
        except Refused as refused:
            return _error(refused)
        meter = Meter(len(body) // BYTES_PER_TOKEN)
        try:
            upstream = await self._send(request, body)
        except httpx2.HTTPError:
            self._settle(reserved, Spent())
            return _error(Refused(502, "api_error", "The model cannot be reached."))
        if upstream.status_code != 200:
            return await self._refusal(upstream, reserved)
        return StreamingResponse(
            self._pass_on(upstream, meter, reserved), media_type="text/event-stream"
        )

    def _authorise(self, request: Request) -> None:
        sent = request.headers.get("x-api-key") or ""
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            sent = bearer
        if not hmac.compare_digest(sent.encode(), self._policy.token.encode()):
            raise Refused(401, "authentication_error", "This is not the session's token.")

    async def _body(self, request: Request) -> bytes:
        """The request as it is forwarded: what is allowed of it, and nothing else."""
        raw = bytearray()
        async for piece in request.stream():
            raw += piece
            if len(raw) > MAX_BODY_BYTES:
                raise Refused(413, "request_too_large", "The question is too large.")
        try:
            asked = json.loads(bytes(raw))
        except (ValueError, RecursionError):
            asked = None
        if not isinstance(asked, dict):
            raise Refused(400, "invalid_request_error", "The body is not a JSON object.")
        policy = self._policy
        if asked.get("model") != policy.model:
            raise Refused(403, "permission_error", f"Only the model {policy.model} may be asked.")
        wanted = asked.get("max_tokens")
        if not isinstance(wanted, int) or not 1 <= wanted <= policy.max_tokens:
            raise Refused(
                403, "permission_error", f"max_tokens may be 1 to {policy.max_tokens} here."
            )
        if asked.get("stream") is not True:
            raise Refused(403, "permission_error", "Only streamed answers are passed on.")
        allowed = {name: asked[name] for name in FORWARDED if name in asked}
        fixed = {"model": policy.model, "max_tokens": wanted, "stream": True}
        return json.dumps({**allowed, **fixed}).encode()

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
        if wanted > left - self._reserved:
            raise Refused(429, BUDGET_ERROR, "The budget for help is used up.")
        self._reserved += wanted
        self._under_way += 1
        return wanted

    def _settle(self, reserved: int, spent: Spent) -> None:
        self._reserved -= reserved
        self._under_way -= 1
        if spent.total:
            self._ledger.add(self._policy.session, self._policy.workshop, spent)

    async def _send(self, request: Request, body: bytes) -> httpx2.Response:
        if self._client is None:
            timeout = httpx2.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
            self._client = httpx2.AsyncClient(timeout=timeout, follow_redirects=False)
        headers = {
            "authorization": f"Bearer {self._key}",
            "content-type": "application/json",
            "accept": "text/event-stream",
            "anthropic-version": request.headers.get("anthropic-version", "2023-06-01"),
        }
        sent = self._client.build_request(
            "POST", f"{self._upstream}/v1/messages", content=body, headers=headers
        )
        return await self._client.send(sent, stream=True)

    async def _refusal(self, upstream: httpx2.Response, reserved: int) -> Response:
        """The model's own refusal, passed on."""
        try:
            content = (await upstream.aread())[:MAX_ERROR_BYTES]
        except httpx2.HTTPError:
            content = b"{}"
        finally:
            self._settle(reserved, Spent())
            await upstream.aclose()
        if upstream.status_code in (401, 403) and not self._complained:
            self._complained = True
            self._say(
                f"The model's API refused the key (status {upstream.status_code}). Change it with: "
                "workshop config help.key"
            )
        kept = {"retry-after"} & set(upstream.headers)
        headers = {name: upstream.headers[name] for name in kept}
        return Response(content, upstream.status_code, headers, media_type="application/json")

    async def _pass_on(
        self, upstream: httpx2.Response, meter: Meter, reserved: int
    ) -> AsyncIterator[bytes]:
        try:
            async for piece in upstream.aiter_bytes():
                meter.feed(piece)
                yield piece
        finally:
            # Also when the session leaves: the request upstream ends, and what came is counted.
            self._settle(reserved, meter.spent)
            with _shielded():
                await upstream.aclose()


class Meter:
    """Reads along what an answer costs; estimates what the model did not come to say."""

    def __init__(self, estimated_input: int) -> None:
        self._input = estimated_input
        self._output = 0
        self._written = 0
        self._rest = b""

    @property
    def spent(self) -> Spent:
        """Tokens so far."""
        return Spent(self._input, max(self._output, self._written // BYTES_PER_TOKEN // 2))

    def feed(self, piece: bytes) -> None:
        """The next bytes of the stream."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                self._read(line[5:])
        self._rest = self._rest[-MAX_BODY_BYTES:]

    def _read(self, data: bytes) -> None:
        try:
            event = json.loads(data)
            match event["type"]:
                case "message_start":
                    usage = event["message"]["usage"]
                    cached = ("cache_creation_input_tokens", "cache_read_input_tokens")
                    self._input = int(usage["input_tokens"])
                    self._input += sum(int(usage.get(name) or 0) for name in cached)
                case "message_delta":
                    self._output = int(event["usage"]["output_tokens"])
                case "content_block_delta":
                    self._written += len(str(event["delta"].get("text", "")).encode())
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return  # not ours to judge


@contextmanager
def _shielded() -> Iterator[None]:
    """A cancelled answer closes what it can; the rest goes with the connection."""
    try:
        yield
    except asyncio.CancelledError:
        return


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
    """In the model's own shape."""
    error = {"type": refused.kind, "message": refused.message}
    return JSONResponse({"type": "error", "error": error}, refused.status)


async def _not_here(request: Request, error: Exception) -> Response:
    return _error(Refused(404, "not_found_error", "Only POST /v1/messages is passed on."))

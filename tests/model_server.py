"""A model API on this machine that speaks Anthropic's streaming wire format, well and badly.

It answers `POST /v1/messages`. What it does is `behaviour`, or, when a question holds a word of
the form `behave:NAME`, that; the journeys change it from inside a browser this way.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ANSWER = (
    "Look at the **permissions** first.\n\n```bash\nls -l\n```\n\nWhat does the first column say?"
)
XSS = (
    "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>\n\n"
    "![p](https://pictures.example/p.png) [click](javascript:window.hacked=1) "
    "[away](https://away.example/) \x1b]52;c;aGk=\x07\u202e end"
)
STALL_SECONDS = 60.0

ERRORS: dict[str, tuple[int, str, dict[str, str]]] = {
    "429": (429, "rate_limit_error", {"retry-after": "86400"}),
    "429-soon": (429, "rate_limit_error", {"retry-after": "0"}),
    "500": (500, "api_error", {}),
    "529": (529, "overloaded_error", {}),
    "401": (401, "authentication_error", {}),
    "404": (404, "not_found_error", {}),
}


@dataclass
class Request:
    """One question as it came over the wire."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]  # Any: JSON
    sent: int = 0  # pieces of the answer
    gone: float | None = None  # when the client was seen to have left

    @property
    def text(self) -> str:
        """Everything the model was told."""
        return f"{self.body['system']}\n{self.body['messages'][0]['content']}"


@dataclass
class ModelServer:
    """What it is told to do, and what it was asked."""

    url: str = ""
    behaviour: str = "normal"
    answer: str = ANSWER
    leak: str = ""
    after: list[str] = field(default_factory=list)  # behaviours of the next requests, in order
    pause_seconds: float = 0.0
    requests: list[Request] = field(default_factory=list)

    def chosen(self, request: Request) -> str:
        """How this request is answered."""
        asked = re.findall(r"behave:([\w-]+)", request.body["messages"][0]["content"])
        if self.after:
            return self.after.pop(0)
        return asked[-1] if asked else self.behaviour  # earlier questions come first


@contextmanager
def model_server(**options: Any) -> Iterator[ModelServer]:  # Any: fields of ModelServer
    """A server for the length of the block."""
    model = ModelServer(**options)
    server = _Server(("127.0.0.1", 0), _handler(model))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    model.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield model
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no error of a test."""


def _handler(model: ModelServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", 0))
            body = json.loads(self.rfile.read(length))
            request = Request(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            model.requests.append(request)
            self._request = request
            behaviour = model.chosen(request)
            if behaviour == "stall-head":
                self._stall_head()
            elif behaviour in ERRORS:
                self._refuse(*ERRORS[behaviour])
            else:
                self._stream(behaviour)

        def _stall_head(self) -> None:
            """A model that thinks before its first byte, as a real one does."""
            try:
                self._wait(STALL_SECONDS)
            except BrokenPipeError:
                self._request.gone = time.monotonic()
                self.close_connection = True

        def _refuse(self, status: int, kind: str, headers: dict[str, str]) -> None:
            key = self.headers.get("authorization", "")  # a careless server repeats it
            message = f"This is {kind} for {key}."
            error = {"type": "error", "error": {"type": kind, "message": message}}
            raw = json.dumps(error).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(raw)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("x-seen", key)
            self.end_headers()
            self.wfile.write(raw)

        def _stream(self, behaviour: str) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/event-stream; charset=utf-8")
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            try:
                self._events(behaviour)
                self.wfile.write(b"0\r\n\r\n")
            except (BrokenPipeError, ConnectionResetError):
                self._request.gone = time.monotonic()
            except _CutOff:
                self.close_connection = True

        def _events(self, behaviour: str) -> None:
            if behaviour == "stall-first":
                self._wait(STALL_SECONDS)
            self._say("message_start", message=_message(self._request.body))
            self._say("content_block_start", index=0, content_block={"type": "text", "text": ""})
            self._say("ping")
            for number, piece in enumerate(_pieces(self._text(behaviour))):
                self._say(
                    "content_block_delta", index=0, delta={"type": "text_delta", "text": piece}
                )
                self._request.sent += 1
                if number == 5:
                    self._misbehave(behaviour)
                if behaviour == "slow":
                    self._wait(0.05)
                elif model.pause_seconds:
                    time.sleep(model.pause_seconds)
            if behaviour == "no-stop":
                return
            reason = "max_tokens" if behaviour == "length" else "end_turn"
            self._say("content_block_stop", index=0)
            self._say(
                "message_delta",
                delta={"stop_reason": reason, "stop_sequence": None},
                usage={"output_tokens": 42},
            )
            self._say("message_stop")

        def _misbehave(self, behaviour: str) -> None:
            if behaviour == "cut":
                raise _CutOff
            if behaviour == "stall":
                self._wait(STALL_SECONDS)
            if behaviour == "error":
                self._say("error", error={"type": "overloaded_error", "message": "Overloaded"})
                raise _CutOff
            if behaviour == "garbage":
                self._write(b"event: content_block_delta\ndata: {no json\n\n")

        def _text(self, behaviour: str) -> str:
            if behaviour == "leak":
                return model.leak
            if behaviour == "xss":
                return XSS
            if behaviour == "giant":
                return "giant " * 200_000
            return model.answer * (20 if behaviour == "slow" else 1)

        def _wait(self, seconds: float) -> None:
            """Wait, but notice a client that leaves, as a real server does."""
            end = time.monotonic() + seconds
            self.connection.settimeout(0.02)
            while time.monotonic() < end:
                try:
                    if self.connection.recv(1) == b"":
                        raise BrokenPipeError
                except TimeoutError:
                    continue
                finally:
                    self.connection.settimeout(None)
                    self.connection.settimeout(0.02)
            self.connection.settimeout(None)

        def _say(self, event: str, **fields: Any) -> None:  # Any: JSON
            data = json.dumps({"type": event, **fields})
            self._write(f"event: {event}\ndata: {data}\n\n".encode())

        def _write(self, raw: bytes) -> None:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(raw), raw))
            self.wfile.flush()

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    return Handler


class _CutOff(Exception):
    """The server closes the connection here."""


def _message(body: dict[str, Any]) -> dict[str, Any]:  # Any: JSON
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 321, "output_tokens": 1},
    }


def _pieces(text: str) -> Iterator[str]:
    """As models send it: a few characters at a time."""
    size = 4 if len(text) < 10_000 else 4000
    for start in range(0, len(text), size):
        yield text[start : start + size]

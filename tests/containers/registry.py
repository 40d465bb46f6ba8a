"""A registry for images, in memory: as much of the distribution protocol as a push needs."""

from __future__ import annotations

import hashlib
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@dataclass
class Registry:
    """What was pushed: `tags` is repository:tag to the manifest's digest."""

    address: str = ""
    blobs: dict[str, int] = field(default_factory=dict)  # digest to size in bytes
    uploads: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


@contextmanager
def serving() -> Iterator[Registry]:
    """One that listens on this machine."""
    registry = Registry()

    class Handler(_Handler):
        held = registry

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    registry.address = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, name="registry")
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    held: Registry

    def do_GET(self) -> None:
        self._answer(200 if self.path == "/v2/" else 404)

    def do_HEAD(self) -> None:
        size = self.held.blobs.get(self.path.rpartition("/")[2])
        self._answer(404) if size is None else self._answer(200, length=size)

    def do_POST(self) -> None:
        self._body()
        upload = uuid.uuid4().hex
        self.held.uploads[upload] = b""
        self._answer(202, Location=f"{self.path.partition('?')[0].rstrip('/')}/{upload}")

    def do_PATCH(self) -> None:
        self.held.uploads[self.path.rpartition("/")[2]] += self._body()
        self._answer(202, Location=self.path)

    def do_PUT(self) -> None:
        address, body = urlsplit(self.path), self._body()
        if upload := re.search(r"/blobs/uploads/(\w+)$", address.path):
            body = self.held.uploads.pop(upload[1]) + body
            digest = _digest(body)
            assert parse_qs(address.query)["digest"] == [digest]
            self.held.blobs[digest] = len(body)
        else:
            name = re.fullmatch(r"/v2/(.+)/manifests/(.+)", address.path)
            assert name is not None
            digest = self.held.tags[f"{name[1]}:{name[2]}"] = _digest(body)
        self._answer(201, Location=address.path, Docker_Content_Digest=digest)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []  # thousands: adding each to one text would copy all of it every time
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, status: int, length: int = 0, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(length))
        self.end_headers()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"

"""Recordings over HTTP: the list, the file, its parts, and names that lead nowhere."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from runtime.api.errors import on_http_error, on_workshop_error
from runtime.api.recordings import Part, Unsatisfiable, choose, routes
from runtime.domain.asciicast import CastEvent, Header, encode_event
from runtime.domain.errors import WorkshopError
from runtime.store.recordings import Recordings
from tests.api.conftest import Serve

BODY = bytes(range(256)) * 40  # 10 240 bytes
SIZE = len(BODY)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A runtime directory."""
    made = tmp_path / "workshop" / "runtime"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def client(folder: Path) -> Iterator[TestClient]:
    """The recordings' routes alone: a daemon for each name would take minutes."""
    app = Starlette(
        routes=routes,
        exception_handlers={WorkshopError: on_workshop_error, HTTPException: on_http_error},
    )
    app.state.services = SimpleNamespace(recordings=Recordings(folder))
    with TestClient(app) as made:
        yield made


@pytest.fixture
def cast(folder: Path) -> Path:
    path = folder / "foreign.cast"
    path.write_bytes(BODY)
    return path


def part(client: TestClient, header: str, **headers: str) -> tuple[int, bytes, str | None]:
    response = client.get("/api/recordings/foreign.cast", headers={"range": header, **headers})
    return response.status_code, response.content, response.headers.get("content-range")


def test_the_running_terminal_is_listed_and_can_be_read(serve: Serve) -> None:
    client = serve()
    [listed] = client.get("/api/recordings").json()
    assert listed["terminal"] == "main"
    assert listed["live"] is True
    assert listed["started"].endswith("Z")
    response = client.get(f"/api/recordings/{listed['name']}")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/x-asciicast"
    assert response.content.startswith(b'{"version":2,')


def test_without_recording_there_are_no_recordings(serve: Serve) -> None:
    client = serve(settings={"WORKSHOP_RECORD": "off"})
    assert client.get("/api/recordings").json() == []
    assert client.get("/api/recordings/x.cast").status_code == 404


def test_the_whole_file_comes_with_an_etag_and_is_not_sent_twice(
    client: TestClient, cast: Path
) -> None:
    response = client.get("/api/recordings/foreign.cast")
    assert response.content == BODY
    assert response.headers["accept-ranges"] == "bytes"
    etag = response.headers["etag"]
    again = client.get("/api/recordings/foreign.cast", headers={"if-none-match": f'"x", {etag}'})
    assert (again.status_code, again.content) == (304, b"")
    head = client.head("/api/recordings/foreign.cast")
    assert (head.status_code, head.headers["content-length"]) == (200, str(SIZE))


def test_a_file_that_grew_has_another_etag(client: TestClient, cast: Path) -> None:
    etag = client.get("/api/recordings/foreign.cast").headers["etag"]
    with cast.open("ab") as file:
        file.write(b"more")
    assert client.get("/api/recordings/foreign.cast").headers["etag"] != etag
    assert part(client, "bytes=0-9", **{"if-range": etag}) == (200, BODY + b"more", None)


RANGES = {
    "bytes=0-0": (0, 1),
    "bytes=0-": (0, SIZE),
    "bytes=100-199": (100, 100),
    "bytes=10239-": (SIZE - 1, 1),
    "bytes=10000-99999999": (10_000, 240),
    "bytes=-1": (SIZE - 1, 1),
    "bytes=-500": (SIZE - 500, 500),
    "bytes=-99999999": (0, SIZE),
    "BYTES=5-6": (5, 2),
    "bytes= 5-6 ": (5, 2),
}


@pytest.mark.parametrize("header", RANGES)
def test_one_range_is_answered_with_that_part(client: TestClient, cast: Path, header: str) -> None:
    """Fault 40: first, last, suffix, past the end."""
    start, size = RANGES[header]
    expected = f"bytes {start}-{start + size - 1}/{SIZE}"
    assert part(client, header) == (206, BODY[start : start + size], expected)


@pytest.mark.parametrize(
    "header",
    [
        "bytes=10-5",
        "bytes=-",
        "bytes=",
        "bytes",
        "bytes=a-b",
        "bytes=1-2,4-5",
        "bytes=0x1-2",
        "bytes=--5",
        "bytes=1 -2",
        "lines=1-2",
        "bytes=" + "9" * 19 + "-",
        "bytes=" + ",".join(f"{each}-{each}" for each in range(1000)),
        "bytes=" + "0-," * 5000,
    ],
)
def test_a_range_that_is_none_is_ignored(client: TestClient, cast: Path, header: str) -> None:
    """Fault 40: reversed, malformed, 1 000 ranges."""
    began = time.process_time()
    assert part(client, header) == (200, BODY, None)
    assert time.process_time() - began < 5


@pytest.mark.parametrize("header", ["bytes=10240-", "bytes=10240-10250", "bytes=-0"])
def test_a_range_without_any_byte_is_refused(client: TestClient, cast: Path, header: str) -> None:
    """Fault 40: past the end."""
    status, body, content_range = part(client, header)
    assert (status, content_range) == (416, f"bytes */{SIZE}")
    assert b'"code":"range_not_satisfiable"' in body


def test_ranges_of_an_empty_file() -> None:
    """Fault 40."""
    assert choose(None, 0) is None
    for header in ("bytes=0-", "bytes=-5", "bytes=0-0"):
        with pytest.raises(Unsatisfiable):
            choose(header, 0)
    assert choose("bytes=-5", 3) == Part(0, 3)


async def test_a_file_that_grows_while_it_is_sent_has_the_length_it_began_with(
    tmp_path: Path,
) -> None:
    """Fault 40: a growing file; what it has grown by is the next range."""
    recordings = Recordings(tmp_path)
    file = recordings.create("main", datetime.now(UTC), Header(width=80, height=24))
    for number in range(3000):
        file.append(encode_event(CastEvent(number, "o", "x" * 60)))
    size = file.offset
    sent: list[bytes] = []

    async def nothing_comes() -> dict[str, object]:
        raise AssertionError("nothing is read")

    async def send(message: dict[str, object]) -> None:
        body = message.get("body", b"")
        assert isinstance(body, bytes)
        sent.append(body)
        if len(sent) == 2:
            file.append(encode_event(CastEvent(9999, "o", "grown")))

    app = Starlette(routes=routes)
    app.state.services = SimpleNamespace(recordings=recordings)
    route = next(each for each in routes if "{name}" in each.path)
    scope = {
        "type": "http",
        "method": "GET",
        "path": f"/api/recordings/{file.name}",
        "path_params": {"name": file.name},
        "headers": [],
        "query_string": b"",
        "app": app,
    }
    response: Response = await route.endpoint(Request(scope))
    await response(scope, nothing_comes, send)  # type: ignore[arg-type]  # its messages are looser
    assert len(b"".join(sent)) == size
    assert choose(f"bytes={size}-", file.offset) == Part(size, file.offset - size)
    file.close()


@pytest.mark.parametrize(
    "name",
    [
        "../state-events.jsonl",
        "..%2fstate-events.jsonl",
        "..%2f..%2fworkshop.json",
        "%2e%2e/state-events.jsonl",
        "%2e%2e%2fsecret.cast",
        "..%252fsecret.cast",
        "..%5csecret.cast",
        "%2fetc%2fpasswd",
        "%2Fetc%2Fpasswd.cast",
        "state-events.jsonl",
        "state-events.jsonl%00.cast",
        "secret.cast%00",
        "link.cast",
        "folder.cast",
        "pipe.cast",
        "missing.cast",
        "%ff.cast",
        "a" * 3000 + ".cast",
        "%00",
        ".",
        "..",
    ],
)
def test_no_name_leads_anywhere_else(client: TestClient, folder: Path, name: str) -> None:
    """Fault 41: names with `../`, encodings, absolute, symbolic link, NUL."""
    (folder.parent / "secret.cast").write_text("secret")
    (folder / "state-events.jsonl").write_text("session")
    (folder / "link.cast").symlink_to("state-events.jsonl")
    (folder / "folder.cast").mkdir()
    os.mkfifo(folder / "pipe.cast")
    response = client.get(f"/api/recordings/{name}")
    if response.url.path in ("/api/recordings", "/api/recordings/"):
        return  # the client itself took the dots out
    assert response.status_code == 404
    assert b"session" not in response.content
    assert b"secret" not in response.content
    assert response.json()["error"]["code"] == "not_found"


def test_reading_recordings_keeps_no_descriptor(client: TestClient, cast: Path) -> None:
    """Fault 26."""
    client.get("/api/recordings")
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    for header in ("", "bytes=0-5", "bytes=99999-", "bytes=5-1"):
        for _ in range(5):
            client.get("/api/recordings/foreign.cast", headers={"range": header})
            client.head("/api/recordings/foreign.cast")
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before

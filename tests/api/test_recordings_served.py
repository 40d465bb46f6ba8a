"""Recordings over a real connection: bytes as they are sent, names no client would send."""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from tests.api.conftest import STUDENT
from tests.api.served import Served, served
from tests.services.shells import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

BODY = bytes(range(256)) * 4096  # 1 MiB
SIZE = len(BODY)
FOREIGN = "/api/recordings/foreign.cast"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def daemon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """One for all, with a foreign recording beside its own and things that are none."""
    root = tmp_path_factory.mktemp("recordings") / "workshop"
    root.mkdir()
    async with served(root) as made:
        runtime = root / "runtime"
        (root / "secret.cast").write_text("secret")
        (runtime / "foreign.cast").write_bytes(BODY)
        (runtime / "link.cast").symlink_to(root / "secret.cast")
        (runtime / "folder.cast").mkdir()
        os.mkfifo(runtime / "pipe.cast")
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def http(daemon: Served) -> AsyncIterator[httpx2.AsyncClient]:
    """A student's client."""
    async with daemon.http() as client:
        yield client


async def answer(daemon: Served, target: bytes, *headers: bytes) -> tuple[int, bytes, bytes]:
    """Status, head and body for these very bytes as the request's target."""
    lines = (
        b"GET " + target + b" HTTP/1.1",
        b"host: 127.0.0.1",
        b"authorization: Bearer " + STUDENT.encode(),
        b"connection: close",
        *headers,
    )
    head, _, body = (await daemon.raw(b"\r\n".join(lines) + b"\r\n\r\n")).partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), head.lower(), body


RANGES: dict[str, tuple[int, slice]] = {
    "bytes=0-0": (206, slice(0, 1)),
    "bytes=-500": (206, slice(SIZE - 500, SIZE)),
    f"bytes=-{2 * SIZE}": (206, slice(0, SIZE)),
    f"bytes={SIZE - 10}-{10 * SIZE}": (206, slice(SIZE - 10, SIZE)),
    "bytes=10-5": (200, slice(0, SIZE)),
    "bytes=" + ",".join(f"{each}-{each}" for each in range(1000)): (200, slice(0, SIZE)),
    f"bytes={SIZE}-": (416, slice(0, 0)),
    "bytes=-0": (416, slice(0, 0)),
}


@pytest.mark.parametrize("header", RANGES, ids=lambda header: header[:20])
async def test_a_range_is_answered_as_rfc_9110_says(daemon: Served, header: str) -> None:
    """Fault 40: reversed, suffix, 1 000 ranges, past the end."""
    expected, part = RANGES[header]
    began = time.process_time()
    status, head, body = await answer(daemon, FOREIGN.encode(), b"range: " + header.encode())
    assert time.process_time() - began < 5
    assert status == expected
    assert b"\r\ncontent-length: %d" % len(body) in head
    if status == 416:
        assert b"\r\ncontent-range: bytes */%d" % SIZE in head
        assert json.loads(body)["error"]["code"] == "range_not_satisfiable"
        return
    assert body == BODY[part]
    told = b"\r\ncontent-range: bytes %d-%d/%d" % (part.start, part.stop - 1, SIZE)
    assert (told in head) == (status == 206)


async def test_what_is_known_is_not_sent_again(http: httpx2.AsyncClient) -> None:
    etag = (await http.head(FOREIGN)).headers["etag"]
    again = await http.get(FOREIGN, headers={"if-none-match": etag})
    assert (again.status_code, again.content) == (304, b"")
    stale = await http.get(FOREIGN, headers={"range": "bytes=0-9", "if-range": '"stale"'})
    assert (stale.status_code, stale.content) == (200, BODY)


async def test_a_recording_that_grows_is_read_part_by_part(
    daemon: Served, http: httpx2.AsyncClient
) -> None:
    """Fault 40: a growing file; every part follows the one before."""
    [own] = [each for each in (await http.get("/api/recordings")).json() if "terminal" in each]
    assert (own["terminal"], own["live"]) == ("main", True)
    address = f"/api/recordings/{own['name']}"
    path = daemon.root / "runtime" / own["name"]
    async with daemon.socket() as page:
        await page.type("yes growing\r")
        await page.sees("growing\r\ngrowing")
        read = b""
        while len(read) < 1_000_000:
            await until(lambda: path.stat().st_size > len(read), "a longer recording")  # noqa: B023
            answer = await http.get(address, headers={"range": f"bytes={len(read)}-"})
            assert answer.status_code == 206
            size = int(answer.headers["content-range"].rpartition("/")[2])
            assert len(answer.content) == size - len(read)
            read += answer.content
        whole = await http.get(address)
        assert whole.status_code == 200
        assert len(whole.content) == int(whole.headers["content-length"])
        await page.type("\x03")
        await page.has_a_living_shell()
    assert whole.content.startswith(read)
    assert path.read_bytes().startswith(whole.content)
    for line in read[: read.rindex(b"\n")].split(b"\n"):
        json.loads(line)


NAMES = [
    b"../state-events.jsonl",
    b"../../workshop.json",
    b"..%2fstate-events.jsonl",
    b"%2e%2e%2fsecret.cast",
    b"%2e%2e/secret.cast",
    b"..%252fsecret.cast",
    b"..%5csecret.cast",
    b"..\\secret.cast",
    b"%2fetc%2fpasswd",
    b"/etc/passwd",
    b"state-events.jsonl",
    b"state-events.jsonl%00.cast",
    b"foreign.cast%00",
    b"foreign.cast%00.cast",
    b"link.cast",
    b"folder.cast",
    b"pipe.cast",
    b"missing.cast",
    b"%ff.cast",
    b"a" * 3000 + b".cast",
    b"%00",
    b".",
    b"..",
    b".cast",
]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.decode()[:30])
async def test_no_name_leads_anywhere_else(daemon: Served, name: bytes) -> None:
    """Fault 41: `../`, encodings, absolute, symbolic link, NUL."""
    status, _, body = await answer(daemon, b"/api/recordings/" + name)
    assert status == 404
    assert json.loads(body)["error"]["code"] == "not_found"


async def test_bytes_no_address_may_hold_are_refused(daemon: Served) -> None:
    """Fault 41: NUL as it is."""
    status, _, body = await answer(daemon, b"/api/recordings/foreign.cast\0")
    assert status in (400, 404)
    assert b"error" in body


async def test_a_reader_that_leaves_early_leaves_no_descriptor(
    daemon: Served, http: httpx2.AsyncClient
) -> None:
    """Fault 26, recordings."""
    held = Path("/proc/self/fd")

    def open_casts() -> int:
        links = (each.readlink().name for each in list(held.iterdir()) if each.is_symlink())
        return sum(1 for name in links if name == "foreign.cast")

    for _ in range(50):
        async with http.stream("GET", FOREIGN) as response:
            await anext(response.aiter_raw(1000))
    await until(lambda: open_casts() == 0, "the file to be closed")

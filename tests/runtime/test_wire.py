"""Bytes that are not quite HTTP, over a raw socket: smuggled, huge, slow."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator

import pytest

from runtime.api.auth import BODY_SECONDS, MAX_BODY_BYTES
from runtime.api.connection import HEAD_SECONDS, MAX_HEAD_BYTES
from tests.api.conftest import STUDENT
from tests.runtime.daemon import ANSWER_SECONDS, Process, make_root, parse, reading, running

PATIENCE_SECONDS = 8.0  # beyond a bound of the daemon's own; a loaded machine is no failure
FLAT_BYTES = 24 << 20  # what a flood of hundreds of megabytes may leave in memory

HOST = b"Host: 127.0.0.1\r\n"
BEARER = f"Authorization: Bearer {STUDENT}\r\n".encode()
RAISE = json.dumps({"raised": True, "note": "smuggled"}).encode()
LENGTH = b"Content-Length: %d\r\n" % len(RAISE)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(RAISE), RAISE)
POST = b"POST /api/hand HTTP/1.1\r\n" + HOST + BEARER
INNER = POST + LENGTH + b"\r\n" + RAISE  # what somebody tries to have executed

SMUGGLED = {
    "both lengths": POST + LENGTH + CHUNKED + b"\r\n" + CHUNKS,
    "both lengths, the other way round": POST + CHUNKED + LENGTH + b"\r\n" + CHUNKS,
    "both lengths, none of them": POST + b"Content-Length: 0\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "two lengths": POST + LENGTH + b"Content-Length: 0\r\n\r\n" + RAISE,
    "the same length twice": POST + LENGTH + LENGTH + b"\r\n" + RAISE,
    "a list of lengths": POST + b"Content-Length: 0, 5\r\n\r\n" + RAISE,
    "a signed length": POST + b"Content-Length: +5\r\n\r\n" + RAISE,
    "a negative length": POST + b"Content-Length: -1\r\n\r\n" + RAISE,
    "a hexadecimal length": POST + b"Content-Length: 0x5\r\n\r\n" + RAISE,
    "an endless length": POST + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n" + RAISE,
    "a space before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n" + CHUNKS,
    "an unknown encoding": POST + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNKS,
    "chunked, but not last": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n" + CHUNKS,
    "a folded header": POST + b"Transfer-Encoding:\r\n chunked\r\n" + LENGTH + b"\r\n" + CHUNKS,
    "a line feed alone": POST + b"X: y\n" + LENGTH + b"\r\n" + RAISE,
    "a line feed alone before the body": POST + LENGTH + b"\n" + RAISE,
    "a line feed alone in the first line": POST.replace(b"\r\n", b"\n", 1) + b"\r\n",
    "a carriage return alone": POST + b"X: y\rZ: a\r\n" + LENGTH + b"\r\n" + RAISE,
    "a NUL in a header": POST + b"X: a\0b\r\n" + LENGTH + b"\r\n" + RAISE,
    "a header without a colon": POST + b"X\r\n" + LENGTH + b"\r\n" + RAISE,
    "a chunk of no number": POST + CHUNKED + b"\r\nzz\r\n" + RAISE + b"\r\n0\r\n\r\n",
    "a chunk of a negative number": POST + CHUNKED + b"\r\n-1\r\n" + CHUNKS,
    "a chunk of 2^68": POST + CHUNKED + b"\r\n" + b"f" * 17 + b"\r\n" + CHUNKS,
    "a chunk longer than it says": POST + CHUNKED + b"\r\n1\r\n" + RAISE + b"\r\n0\r\n\r\n",
    "a chunk with a line feed alone": POST + CHUNKED + b"\r\n" + CHUNKS.replace(b"\r\n", b"\n", 1),
    "a chunk extension with a line feed": POST + CHUNKED + b"\r\n0;\n\r\n\r\n",
    "two hosts": POST + b"Host: 127.0.0.1\r\n" + LENGTH + b"\r\n" + RAISE,
    "no host": POST.replace(HOST, b"") + LENGTH + b"\r\n" + RAISE,
    "an empty host": POST.replace(HOST, b"Host:\r\n") + LENGTH + b"\r\n" + RAISE,
    "HTTP/1.0 without a host": b"GET /api/state HTTP/1.0\r\n" + BEARER + b"\r\n",
    "HTTP/0.9": b"GET /api/state\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + INNER,
    "TLS": bytes.fromhex("160301020001000100fc0303") + bytes(64),
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """One for all: nothing here may harm it."""
    root = make_root(tmp_path_factory.mktemp("wire"))
    with running(root, WORKSHOP_LOG_FORMAT="json") as started:
        yield started
        assert '"traceback"' not in started.log


@pytest.mark.parametrize("what", SMUGGLED)
async def test_what_can_be_read_in_two_ways_is_not_read_at_all(daemon: Process, what: str) -> None:
    """Faults 42 and 7: 400, connection closed, nothing executed, whatever follows."""
    raw = await daemon.exchange(SMUGGLED[what] + INNER)
    answer = parse(raw)
    assert (answer.status, raw.count(b"HTTP/1.1 ")) == (400, 1), raw
    assert answer.json["error"]["code"] in ("bad_request", "bad_host")
    assert "connection: close" in answer.head.lower()
    assert "hand" not in (await daemon.call("GET", "/api/state")).json
    assert b"smuggled" not in daemon.events_bytes()


async def test_what_follows_a_close_is_not_read(daemon: Process) -> None:
    """Fault 42."""
    last = b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    raw = await daemon.exchange(last + INNER)
    assert (parse(raw).status, raw.count(b"HTTP/1.1 ")) == (200, 1)
    assert b"smuggled" not in daemon.events_bytes()


def get(path: bytes, *headers: bytes) -> bytes:
    return b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"".join(headers) + b"\r\n"


@pytest.mark.parametrize("behind", [b"\0\r\n\r\n", get(b"/healthz", LENGTH, CHUNKED)])
async def test_a_refusal_does_not_land_inside_another_answer(
    daemon: Process, behind: bytes
) -> None:
    """Fault 42: behind a feed that is being answered, and behind a request that is not yet."""
    async with daemon.connection() as (reader, writer):
        writer.write(get(b"/api/events", BEARER))
        feed = await asyncio.wait_for(reader.readuntil(b"event: state"), ANSWER_SECONDS)
        writer.write(behind)
        assert (feed + await reading(reader)).count(b"HTTP/1.1 ") == 1
    raw = await daemon.exchange(get(b"/api/state", BEARER) + behind)
    assert raw.count(b"HTTP/1.1 ") <= 1
    assert b" 400 " not in raw


HUGE = {
    "a long address": (431, get(b"/" + b"a" * MAX_HEAD_BYTES)),
    "a long header": (431, get(b"/healthz", b"X: " + b"a" * MAX_HEAD_BYTES + b"\r\n")),
    "many headers": (431, get(b"/healthz", b"a:b\r\n" * (MAX_HEAD_BYTES // 5))),
    "a header without an end": (431, get(b"/healthz")[:-2] + b"X: " + b"a" * (64 << 10)),
    "an address without an end": (431, b"GET /" + b"a" * (64 << 10)),
    "a body that says so": (413, POST + b"Content-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1)),
    "a body of a terabyte": (413, POST + b"Content-Length: %d\r\n\r\n" % (1 << 40)),
    "a body where none belongs": (413, get(b"/healthz", b"Content-Length: 99999999\r\n")),
    "a body that does not say": (
        413,
        POST
        + CHUNKED
        + b"\r\n"
        + (b"1000\r\n" + b" " * 4096 + b"\r\n") * (MAX_BODY_BYTES // 4096 + 1),
    ),
}


@pytest.mark.parametrize("what", HUGE)
async def test_what_is_huge_is_refused(daemon: Process, what: str) -> None:
    """Fault 43: 413 for bodies, 431 for heads."""
    status, request = HUGE[what]
    async with daemon.connection() as (reader, writer):
        writer.write(request)
        answer = parse(await reading(reader))
    assert answer.status == status
    assert answer.json["error"]["code"] == {413: "too_large", 431: "headers_too_large"}[status]


ENDLESS = {
    "head": (get(b"/healthz")[:-2] + b"X: ", b"a" * (1 << 16)),
    "headers": (get(b"/healthz")[:-2], b"a: b\r\n" * 10_000),
    "body": (POST + CHUNKED + b"\r\n", b"10000\r\n" + b" " * (1 << 16) + b"\r\n"),
    "body of a GET": (get(b"/healthz", CHUNKED), b"10000\r\n" + b" " * (1 << 16) + b"\r\n"),
    "body without an extent": (POST + b"Content-Length: 60000\r\n\r\n", b" " * (1 << 16)),
    "chunk extension": (POST + CHUNKED + b"\r\n5;", b"a" * (1 << 16)),
    "trailer": (POST + CHUNKED + b"\r\n0\r\n", b"a: b\r\n" * 10_000),
    "empty lines": (b"", b"\r\n" * (1 << 15)),
    "requests": (b"", get(b"/healthz") * 1000),
    "requests behind a feed": (get(b"/api/events", BEARER), get(b"/healthz") * 1000),
}


@pytest.mark.timeout(240)
async def test_what_never_ends_takes_no_memory(daemon: Process) -> None:
    """Fault 43: memory flat while 30 MiB of each are offered, all at once."""
    before = daemon.resident_bytes()
    peak = 0

    async def flood(begin: bytes, more: bytes) -> None:
        async with daemon.connection() as (reader, writer):
            taking = asyncio.create_task(discard(reader))
            with contextlib.suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(5):
                    writer.write(begin)
                    for _ in range((30 << 20) // len(more)):
                        writer.write(more)
                        await writer.drain()
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)

    async def watch() -> None:
        nonlocal peak
        while True:
            peak = max(peak, daemon.resident_bytes())
            await asyncio.sleep(0.05)

    watching = asyncio.create_task(watch())
    await asyncio.gather(*(flood(*each) for each in ENDLESS.values()))
    watching.cancel()
    assert peak - before < FLAT_BYTES
    assert (await daemon.call("GET", "/healthz")).status == 200


async def discard(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(ConnectionError):
        while await reader.read(1 << 16):
            pass


SLOW = {  # bound, what comes first, what comes bit by bit, the answer
    "head": (HEAD_SECONDS, b"GET /healthz HTTP/1.1\r\n", b"X", 408),
    "nothing": (HEAD_SECONDS, b"", b"", 408),
    "empty lines": (HEAD_SECONDS, b"", b"\r\n", 408),
    "body": (BODY_SECONDS, POST + b"Content-Length: 1000\r\n\r\n", b" ", 408),
    "chunks": (BODY_SECONDS, POST + CHUNKED + b"\r\n", b"1\r\n \r\n", 408),
    "second head": (HEAD_SECONDS, get(b"/healthz") + b"GET ", b"X", 200),
    "empty lines after an answer": (HEAD_SECONDS, get(b"/healthz"), b"\r\n", 200),
    "a body nobody waits for": (HEAD_SECONDS, get(b"/healthz", CHUNKED), b"1\r\n \r\n", 200),
}


@pytest.mark.timeout(120)
async def test_who_sends_slowly_is_not_waited_for(daemon: Process) -> None:
    """Fault 43: 408, and the connection is closed however little is sent however regularly."""

    async def send(bound: float, first: bytes, bit: bytes, status: int) -> str | None:
        started = time.monotonic()
        async with daemon.connection() as (reader, writer):
            writer.write(first)
            answer = asyncio.create_task(reading(reader))
            while not answer.done():
                if time.monotonic() - started > bound + PATIENCE_SECONDS:
                    answer.cancel()
                    return "is waited for"
                writer.write(bit)
                await asyncio.wait({answer}, timeout=0.5)
            got = parse(answer.result()).status
            early = status == 408 and time.monotonic() - started < bound - 1
            return None if got == status and not early else f"got {got} early: {early}"

    names = list(SLOW)
    ends = await asyncio.gather(*(send(*SLOW[name]) for name in names))
    assert {name: end for name, end in zip(names, ends, strict=True) if end} == {}

"""The instructor's feed: from a fact in a log to its readers, at 100 facts a second.

The daemon is a process of its own. Facts are lines of the command log with the time they were
written in them; readers are plain sockets. Processor time and memory are what the system counts.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bench.table import Row
from tests.api.conftest import INSTRUCTOR
from tests.runtime.daemon import Process, make_root, running

RATE = 100  # facts a second
SECONDS = 6
TIMED = 20  # readers whose messages are timed; the others are counted
PATIENCE_SECONDS = 20.0
STAMP = re.compile(rb"stamp=(\d+)")
MOST_P95_MS = {1: 60, 200: 100, 1000: 300}
MOST_CORES = 0.5  # of the daemon, for 200 readers
MOST_READER_KB = 50


@dataclass
class Measured:
    """Milliseconds from write to reader, cores the daemon used, KB each reader cost it."""

    latencies: list[float]
    delivered: int
    expected: int
    cores: float
    reader_kb: float


class _Reader(asyncio.Protocol):
    """One page: counts commands, and times them when asked to."""

    def __init__(self, latencies: list[float] | None) -> None:
        self.count = 0
        self.is_open = False
        self._latencies = latencies

    def data_received(self, data: bytes) -> None:
        self.is_open = True
        now = time.monotonic_ns()
        self.count += data.count(b"event: command")
        if self._latencies is not None:
            for stamp in STAMP.findall(data):
                self._latencies.append((now - int(stamp)) / 1e6)


def rows() -> list[Row]:
    """For each number of readers: the 95th percentile, and what it cost."""
    found: list[Row] = []
    for readers in MOST_P95_MS:
        with tempfile.TemporaryDirectory() as folder:
            root = make_root(Path(folder))
            with running(root, WORKSHOP_INSTRUCTOR_TOKEN=INSTRUCTOR) as daemon:
                daemon.wait_until_ready()
                measured = uvloop.run(_measure(daemon, readers))
        p95 = statistics.quantiles(measured.latencies, n=20)[-1]
        most = MOST_P95_MS[readers]
        found.append(
            Row(
                f"feed, {readers} x {RATE}/s: fact to reader, p95",
                f"{p95:.1f} ms",
                f"p50 {statistics.median(measured.latencies):.1f} ms, "
                f"{measured.delivered} of {measured.expected} delivered",
                f"at most {most} ms",
                p95 <= most and measured.delivered == measured.expected,
            )
        )
        if readers == 200:
            found.append(
                Row(
                    "feed, 200 readers: processor of the daemon",
                    f"{measured.cores:.2f} cores",
                    "",
                    f"at most {MOST_CORES}",
                    measured.cores <= MOST_CORES,
                )
            )
        if readers > 1:
            found.append(
                Row(
                    f"feed, {readers} readers: memory of each",
                    f"{measured.reader_kb:.0f} KB",
                    "",
                    f"at most {MOST_READER_KB} KB",
                    measured.reader_kb <= MOST_READER_KB,
                )
            )
    return found


async def _measure(daemon: Process, readers: int) -> Measured:
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    request = (
        f"GET /api/instructor/events HTTP/1.1\r\nHost: 127.0.0.1:{daemon.port}\r\n"
        f"Authorization: Bearer {INSTRUCTOR}\r\n\r\n"
    ).encode()
    pages: list[_Reader] = []
    # One that comes and goes: what only the first reader needs is loaded.
    first, _ = await loop.create_connection(lambda: _Reader(None), "127.0.0.1", daemon.port)
    first.write(request)
    await asyncio.sleep(1)
    first.close()
    before = daemon.resident_bytes()
    transports = []
    for number in range(readers):
        page = _Reader(latencies if number < TIMED else None)
        transport, _ = await loop.create_connection(
            lambda page=page: page,  # type: ignore[misc]  # mypy does not see its type
            "127.0.0.1",
            daemon.port,
        )
        transport.write(request)
        pages.append(page)
        transports.append(transport)
        if number % 50 == 49:
            await asyncio.sleep(0.05)
    await _until(lambda: all(page.is_open for page in pages))
    await asyncio.sleep(1)
    used = _seconds(daemon.pid)
    began = time.monotonic()
    await _write(daemon.root / "runtime/command-log.jsonl", RATE * SECONDS)
    took = time.monotonic() - began
    cores = (_seconds(daemon.pid) - used) / took
    expected = RATE * SECONDS * readers
    await _until(lambda: sum(page.count for page in pages) >= expected)
    after = daemon.resident_bytes()
    for transport in transports:
        transport.abort()
    return Measured(
        latencies,
        sum(page.count for page in pages),
        expected,
        cores,
        max(0, after - before) / 1024 / readers,
    )


async def _until(condition: Callable[[], bool]) -> None:
    """Wait for it, at most PATIENCE_SECONDS; the rows say what is missing."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition() and time.monotonic() < deadline:  # noqa: ASYNC110  # nobody tells us
        await asyncio.sleep(0.05)


async def _write(log: Path, count: int) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
    try:
        begin = time.monotonic()
        for number in range(count):
            await asyncio.sleep(max(0.0, begin + number / RATE - time.monotonic()))
            line = {"ts": "2026-01-31T12:00:00.000Z", "exit": 0, "ms": 12, "term": "main"}
            line["cmd"] = f"make test stamp={time.monotonic_ns()} {number}"
            os.write(descriptor, json.dumps(line).encode() + b"\n")
    finally:
        os.close(descriptor)


def _seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

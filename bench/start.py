"""From process start to the first answer, and memory when idle, beside a bare Starlette app."""

from __future__ import annotations

import compileall
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import runtime
from bench.table import Row, ratio_row
from tests.made import make_artifact

ROUNDS = 7
BARE = """
import sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
async def ok(request): return PlainTextResponse("ok")
app = Starlette(routes=[Route("/healthz", ok)])
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
"""


def rows() -> list[Row]:
    """Medians of rounds taken in turns, so that a slow moment hits both."""
    ours, first_state, bare, memory = [], [], [], []
    compileall.compile_dir(Path(runtime.__file__).parent, quiet=2)  # as an installed one is
    with tempfile.TemporaryDirectory() as folder:
        root = make_artifact(Path(folder))
        for _ in range(ROUNDS):
            port = free_port()
            with started([sys.executable, "-c", BARE, str(port)], {}) as process:
                bare.append(milliseconds_to(f"http://127.0.0.1:{port}/healthz", process))
            port = free_port()
            settings = {
                "WORKSHOP_ROOT": str(root),
                "WORKSHOP_HOST": "127.0.0.1",
                "WORKSHOP_PORT": str(port),
                "WORKSHOP_STUDENT_TOKEN": "none",
            }
            with started([sys.executable, "-m", "runtime"], settings) as process:
                began = time.perf_counter()
                ours.append(milliseconds_to(f"http://127.0.0.1:{port}/readyz", process))
                milliseconds_to(f"http://127.0.0.1:{port}/api/state", process)
                first_state.append((time.perf_counter() - began) * 1000)
                time.sleep(1)  # what follows the start has settled
                memory.append(resident_megabytes(process.pid))
    return [
        ratio_row(
            "start to ready (shell included)",
            statistics.median(ours),
            statistics.median(bare),
            "ms",
            "bare uvicorn + starlette",
            2.0,
        ),
        Row(
            "start to the first page's state (the rest of the API loaded)",
            f"{statistics.median(first_state):.3g} ms",
            f"{statistics.median(first_state) / statistics.median(bare):.2f} x the bare one",
        ),
        Row(
            "memory, idle",
            f"{statistics.median(memory):.1f} MB",
            limit="under 60 MB",
            within=statistics.median(memory) < 60,
        ),
    ]


@contextmanager
def started(words: list[str], settings: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process of its own, ended afterwards."""
    process = subprocess.Popen(
        words,
        env={**os.environ, **settings},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)


def milliseconds_to(address: str, process: subprocess.Popen[bytes]) -> float:
    """Milliseconds from now until `address` answers 200."""
    began = time.perf_counter()
    while time.perf_counter() - began < 30:
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                if answer.status == 200:
                    return (time.perf_counter() - began) * 1000
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.002)
    raise TimeoutError(f"{address} did not answer; exit code {process.poll()}")


def resident_megabytes(pid: int) -> float:
    """Resident memory of one process."""
    status = Path(f"/proc/{pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

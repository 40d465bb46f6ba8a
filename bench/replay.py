"""Replaying the event log: time an event, growth to a million, memory."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bench.table import Row, ratio_row
from runtime.store.eventlog import FILE_NAME, EventLog

LINES = (
    b'{"ts":"2026-01-31T14:22:01.123Z","event":"connected","terminal":"main","client":"c1"}\n',
    b'{"ts":"2026-01-31T14:22:01.123Z","event":"step_viewed","step":"a"}\n',
    b'{"ts":"2026-01-31T14:22:01.123Z","event":"goss_result","step":"a","passed":true,'
    b'"outcome":"passed","checks":{"total":1,"passed":1,"failed":0,"skipped":0},'
    b'"trigger":"auto","duration_ms":5}\n',
    b'{"ts":"2026-01-31T14:22:01.123Z","event":"disconnected","terminal":"main","client":"c1"}\n',
)
SMALL, LARGE = 100_000, 1_000_000  # events


def rows() -> list[Row]:
    """Each size is replayed in a process of its own, so that memory is that size's."""
    small, small_mb = _measure(SMALL)
    large, large_mb = _measure(LARGE)
    plain = _json_loads()
    return [
        ratio_row("replay, an event", large, plain, "us", "json.loads of the same lines", 1.5),
        Row("replay, an event", f"{large:.2f} us", "", "at most 2 us", large <= 2),
        ratio_row("replay of 1 000 000 events", large, small, "us", "an event of 100 000", 1.3),
        Row(
            "memory, 1 000 000 events over 100 000",
            f"{large_mb - small_mb:+.1f} MB",
            limit="flat",
            within=large_mb - small_mb < 5,
        ),
    ]


def _measure(events: int) -> tuple[float, float]:
    answer = subprocess.run(
        [sys.executable, "-m", "bench.replay", str(events)],
        check=True,
        capture_output=True,
        text=True,
    )
    microseconds, megabytes = answer.stdout.split()
    return float(microseconds), float(megabytes)


def _json_loads() -> float:
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(SMALL // len(LINES) // 5):
            for line in LINES:
                json.loads(line)
        best = min(best, (time.perf_counter() - began) / (SMALL // 5) * 1e6)
    return best


def _replay(events: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with (Path(folder) / FILE_NAME).open("wb") as log:
            for _ in range(events // len(LINES)):
                log.write(b"".join(LINES))
        best = float("inf")
        for _ in range(3):
            began = time.perf_counter()
            EventLog(Path(folder), now=lambda: datetime.now(UTC)).close()
            best = min(best, time.perf_counter() - began)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(best / events * 1e6, peak_mb)


if __name__ == "__main__":
    _replay(int(sys.argv[1]))

"""A validate click beside goss alone: what the wrapper, the report and the event log add."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import uvloop

from bench.table import Row
from runtime.services.checks import Checks
from runtime.services.goss import Goss
from runtime.services.session import Session, utc_now
from runtime.store.artifact import load
from runtime.store.eventlog import EventLog
from tests.goss_binary import goss_binary
from tests.made import make_artifact

RUNS = 100  # of each, by turns, so that both meet the same machine
MOST_ADDED_MS = 10
SPEC = """\
file:
  /etc/passwd: {exists: true, mode: '0644', contents: [root]}
command:
  echo hello: {exit-status: 0, stdout: [hello]}
"""


def rows() -> list[Row]:
    """The median of each, and what lies between them."""
    with tempfile.TemporaryDirectory() as folder:
        ours, bare = uvloop.run(_measure(Path(folder)))
    added = ours - bare
    return [
        Row(
            "validate, click to recorded report",
            f"{ours:.1f} ms",
            f"goss alone {bare:.1f} ms: {added:+.1f} ms",
            f"at most +{MOST_ADDED_MS} ms",
            added <= MOST_ADDED_MS,
        )
    ]


async def _measure(root: Path) -> tuple[float, float]:
    artifact = load(make_artifact(root, [{"id": "one", "goss": SPEC}]))
    session = Session(artifact.workshop, EventLog(artifact.runtime_dir, now=utc_now))
    goss = Goss(goss_binary())
    checks = Checks(session, artifact, goss)
    await goss.warm()
    ours: list[float] = []
    bare: list[float] = []
    for _ in range(RUNS):
        started = time.perf_counter()
        report = await checks.validate("one")
        ours.append(time.perf_counter() - started)
        assert report.passed, report
        bare.append(await asyncio.to_thread(_bare, artifact.goss_path(artifact.workshop.first)))
    await checks.close()
    await session.stop("measured")
    return statistics.median(ours) * 1000, statistics.median(bare) * 1000


def _bare(spec: Path) -> float:
    started = time.perf_counter()
    subprocess.run(
        [str(goss_binary()), "-g", str(spec), "validate", "--format", "json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=True,
        start_new_session=True,  # as the daemon must: a busy Linux shares the CPU by session
    )
    return time.perf_counter() - started

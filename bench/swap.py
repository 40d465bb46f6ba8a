"""Moves of a machine in real containers: from the click to a shell that answers, phase by phase.

Needs podman and the platform images (`make images`). Beside it, in the same run, the limit: the
same program stops, makes and starts a container that only sleeps.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from websockets.sync.client import connect

from bench.table import Row
from host.client import Daemon
from host.engines.containers import container_name
from runtime.domain.transitions import TransitionKind
from tests.containers.engine import Engine, ci, version
from tests.containers.operators import Operator, operator

SWAPS = 20
MOST_P50_SECONDS, MOST_P95_SECONDS = 2.0, 4.0
PATIENCE_SECONDS = 30.0


def rows() -> list[Row]:
    """The click, its phases, and a container that sleeps."""
    with tempfile.TemporaryDirectory() as folder, _running(Path(folder)) as me:
        asleep = [_sleeping_swap(me, number) for number in range(SWAPS)]
        steps = itertools.cycle(["second", "first"])
        swaps = [_swap(me, next(steps)) for _ in range(SWAPS)]
    whole = [sum(phases) for phases in swaps]
    p95 = statistics.quantiles(whole, n=20)[-1]
    limit = statistics.median(asleep)
    names = ("click to the old shell's end", "end to ready", "ready to a shell that answers")
    return [
        Row(
            "click to usable shell, p50",
            f"{statistics.median(whole):.2f} s",
            f"a container that sleeps {limit:.2f} s: {statistics.median(whole) / limit:.1f} x",
            f"under {MOST_P50_SECONDS:g} s",
            statistics.median(whole) < MOST_P50_SECONDS,
        ),
        Row(
            "click to usable shell, p95",
            f"{p95:.2f} s",
            "",
            f"under {MOST_P95_SECONDS:g} s",
            p95 < MOST_P95_SECONDS,
        ),
        *(
            Row(f"  {name}", f"{statistics.median(each):.2f} s")
            for name, each in zip(names, zip(*swaps, strict=True), strict=True)
        ),
    ]


@contextmanager
def _running(folder: Path) -> Iterator[Operator]:
    ci("images")
    engine = Engine(folder)
    base = f"localhost/workshop/debian:{version()}"
    (folder / "operator").mkdir()
    with operator(folder / "operator", engine.environment, base) as me:
        built = me.cli("build", str(me.workshop))
        assert built.code == 0, built
        me.run()
        yield me


def _swap(me: Operator, step: str) -> tuple[float, float, float]:
    """Seconds of the phases of one move, seen as a page sees them."""
    port = me.session.record().port or 0
    with Daemon(me.session, port) as daemon:
        boot = daemon.status().boot
        began = time.perf_counter()
        daemon.request(step, TransitionKind.GO)
        while daemon.ready():
            time.sleep(0.005)
        gone = time.perf_counter()
        while not daemon.ready():
            assert time.perf_counter() - gone < PATIENCE_SECONDS, "the machine did not come back"
            time.sleep(0.005)
        assert daemon.status().boot != boot
    ready = time.perf_counter()
    _answered(me, port)
    usable = time.perf_counter()
    _wait_until_settled(me)
    return gone - began, ready - gone, usable - ready


def _answered(me: Operator, port: int) -> None:
    """Type a command into the new shell and read its answer."""
    headers = {"Authorization": f"Bearer {me.session.token('student')}"}
    with connect(f"ws://127.0.0.1:{port}/ws/terminal/main", additional_headers=headers) as page:
        page.send(b"echo us''able\r")
        seen = b""
        while b"usable" not in seen:
            frame = page.recv(timeout=PATIENCE_SECONDS)
            seen += frame if isinstance(frame, bytes) else b""


def _wait_until_settled(me: Operator) -> None:
    end = time.perf_counter() + PATIENCE_SECONDS
    while time.perf_counter() < end:
        record = me.session.record()
        if record.swap is None and record.settling is None:
            return
        time.sleep(0.02)
    raise AssertionError("the replaced files were never put aside")


def _sleeping_swap(me: Operator, number: int) -> float:
    """Stop a container that sleeps, make and start the next one: what no move can be below."""
    image = "example.org/trip:start"
    before, name = (f"{container_name(me.session)}-asleep-{each}" for each in (number, number + 1))
    words = ("--entrypoint", "/opt/workshop/bin/tini", image, "--", "/bin/sleep", "1000")
    if number == 0:
        me.podman("run", "--detach", "--name", before, *words)
    began = time.perf_counter()
    me.podman("stop", "--time", "5", before)
    me.podman("run", "--detach", "--name", name, *words)
    taken = time.perf_counter() - began
    me.podman("rm", "--force", before)
    if number == SWAPS - 1:
        me.podman("rm", "--force", "--time", "0", name)
    return taken

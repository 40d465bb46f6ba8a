"""The threads for work that blocks, all of them started with the daemon.

A pool starts its threads when they are needed. By then a student's shell may have used up the
processes a container may have, threads counted; and a pool that fails to start one has taken the
work in already, and does it for nobody.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError

WORKERS = 8


def make_workers() -> ThreadPoolExecutor:
    """A pool for WORKERS threads, which `start_all` starts: no start of the daemon waits for it."""
    return ThreadPoolExecutor(WORKERS, "worker")


def start_all(pool: ThreadPoolExecutor) -> None:
    """Start those that are not there, or as many as the machine has room for."""
    all_there = Barrier(WORKERS)
    try:
        for _ in range(WORKERS):  # each waits for the last one: none can do two of them
            pool.submit(_meet, all_there)
    except RuntimeError:
        all_there.abort()


def _meet(others: Barrier) -> None:
    with suppress(BrokenBarrierError):
        others.wait()

"""Power cuts: whatever moment the daemon dies at, what it said had happened has happened."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import WebSocketException

from runtime.domain import events as ev
from runtime.domain.state import State, fold
from tests.runtime.daemon import Process, family, make_root, wait

ROUNDS = int(os.environ.get("WORKSHOP_KILL_ROUNDS", "20"))  # fault 3 asks for 200
LIFE_SECONDS = 0.6  # the longest under load before the end
EARLY = 5  # one in so many rounds ends during the start
PLAIN_STEPS = 200  # to tick off and to look at
CHECKED = "command: {true: {exit-status: 0}}\n"
GONE = (OSError, EOFError, WebSocketException, AssertionError, TimeoutError)


@dataclass
class Acknowledged:
    """What the daemon said has happened."""

    notes: list[str] = field(default_factory=list)
    completed: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    seen_bytes: int = 0  # the largest offset a feed told


class Load:
    """Everything a student does, by several pages at once, until the daemon is gone."""

    def __init__(self, daemon: Process, said: Acknowledged, round_number: int) -> None:
        self._daemon = daemon
        self._said = said
        self._round = round_number

    async def run(self) -> None:
        """Until nobody answers any more."""
        works = (self.raise_hand, self.raise_hand, self.tick_off, self.check, self.view, self.visit)
        await asyncio.gather(
            self.follow(), *(self._repeat(work, number) for number, work in enumerate(works))
        )

    async def _repeat(self, work: Callable[[str], Awaitable[None]], worker: int) -> None:
        turn = 0
        try:
            while True:
                await work(f"{self._round}-{worker}-{turn}")
                turn += 1
        except GONE:
            return

    async def _post(self, path: str, body: object = None) -> None:
        answer = await self._daemon.call("POST", path, body)
        if answer.status != 200:  # not GONE: a defect
            raise RuntimeError(answer)

    async def raise_hand(self, turn: str) -> None:
        await self._post("/api/hand", {"raised": True, "note": turn})
        self._said.notes.append(turn)

    async def tick_off(self, turn: str) -> None:
        step = f"plain-{len(self._said.completed) % PLAIN_STEPS}"
        await self._post(f"/api/steps/{step}/complete")
        self._said.completed.append(step)

    async def check(self, turn: str) -> None:
        await self._post("/api/steps/checked/validate")
        self._said.counts["goss_result"] += 1

    async def view(self, turn: str) -> None:
        step = self._said.counts["step_viewed"] % PLAIN_STEPS  # the same again would be no event
        await self._post(f"/api/steps/plain-{step}/view")
        self._said.counts["step_viewed"] += 1

    async def visit(self, turn: str) -> None:
        async with self._daemon.page() as page:
            await page.hears("hello")
            self._said.counts["connected"] += 1
            await page.type(f"echo {turn}-$((6 * 7))\r")
            await page.sees(f"{turn}-42")

    async def follow(self) -> None:
        try:
            async with self._daemon.feed() as feed:
                while line := await feed.readline():
                    if line.startswith(b"id: ") and line.endswith(b"\n"):
                        self._said.seen_bytes = max(self._said.seen_bytes, int(line[4:]))
        except GONE:
            return


@pytest.mark.timeout(60 + 20 * ROUNDS)
async def test_a_kill_at_any_moment_loses_nothing_that_was_said(tmp_path: Path) -> None:
    """Fault 3: every acknowledged event is in the log after it, and the state is its fold."""
    plain: list[dict[str, Any]] = [
        {"id": f"plain-{number}"} for number in range(PLAIN_STEPS)
    ]  # Any: JSON
    steps = [{"id": "checked", "goss": CHECKED, "expectedChecks": 1}, *plain]
    root = make_root(tmp_path, steps, navigation="free")
    chance = random.Random(3)
    said = Acknowledged()
    before: list[ev.Event] = []
    for number in range(ROUNDS):
        daemon = Process(root)
        try:
            await live_and_die(daemon, chance, number, before, said)
        finally:
            daemon.kill()
        before = verify(daemon, before, said)
        wait(lambda: not family(-1, str(root)), "the end of what it had started")
    assert len(said.notes) > ROUNDS // 2


async def live_and_die(
    daemon: Process, chance: random.Random, number: int, before: list[ev.Event], said: Acknowledged
) -> None:
    """One life: it begins with what the log says and ends in the middle of something."""
    if number % EARLY == EARLY - 1:
        await asyncio.sleep(chance.uniform(0, LIFE_SECONDS))  # the moment is what is tested
        return
    daemon.wait_until_ready()
    assert shown(daemon) == expected(fold(before), shown(daemon)["session"])
    load = asyncio.create_task(Load(daemon, said, number).run())
    await asyncio.wait([load], timeout=chance.uniform(0.02, LIFE_SECONDS))
    daemon.kill()
    await load


def shown(daemon: Process) -> dict[str, Any]:  # Any: JSON
    """The state as the page gets it, without what each life has of its own."""
    state: dict[str, Any] = daemon.ask("/api/state")
    return {
        "session": state["session"],
        "viewed": state["viewedStep"],
        "completed": state["completedSteps"],
        "note": state.get("hand", {}).get("note"),
        "checks": {step: check["outcome"] for step, check in state["checks"].items()},
    }


def expected(state: State, session: str) -> dict[str, Any]:  # Any: JSON
    """What the page must be shown; `session` is that of the first life."""
    order = ["checked", *(f"plain-{number}" for number in range(PLAIN_STEPS))]
    return {
        "session": state.session or session,
        "viewed": state.viewed or "checked",
        "completed": [step for step in order if step in state.completed],
        "note": state.hand.note if state.hand else None,
        "checks": {step: report.outcome for step, report in state.reports.items()},
    }


def verify(daemon: Process, before: list[ev.Event], said: Acknowledged) -> list[ev.Event]:
    """All that was acknowledged is in the log, behind what was there before; its events."""
    events = daemon.events()
    assert events[: len(before)] == before
    assert len(daemon.events_bytes()) >= said.seen_bytes
    assert not list(daemon.root.glob("runtime/*.damaged-*"))
    counts = Counter(event.event for event in events)
    assert not {kind: n for kind, n in said.counts.items() if counts[kind] < n}
    notes = {event.note for event in events if isinstance(event, ev.HandRaised)}
    assert not set(said.notes) - notes
    assert not set(said.completed) - fold(events).completed.keys()
    return events

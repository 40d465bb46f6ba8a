"""Transitions: one at a time, claimed by one host, never stuck for ever."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from runtime.domain import events as ev
from runtime.domain.errors import (
    InvalidField,
    NotFound,
    StepLocked,
    TransitionClaimed,
    TransitionEnded,
    TransitionPending,
)
from runtime.domain.transitions import (
    EXPIRY_SECONDS,
    TAKEOVER_SECONDS,
    TransitionKind,
    TransitionStatus,
)
from runtime.domain.workshop import Step
from runtime.services import transitions as module
from runtime.services.transitions import Transitions
from tests.services.test_session import NOON, make_session

GO, RESET = TransitionKind.GO, TransitionKind.RESET


class Clock:
    """A monotonic clock the test turns."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def moves(tmp_path: Path, clock: Clock) -> Transitions:
    return Transitions(make_session(tmp_path), monotonic=clock)


def step(moves: Transitions, step_id: str) -> Step:
    found = moves._session.workshop.find(step_id)
    assert found is not None
    return found


async def test_a_request_is_pending_until_the_new_machine_arrives(moves: Transitions) -> None:
    asked = await moves.request(step(moves, "one"), GO)
    assert [each.id for each in await moves.wait_open(0)] == [asked.id]
    await moves.claim(asked.id, "host-a")
    await moves.arrive(asked.id, "one")
    assert moves.pending is None
    assert moves.find(asked.id).status is TransitionStatus.COMPLETED
    assert moves._session.active.id == "one"


async def test_one_transition_at_a_time(moves: Transitions) -> None:
    asked = await moves.request(step(moves, "one"), GO)
    with pytest.raises(TransitionPending) as refused:
        await moves.request(step(moves, "one"), GO)
    assert refused.value.details == {"transition": asked.id, "step": "one"}


async def test_two_tabs_at_once_make_one_transition(moves: Transitions) -> None:
    """Fault 34."""
    answers = await asyncio.gather(
        *(moves.request(step(moves, "one"), GO) for _ in range(5)), return_exceptions=True
    )
    assert sum(isinstance(answer, TransitionPending) for answer in answers) == 4


async def test_a_locked_step_is_refused_with_the_reason(moves: Transitions) -> None:
    with pytest.raises(StepLocked, match="Complete “Step one” first"):
        await moves.request(step(moves, "two"), GO)


async def test_a_reset_is_for_the_step_the_machine_is_at(moves: Transitions) -> None:
    await moves._session.record(ev.StepCompleted(ts=NOON, step="one", by="student"))
    with pytest.raises(InvalidField, match="Step one"):
        await moves.request(step(moves, "two"), RESET)
    assert (await moves.request(step(moves, "one"), RESET)).kind is RESET


async def test_it_can_be_cancelled_until_it_is_claimed(moves: Transitions) -> None:
    asked = await moves.request(step(moves, "one"), GO)
    assert (await moves.cancel(asked.id, "student")).status is TransitionStatus.CANCELLED
    assert (await moves.cancel(asked.id, "student")).status is TransitionStatus.CANCELLED
    asked = await moves.request(step(moves, "one"), GO)
    await moves.claim(asked.id, "host-a")
    with pytest.raises(TransitionClaimed):
        await moves.cancel(asked.id, "student")


async def test_a_claim_is_the_hosts_until_it_is_old(moves: Transitions, clock: Clock) -> None:
    asked = await moves.request(step(moves, "one"), GO)
    await moves.claim(asked.id, "host-a")
    clock.seconds += TAKEOVER_SECONDS - 1
    await moves.claim(asked.id, "host-a")  # renews
    clock.seconds += TAKEOVER_SECONDS - 1
    with pytest.raises(TransitionClaimed, match="host-a works on it"):
        await moves.claim(asked.id, "host-b")
    clock.seconds += 1
    assert (await moves.claim(asked.id, "host-b")).host == "host-b"
    with pytest.raises(TransitionClaimed, match="host-b works on it"):
        await moves.claim(asked.id, "host-a")


async def test_a_failure_leaves_the_machine_where_it_is(moves: Transitions) -> None:
    asked = await moves.request(step(moves, "one"), GO)
    await moves.claim(asked.id, "host-a")
    failed = await moves.fail(asked.id, "image_missing", "There is no image for it.")
    assert (failed.status, failed.reason) == (TransitionStatus.FAILED, "There is no image for it.")
    assert (await moves.fail(asked.id, "image_missing", "again")).reason == failed.reason
    with pytest.raises(TransitionEnded):
        await moves.claim(asked.id, "host-a")


async def test_an_older_transition_is_history(moves: Transitions) -> None:
    with pytest.raises(NotFound):
        moves.find("nope")


async def test_what_nobody_comes_for_expires(
    moves: Transitions, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault 37: by the monotonic clock; the wall clock stands still in this test."""
    monkeypatch.setattr(module, "TICK_SECONDS", 0.001)
    asked = await moves.request(step(moves, "one"), GO)
    running = asyncio.create_task(moves.run())
    await asyncio.sleep(0.02)
    assert moves.pending is not None
    clock.seconds += EXPIRY_SECONDS
    async with asyncio.timeout(5):
        while moves.pending is not None:
            await asyncio.sleep(0.005)
    running.cancel()
    assert moves.find(asked.id).reason == "expiry"


async def test_a_waiting_host_hears_of_a_request_at_once(moves: Transitions) -> None:
    waiting = asyncio.create_task(moves.wait_open(30))
    await asyncio.sleep(0.02)
    assert moves.host_attached
    asked = await moves.request(step(moves, "one"), GO)
    async with asyncio.timeout(2):
        assert [each.id for each in await waiting] == [asked.id]


async def test_a_host_is_attached_for_a_minute_after_its_last_poll(
    moves: Transitions, clock: Clock
) -> None:
    assert not moves.host_attached
    await moves.wait_open(0)
    clock.seconds += 59
    assert moves.host_attached
    clock.seconds += 1
    assert not moves.host_attached


async def test_a_first_start_says_where_the_machine_is_once(moves: Transitions) -> None:
    await moves.arrive(None, None)
    await moves.arrive(None, None)
    log = moves._session.state
    assert (log.active, log.events) == ("one", 1)

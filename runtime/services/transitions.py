"""Requests for the machine to move, and the host that answers them.

The daemon never moves anything: it records what the student asked for and what a host says of it.
Ages are monotonic and start anew with each daemon, so that a jump of the clock expires nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Literal

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
    Transition,
    TransitionKind,
    TransitionStatus,
    has_expired,
    may_claim,
)
from runtime.domain.workshop import Step
from runtime.services.session import Session

HOST_ATTACHED_SECONDS = 60  # a host is attached this long after its last poll
TICK_SECONDS = 1.0


class Transitions:
    """Request, claim, fail, complete, expire."""

    def __init__(
        self, session: Session, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._session = session
        self._monotonic = monotonic
        self._since: dict[tuple[str, TransitionStatus], float] = {}
        self._host_seen: float | None = None
        self.host_last_seen: datetime | None = None
        self._was_attached = False

    @property
    def pending(self) -> Transition | None:
        """The transition on its way."""
        return self._session.state.pending

    @property
    def host_attached(self) -> bool:
        """Whether a host polled within the last minute."""
        seen = self._host_seen
        return seen is not None and self._monotonic() - seen < HOST_ATTACHED_SECONDS

    def find(self, transition_id: str) -> Transition:
        """The transition of that id: the last one only, older ones are history."""
        current = self._session.state.transition
        if current is None or current.id != transition_id:
            raise NotFound("There is no such transition.")
        return current

    async def request(self, step: Step, kind: TransitionKind) -> Transition:
        """Ask for the machine to move.

        Raises StepLocked, TransitionPending, or InvalidField for a reset of another step.
        """
        session = self._session

        def make() -> ev.Event:
            if pending := self.pending:
                raise TransitionPending(
                    "The machine is already on its way to another step; wait for it or cancel it.",
                    {"transition": pending.id, "step": pending.step},
                )
            if kind is TransitionKind.RESET and step.id != session.active.id:
                raise InvalidField(
                    f"A reset is for the step the machine is at, “{session.active.title}”; "
                    "use go for another step.",
                    {"field": "kind"},
                )
            if reason := session.locked_reason(step):
                raise StepLocked(reason)
            return ev.TransitionRequested(
                ts=session.now(),
                id=session.new_id(),
                step=step.id,
                kind=kind,
                from_step=session.active.id,
            )

        event = await session.record_if(make)
        assert isinstance(event, ev.TransitionRequested)
        return self.find(event.id)

    async def cancel(self, transition_id: str, by: Literal["student", "expiry"]) -> Transition:
        """Withdraw it; raises TransitionClaimed once a host works on it."""

        def make() -> ev.Event | None:
            transition = self.find(transition_id)
            if transition.status is TransitionStatus.CANCELLED:
                return None
            if transition.status is TransitionStatus.CLAIMED and by == "student":
                raise TransitionClaimed("The machine is moving already; it is too late to cancel.")
            if not transition.is_open:
                raise TransitionEnded("The transition is over; there is nothing to cancel.")
            return ev.TransitionCancelled(ts=self._session.now(), id=transition_id, by=by)

        await self._session.record_if(make)
        return self.find(transition_id)

    async def wait_open(self, seconds: float) -> list[Transition]:
        """The open transitions, at once or as soon as there is one; at most `seconds` long."""
        self.host_polled()
        changes = self._session.changes
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.pending is None and not changes.closed:
                    await changes.after(changes.version)
        self.host_polled()
        return [self.pending] if self.pending else []

    def host_polled(self) -> None:
        """A host is listening."""
        self._host_seen = self._monotonic()
        self.host_last_seen = self._session.now()
        self._notice_presence()

    async def claim(self, transition_id: str, host: str) -> Transition:
        """A host takes it on; idempotent for the same host, which also renews its claim."""

        def make() -> ev.Event | None:
            transition = self.find(transition_id)
            if not transition.is_open:
                raise TransitionEnded("The transition is over; there is nothing to claim.")
            if not may_claim(transition, host, self._age(transition)):
                raise TransitionClaimed(
                    f"{transition.host} works on it already.", {"host": transition.host}
                )
            if transition.host == host:
                self._since[transition.id, transition.status] = self._monotonic()
                return None
            return ev.TransitionClaimed(ts=self._session.now(), id=transition_id, host=host)

        event = await self._session.record_if(make)
        if event is not None:  # also after a take-over, when the status did not change
            self._since[transition_id, TransitionStatus.CLAIMED] = self._monotonic()
        return self.find(transition_id)

    async def fail(self, transition_id: str, code: str, reason: str) -> Transition:
        """It did not happen; the old machine goes on."""

        def make() -> ev.Event | None:
            transition = self.find(transition_id)
            if transition.status is TransitionStatus.FAILED:
                return None
            if not transition.is_open:
                raise TransitionEnded("The transition is over; it cannot fail any more.")
            return ev.TransitionFailed(
                ts=self._session.now(), id=transition_id, code=code, reason=reason
            )

        await self._session.record_if(make)
        return self.find(transition_id)

    async def arrive(self, transition_id: str | None, step_id: str | None) -> bool:
        """The machine is ready: say where it is and complete the transition it was started for.

        True when it was started for one.

        `step_id` is where the host says the machine is; without it, the transition's step, else
        where the log says it was.
        """
        session = self._session
        pending = self.pending
        if pending is not None and pending.id == transition_id:
            await session.record(
                ev.TransitionCompleted(ts=session.now(), id=pending.id, step=pending.step)
            )
            step_id = step_id or pending.step
        step_id = step_id or session.state.active or session.workshop.first.id
        completed_now = pending is not None and pending.id == transition_id
        if completed_now or session.state.active != step_id:
            await session.record(ev.StepStart(ts=session.now(), step=step_id))
        return completed_now

    async def run(self) -> None:
        """Expire what nobody came for and notice a host that went away, until cancelled."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self._notice_presence()
            pending = self.pending
            if pending is None:
                self._since.clear()
                continue
            age = self._age(pending)
            abandoned = (
                pending.status is TransitionStatus.CLAIMED
                and age >= EXPIRY_SECONDS
                and not self.host_attached
            )
            if has_expired(pending, age) or abandoned:
                await self.cancel(pending.id, "expiry")

    def _age(self, transition: Transition) -> float:
        """Seconds this daemon has seen it in its status."""
        now = self._monotonic()
        return now - self._since.setdefault((transition.id, transition.status), now)

    def _notice_presence(self) -> None:
        if self.host_attached != self._was_attached:
            self._was_attached = self.host_attached
            self._session.changes.fire()

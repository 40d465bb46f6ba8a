"""The one writer of the event log and the owner of the state.

Under one lock: append to the log, then apply, then publish. A failed append changes nothing and
reaches nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from runtime.domain import events as ev
from runtime.domain.errors import StorageFailed, StorageFull
from runtime.domain.navigation import locked_reason
from runtime.domain.state import State, apply
from runtime.domain.workshop import Step, Workshop
from runtime.services.broadcast import Broadcast, Signal
from runtime.services.problems import Problems
from runtime.store.eventlog import EventLog


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


def new_id() -> str:
    """128 random bits, 32 hexadecimal digits."""
    return uuid4().hex


class Recorded(NamedTuple):
    """An event and the log offset after it, which is its id on the feeds."""

    offset: int
    event: ev.Event


class Session:
    """One student's run of one workshop, as this daemon serves it.

    `events` publishes what was recorded, `changes` that the whole state may read differently now
    (an event, a problem, the host coming or going).
    """

    def __init__(
        self,
        workshop: Workshop,
        log: EventLog,
        *,
        now: Callable[[], datetime] = utc_now,
        new_id: Callable[[], str] = new_id,
    ) -> None:
        self.workshop = workshop
        self.now = now
        self.new_id = new_id
        self.boot = new_id()
        self.id = log.state.session or new_id()
        self.events: Broadcast[Recorded] = Broadcast()
        self.changes = Signal()
        self.problems = Problems(self.changes.fire)
        self._log = log
        self._lock = asyncio.Lock()
        self._writing: set[asyncio.Task[ev.Event | None]] = set()

    @property
    def state(self) -> State:
        """The fold of the log; readers must not change it."""
        return self._log.state

    @property
    def offset(self) -> int:
        """Bytes in the log."""
        return self._log.offset

    @property
    def log_path(self) -> Path:
        """The event log's file, for those who read it from an offset on."""
        return self._log.path

    @property
    def storage_problem(self) -> str | None:
        """Why nothing can be recorded now; None when it can."""
        return self._log.degraded

    @property
    def active(self) -> Step:
        """The step the machine is at; the first when the log names one this workshop lost."""
        return self.workshop.find(self.state.active or "") or self.workshop.first

    @property
    def completed(self) -> list[Step]:
        """The completed steps this workshop has, in its order."""
        return [step for step in self.workshop.steps if step.id in self.state.completed]

    @property
    def viewed(self) -> Step:
        """The step the student looks at."""
        return self.workshop.find(self.state.viewed or "") or self.active

    def locked_reason(self, step: Step) -> str | None:
        """Why the step is not accessible now; None when it is."""
        return locked_reason(self.workshop, step, self.state.completed)

    async def record(self, event: ev.Event) -> None:
        """Make `event` a fact: on disk, in the state, on the feeds.

        Raises StorageFull or StorageFailed, and then nothing changed.
        """
        await self.record_if(lambda: event)

    async def record_if(self, make: Callable[[], ev.Event | None]) -> ev.Event | None:
        """Decide and record under one lock: `make` sees a state nobody else can change meanwhile.

        `make` may raise, or return None for nothing to record. A caller that is cancelled while
        waiting does not cancel the writing: what is on disk is always applied.
        """
        writing = asyncio.create_task(self._record(make), name="record an event")
        self._writing.add(writing)
        writing.add_done_callback(self._written)
        return await asyncio.shield(writing)

    async def start(self, image: str | None) -> None:
        """Record that this daemon serves the directory, and what it had to mend."""
        await self.record(
            ev.SessionStarted(
                ts=self.now(),
                session=self.id,
                workshop=self.workshop.name,
                image=image,
                boot=self.boot,
            )
        )
        for repair in self._log.repairs:
            await self.record(
                ev.LogRepaired(
                    ts=self.now(),
                    file=self._log.path.name,
                    lines=repair.lines,
                    bytes=repair.bytes,
                    kept=repair.kept,
                )
            )
            self.problems.set(
                "log_repaired",
                f"The progress log was damaged and has been mended: {repair.lines} "
                f"{'line was' if repair.lines == 1 else 'lines were'} unreadable. "
                f"A copy is kept as {repair.kept}.",
            )

    async def stop(self, reason: str) -> None:
        """Record the stop, wait for what is being written, end the feeds, close the log."""
        with suppress(StorageFull, StorageFailed):  # the log is whole without it
            await self.record(ev.SessionStopped(ts=self.now(), reason=reason))
        if self._writing:
            await asyncio.wait(self._writing)
        self.events.close()
        self.changes.close()
        self._log.close()

    async def _record(self, make: Callable[[], ev.Event | None]) -> ev.Event | None:
        async with self._lock:
            event = make()
            if event is not None:
                await self._append(event)
            return event

    async def _append(self, event: ev.Event) -> None:
        try:
            offset = await asyncio.to_thread(self._log.append, event)
        finally:
            self.problems.set("storage", self._log.degraded)
        apply(self.state, event)
        self.events.publish(Recorded(offset, event))
        self.changes.fire()

    def _written(self, task: asyncio.Task[ev.Event | None]) -> None:
        self._writing.discard(task)
        if not task.cancelled():
            task.exception()  # the caller has it; a cancelled caller does not want it

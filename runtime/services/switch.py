"""The student's say over recording: pause, resume, delete."""

from __future__ import annotations

import asyncio
import logging

from runtime.domain import events as ev
from runtime.domain.errors import StorageFailed
from runtime.services.session import Session
from runtime.services.terminals import Terminals
from runtime.store.recordings import Recordings

log = logging.getLogger("workshop.recorder")


class RecordingSwitch:
    """One for all terminals: recording is on for all of them or for none."""

    def __init__(self, session: Session, terminals: Terminals, recordings: Recordings) -> None:
        self._session = session
        self._terminals = terminals
        self._recordings = recordings
        self.followers = 0  # pages that follow a cast now

    @property
    def is_paused(self) -> bool:
        """Whether the student paused it."""
        return self._session.state.recording_paused

    async def pause(self, by: str) -> None:
        """Nothing that follows is recorded, also after a restart; raises StorageFull."""
        now = self._session.now()
        await self._session.record_if(
            lambda: None if self.is_paused else ev.RecordingPaused(ts=now, by=by)
        )
        for each in self._terminals.recordings():
            await each.pause()

    async def resume(self, by: str) -> None:
        """Record again, also what a full disk had stopped; raises StorageFull."""
        now = self._session.now()
        await self._session.record_if(
            lambda: ev.RecordingResumed(ts=now, by=by) if self.is_paused else None
        )
        await self._begin()

    async def delete(self, name: str, by: str) -> None:
        """Remove a cast; one that is being written is followed by a new one.

        Raises NotFound, StorageFull, StorageFailed.
        """
        await asyncio.to_thread(self._recordings.path, name)  # raises NotFound
        await self._session.record(ev.RecordingDeleted(ts=self._session.now(), name=name, by=by))
        for each in self._terminals.recordings():
            if each.name == name:
                await each.pause()
        try:
            await asyncio.to_thread(self._recordings.delete, name)
        except OSError as error:
            raise StorageFailed(f"The recording could not be deleted: {error.strerror}.") from error
        finally:
            await self._begin()

    async def _begin(self) -> None:
        for each in self._terminals.recordings():
            await each.begin()

"""Looking over the student's shoulder: asking, the answer, who is looking, and typing for them.

Everything that is allowed is a fact in the event log, so a new daemon knows it as well.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from runtime.domain import events as ev
from runtime.domain.errors import AskFirst, NotFound, WatchingOff, WorkshopError
from runtime.domain.watching import Permission, PermissionKind, WatchMode, lesser
from runtime.domain.watching import Watching as WatchingState
from runtime.services.attachment import Attachment
from runtime.services.session import Session
from runtime.services.terminal import Terminals

ENDED = 4404  # as the terminal protocol's: there is nothing to come back to
ALONE_SECONDS = 30.0  # a page that typed comes back within this, or typing is over


class Watching:
    """The rules of `runtime.domain.watching`, applied to a session and its terminals."""

    def __init__(self, session: Session, terminals: Terminals) -> None:
        self._session = session
        self._terminals = terminals
        self._open: set[tuple[str, Attachment]] = set()  # by terminal
        self._alone: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def state(self) -> WatchingState:
        """What the log says."""
        return self._session.state.watching

    @property
    def setting(self) -> WatchMode:
        """The workshop's."""
        return self._session.workshop.watching

    @property
    def mode(self) -> WatchMode:
        """What holds now."""
        return self.state.mode(self.setting)

    async def run(self) -> None:
        """End what is no longer allowed, as soon as it is not."""
        changes = self._session.changes
        seen = changes.version
        self._look_for_the_typist()
        while not changes.closed:
            for terminal, watcher in tuple(self._open):
                if not self.state.may_watch(self.setting, terminal):
                    watcher.end(ENDED)
            seen = await changes.after(seen)

    def close(self) -> None:
        """End every live view, so that the server can close its connections."""
        if self._alone is not None:
            self._alone.cancel()
        for _, watcher in tuple(self._open):
            watcher.end(ENDED)

    async def choose(self, mode: WatchMode) -> None:
        """The student's choice; what is more than the workshop's own setting means that setting."""
        chosen = lesser(self.setting, mode)

        def make() -> ev.Event | None:
            if self.state.chosen == chosen:
                return None
            return ev.WatchingChosen(ts=self._session.now(), watching=chosen)

        await self._session.record_if(make)
        if chosen == "off":
            for permission in tuple(self.state.permissions.values()):
                await self.end(permission.id, by_student=True)

    async def ask(self, kind: PermissionKind, terminal: str) -> Permission | None:
        """Ask the student; None when nobody has to be asked.

        Raises NotFound for a terminal there is none of, WatchingOff.
        """
        self._terminals.get(terminal)

        def make() -> ev.Event | None:
            mode = self.mode
            if mode == "off":
                raise WatchingOff("The student does not want anybody to look at the terminals.")
            if kind == "watch" and self.state.may_watch(self.setting, terminal):
                return None
            found = self.state.permissions.get(kind)
            if found and found.terminal == terminal and found.status != "declined":
                return None
            return ev.WatchRequested(
                ts=self._session.now(), id=self._session.new_id(), kind=kind, terminal=terminal
            )

        await self._session.record_if(make)
        found = self.state.permissions.get(kind)
        return found if found is not None and found.terminal == terminal else None

    async def answer(self, permission_id: str, *, allowed: bool) -> None:
        """The student's yes or no; raises NotFound when it was withdrawn."""

        def make() -> ev.Event | None:
            found = self._find(permission_id)
            if found.status != "requested":
                return None
            return ev.WatchAnswered(ts=self._session.now(), id=permission_id, allowed=allowed)

        await self._session.record_if(make)

    async def end(self, permission_id: str, *, by_student: bool) -> None:
        """Withdraw a request or end what it allowed; nothing when it is over already."""

        def make() -> ev.Event | None:
            if self.state.find(permission_id) is None:
                return None
            by = "student" if by_student else "instructor"
            return ev.WatchEnded.model_validate(
                {"ts": self._session.now(), "id": permission_id, "by": by}
            )

        await self._session.record_if(make)

    def require_watch(self, terminal: str | None = None) -> None:
        """Raises WatchingOff or AskFirst when an instructor may not look now."""
        if self.state.may_watch(self.setting, terminal):
            return
        self.require_recordings()
        raise AskFirst("Ask the student first: this workshop lets nobody look without a yes.")

    def require_recordings(self) -> None:
        """Raises WatchingOff when nobody may look, at what was recorded either."""
        if self.mode == "off":
            raise WatchingOff("The student does not want anybody to look at the terminals.")

    @asynccontextmanager
    async def join(self, terminal: str, offset: int | None) -> AsyncIterator[Attachment]:
        """See a terminal, for the length of the block or until it is no longer allowed.

        The student's page says that somebody does. Raises WatchingOff, AskFirst, NotFound, TooMany.
        """
        self.require_watch(terminal)
        client = secrets.token_hex(6)
        now = self._session.now
        with self._terminals.get(terminal).watch(client, offset) as watcher:
            self._open.add((terminal, watcher))
            try:
                joined = ev.WatcherJoined(ts=now(), terminal=terminal, client=client)
                await self._session.record(joined)  # also when its reader leaves meanwhile
                yield watcher
            finally:
                self._open.discard((terminal, watcher))
                self._look_for_the_typist()
                left = ev.WatcherLeft(ts=now(), terminal=terminal, client=client)
                with suppress(WorkshopError):
                    await asyncio.shield(self._session.record(left))

    async def type(self, terminal: str, data: bytes) -> None:
        """Type for the student; raises AskFirst without a yes, NotFound."""
        found = self._terminals.get(terminal)
        if not self.state.may_assist(self.setting, terminal):
            raise AskFirst("Ask the student first: nobody types here without a yes.")
        await found.assist(data)

    def _look_for_the_typist(self) -> None:
        """Soon: whoever may type and no longer looks on has gone."""
        if self._alone is not None:
            self._alone.cancel()
        loop = asyncio.get_running_loop()
        self._alone = loop.call_later(ALONE_SECONDS, self._end_alone)

    def _end_alone(self) -> None:
        found = self.state.permissions.get("assist")
        if found is None or found.status != "allowed":
            return
        if not any(terminal == found.terminal for terminal, _ in self._open):
            ending = asyncio.create_task(self._end_quietly(found.id), name="end of typing")
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    async def _end_quietly(self, permission_id: str) -> None:
        with suppress(WorkshopError):  # a full disk: the student's page still has the button
            await self.end(permission_id, by_student=False)

    def _find(self, permission_id: str) -> Permission:
        found = self.state.find(permission_id)
        if found is None:
            raise NotFound("That question was withdrawn.")
        return found

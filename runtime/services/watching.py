"""Looking over the student's shoulder: asking, the answer, who is looking, and typing for them.

Everything that is allowed is a fact in the event log, so a new daemon knows it as well.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from runtime.domain import events as ev
from runtime.domain.errors import AskFirst, NotFound, WatchingOff, WorkshopError
from runtime.domain.watching import Permission, PermissionKind, WatchMode, lesser
from runtime.domain.watching import Watching as WatchingState
from runtime.services.attachment import Attachment
from runtime.services.session import Session
from runtime.services.terminals import Terminals

ENDED = 4404  # as the terminal protocol's: there is nothing to come back to
ALONE_SECONDS = 30.0  # a page that looked comes back within this, or what was allowed is over


@dataclass(frozen=True, eq=False)
class _Look:
    """Somebody looks on: at this terminal, or at something of a terminal without a name."""

    terminal: str | None
    end: Callable[[], None]


class Watching:
    """The rules of `runtime.domain.watching`, applied to a session and its terminals."""

    def __init__(self, session: Session, terminals: Terminals) -> None:
        self._session = session
        self._terminals = terminals
        self._open: set[_Look] = set()
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
        self._wait_for_a_look()
        while not changes.closed:
            for look in tuple(self._open):
                if not self.state.may_watch(self.setting, look.terminal):
                    look.end()
            seen = await changes.after(seen)

    def close(self) -> None:
        """End every live view, so that the server can close its connections."""
        if self._alone is not None:
            self._alone.cancel()
        for look in tuple(self._open):
            look.end()

    async def choose(self, mode: WatchMode) -> None:
        """The student's choice; what is more than the workshop's own setting means that setting.

        `off` also ends what was allowed and asked.
        """
        chosen = lesser(self.setting, mode)

        def make() -> ev.Event | None:
            if self.state.chosen == chosen:
                return None
            return ev.WatchingChosen(ts=self._session.now(), watching=chosen)

        await self._session.record_if(make)

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
        self._wait_for_a_look()  # whoever asked may have gone meanwhile

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
        client = secrets.token_hex(6)
        self.require_watch(terminal)
        with self._terminals.get(terminal).watch(client, offset) as watcher:
            look = _Look(terminal, lambda: watcher.end(ENDED))
            async with self._looking(look, terminal, client):
                yield watcher

    @asynccontextmanager
    async def follow(self, recording: str, terminal: str | None) -> AsyncIterator[asyncio.Event]:
        """See a recording grow, for the length of the block; what it gives is set when that is no
        longer allowed. `terminal` is None for one that no terminal of ours wrote.

        The student's page says that somebody does. Raises WatchingOff, AskFirst.
        """
        self.require_watch(terminal)
        over = asyncio.Event()
        look = _Look(terminal, over.set)
        async with self._looking(look, terminal or recording, secrets.token_hex(6)):
            yield over

    async def type(self, terminal: str, data: bytes) -> None:
        """Type for the student; raises AskFirst without a yes, NotFound."""
        found = self._terminals.get(terminal)
        if not self.state.may_assist(self.setting, terminal):
            raise AskFirst("Ask the student first: nobody types here without a yes.")
        await found.assist(data)

    @asynccontextmanager
    async def _looking(self, look: _Look, shown: str, client: str) -> AsyncIterator[None]:
        now = self._session.now
        self._open.add(look)
        try:
            joined = ev.WatcherJoined(ts=now(), terminal=shown, client=client)
            await self._session.record(joined)  # also when its reader leaves meanwhile
            yield
        finally:
            self._open.discard(look)
            self._wait_for_a_look()
            left = ev.WatcherLeft(ts=now(), terminal=shown, client=client)
            with suppress(WorkshopError):
                await asyncio.shield(self._session.record(left))

    def _wait_for_a_look(self) -> None:
        """Soon: whoever may look or type, and does not look on, has gone."""
        if self._alone is not None:
            self._alone.cancel()
        loop = asyncio.get_running_loop()
        self._alone = loop.call_later(ALONE_SECONDS, self._end_alone)

    def _end_alone(self) -> None:
        seen = {look.terminal for look in self._open}
        for found in self.state.permissions.values():
            if found.status == "allowed" and seen.isdisjoint((found.terminal, None)):
                ending = asyncio.create_task(self._end_quietly(found.id), name="end of a yes")
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

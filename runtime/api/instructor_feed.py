"""The instructor's feeds: every fact as it was logged, and the status it amounts to.

A message's id is the place behind it, so that whoever comes back with it, to this daemon or to the
one after a swap, is given what follows from the logs and then hears what happens. `status` is made
anew when something changed; it is whole, so a reader needs no second fold.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import suppress
from typing import Any, Literal

from runtime.api import instructor_views as instructor
from runtime.api import views
from runtime.api.services import Services
from runtime.api.streaming import encode_message
from runtime.domain import events as ev
from runtime.services.observer import Fact, Observer, Place
from runtime.services.stream import Reader, Stream

PING = b": still here\n\n"
PING_SECONDS = 15
GATHER_SECONDS = 0.1  # changes this close together make one status
LOOK_SECONDS = 10.0  # without a change: somebody may have become idle
AT_ONCE_BYTES = 64 * 1024  # of messages made from the logs in one go
PLACE = re.compile(r"(\d{1,15})-(\d{1,15})")

KINDS: dict[type[ev.EventModel], str] = {
    ev.Connected: "connection",
    ev.Disconnected: "connection",
    ev.GossResult: "report",
    ev.HelpGiven: "help",
    ev.HandRaised: "hand",
    ev.HandLowered: "hand",
    ev.TransitionRequested: "transition",
    ev.TransitionClaimed: "transition",
    ev.TransitionCompleted: "transition",
    ev.TransitionFailed: "transition",
    ev.TransitionCancelled: "transition",
}

CHANGES_BY_ITSELF: Any = {"id": True, "ts": True, "steps": {"__all__": {"on_task_seconds"}}}

Which = Literal["all", "commands"]


def kind_of(event: ev.Event) -> str:
    """The feed's name for an event; what has none of its own is `state`."""
    return KINDS.get(type(event), "state")


def parse_place(text: str | None) -> Place | None:
    """A place as ids and addresses carry it; None for anything else."""
    found = PLACE.fullmatch(text or "")
    return Place(int(found[1]), int(found[2])) if found else None


class InstructorFeed:
    """Everything for `/events`, and the commands alone for `/commands/stream`."""

    def __init__(self, services: Services, observer: Observer) -> None:
        self.observer = observer
        observer.on_fact = self._publish
        self._services = services
        self._all = Stream()
        self._commands = Stream()
        self._shown = ""  # the last status, without what changes by itself
        self._dirty = asyncio.Event()

    async def run(self) -> None:
        """Publish until the services stop."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_session(), name="feed of changes")
            tasks.create_task(self._watch_terminals(), name="feed of terminals")
            tasks.create_task(self._show_status(), name="feed of status")
            tasks.create_task(self._ping(), name="feed of pings")

    def close(self) -> None:
        """End every open feed."""
        self._all.close()
        self._commands.close()
        self._dirty.set()

    def __len__(self) -> int:
        return len(self._all) + len(self._commands)

    async def events(
        self, after: Place | None, on_cut: Callable[[], None]
    ) -> AsyncGenerator[bytes, None]:
        """What one reader of everything gets, from the place behind `after` on."""
        attention = await self.observer.attention()
        place = after or self.observer.place
        status = instructor.status(self._services, attention, place)
        yield encode_message("status", status.wire(), status.id)
        async for piece in self._from(self._all, "all", place, on_cut):
            yield piece

    async def commands(
        self, after: int | None, on_cut: Callable[[], None]
    ) -> AsyncGenerator[bytes, None]:
        """What one reader of commands gets, from those behind the id `after` on."""
        end = self.observer.place
        place = end if after is None else end._replace(command=after)
        async for piece in self._from(self._commands, "commands", place, on_cut):
            yield piece

    async def _from(
        self, stream: Stream, which: Which, place: Place, on_cut: Callable[[], None]
    ) -> AsyncGenerator[bytes, None]:
        """First what is in the logs, then what comes; again when that took too long."""
        while not stream.closed:
            with stream.reader() as reader:
                now = self.observer.place
                async for piece in self._past(which, place, now):
                    yield piece
                place = now
                if reader.is_cut:
                    continue
                reader.on_cut = on_cut
                async for piece in _live(stream, reader):
                    yield piece
                return

    async def _past(self, which: Which, after: Place, upto: Place) -> AsyncGenerator[bytes, None]:
        if after == upto:
            return
        if which == "commands":
            after = after._replace(event=upto.event)
        facts = self.observer.facts(after, upto)
        while piece := await asyncio.to_thread(_encoded, facts, which):
            yield piece

    def _publish(self, fact: Fact) -> None:
        self._dirty.set()
        self._all.publish(encode_fact(fact))
        if fact.command is not None:
            self._commands.publish(encode_command(fact))

    async def _watch_session(self) -> None:
        changes = self._services.session.changes
        seen = changes.version
        while not changes.closed:
            seen = await changes.after(seen)
            self._dirty.set()

    async def _watch_terminals(self) -> None:
        with self._services.terminals.changes.subscribe() as changes:
            async for _ in changes:
                self._dirty.set()

    async def _show_status(self) -> None:
        while not self._all.closed:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._dirty.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._dirty.clear()
            if len(self._all):
                await self._publish_status()

    async def _publish_status(self) -> None:
        attention = await self.observer.attention()
        status = instructor.status(self._services, attention, self.observer.place)
        shown = status.model_dump_json(exclude=CHANGES_BY_ITSELF)
        if shown != self._shown:
            self._shown = shown
            self._all.publish(encode_message("status", status.wire(), status.id))

    async def _ping(self) -> None:
        while not self._all.closed:
            await asyncio.sleep(PING_SECONDS)
            for stream in (self._all, self._commands):
                if len(stream):
                    stream.publish(PING)


def encode_fact(fact: Fact) -> bytes:
    """An event or command as a message of `/events`."""
    if fact.event is not None:
        return encode_message(kind_of(fact.event), fact.raw, str(fact.place))
    assert fact.command is not None  # a fact is one of the two
    return encode_message("command", views.command(fact.command).wire(), str(fact.place))


def encode_command(fact: Fact) -> bytes:
    """A command as a message of `/commands/stream`."""
    assert fact.command is not None  # the caller looked
    return encode_message("command", views.command(fact.command).wire(), str(fact.place.command))


async def _live(stream: Stream, reader: Reader) -> AsyncGenerator[bytes, None]:
    while piece := await stream.read(reader):
        yield piece


def _encoded(facts: Iterator[Fact], which: Which) -> bytes:
    """The next messages; b"" when there are no more."""
    parts: list[bytes] = []
    size = 0
    encode = encode_fact if which == "all" else encode_command
    for fact in facts:
        parts.append(encode(fact))
        size += len(parts[-1])
        if size >= AT_ONCE_BYTES:
            break
    return b"".join(parts)

"""Both logs as one row of facts: what happened, in order, each with the place behind it.

A place is two offsets, one in each log. A reader that knows its place is given what follows from
the files, however long ago it left, and then hears what happens; nothing is missed or repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

from runtime.domain import events as ev
from runtime.domain.attention import Attention
from runtime.domain.commands import Command
from runtime.services.broadcast import Signal
from runtime.services.commands import CommandFeed, Typed
from runtime.services.session import Session
from runtime.store.jsonl import Line, read_lines

AT_ONCE = 256  # facts read in one go in a thread


class Place(NamedTuple):
    """How far somebody has come: bytes of the event log, id of the last command."""

    event: int
    command: int

    def __str__(self) -> str:
        return f"{self.event}-{self.command}"


START = Place(0, 0)


class Fact(NamedTuple):
    """An event or a command; `raw` is an event's JSON as it was logged."""

    place: Place
    event: ev.Event | None = None
    command: Command | None = None
    raw: bytes = b""


class Observer:
    """Follows a session and its command log. `place` is behind the last fact that was told.

    `changes` fires with every fact, after `on_fact` heard of it.
    """

    def __init__(self, session: Session, commands: CommandFeed) -> None:
        self.changes = Signal()
        self.on_fact: Callable[[Fact], None] = lambda fact: None
        self._session = session
        self._commands = commands
        self.place = Place(session.offset, commands.end)
        self._attention: Attention | None = None
        self._learning = asyncio.Lock()
        self._meanwhile: list[Fact] | None = None  # facts that came while the past was read

    async def run(self) -> None:
        """Follow both until they end."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_events(), name="observe events")
            tasks.create_task(self._follow_commands(), name="observe commands")

    def close(self) -> None:
        """Nobody is told anything more."""
        self.changes.close()

    def facts(self, after: Place, upto: Place) -> Iterator[Fact]:
        """What is between two places, oldest first. Call it here, go through it in a thread.

        A place that is none of these logs' stands for their beginning: better twice than never.
        """
        return self._woven(after, upto, self._commands.since(after.command))

    async def attention(self) -> Attention:
        """How the student gets on: read from the logs the first time, then kept up to date."""
        async with self._learning:
            if self._attention is None:
                self._meanwhile = []
                past = self.facts(START, self.place)
                attention = Attention(self._session.workshop.first.id)
                while await asyncio.to_thread(_learn, attention, past):
                    pass
                for fact in self._meanwhile:
                    _take(attention, fact)
                self._attention, self._meanwhile = attention, None
            return self._attention

    async def _follow_events(self) -> None:
        while True:
            with self._session.events.subscribe() as recorded:
                upto = self._session.offset
                for line in await asyncio.to_thread(self._lines, self.place.event, upto):
                    self._tell_line(line)
                async for each in recorded:
                    self._tell_event(each.offset, each.event, ev.encode(each.event))
            if not recorded.overflowed:
                return

    async def _follow_commands(self) -> None:
        while True:
            with self._commands.subscribe() as typed:
                for each in self._commands.since(self.place.command):
                    self._tell_command(each)
                async for each in typed:
                    self._tell_command(each)
            if not typed.overflowed:
                return

    def _tell_line(self, line: Line) -> None:
        event = _parse(line)
        if event is not None:
            self._tell_event(line.end, event, line.raw)

    def _tell_event(self, offset: int, event: ev.Event, raw: bytes) -> None:
        if offset > self.place.event:
            self.place = self.place._replace(event=offset)
            self._tell(Fact(self.place, event=event, raw=raw))

    def _tell_command(self, typed: Typed) -> None:
        if typed[0] > self.place.command:
            self.place = self.place._replace(command=typed[0])
            self._tell(Fact(self.place, command=typed[1]))

    def _tell(self, fact: Fact) -> None:
        if self._meanwhile is not None:
            self._meanwhile.append(fact)
        elif self._attention is not None:
            _take(self._attention, fact)
        self.on_fact(fact)
        self.changes.fire()

    def _woven(self, after: Place, upto: Place, typed: Iterator[Typed]) -> Iterator[Fact]:
        """Both logs by their times; each keeps its own order."""
        place = after if self._is_ours(after, upto) else Place(0, after.command)
        commands = (each for each in typed if each[0] <= upto.command)
        command = next(commands, None)
        for line in self._each_line(place.event, upto.event):
            event = _parse(line)
            if event is None:
                continue
            while command is not None and command[1].ts <= event.ts:
                place = place._replace(command=command[0])
                yield Fact(place, command=command[1])
                command = next(commands, None)
            place = place._replace(event=line.end)
            yield Fact(place, event=event, raw=line.raw)
        while command is not None:
            place = place._replace(command=command[0])
            yield Fact(place, command=command[1])
            command = next(commands, None)

    def _is_ours(self, after: Place, upto: Place) -> bool:
        """Whether a line of the event log ends there."""
        if not 0 < after.event <= upto.event:
            return after.event == 0
        first = next(self._each_line(after.event - 1, after.event), None)
        return first is not None and first.raw == b""

    def _lines(self, start: int, end: int) -> list[Line]:
        return list(self._each_line(start, end))

    def _each_line(self, start: int, end: int) -> Iterator[Line]:
        if start < end:
            yield from read_lines(self._session.log_path, start, limit_bytes=end - start)


def _parse(line: Line) -> ev.Event | None:
    try:
        return ev.parse(line.raw)
    except ev.MalformedEvent:
        return None


def _learn(attention: Attention, past: Iterator[Fact]) -> bool:
    """Take some; whether there may be more."""
    facts = list(islice(past, AT_ONCE))
    for fact in facts:
        _take(attention, fact)
    return bool(facts)


def _take(attention: Attention, fact: Fact) -> None:
    if fact.event is not None:
        attention.apply(fact.event)
    elif fact.command is not None:
        attention.typed(fact.command)

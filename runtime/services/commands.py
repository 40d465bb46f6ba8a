"""The tail of the command log: what the student typed, as it happens and back to the beginning."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import chain
from pathlib import Path

from runtime.domain.commands import Command, parse_command
from runtime.domain.redaction import redact
from runtime.services.broadcast import Broadcast, Subscription
from runtime.store.jsonl import Line, read_lines
from runtime.store.tail import Appended, Damaged, Tail

KEPT_COMMANDS = 1000  # in memory; older ones are read from the file
HISTORY_BYTES = 4 << 20  # 4 MiB of the file are looked through for older ones, not more
BURST = 32  # commands that are published before subscribers get their turn
QUIET_SECONDS = 60.0  # between two reports of the same damage; the student can damage for ever

Typed = tuple[int, Command]


class CommandFeed:
    """Follows one command log. `skipped` counts the lines that are no commands.

    A command's id is the offset behind its line plus `shift`. When the file is truncated or
    replaced while it is followed, `shift` grows by what is missing, so that ids only grow; whoever
    is told of the damage keeps it for the next start.
    """

    def __init__(
        self,
        path: Path,
        *,
        on_damage: Callable[[str, int], Awaitable[None]],
        shift: int = 0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.skipped = 0
        self._path = path
        self._on_damage = on_damage
        self._monotonic = monotonic
        self._reported: dict[str, float] = {}
        self._recent: deque[Typed] = deque(maxlen=KEPT_COMMANDS)
        self._typed: Broadcast[Typed] = Broadcast(limit=KEPT_COMMANDS)
        self._shift = self._kept_shift = shift  # id = offset + shift
        self._end = shift  # the id behind the last line seen
        for line in self._lines_up_to(None):
            self._keep(line)
        if self._end == shift and (size := self._size()) > HISTORY_BYTES:
            self._end = size + shift  # one line without an end
        self._tail = Tail(path, start=self._end - shift)

    @property
    def end(self) -> int:
        """The id behind the last line seen."""
        return self._end

    @property
    def watching(self) -> str:
        """How the file is followed: "watching" or, without an inotify watch, "polling"."""
        return self._tail.mode

    def look(self) -> None:
        """A hint: a command may have finished."""
        self._tail.look()

    def subscribe(self) -> AbstractContextManager[Subscription[Typed]]:
        """Every command from now on."""
        return self._typed.subscribe()

    async def run(self) -> None:
        """Follow the file until cancelled."""
        async for change in self._tail:
            if isinstance(change, Appended):
                await self._take(change.lines)
            else:
                await self._begin_again(change)

    def recent(self, limit: int, before: int | None = None) -> list[Typed]:
        """The last `limit` commands, or those in front of the id `before`; newest last."""
        found = [each for each in self._recent if before is None or each[0] < before]
        if len(found) < limit and len(self._recent) == KEPT_COMMANDS:
            older = None if before is None else before - self._shift
            if older is None or older > 0:
                found = list(self._typed_in(self._lines_up_to(older)))
        return found[-limit:]

    def since(self, after: int) -> Iterator[Typed]:
        """Every command behind the id `after` up to now, oldest first; reads the file if it must.

        An id from a file that was longer than this one is nobody's: then all of this file.
        """
        if after > self._end:
            after = self._shift
        kept = list(self._recent)
        if len(kept) < KEPT_COMMANDS or kept[0][0] <= after:
            return (each for each in kept if each[0] > after)
        start = max(after, self._shift)
        older = (each for each in kept if after < each[0] <= start)
        return chain(older, self._read(start, self._end))

    def _read(self, start: int, end: int) -> Iterator[Typed]:
        """The commands of the file with ids behind `start` and up to `end`."""
        try:
            for typed in self._typed_in(read_lines(self._path, start - self._shift)):
                if typed[0] > end:
                    return
                yield typed
        except OSError:
            return  # absent, or no file: the tail says so

    async def _take(self, lines: list[Line]) -> None:
        malformed = 0
        for number, line in enumerate(lines, 1):
            typed = self._keep(line)
            if typed is not None:
                self._typed.publish(typed)
            elif line.raw or line.too_long:
                malformed += 1
            if number % BURST == 0:
                await asyncio.sleep(0)
        if malformed:
            await self._report("malformed")

    async def _begin_again(self, change: Damaged) -> None:
        # Also when nothing was lost: an offset behind the old end may be used a second time.
        self._shift = self._end - change.position
        await self._report(change.what)

    async def _report(self, what: str) -> None:
        now = self._monotonic()
        if now - self._reported.get(what, -QUIET_SECONDS) >= QUIET_SECONDS:
            self._reported[what] = now
            self._kept_shift = self._shift
            await self._on_damage(what, self._shift)

    async def keep_shift(self) -> None:
        """Before the end: tell of damage that was not told yet because it came too often."""
        if self._kept_shift != self._shift:
            self._kept_shift = self._shift
            await self._on_damage("truncated", self._shift)

    def _keep(self, line: Line) -> Typed | None:
        self._end = line.end + self._shift
        command = _parse(line)
        if command is not None:
            self._recent.append((self._end, command))
            return self._end, command
        # The hook writes an empty line behind what it could not finish.
        self.skipped += bool(line.raw or line.too_long)
        return None

    def _lines_up_to(self, before: int | None) -> Iterator[Line]:
        """The last lines of the file, or the last that end in front of the offset `before`."""
        end = self._size() if before is None else before
        try:
            start = max(0, end - HISTORY_BYTES)
            lines = read_lines(self._path, start)
            if start:
                next(lines, None)  # begins in the middle
            for line in lines:
                if before is not None and line.end >= before:
                    return
                yield line
        except OSError:
            return  # absent, or no file: the tail says so

    def _typed_in(self, lines: Iterable[Line]) -> Iterator[Typed]:
        for line in lines:
            command = _parse(line)
            if command is not None:
                yield line.end + self._shift, command

    def _size(self) -> int:
        try:
            return self._path.stat(follow_symlinks=False).st_size
        except OSError:
            return 0


def _parse(line: Line) -> Command | None:
    """Everything that leaves the daemon comes through here, so here is where secrets end."""
    command = parse_command(line.raw)
    if command is None:
        return None
    cut = bool(command.cut)
    return command.model_copy(
        update={"cmd": redact(command.cmd, cut=cut), "cwd": command.cwd and redact(command.cwd)}
    )

"""Follows a cast while it grows, whoever writes it: the screen as it is, then what happens.

The screen comes from reading the whole file once, so that a reader who comes late sees at once what
an earlier one sees, however long the cast is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from runtime.domain.asciicast import CastEvent, Header, parse_event, parse_header, parse_size
from runtime.services.screen import Screen
from runtime.store.jsonl import read_lines
from runtime.store.tail import Appended, Tail

FIRST_SIZE = (80, 24)  # of a cast whose header says none
FOLLOWED = "oirm"  # kinds of events


class Picture(NamedTuple):
    """What the cast shows `seconds` after its start: a size, and bytes that draw it."""

    seconds: float
    cols: int
    rows: int
    screen: bytes


class _Clock:
    """Seconds since the start: version 3 counts from event to event, version 2 from the start."""

    def __init__(self, header: Header | None) -> None:
        self._is_relative = header is not None and header.version == 3
        self.seconds = 0.0

    def place(self, event: CastEvent) -> CastEvent:
        """The event at its time since the start."""
        self.seconds = event.seconds + (self.seconds if self._is_relative else 0.0)
        return CastEvent(self.seconds, event.kind, event.text)


@dataclass
class _Start:
    """Where reading ended: the picture, the end of the last whole line, the clock."""

    picture: Picture
    position: int
    clock: _Clock


async def follow(
    path: Path, is_live: Callable[[], bool]
) -> AsyncGenerator[Picture | list[CastEvent], None]:
    """One picture, then events in the order they come; ends when the cast is written no more."""
    start = await asyncio.to_thread(_read, path)
    yield start.picture
    tail = Tail(path, start=start.position)
    async with aclosing(_until_over(tail, path, is_live)) as changes:
        async for lines in changes:
            events = [event for event in map(parse_event, lines) if event is not None]
            if events:
                yield [start.clock.place(event) for event in events if event.kind in FOLLOWED]


async def _until_over(
    tail: Tail, path: Path, is_live: Callable[[], bool]
) -> AsyncGenerator[list[bytes], None]:
    """The lines of `tail` until nobody writes any more, or the file is another one."""
    waiting: asyncio.Queue[list[bytes] | None] = asyncio.Queue(64)

    async def read() -> None:
        async for change in tail:
            await waiting.put(
                [line.raw for line in change.lines] if isinstance(change, Appended) else None
            )

    reading = asyncio.create_task(read(), name=f"follow {path.name}")
    try:
        while True:
            try:
                async with asyncio.timeout(1.0):
                    lines = await waiting.get()
            except TimeoutError:
                if not is_live():
                    return
                continue
            if lines is None:
                return
            yield lines
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


def _read(path: Path) -> _Start:
    """The whole file, drawn. Blocks; raises OSError."""
    lines = read_lines(path)
    first = next(lines, None)
    header = parse_header(first.raw) if first else None
    cols, rows = (header.size if header else None) or FIRST_SIZE
    clock, position = _Clock(header), first.end if first else 0
    with closing(Screen(cols, rows)) as screen:
        for line in lines:
            position = line.end
            event = parse_event(line.raw)
            if event is None:
                continue
            clock.place(event)
            if event.kind == "o":
                screen.feed(event.text.encode("utf-8", "replace"))
            elif event.kind == "r" and (size := parse_size(event.text)):
                cols, rows = size
                screen.resize(cols, rows)
        picture = Picture(clock.seconds, cols, rows, screen.redraw())
    return _Start(picture, position, clock)

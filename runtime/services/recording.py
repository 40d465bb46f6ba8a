"""What is kept of one shell's life: a cast, and another one after it is full, deleted or paused.

A cast that begins in the middle of a life begins with the screen as it was then, so that each plays
by itself. A disk that is full ends the recording and not the shell; a slow one may hold the shell
up for a moment. Both are said.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from runtime.domain.asciicast import Header
from runtime.services.recorder import Recorder, RecordInput
from runtime.store.recordings import Recordings

TERM = "xterm-256color"

log = logging.getLogger("workshop.recorder")


class Desk(NamedTuple):
    """Where recordings go and how they are made; the same for all of a daemon.

    A cast of more than `file_bytes` is followed by another. `is_paused` says what the student
    wants now.
    """

    recordings: Recordings
    record_input: RecordInput
    file_bytes: int
    shell: str
    now: Callable[[], datetime]
    is_paused: Callable[[], bool]
    on_problem: Callable[[str, str | None], None]


class Recording:
    """The recording of one life of `terminal`, of `size()` columns and rows and showing `screen()`.

    Call it from the event loop: `begin` first and after every `pause`, `end` when the shell ended.
    `on_written` hears that nothing waits for the disk any more.
    """

    def __init__(
        self,
        terminal: str,
        desk: Desk | None,
        *,
        size: Callable[[], tuple[int, int]],
        screen: Callable[[], bytes],
        on_written: Callable[[], None],
    ) -> None:
        self._terminal = terminal
        self._desk = desk
        self._size = size
        self._screen = screen
        self._on_written = on_written
        self._recorder: Recorder | None = None
        self._changing = asyncio.Lock()  # between casts
        self._next: asyncio.Task[None] | None = None
        self._has_printed = False
        self._ended = False

    @property
    def name(self) -> str | None:
        """The cast being written; None while nothing is."""
        return self._recorder.name if self._recorder else None

    @property
    def is_behind(self) -> bool:
        """Whether so much waits for the disk that the shell should wait, too."""
        return self._recorder is not None and self._recorder.is_behind

    async def begin(self) -> None:
        """Start a cast, unless one is being written or the student paused that."""
        async with self._changing:
            if self._desk is None or self._recorder or self._ended or self._desk.is_paused():
                return
            self._recorder = await self._open(self._desk)

    async def pause(self) -> None:
        """End the cast; what follows is in none."""
        async with self._changing:
            await self._close()

    async def end(self) -> None:
        """The life is over."""
        self._ended = True
        await self.pause()

    def output(self, data: bytes) -> None:
        """What the terminal printed; `screen()` does not show it yet."""
        self._has_printed = True
        if self._recorder is None or self._desk is None:
            return
        self._recorder.output(data)
        if self._recorder.size_bytes > self._desk.file_bytes and self._next is None:
            self._next = asyncio.create_task(self._rotate(), name=f"next cast of {self._terminal}")

    def input(self, data: bytes, *, hidden: bool) -> None:
        """What was typed; `hidden` while the terminal does not show it."""
        if self._recorder is not None:
            self._recorder.input(data, hidden=hidden)

    def resize(self, cols: int, rows: int) -> None:
        """The terminal has another size."""
        if self._recorder is not None:
            self._recorder.resize(cols, rows)

    def marker(self, text: str) -> None:
        """Mark this moment."""
        if self._recorder is not None:
            self._recorder.marker(text)

    async def _open(self, desk: Desk) -> Recorder | None:
        """A cast that goes on from here; None when there is no room for it, which is said."""
        now = desk.now()
        cols, rows = self._size()
        header = Header(
            width=cols,
            height=rows,
            timestamp=int(now.timestamp()),
            title=self._terminal,
            env={"SHELL": desk.shell, "TERM": TERM},
        )
        try:
            file = await asyncio.to_thread(desk.recordings.create, self._terminal, now, header)
        except OSError as error:
            self._say(error)
            return None
        recorder = Recorder(
            file,
            record_input=desk.record_input,
            on_failure=lambda error: self._failed(recorder, error),
            on_written=self._on_written,
        )
        if self._size() != (cols, rows):  # since the header was written
            recorder.resize(*self._size())
        if self._has_printed:
            recorder.output(self._screen())
        self._say(None)
        return recorder

    async def _rotate(self) -> None:
        """The full cast is written until the next one is open: nothing is between them."""
        async with self._changing:
            full = self._recorder
            if full is None or self._desk is None:
                self._next = None
                return
            following = await self._open(self._desk)
            if self._recorder is full:
                self._recorder = following
            elif following is not None:  # the disk was full just now
                await following.close()
            if following is not None:
                full.marker(f"goes on in {following.name}")
            self._next = None
            await full.close()

    async def _close(self) -> None:
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            await recorder.close()

    def _failed(self, recorder: Recorder, error: OSError) -> None:
        if self._recorder is recorder:
            self._recorder = None
            self._say(error)

    def _say(self, error: OSError | None) -> None:
        """On the page, and in the log: why nothing is recorded, or that it is."""
        if self._desk is None:
            return
        sentence = None
        if error is not None:
            log.warning("the terminal %s is not recorded: %s", self._terminal, error)
            sentence = (
                f"The terminal {self._terminal} is no longer recorded: {error.strerror}. The shell "
                "goes on; “Resume recording” starts a new recording when there is room."
            )
        self._desk.on_problem(self._problem_code, sentence)

    @property
    def _problem_code(self) -> str:
        return f"recording_{self._terminal}"

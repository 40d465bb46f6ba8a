"""A terminal: one shell after the other, which live on whether or not somebody watches.

Their output is a stream of bytes with absolute offsets; pages attach to it anywhere, and whoever
typed last decides its size.
"""

from __future__ import annotations

import asyncio
import logging
import re
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import NamedTuple

from runtime.domain.errors import NotFound, TooMany
from runtime.domain.events import Connected, Disconnected
from runtime.domain.terminals import parse_title
from runtime.services.attachment import Attachment, Exited, Notice, Resized, Restarted
from runtime.services.display import Display
from runtime.services.kept import Kept
from runtime.services.life import Life, Surroundings
from runtime.services.pace import Pace
from runtime.services.recording import Recording
from runtime.services.redraws import Redraws
from runtime.services.sizing import SharedSize

HUNG_UP = 128 + signal.SIGHUP  # the exit code of a shell that was ended from outside
CLOSED = "The terminal was closed."
MAX_PAGES = 32  # at one terminal

GONE = 4404  # close codes of the terminal protocol
RETRY = 4500

# What a terminal says by itself: reports of attributes, position, modes, colours and focus.
REPORT = re.compile(
    rb"(?:\x1b\[[?>=]?[\d;]*(?:[cnRtx]|\$y)|\x1b\[\?[\d;]*u|\x1b\[[IO]"
    rb"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1bP[^\x1b]*\x1b\\)+"
)

log = logging.getLogger("workshop.terminal")


class TerminalInfo(NamedTuple):
    """One terminal, as the list shows it; `title` is what its student calls it."""

    name: str
    title: str | None
    cols: int
    rows: int
    clients: int
    running: bool
    exit_code: int | None


class Terminal:
    """One terminal. Offsets of another one of this name, earlier or later, are not its own."""

    def __init__(self, name: str, surroundings: Surroundings) -> None:
        self.name = name
        self.title: str | None = None
        self.exit_code: int | None = None
        self._size = SharedSize(self._resized)
        self.display = Display(self.size, int(surroundings.now().timestamp() * 1000) << 10)
        self._redraws = Redraws(self.display)
        self._pace = Pace(lambda: self.display.ring.end, self._show)
        self._around = surroundings
        self._kept = Kept(surroundings.supervision)
        self._pages: list[Attachment] = []
        self._watchers: list[Attachment] = []
        self._life: Life | None = None
        self._last_pid = 0
        self._starting = asyncio.Lock()
        self._closed = False
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        return self._size.current

    @property
    def running(self) -> bool:
        """Whether a shell runs."""
        return self._life is not None

    @property
    def recording(self) -> Recording | None:
        """The recording of the shell that runs."""
        return self._life.recording if self._life else None

    def info(self) -> TerminalInfo:
        """What the list shows."""
        cols, rows = self.size
        return TerminalInfo(
            self.name, self.title, cols, rows, len(self._pages), self.running, self.exit_code
        )

    def rename(self, title: str) -> None:
        """Call it `title`, or by its name when that is empty; raises InvalidField."""
        self.title = parse_title(title)
        self._around.on_change()

    async def start(self) -> None:
        """Start a shell, or a new one after the last ended; nothing when one runs.

        Raises OSError when the machine has no terminals or processes left.
        """
        async with self._starting:
            if not self.running and not self._closed:
                await self._begin()

    async def restart(self) -> None:
        """End the shell and everything it ever started, in about 2 s, then start a new one.

        Pages stay and are told of the new one alone. Raises NotFound when it is closed meanwhile,
        OSError as `start` does; then the terminal is one whose shell has ended.
        """
        async with self._starting:
            if self._closed:
                raise NotFound(CLOSED)
            life, self._life = self._life, None  # what it still says is no news
            try:
                await self._end(life)
                if self._closed:
                    raise NotFound(CLOSED)
                await self._begin()
            except OSError:
                if life is not None:
                    self._exited(HUNG_UP)
                raise

    @asynccontextmanager
    async def attach(self, client: str, offset: int | None = None) -> AsyncIterator[Attachment]:
        """A page, for the length of the block; raises TooMany."""
        if len(self._pages) >= MAX_PAGES:
            raise TooMany(f"The terminal {self.name} has {MAX_PAGES} pages already; close one.")
        page = Attachment(self.display, self._redraws, client, offset)
        if self._closed:
            page.end(GONE)
        if not self.running and self.exit_code is not None:
            page.notify(Exited(self.exit_code))
        self._pages.append(page)
        now = self._around.now
        try:
            await self._around.on_event(Connected(ts=now(), terminal=self.name, client=client))
            yield page
        finally:
            self._leave(page)
            await self._around.on_event(Disconnected(ts=now(), terminal=self.name, client=client))

    @contextmanager
    def watch(self, client: str, offset: int | None = None) -> Iterator[Attachment]:
        """Somebody who only looks on, for the length of the block; raises TooMany.

        No page of the student's: it is not counted as one and never decides the size.
        """
        if len(self._watchers) >= MAX_PAGES:
            raise TooMany(f"{MAX_PAGES} people look at the terminal {self.name} already.")
        watcher = Attachment(self.display, self._redraws, client, offset)
        if self._closed:
            watcher.end(GONE)
        if not self.running and self.exit_code is not None:
            watcher.notify(Exited(self.exit_code))
        self._watchers.append(watcher)
        try:
            yield watcher
        finally:
            self._watchers.remove(watcher)

    async def assist(self, data: bytes) -> None:
        """What somebody else types for the student; nothing when no shell runs."""
        if self._life is not None:
            await self._life.write(data)

    async def write(self, page: Attachment, data: bytes) -> None:
        """What the page's person typed; a key after the shell's end starts a new one.

        Returns when there is room for more.
        """
        if page is not self._size.owner or not self.running:
            if REPORT.fullmatch(data):
                return  # only one page may answer what a program asks its terminal
            self._size.typed_at(page)
        if self._life is None:
            await self.start()
        else:
            await self._life.write(data)

    def resize(self, page: Attachment, cols: int, rows: int) -> None:
        """The page has room for this many; counts when its person typed last."""
        self._size.has_room(page, cols, rows)

    async def close(self, code: int = GONE) -> None:
        """End the shell and everything it ever started, in about 2 s; pages get close `code`."""
        self._closed = True
        self._size.close()
        for page in self._everybody:
            page.end(code)
        if self._life is not None:
            self._life.hang_up()
        async with self._starting:  # a shell that is just starting ends here, too
            await self._end_processes()
            self._kept.close()
        if self._life is not None:
            self._end_life(self._life)
        await asyncio.gather(*self._ending)
        self._pace.end()
        self.display.close()

    async def _begin(self) -> None:
        """A new shell; pages that saw the one before are told."""
        again = self._last_pid != 0
        if again:
            self.display.add(self.display.afresh())
            self._show()
        life = Life(
            self.name,
            self._around,
            self.display,
            on_output=self.display.add,
            on_turn=self._pace.turn,
            on_exit=lambda code: self._on_exit(life, code),
        )
        await life.start(self._kept, self.size)
        self._life, self._last_pid, self.exit_code = life, life.pid, None
        if self._closed:  # while it started
            life.hang_up()
        if again:
            self._tell(Restarted())
        self._around.on_change()

    async def _end(self, life: Life | None) -> None:
        if life is not None:
            life.hang_up()
        try:
            await self._end_processes()
        finally:
            if life is not None:
                await life.end()

    async def _end_processes(self) -> None:
        if not await self._kept.end():
            log.error("the terminal %s left processes that cannot be ended", self.name)

    def _show(self) -> None:
        """Everybody gets what came."""
        self.display.show()
        for page in self._everybody:
            page.wake()
        self._around.on_output()

    def _on_exit(self, life: Life, code: int) -> None:
        if life is self._life:
            self._end_life(life)
            self._life = None
            self._exited(code)

    def _exited(self, code: int) -> None:
        self.exit_code = code
        self._pace.end()
        self._tell(Exited(code))
        self._around.on_change()

    def _end_life(self, life: Life) -> None:
        task = asyncio.create_task(life.end(), name=f"end the shell of {self.name}")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def _tell(self, notice: Notice) -> None:
        for page in self._everybody:
            page.notify(notice)

    @property
    def _everybody(self) -> list[Attachment]:
        return [*self._pages, *self._watchers]

    def _leave(self, page: Attachment) -> None:
        self._pages.remove(page)
        self._size.left_by(page, self._pages)

    def _resized(self, cols: int, rows: int) -> None:
        self.display.resize(cols, rows)
        self._redraws.forget()
        if self._life is not None:
            self._life.resize(cols, rows)
        self._tell(Resized(cols, rows))

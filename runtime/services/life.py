"""One life of a terminal's shell: its process, and the recording of that."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import NamedTuple

from runtime.domain.events import Connected, Disconnected
from runtime.services.display import Display
from runtime.services.kept import Kept
from runtime.services.pty import Pty, ShellSpec
from runtime.services.recording import TERM, Desk, Recording
from runtime.services.supervision import Supervision

DISK_SECONDS = 1.0  # a disk that is slower than this loses output instead
EXIT_SECONDS = 1.0  # after everything was killed

log = logging.getLogger("workshop.terminal")


class Surroundings(NamedTuple):
    """What terminals are told and whom they tell; the same for all of a daemon."""

    shell: ShellSpec
    desk: Desk | None  # None: nothing is recorded
    now: Callable[[], datetime]
    on_event: Callable[[Connected | Disconnected], Awaitable[None]]
    on_output: Callable[[], None]
    on_change: Callable[[], None]
    supervision: Supervision


class Life:
    """A shell from its start to its end.

    `start`, once; `on_output`, `on_turn` and `on_exit` are called as Pty says; `end` when it is
    over.
    """

    def __init__(
        self,
        terminal: str,
        surroundings: Surroundings,
        display: Display,
        *,
        on_output: Callable[[bytes], None],
        on_turn: Callable[[], None],
        on_exit: Callable[[int], None],
    ) -> None:
        self._terminal = terminal
        self._around = surroundings
        self._on_output = on_output
        self._on_turn = on_turn
        self._on_exit = on_exit
        self._pty: Pty | None = None
        self.recording = Recording(
            terminal,
            surroundings.desk,
            size=lambda: display.size,
            screen=display.redraw,
            on_written=self._on_written,
        )
        self._disk_timer: asyncio.TimerHandle | None = None
        self._over = asyncio.Event()

    @property
    def pid(self) -> int:
        """The shell's process and session; 0 before it starts."""
        return self._pty.pid if self._pty else 0

    async def start(self, kept: Kept, size: tuple[int, int]) -> None:
        """Start recording, then the shell; raises OSError when the machine has no more of them."""
        await self.recording.begin()
        own = {
            "WORKSHOP_TERMINAL": self._terminal,
            "TERM": TERM,
            "COLORTERM": "truecolor",
        }
        spec = self._around.shell._replace(env=own | dict(self._around.shell.env) | own)
        try:
            pty = Pty(size, on_output=self._printed, on_turn=self._turned, on_exit=self._ended)
            await pty.start(kept, spec)
        except OSError:
            await self.end()
            raise
        self._pty = pty

    async def write(self, data: bytes) -> None:
        """What was typed; returns when there is room for more."""
        if self._pty is None:
            return
        hidden = self._pty.is_hiding_input()
        self._pty.write(data)
        self.recording.input(data, hidden=hidden)
        await self._pty.room()

    def resize(self, cols: int, rows: int) -> None:
        """The terminal has another size."""
        if self._pty is not None:
            self._pty.resize(cols, rows)
        self.recording.resize(cols, rows)

    def hang_up(self) -> None:
        """The kernel sends HUP to the shell and its jobs."""
        if self._pty is not None:
            self._pty.close()

    async def end(self) -> None:
        """Wait for the shell's end, which somebody has seen to, and end the recording."""
        if self._pty is not None:
            try:
                async with asyncio.timeout(EXIT_SECONDS):
                    await self._over.wait()
            except TimeoutError:
                log.error("the shell of %s does not end", self._terminal)
        await self.recording.end()

    def _printed(self, data: bytes) -> None:
        self.recording.output(data)
        self._on_output(data)

    def _turned(self) -> None:
        if self.recording.is_behind:
            self._wait_for_disk()
        self._on_turn()

    def _ended(self, code: int) -> None:
        self._over.set()
        self._on_exit(code)

    def _wait_for_disk(self) -> None:
        """Hold the shell up until the recording has caught up, or for DISK_SECONDS."""
        if self._pty is not None and self._disk_timer is None:
            self._pty.pause()
            loop = asyncio.get_running_loop()
            self._disk_timer = loop.call_later(DISK_SECONDS, self._pty.resume)

    def _on_written(self) -> None:
        if self._disk_timer is not None:
            self._disk_timer.cancel()
            self._disk_timer = None
            if self._pty is not None:
                self._pty.resume()

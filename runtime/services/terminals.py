"""The terminals of a machine, by name."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from runtime.domain.errors import NotFound, TooMany
from runtime.domain.events import Connected, Disconnected
from runtime.domain.terminals import check_name
from runtime.services.broadcast import Broadcast
from runtime.services.kept import ShellSpec
from runtime.services.life import Surroundings
from runtime.services.recording import Desk, Recording
from runtime.services.supervision import Supervision
from runtime.services.terminal import GONE, RETRY, Terminal, TerminalInfo


class Terminals:
    """Every terminal by name."""

    def __init__(
        self,
        shell: ShellSpec,
        desk: Desk | None,
        *,
        now: Callable[[], datetime],
        on_event: Callable[[Connected | Disconnected], Awaitable[None]],
        on_output: Callable[[], None],
        limit: int = 8,
        supervision: Supervision | None = None,
    ) -> None:
        self._supervision = supervision or Supervision()
        self._closes = supervision is None  # nobody else uses it
        self.changes: Broadcast[None] = Broadcast()
        self._surroundings = Surroundings(
            shell,
            desk,
            now,
            on_event,
            on_output,
            on_change=lambda: self.changes.publish(None),
            supervision=self._supervision,
        )
        self._limit = limit
        self._terminals: dict[str, Terminal] = {}

    async def open(self, name: str | None = None) -> Terminal:
        """The terminal of that name with a shell in it; without a name, a new one.

        Raises BadRequest for a name that is none, TooMany at the limit.
        """
        name = self._free_name() if name is None else name
        check_name(name)
        terminal = self._terminals.get(name)
        if terminal is None:
            if len(self._terminals) >= self._limit:
                raise TooMany(f"There are {self._limit} terminals already; close one first.")
            terminal = self._terminals[name] = Terminal(name, self._surroundings)
        try:
            await terminal.start()
        except OSError as error:
            if terminal.exit_code is None:
                del self._terminals[name]
                await terminal.close()
            raise _no_shell(error) from error
        return terminal

    async def restart(self, name: str) -> Terminal:
        """A new shell in place of the old one and all its processes; raises NotFound, TooMany."""
        terminal = self.get(name)
        try:
            await terminal.restart()
        except OSError as error:
            raise _no_shell(error) from error
        return terminal

    def get(self, name: str) -> Terminal:
        """Raises NotFound."""
        terminal = self._terminals.get(name)
        if terminal is None:
            raise NotFound("There is no such terminal.")
        return terminal

    def list(self) -> list[TerminalInfo]:
        """All, in the order they were opened."""
        return [each.info() for each in self._terminals.values()]

    def marker(self, text: str, terminal: str | None = None) -> None:
        """Mark this moment in one terminal's recording, or in all."""
        for name, each in self._terminals.items():
            if terminal in (None, name) and each.recording is not None:
                each.recording.marker(text)

    def recordings(self) -> Sequence[Recording]:
        """Of the shells that run."""
        return [each.recording for each in self._terminals.values() if each.recording is not None]

    async def close(self, name: str) -> None:
        """End one with all its processes; raises NotFound."""
        terminal = self.get(name)
        del self._terminals[name]
        await terminal.close(GONE)
        self.changes.publish(None)

    async def close_all(self) -> None:
        """End all, at once, in about 2 s; pages are told to try again."""
        terminals = list(self._terminals.values())
        self._terminals.clear()
        await asyncio.gather(*(each.close(RETRY) for each in terminals))
        self.changes.close()
        if self._closes:
            await self._supervision.close()

    def _free_name(self) -> str:
        return next(
            name
            for name in (f"terminal-{number}" for number in range(2, self._limit + 3))
            if name not in self._terminals
        )


def _no_shell(error: OSError) -> TooMany:
    return TooMany(f"The machine cannot start another shell: {error.strerror}.")

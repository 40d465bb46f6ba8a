"""What `run` shows while it serves: a live line on a terminal, plain lines off it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

from host.client import Status
from host.output import Output, visible

if TYPE_CHECKING:
    from rich.live import Live


class StatusLine:
    """A context manager; `say` prints a line for good, `show` replaces the live one."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._live: Live | None = None

    def __enter__(self) -> StatusLine:
        if sys.stderr.isatty() and not self._out.json:
            from rich.console import Console  # only a terminal needs it, and it takes its time
            from rich.live import Live

            console = Console(stderr=True, highlight=False, markup=False, emoji=False)
            self._live = Live(
                console=console, auto_refresh=False, transient=True,
                redirect_stdout=False, redirect_stderr=False,
            )  # fmt: skip
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, sentence: str) -> None:
        """One line that stays."""
        if self._live is None:
            self._out.say(sentence)
        else:
            self._live.console.print(visible(sentence), soft_wrap=True)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing of ours on the terminal: somebody else prints a line."""
        if self._live is not None:
            self._live.update("", refresh=True)
            self._live.stop()
        yield
        if self._live is not None:
            self._live.start()

    def show(self, status: Status) -> None:
        """The state of now, on a terminal only."""
        if self._live is not None:
            pages = "1 page open" if status.connected == 1 else f"{status.connected} pages open"
            line = f"At {status.step}, {status.completed} of {status.steps} done, {pages}"
            self._live.update(visible(line), refresh=True)

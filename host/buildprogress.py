"""What `build` shows while it works: a bar on a terminal, a plain line for each image off it."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from host.output import Output, visible

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LINE_SECONDS = 0.1  # at most so often is the last line of output shown


class BuildProgress:
    """A context manager. `begin` says what is made now, `say` a line that stays, `show` the last
    line of the builder's output."""

    def __init__(self, out: Output, total: int) -> None:
        self._out = out
        self._total = total
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._shown = 0.0

    def __enter__(self) -> BuildProgress:
        if sys.stderr.isatty() and not self._out.json:
            from rich.console import Console  # only a terminal needs it, and it takes its time
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
            from rich.table import Column

            console = Console(stderr=True, highlight=False, markup=False, emoji=False)
            last = TextColumn(
                "{task.fields[line]}", style="dim", markup=False,
                table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"),
            )  # fmt: skip
            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(20), TimeElapsedColumn(), last,
                console=console, transient=True, expand=True,
                redirect_stdout=False, redirect_stderr=False,
            )  # fmt: skip
            self._task = self._bar.add_task("", total=self._total, line="")
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, sentence: str) -> None:
        """One line that stays."""
        if self._bar is None:
            self._out.say(sentence)
        else:
            self._bar.console.print(visible(sentence), soft_wrap=True)

    def begin(self, number: int, what: str) -> None:
        """Image `number` (from 0) is made now."""
        if self._bar is None or self._task is None:
            self._out.say(f"{what} …")
        else:
            self._bar.update(
                self._task, completed=number, description=visible(what), line="", refresh=True
            )

    def show(self, line: str) -> None:
        """The builder said this; on a terminal only."""
        now = time.monotonic()
        if self._bar is not None and self._task is not None and now - self._shown > LINE_SECONDS:
            self._shown = now
            self._bar.update(self._task, line=visible(line).strip())

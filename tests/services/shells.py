"""Real shells on real terminals for tests, and pages that read them."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runtime.domain.events import Connected, Disconnected
from runtime.services.attachment import Attachment, Exited, Frame, Offset, Resized
from runtime.services.pty import ShellSpec
from runtime.services.recorder import RecordInput
from runtime.services.recording import Desk
from runtime.services.redraws import Redraw
from runtime.services.terminal import Terminal
from runtime.services.terminals import Terminals
from runtime.store.allowance import WhenFull
from runtime.store.recordings import Recordings

PROMPT = "ready$ "
KEPT_BYTES = 300_000  # of what a page read
LIMIT_SECONDS = 40.0  # for anything a shell does; a loaded machine is no failure


def shell(cwd: Path, **env: str) -> ShellSpec:
    """A bash that reads no start-up file and prompts with PROMPT."""
    return ShellSpec(
        argv=("/bin/bash", "--norc", "--noprofile", "-i"),
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(cwd),
            "SHELL": "/bin/bash",
            "PS1": PROMPT,
            "PROMPT_COMMAND": "bind 'set enable-bracketed-paste off'; unset PROMPT_COMMAND",
            "HISTFILE": "/dev/null",
            "LC_ALL": "C.UTF-8",
            **env,
        },
        cwd=cwd,
    )


async def until(
    condition: Callable[[], object], what: str = "the condition", *, seconds: float = LIMIT_SECONDS
) -> None:
    """Wait until `condition()` is true; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true"
        await asyncio.sleep(0.01)


def descriptors() -> int:
    """How many this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@dataclass
class Page:
    """Reads an attachment as a page does; `output` is the last it was given, redraws included.

    `given` counts all bytes it ever got: where a later look at the output may begin.
    """

    terminal: Terminal
    attachment: Attachment
    output: bytes = b""
    given: int = 0
    frames: list[Frame] = field(default_factory=list)
    offset: int = 0

    @property
    def text(self) -> str:
        """The output as text."""
        return self.output.decode("utf-8", "replace")

    async def read(self) -> None:
        """Take frames until there are no more."""
        self.offset = self.attachment.start
        async for frame in self.attachment.frames():
            self.frames.append(frame)
            match frame:
                case bytes():
                    self._keep(frame)
                    self.offset += len(frame)
                case Redraw(data, offset):
                    self._keep(data)
                    self.offset = offset
                    self.attachment.confirm(offset)
                case Offset(offset):
                    assert offset == self.offset
                    self.attachment.confirm(offset)

    def _keep(self, data: bytes) -> None:
        self.output = self.output[-KEPT_BYTES:] + data
        self.given += len(data)

    def since(self, given: int) -> str:
        """What came after so many bytes, of what is kept."""
        return (
            self.output[given - self.given :].decode("utf-8", "replace")
            if given < self.given
            else ""
        )

    async def type(self, text: str) -> None:
        """Type `text`; Enter is \\r."""
        await self.terminal.write(self.attachment, text.encode())

    async def sees(self, text: str, times: int = 1, *, since: int = 0) -> None:
        """Wait until `text` was printed so often, after `since` bytes."""
        try:
            await until(lambda: self.since(since).count(text) >= times)
        except AssertionError as error:
            raise AssertionError(f"{text!r} {times} times in {self.text[-1000:]!r}") from error

    async def run(self, command: str) -> str:
        """Type a command and wait for the next prompt; what was printed in between."""
        await self.sees(PROMPT)
        before = self.given
        await self.type(command + "\r")
        await self.sees(PROMPT, since=before)
        return self.since(before)

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Every size the page was told."""
        return [(each.cols, each.rows) for each in self.frames if isinstance(each, Resized)]

    @property
    def exits(self) -> list[int]:
        """Every exit code the page was told."""
        return [each.code for each in self.frames if isinstance(each, Exited)]


class Machine:
    """Terminals in a folder, and what they report."""

    def __init__(
        self,
        folder: Path,
        *,
        record: bool = True,
        record_input: RecordInput = "masked",
        spec: ShellSpec | None = None,
        limit: int = 8,
        env: Mapping[str, str] | None = None,
        file_bytes: int = 64 << 20,
        limit_bytes: int = 1 << 30,
        when_full: WhenFull = "stop",
    ) -> None:
        self.casts = folder / "casts"
        self.casts.mkdir(exist_ok=True)
        self.recordings = Recordings(self.casts, limit_bytes=limit_bytes, when_full=when_full)
        self.events: list[Connected | Disconnected] = []
        self.problems: dict[str, str] = {}
        self.hints = 0
        self.is_paused = False
        desk = Desk(
            self.recordings,
            record_input=record_input,
            file_bytes=file_bytes,
            shell="/bin/bash",
            now=lambda: datetime.now(UTC),
            is_paused=lambda: self.is_paused,
            on_problem=self._on_problem,
        )
        self.terminals = Terminals(
            spec or shell(folder, **(env or {})),
            desk if record else None,
            now=lambda: datetime.now(UTC),
            on_event=self._on_event,
            on_output=self._on_output,
            limit=limit,
        )

    async def _on_event(self, event: Connected | Disconnected) -> None:
        self.events.append(event)

    def _on_output(self) -> None:
        self.hints += 1

    def _on_problem(self, code: str, message: str | None) -> None:
        if message is None:
            self.problems.pop(code, None)
        else:
            self.problems[code] = message

    @asynccontextmanager
    async def page(
        self, name: str = "main", *, offset: int | None = None, client: str = "page"
    ) -> AsyncIterator[Page]:
        """A page that reads, for the length of the block."""
        terminal = await self.terminals.open(name)
        async with terminal.attach(client, offset) as attachment:
            page = Page(terminal, attachment)
            reading = asyncio.create_task(page.read())
            try:
                yield page
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    def cast(self, which: int = 0) -> list[Any]:  # Any: JSON
        """The lines of a recording, oldest first; fails when one is not JSON."""
        raw = (self.casts / self.recordings.list()[which].name).read_bytes()
        assert raw.endswith(b"\n")
        return [json.loads(line) for line in raw[:-1].split(b"\n")]

    def recorded(self, kind: str, which: int = 0) -> str:
        """The text of all events of one kind."""
        return "".join(event[2] for event in self.cast(which)[1:] if event[1] == kind)


@asynccontextmanager
async def machine(folder: Path, **settings: Any) -> AsyncIterator[Machine]:  # Any: of Machine
    """A machine whose terminals end with the block."""
    made = Machine(folder, **settings)
    try:
        yield made
    finally:
        await made.terminals.close_all()

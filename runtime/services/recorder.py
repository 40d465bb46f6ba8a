"""Records one shell's life into a cast: batches off the event loop, passwords never.

A disk that is full ends the recording and not the shell. A slow one may hold the shell up for a
moment, as `is_behind` says; after that it loses output from the recording. Both are said.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Callable
from typing import Literal

from runtime.domain.asciicast import CastEvent, TextDecoder, encode_event, marker_text, resize_text
from runtime.store.recordings import CastFile

RecordInput = Literal["masked", "off", "all"]

BATCH_SECONDS = 0.1
BATCH_BYTES = 512 * 1024  # written at once when this much has come
MERGE_SECONDS = 0.01  # output this close together is one event
MERGE_BYTES = 32 * 1024
BEHIND_BYTES = 1 << 20  # waiting for the disk; time for the shell to wait, too
WAITING_BYTES = 4 << 20  # what is beyond is lost
MASK = "*"
LINE = re.compile(rb"[^\r\n]*(?:\r\n?|\n)?")

log = logging.getLogger("workshop.recorder")


class Recorder:
    """The recording of one shell's life. Call it from the event loop; `close` ends it.

    `on_failure` hears once that the recording had to end early, `on_written` that nothing waits for
    the disk any more.
    """

    def __init__(
        self,
        file: CastFile,
        *,
        record_input: RecordInput,
        on_failure: Callable[[OSError], None],
        on_written: Callable[[], None] = lambda: None,
    ) -> None:
        self._file = file
        self._record_input = record_input
        self._on_failure = on_failure
        self._on_written = on_written
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._output, self._input = TextDecoder(), TextDecoder()
        self._pieces: list[bytes] = []  # output that becomes one event
        self._begun = 0.0  # when that began, in seconds of the cast
        self._held = 0  # bytes in _pieces
        self._lines: list[bytes] = []  # what waits to be written
        self._waiting = 0  # bytes in _lines
        self._lost = 0  # bytes of output that were not recorded
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._masked = False  # the mask of this prompt is written
        self._ahead = False  # a line was entered and nothing was printed since
        self._closed = False

    @property
    def name(self) -> str:
        """The file's name."""
        return self._file.name

    @property
    def size_bytes(self) -> int:
        """Of the cast, with what waits to be written."""
        return self._file.offset + self._waiting

    @property
    def is_behind(self) -> bool:
        """Whether so much waits for the disk that more should wait elsewhere."""
        return self._waiting > BEHIND_BYTES

    def output(self, data: bytes) -> None:
        """What the terminal printed."""
        self._ahead = False
        if self._closed:
            return
        if self._waiting > WAITING_BYTES:
            self._lost += len(data)
            return
        self._say_lost()
        now = self._loop.time() - self._started
        if now - self._begun >= MERGE_SECONDS or self._held + len(data) > MERGE_BYTES:
            self._settle()
        if not self._pieces:
            self._begun = now
        self._pieces.append(data)
        self._held += len(data)
        self._schedule()

    def input(self, data: bytes, *, hidden: bool) -> None:
        """What was typed; `hidden` while the terminal does not show it.

        What is typed ahead of a prompt may be meant for a password prompt: from the end of a line
        until something is printed it counts as hidden, too.
        """
        if self._closed or self._record_input == "off":
            return
        if self._record_input == "all":
            self._add("i", self._input.feed(data))
            return
        while data:
            line = LINE.match(data)
            assert line is not None  # it matches nothing, too
            self._input_line(line[0], hidden=hidden or self._ahead)
            data = data[line.end() :]

    def resize(self, cols: int, rows: int) -> None:
        """The terminal has another size."""
        self._add("r", resize_text(cols, rows))

    def marker(self, text: str) -> None:
        """Something worth finding again happened."""
        self._add("m", marker_text(text))

    async def close(self) -> None:
        """Write what waits and close the file, which ends in a whole line."""
        if self._closed:
            return
        self._say_lost()
        self._settle()
        self._add("o", self._output.end())
        self._flush()
        self._closed = True
        if self._writing is not None:
            await self._writing
        self._file.close()

    def _say_lost(self) -> None:
        if self._lost:
            lost, self._lost = self._lost, 0
            self.marker(f"{lost} bytes are not recorded: the disk was too slow")

    def _input_line(self, line: bytes, *, hidden: bool) -> None:
        ends = line[-1:] in (b"\r", b"\n")
        if not hidden:
            self._add("i", self._input.feed(line))
            self._masked = False
        elif not self._masked:
            self._add("i", MASK)
            self._masked = not ends
        else:
            self._masked = not ends
        self._ahead |= ends

    def _add(self, kind: str, text: str) -> None:
        if text and not self._closed:
            self._settle()
            self._append(CastEvent(self._loop.time() - self._started, kind, text))
            self._schedule()

    def _settle(self) -> None:
        """No more output joins the event at hand."""
        if self._pieces:
            raw, self._pieces, self._held = b"".join(self._pieces), [], 0
            if text := self._output.feed(raw):
                self._append(CastEvent(self._begun, "o", text))

    def _append(self, event: CastEvent) -> None:
        lines = encode_event(event)
        self._lines.append(lines)
        self._waiting += len(lines)

    def _schedule(self) -> None:
        if self._waiting >= BATCH_BYTES:
            self._flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(BATCH_SECONDS, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._closed:
            return
        self._settle()
        if self._lines and self._writing is None:
            self._writing = self._loop.create_task(self._write(), name=f"record {self.name}")

    async def _write(self) -> None:
        try:
            while self._lines:
                lines, self._lines, self._waiting = b"".join(self._lines), [], 0
                await self._loop.run_in_executor(None, self._file.append, lines)
        except OSError as error:
            log.warning("the recording %s ends here: %s", self.name, error)
            self._closed = True
            self._lines.clear()
            with contextlib.suppress(OSError):
                self._file.close()
            self._on_failure(error)
        finally:
            self._writing = None
            self._on_written()

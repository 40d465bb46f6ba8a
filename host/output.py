"""What the CLI says: one JSON document on stdout under --json, sentences for people otherwise.

The shape of the document is section 9 of the contracts. Results go to stdout, everything else to
stderr. Text that comes from workshops and machines may hold escape sequences; they are printed
as visible characters.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from typing import Annotated, TextIO

import typer

from runtime.domain.errors import ExitCode, WorkshopError
from runtime.domain.workshop import SCHEMA_VERSION

MEANINGS: Mapping[ExitCode, str] = {
    ExitCode.DONE: "It is done.",
    ExitCode.INVALID_WORKSHOP: "The workshop breaks a rule; the message says which and where.",
    ExitCode.INVALID_ARGUMENTS: "An argument or setting is wrong; the message names it.",
    ExitCode.PERMISSION_DENIED: "The permissions of a file or the machine do not allow it.",
    ExitCode.NOT_FOUND: "There is nothing of that name.",
    ExitCode.ALREADY_EXISTS: "The name is taken by something that will not be overwritten.",
    ExitCode.BUSY: "Something else is going on, or a limit is reached; try again later.",
    ExitCode.ALREADY_RUNNING: "Another daemon serves this session already.",
    ExitCode.CHECKS_FAILED: "A check did not pass.",
    ExitCode.ENGINE_FAILURE: "The engine could not do what it was asked for.",
    ExitCode.CONNECTION_FAILURE: "The session's daemon did not answer.",
    ExitCode.TIMEOUT: "It took longer than it may.",
    ExitCode.SESSION_FILE_ERROR: "A file of the session could not be read or written.",
    ExitCode.UNHANDLED_EXCEPTION: "A mistake in workshop itself.",
    ExitCode.INTERRUPTED: "It was interrupted from the keyboard.",
    ExitCode.TERMINATED: "It was told to end.",
}

JsonFlag = Annotated[
    bool, typer.Option("--json", help="Print exactly one JSON document on standard output.")
]
"""Declares --json in a command's help; `host.cli.main` has taken it off the line by then."""


@dataclass(frozen=True)
class Answer:
    """What a command gives back: `data` for programs, `text` (lines) for people."""

    data: Mapping[str, object] = field(default_factory=dict)
    text: str = ""
    exit_code: ExitCode = ExitCode.DONE


class Refusal(WorkshopError):
    """A command's failure with a result worth having, or with advice.

    Wraps the code of `error`; `data` goes into the document, `suggestion` is one sentence.
    """

    def __init__(
        self,
        error: WorkshopError,
        *,
        data: Mapping[str, object] | None = None,
        suggestion: str | None = None,
    ) -> None:
        super().__init__(error.message, error.details)
        self.error = error
        self.data = dict(data) if data else None
        self.suggestion = suggestion


@dataclass
class Output:
    """Where one run of the CLI writes; `started` is `time.monotonic()` at its start.

    A command that goes on after its result (`run` serves until it is stopped) calls `done` itself
    through `current()` and returns nothing; a second document is never printed.
    """

    json: bool
    started: float = field(default_factory=time.monotonic)
    printed: bool = False

    def say(self, sentence: str) -> None:
        """A line for people, on stderr."""
        _write(sys.stderr, visible(sentence))

    def done(self, answer: Answer) -> ExitCode:
        """The end of a command that did what it was asked for."""
        if self.json:
            self._document(answer.exit_code, data=answer.data)
        elif answer.text:
            _write(sys.stdout, visible(answer.text))
        return answer.exit_code

    def failed(self, failure: WorkshopError) -> ExitCode:
        """The end of a command that did not."""
        error, data, suggestion = failure, None, None
        if isinstance(failure, Refusal):
            error, data, suggestion = failure.error, failure.data, failure.suggestion
        self.say(error.message)
        if suggestion:
            self.say(suggestion)
        return self.ended(error.exit_code, error.code, error.message, data, suggestion)

    def ended(
        self,
        exit_code: ExitCode,
        code: str,
        message: str,
        data: Mapping[str, object] | None = None,
        suggestion: str | None = None,
    ) -> ExitCode:
        """The document of a failure whose sentence is said already."""
        if self.json:
            self._document(exit_code, data, {"code": code, "message": message}, suggestion)
        return exit_code

    def _document(
        self,
        exit_code: ExitCode,
        data: Mapping[str, object] | None = None,
        error: Mapping[str, str] | None = None,
        suggestion: str | None = None,
    ) -> None:
        if self.printed:
            return
        self.printed = True
        document: dict[str, object] = {
            "schemaVersion": SCHEMA_VERSION,
            "version": version(),
            "success": exit_code is ExitCode.DONE,
            "timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z",
            "durationMs": round((time.monotonic() - self.started) * 1000),
            "exitCode": int(exit_code),
        }
        if data is not None:
            document["data"] = data
        if error is not None:
            document["error"] = error
        if suggestion is not None:
            document["suggestion"] = suggestion
        _write(sys.stdout, json.dumps(document, default=str))


_current: ContextVar[Output | None] = ContextVar("output", default=None)


def current() -> Output:
    """The output of the command that is running."""
    output = _current.get()
    if output is None:
        output = begin(as_json=False)
    return output


def begin(*, as_json: bool) -> Output:
    """Start a run's output and make it the current one."""
    output = Output(as_json)
    _current.set(output)
    return output


def version() -> str:
    """The installed version of this distribution."""
    try:
        return metadata.version("workshop")
    except metadata.PackageNotFoundError:
        return "0+unknown"


def visible(text: str) -> str:
    """Text with control characters made visible; newlines and tabs stay."""
    return "".join(
        char if char in "\n\t" or char.isprintable() else _escaped(char) for char in text
    )


def _escaped(char: str) -> str:
    return f"\\x{ord(char):02x}" if ord(char) < 0x100 else f"\\u{ord(char):04x}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as aligned columns of plain text; the first row is the heading."""
    cells = [[visible(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def _write(stream: TextIO, text: str) -> None:
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    stream.flush()

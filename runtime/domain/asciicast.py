"""asciicast v2, the file format of a recorded terminal: a header line, then one line per event.

Format: https://docs.asciinema.org/manual/asciicast/v2/. A cast is UTF-8 whatever the terminal
sent: `TextDecoder` holds back a character that is not whole yet and replaces what is none.
"""

from __future__ import annotations

import codecs
import re
from typing import Any, NamedTuple

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

MAX_LINE_BYTES = 64 * 1024  # of one event, newline included
PIECE_CHARACTERS = 48 * 1024  # plain text of this length fits a line
MARKER_CHARACTERS = 80


SIZE = re.compile(r"(\d{1,4})x(\d{1,4})")
SIZE_LIMIT = 1000  # columns or rows


class Term(BaseModel):
    """Where version 3 says the size."""

    model_config = ConfigDict(defer_build=True, extra="ignore")

    cols: int = 0
    rows: int = 0


class Header(BaseModel):
    """The first line; `timestamp` is the start in seconds since the epoch."""

    model_config = ConfigDict(defer_build=True, extra="ignore")

    version: int = 2
    width: int = Field(default=0, ge=0)
    height: int = Field(default=0, ge=0)
    timestamp: float | None = None
    title: str | None = None
    env: dict[str, Any] | None = None  # Any: strings, by the format, but a foreign file may differ
    term: Term | None = None

    @property
    def size(self) -> tuple[int, int] | None:
        """Columns and rows, when they are those of a terminal."""
        cols, rows = (self.term.cols, self.term.rows) if self.term else (self.width, self.height)
        return (cols, rows) if _is_size(cols, rows) else None


class CastEvent(NamedTuple):
    """`seconds` since the start; `kind` is output, input, resize (`COLSxROWS`) or marker."""

    seconds: float
    kind: str
    text: str


class TextDecoder:
    """Bytes of a terminal in, text out; a character cut in two waits for its second half."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, raw: bytes) -> str:
        """The text that is whole now; invalid bytes become U+FFFD."""
        return self._decoder.decode(raw)

    @property
    def held(self) -> int:
        """Bytes of a character that is not whole yet."""
        return len(self._decoder.getstate()[0])

    def end(self) -> str:
        """What the last bytes leave: nothing, or one U+FFFD."""
        return self._decoder.decode(b"", final=True)


def encode_header(header: Header) -> bytes:
    """The header line with its newline."""
    fields = header.model_dump(exclude_none=True)
    if isinstance(header.timestamp, float) and header.timestamp.is_integer():
        fields["timestamp"] = int(header.timestamp)
    return orjson.dumps(fields) + b"\n"


def parse_header(raw: bytes) -> Header | None:
    """The header in a file's first line; None when it is none, whatever the bytes."""
    try:
        return Header.model_validate_json(raw)
    except ValidationError:
        return None


def encode_event(event: CastEvent) -> bytes:
    """The event's lines with their newlines: several when its text does not fit one line."""
    text = event.text
    if len(text) <= PIECE_CHARACTERS:
        line = _line(event.seconds, event.kind, text)
        if len(line) <= MAX_LINE_BYTES:
            return line
    # Control characters take six bytes in JSON, so what fits is only known afterwards.
    size = PIECE_CHARACTERS if len(text) > PIECE_CHARACTERS else len(text) // 2 + 1
    return b"".join(
        encode_event(CastEvent(event.seconds, event.kind, text[start : start + size]))
        for start in range(0, len(text), size)
    )


def parse_event(raw: bytes) -> CastEvent | None:
    """The event in one line; None for anything else, whatever the bytes."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    match value:
        case [int() | float() as seconds, str() as kind, str() as text, *_] if not isinstance(
            seconds, bool
        ):
            return CastEvent(float(seconds), kind, text)
    return None


def resize_text(cols: int, rows: int) -> str:
    """What a resize event says."""
    return f"{cols}x{rows}"


def parse_size(text: str) -> tuple[int, int] | None:
    """Columns and rows of a resize event; None for anything else."""
    match = SIZE.fullmatch(text)
    if match is None:
        return None
    cols, rows = int(match[1]), int(match[2])
    return (cols, rows) if _is_size(cols, rows) else None


def marker_text(text: str) -> str:
    """A marker's label: one line of at most 80 characters, nothing a terminal would obey."""
    shown = "".join(each if each.isprintable() else " " for each in text[: 4 * MARKER_CHARACTERS])
    return shown[:MARKER_CHARACTERS].rstrip()


def _is_size(cols: int, rows: int) -> bool:
    return 1 <= cols <= SIZE_LIMIT and 1 <= rows <= SIZE_LIMIT


def _line(seconds: float, kind: str, text: str) -> bytes:
    try:
        return orjson.dumps([round(seconds, 6), kind, text]) + b"\n"
    except orjson.JSONEncodeError:  # a lone surrogate: no text, so no UTF-8
        clean = text.encode("utf-8", "replace").decode()
        return orjson.dumps([round(seconds, 6), kind, clean]) + b"\n"

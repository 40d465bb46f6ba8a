"""Server-sent events, read: bytes in, messages out (HTML standard, section 9.2)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

MOST_BYTES = 2 << 20  # of one message


class TooLarge(ValueError):
    """A message without an end."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `id` is empty when it has none of its own."""

    id: str
    event: str
    data: bytes


class Pace:
    """Whoever sends more than `size` bytes in `seconds` waits, and leaves the others their turn."""

    def __init__(self, size: int, seconds: float) -> None:
        self._most, self._seconds = size, seconds
        self._begun, self._taken = 0.0, 0

    async def took(self, size: int) -> None:
        """So many bytes came and were dealt with."""
        now = asyncio.get_running_loop().time()
        if now - self._begun > self._seconds:
            self._begun, self._taken = now, 0
        self._taken += size
        if self._taken > self._most:
            await asyncio.sleep(self._seconds - (now - self._begun))


class Parser:
    """Takes pieces of a stream as they come."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._event = "message"
        self._id = ""
        self._size = 0

    def feed(self, piece: bytes) -> list[Message]:
        """The messages this piece completes; raises TooLarge."""
        lines = (self._rest + piece).split(b"\n")
        self._rest = lines.pop()
        found = [message for line in lines if (message := self._line(line.rstrip(b"\r")))]
        if len(self._rest) + self._size > MOST_BYTES:
            raise TooLarge(f"expected a message of at most {MOST_BYTES} bytes")
        return found

    def _line(self, line: bytes) -> Message | None:
        if not line:
            return self._end()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        self._size += len(line) + 1  # a line without a value takes room as well
        match name:
            case b"data":
                self._data.append(value)
            case b"event":
                self._event = value.decode("utf-8", "replace")
            case b"id":
                self._id = value.decode("utf-8", "replace")
        return None

    def _end(self) -> Message | None:
        message = Message(self._id, self._event, b"\n".join(self._data)) if self._data else None
        self._data, self._event, self._id, self._size = [], "message", "", 0
        return message

"""The last bytes of a stream that never ends, addressed by absolute offset."""

from __future__ import annotations


class Ring:
    """Holds the newest `capacity` bytes; memory grows to that and stays there."""

    def __init__(self, capacity: int, start: int = 0) -> None:
        self._capacity = capacity
        self._bytes = bytearray()
        self._origin = start  # offset of the first byte ever
        self.end = start  # offset behind the newest byte

    @property
    def start(self) -> int:
        """Offset of the oldest byte that is still here."""
        return max(self._origin, self.end - self._capacity)

    def append(self, data: bytes) -> None:
        """Add `data` at the end; the oldest bytes make room."""
        self.end += len(data)
        room = self._capacity - len(self._bytes)
        if room:
            self._bytes += data[:room]
            data = data[room:]
        if len(data) > self._capacity:
            data = data[-self._capacity :]
        if not data:
            return
        place = (self.end - len(data) - self._origin) % self._capacity
        first = min(len(data), self._capacity - place)
        self._bytes[place : place + first] = data[:first]
        self._bytes[: len(data) - first] = data[first:]

    def holds(self, byte: bytes, offset: int) -> bool:
        """Whether `byte` is anywhere from `offset` on, which must be as for `read`."""
        return any(self._bytes.find(byte, *each) >= 0 for each in self._places(offset))

    def count(self, byte: bytes, offset: int) -> int:
        """How often `byte` is there from `offset` on, which must be as for `read`."""
        return sum(self._bytes.count(byte, *each) for each in self._places(offset))

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset` on, which must be between `start` and `end`."""
        self._check(offset)
        size = min(size, self.end - offset)
        place = (offset - self._origin) % self._capacity
        with memoryview(self._bytes) as view:  # a slice of the bytearray would be one copy more
            first = bytes(view[place : place + size])
            return first if len(first) == size else first + bytes(view[: size - len(first)])

    def _places(self, offset: int) -> list[tuple[int, int]]:
        """Where the bytes from `offset` on are: a beginning and an end, or two of them."""
        self._check(offset)
        place = (offset - self._origin) % self._capacity
        end = place + self.end - offset
        if end <= self._capacity:
            return [(place, end)]
        return [(place, self._capacity), (0, end - self._capacity)]

    def _check(self, offset: int) -> None:
        if not self.start <= offset <= self.end:
            raise ValueError(f"expected {self.start} to {self.end}, found {offset}")

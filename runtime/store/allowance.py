"""How much of the disk the casts of a directory may take, all of them together."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal

WhenFull = Literal["stop", "oldest"]

UNITS = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "bytes"))


class Allowance:
    """`take` before every write; threads may share it.

    `may_go` names, oldest first, the casts that make room when `when_full` is "oldest".
    """

    def __init__(
        self,
        directory: Path,
        limit_bytes: int,
        when_full: WhenFull,
        may_go: Callable[[Iterable[str]], Sequence[str]],
    ) -> None:
        self._directory = directory
        self._limit = limit_bytes
        self._when_full = when_full
        self._may_go = may_go
        self._lock = threading.Lock()
        self._used: int | None = None  # None: not known, look

    def take(self, size_bytes: int) -> None:
        """Count so many more bytes; raises OSError (EDQUOT) when they do not fit."""
        with self._lock:
            if self._used is None or self._used + size_bytes > self._limit:
                self._used = self._make_room(size_bytes)
            if self._used + size_bytes > self._limit:
                raise OSError(
                    errno.EDQUOT,
                    f"the recordings take the {_readable(self._limit)} they may "
                    "(WORKSHOP_RECORD_BYTES); delete some",
                )
            self._used += size_bytes

    def look_again(self) -> None:
        """A cast went."""
        with self._lock:
            self._used = None

    def _make_room(self, size_bytes: int) -> int:
        """The bytes that are there, after what may go went."""
        sizes = self._sizes()
        used = sum(sizes.values())
        if self._when_full == "oldest":
            for name in self._may_go(tuple(sizes)):
                if used + size_bytes <= self._limit:
                    break
                with contextlib.suppress(OSError):
                    (self._directory / name).unlink()
                    used -= sizes[name]
        return used

    def _sizes(self) -> dict[str, int]:
        found = {}
        with os.scandir(self._directory) as entries:
            for entry in entries:
                if entry.name.endswith(".cast"):
                    with contextlib.suppress(FileNotFoundError):
                        found[entry.name] = entry.stat(follow_symlinks=False).st_size
        return found


def _readable(size: int) -> str:
    unit, name = next(each for each in UNITS if size >= each[0] or each[0] == 1)
    return f"{size / unit:.4g} {name}"

"""The workshop's folder, and the only way to read from it: nothing outside is ever reached.

A path in workshop.yaml is relative to the folder. Symbolic links are followed only while they stay
inside, because a workshop is cloned from elsewhere and must not carry off the author's files.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MAX_TEXT_BYTES = 1 << 20  # 1 MiB: a step's text, a goss file
MAX_FILE_BYTES = 64 << 20  # 64 MiB: a file put into the machine


class Unreadable(Exception):
    """The path cannot be used; the message is "what is wrong; what to do"."""


@dataclass(frozen=True)
class Folder:
    """The folder at `root`, which is absolute and resolved."""

    root: Path

    def locate(self, path: str) -> Path:
        """The real path of a regular file inside the folder; raises Unreadable."""
        if not path or "\0" in path:
            raise Unreadable("the path is empty; name a file of the workshop's folder")
        pure = PurePosixPath(path)
        if pure.is_absolute():
            raise Unreadable(
                f"“{path}” is an absolute path; write it relative to the workshop's folder"
            )
        try:
            real = (self.root / pure).resolve(strict=True)
        except FileNotFoundError as error:
            if not self._inside(pure):
                raise self._outside(path) from error
            raise Unreadable(f"there is no file “{path}”; create it or correct the path") from error
        except (OSError, RuntimeError) as error:
            raise Unreadable(
                f"“{path}” cannot be followed (a link that points to itself, or a folder that may "
                "not be read); mend the link or the permissions"
            ) from error
        if not real.is_relative_to(self.root):
            raise self._outside(path)
        return real

    def read(self, path: str, limit: int = MAX_FILE_BYTES) -> bytes:
        """The bytes of a regular file of at most `limit` bytes; raises Unreadable."""
        real = self.locate(path)
        try:
            # O_NONBLOCK: opening a named pipe must not wait for its other end.
            descriptor = os.open(real, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise Unreadable(
                f"“{path}” cannot be opened ({error.strerror}); check its permissions"
            ) from error
        try:
            _check(os.fstat(descriptor), path, limit)
            with open(descriptor, "rb", closefd=False) as file:
                return file.read(limit)
        finally:
            os.close(descriptor)

    def text(self, path: str) -> str:
        """A UTF-8 text of the folder; raises Unreadable."""
        raw = self.read(path, MAX_TEXT_BYTES)
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = raw[: error.start].count(b"\n") + 1
            raise Unreadable(
                f"“{path}” is not UTF-8 in line {line}; save the file as UTF-8"
            ) from error
        if "\0" in text:
            raise Unreadable(f"“{path}” contains a NUL byte; it is not a text file")
        return text

    def has(self, path: str) -> bool:
        """Whether something of that name is there, readable or not."""
        return os.path.lexists(self.root / path)

    def names(self, path: str) -> list[str]:
        """What a folder holds, sorted; nothing when it is no folder of the workshop."""
        try:
            real = (self.root / path).resolve(strict=True)
            if not real.is_relative_to(self.root):
                return []
            return sorted(entry.name for entry in real.iterdir())
        except (OSError, RuntimeError):
            return []

    def _inside(self, path: PurePosixPath) -> bool:
        return Path(os.path.normpath(self.root / path)).is_relative_to(self.root)

    @staticmethod
    def _outside(path: str) -> Unreadable:
        return Unreadable(
            f"“{path}” leads out of the workshop's folder; copy the file into the folder"
        )


def _check(about: os.stat_result, path: str, limit: int) -> None:
    if stat.S_ISDIR(about.st_mode):
        raise Unreadable(f"“{path}” is a folder; name a file")
    if not stat.S_ISREG(about.st_mode):
        raise Unreadable(f"“{path}” is not a regular file; name one")
    if about.st_size > limit:
        raise Unreadable(
            f"“{path}” has {about.st_size} bytes; at most {limit} are allowed, shorten it"
        )

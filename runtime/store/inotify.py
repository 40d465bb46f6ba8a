"""Tells when one file changed, by the kernel's inotify, without a thread and without a timer.

The file itself is watched for its bytes and its directory for the file's coming and going, so the
casts that grow beside it wake nobody. watchfiles, which would do, watches the whole directory and
keeps a thread that wakes every few milliseconds, for ever, to see whether it should stop.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from struct import Struct

# inotify(7), the same on every Linux architecture
IN_MODIFY = 0x2
IN_ATTRIB = 0x4
IN_MOVED_FROM = 0x40
IN_MOVED_TO = 0x80
IN_CREATE = 0x100
IN_DELETE = 0x200
IN_DELETE_SELF = 0x400
IN_MOVE_SELF = 0x800
IN_IGNORED = 0x8000
IN_ONLYDIR = 0x1000000
IN_DONT_FOLLOW = 0x2000000

COMING_AND_GOING = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR
DIRECTORY_GONE = IN_DELETE_SELF | IN_MOVE_SELF
FILE_CHANGED = IN_MODIFY | IN_ATTRIB | IN_DONT_FOLLOW

HEAD = Struct("iIII")  # watch, mask, cookie, bytes of the name that follows
READ_BYTES = 64 * 1024


class Watch:
    """Calls `on_change` on the event loop whenever the file at `path` may have changed.

    Raises OSError when the machine has no watch left (EMFILE, ENOSPC) or the directory is absent.
    """

    def __init__(self, path: Path, on_change: Callable[[], None]) -> None:
        self._path = os.fsencode(path)
        self._on_change = on_change
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.is_blind = False  # the directory went away; only a new Watch sees again
        self._descriptor = self._checked(
            self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC), path
        )
        try:
            mask = COMING_AND_GOING | DIRECTORY_GONE
            parent = os.fsencode(path.parent)
            self._directory = self._checked(
                self._libc.inotify_add_watch(self._descriptor, parent, mask), path.parent
            )
            self._watch_file()
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(self._descriptor, self._read)
        except BaseException:
            os.close(self._descriptor)
            raise

    def close(self) -> None:
        """Watch no more."""
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)

    @staticmethod
    def _checked(result: int, path: Path) -> int:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
        return result

    def _watch_file(self) -> None:
        # An absent file is watched when its directory says it came. The same inode again is the
        # same watch; a file that cannot be watched is left to the reader's own looks.
        self._libc.inotify_add_watch(self._descriptor, self._path, FILE_CHANGED)

    def _read(self) -> None:
        came_or_went = False
        for watch, mask in _events(os.read(self._descriptor, READ_BYTES)):
            if watch == self._directory:
                came_or_went = True
                self.is_blind |= bool(mask & (DIRECTORY_GONE | IN_IGNORED))
        if came_or_went:
            self._watch_file()
        self._on_change()


def _events(buffer: bytes) -> Iterator[tuple[int, int]]:
    position = 0
    while position < len(buffer):
        watch, mask, _, name_bytes = HEAD.unpack_from(buffer, position)
        yield watch, mask
        position += HEAD.size + name_bytes

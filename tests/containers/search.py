"""Looks for words everywhere a shell can read; run in the container by the platform's Python.

Usage: search.py WORD… — each word reversed, so that this program's own arguments are no find.
Prints one JSON object: how much was read, and which file held which word.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

FILE_BYTES = 32 << 20  # 32 MiB; the largest program there is has 20
SKIPPED = ("/proc", "/sys", "/dev", "/opt/workshop/lib")


def files() -> Iterator[str]:
    """Every regular file but the kernel's."""
    for folder, folders, names in os.walk("/"):
        here = folder.rstrip("/")
        folders[:] = [each for each in folders if f"{here}/{each}" not in SKIPPED]
        yield from (f"{here}/{name}" for name in names)


def processes() -> Iterator[str]:
    """What the kernel shows of every process and of every descriptor it has open."""
    for pid in pids():
        for name in ("environ", "cmdline", "maps", "status", "auxv", "mountinfo"):
            yield f"/proc/{pid}/{name}"
        with suppress(OSError):
            yield from map(str, Path(f"/proc/{pid}/fd").iterdir())


def pids() -> list[str]:
    """Every process."""
    return [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]


def main() -> None:
    """Search, then print."""
    words = {word[::-1].encode() for word in sys.argv[1:]}
    found: list[tuple[str, str]] = []
    read = 0
    for path in (*files(), *processes()):
        with suppress(OSError):
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
            try:
                content = b"".join(iter(lambda: os.read(fd, 1 << 20), b""))[:FILE_BYTES]  # noqa: B023
            finally:
                os.close(fd)
            read += 1
            found += [(path, word.decode()) for word in words if word in content]
    memories = 0
    for pid in pids():
        if int(pid) != os.getpid():
            with suppress(OSError), open(f"/proc/{pid}/mem", "rb"):
                memories += 1
    uid = os.getuid()
    print(json.dumps({"uid": uid, "read": read, "memories": memories, "found": found}))  # noqa: T201


if __name__ == "__main__":
    main()

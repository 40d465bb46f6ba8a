"""Which processes belong to a machine: asked of the kernel, so nothing can be out of date."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def machine_processes(runtime: Path) -> Iterator[tuple[int, int]]:
    """Processes of the machine whose runtime folder this is: (process id, id inside; 0 outside).

    Asked of the kernel: a bubblewrap whose command line binds the folder. Its process 1 inside is
    the one to kill; the kernel then ends everything in there.
    """
    marker = b"\0".join([b"", b"--bind", os.fsencode(runtime), b"/workshop/runtime", b""])
    for process in _processes():
        try:
            if marker in (process / "cmdline").read_bytes():
                yield int(process.name), _pid_inside(process)
        except (OSError, ValueError):
            continue  # it ended while we looked


def daemon_process(init: int) -> int | None:
    """The daemon: the first child of the machine's process 1."""
    for process in _processes():
        try:
            parent = int(_status_field((process / "status").read_text(), "PPid")[0])
            if parent == init and _pid_inside(process) == 2:
                return int(process.name)
        except (OSError, ValueError):
            continue
    return None


def _processes() -> list[Path]:
    return [path for path in Path("/proc").iterdir() if path.name.isdigit()]


def _pid_inside(process: Path) -> int:
    ids = _status_field((process / "status").read_text(), "NSpid")
    return int(ids[-1]) if len(ids) > 1 else 0


def _status_field(status: str, name: str) -> list[str]:
    for line in status.splitlines():
        if line.startswith(f"{name}:"):
            return line.split(":", 1)[1].split()
    return ["0"]

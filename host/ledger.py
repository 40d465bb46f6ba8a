"""What help cost: tokens by session and by workshop, kept over runs and removed sessions.

One file for all of this user's sessions, changed under a lock, since several runs write to it.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from host.sessions import read_json, state_home, storage_errors, write_whole

FILE_NAME = "workshop-help.json"  # beside the sessions, of which every name is one


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens, in and out."""

    input: int = 0
    output: int = 0

    @property
    def total(self) -> int:
        """Both ways."""
        return self.input + self.output


class Ledger:
    """The file at `path`."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or state_home().with_name(FILE_NAME)

    def of_session(self, name: str) -> Spent:
        """What the questions of one session cost."""
        return _spent(read_json(self._path), "sessions", name)

    def of_workshop(self, name: str) -> Spent:
        """What all sessions of one workshop cost, also those that were removed."""
        return _spent(read_json(self._path), "workshops", name)

    def add(self, session: str, workshop: str, spent: Spent) -> None:
        """Count one answer."""
        with self._changing() as entries:
            for kind, name in (("sessions", session), ("workshops", workshop)):
                before = _spent(entries, kind, name)
                group = entries.setdefault(kind, {})
                assert isinstance(group, dict)
                group[name] = {
                    "input": before.input + spent.input,
                    "output": before.output + spent.output,
                }

    def forget(self, session: str) -> None:
        """The session is removed; its workshop's sum stays."""
        if not self._path.exists():
            return
        with self._changing() as entries:
            group = entries.get("sessions")
            if isinstance(group, dict):
                group.pop(session, None)

    @contextmanager
    def _changing(self) -> Iterator[dict[str, object]]:
        with storage_errors(self._path.parent):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(
                self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            entries = read_json(self._path)
            yield entries
            write_whole(self._path, json.dumps(entries, indent=2) + "\n")
        finally:
            os.close(lock)


def _spent(entries: dict[str, object], kind: str, name: str) -> Spent:
    group = entries.get(kind)
    entry = group.get(name) if isinstance(group, dict) else None
    if not isinstance(entry, dict):
        return Spent()
    return Spent(int(entry.get("input", 0)), int(entry.get("output", 0)))

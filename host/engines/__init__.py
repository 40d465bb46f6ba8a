"""What the host needs of an engine: something that gives a session its machine.

A machine is a daemon with its shells around one session's files. An engine keeps no books of its
own: `find` asks the kernel (or the container program) what runs for a session, so that a CLI that
was killed at any moment leaves nothing the next one does not see.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from host.sessions import Session, Swap

GRACE_SECONDS = 5.0  # what a daemon gets between SIGTERM and the end


@dataclass(frozen=True)
class Machine:
    """One running machine; `id` is the engine's own word for it (a process id, a container id)."""

    id: str


class Engine(Protocol):
    """One way to run machines. Every call may be repeated after a crash and then changes nothing.

    All raise `EngineFailure` with a sentence that says what to do.
    """

    name: str

    def check(self) -> None:
        """Fail when this engine cannot work here, with the mend."""
        ...

    def prepare(self, session: Session, swap: Swap) -> None:
        """Do the long work of a move (build, copy, pull) while the old machine still runs."""
        ...

    def enter(self, session: Session, swap: Swap) -> None:
        """Put the prepared files in the place of the old ones; no machine may run."""
        ...

    def restore(self, session: Session, swap: Swap) -> None:
        """Undo `enter`: the old files are back in their place; no machine may run."""
        ...

    def settle(self, session: Session, kept: str) -> None:
        """After a move that worked: what was replaced is under kept/ in a folder of that name."""
        ...

    def start(self, session: Session, swap: Swap | None = None) -> Machine:
        """Start the session's machine; with `swap`, its daemon completes that transition."""
        ...

    def find(self, session: Session) -> Machine | None:
        """The machine that runs for this session now, whoever started it."""
        ...

    def alive(self, session: Session, machine: Machine) -> bool:
        """Whether this very machine still runs."""
        ...

    def stop(self, session: Session, grace_seconds: float = GRACE_SECONDS) -> None:
        """End every process of the session's machine, politely first; none may be left."""
        ...

    def logs(self, session: Session, lines: int, *, follow: bool) -> Iterator[str]:
        """The last lines of the daemon's log, and with `follow` every new one."""
        ...

    def renew_secrets(self, session: Session) -> None:
        """Bring the session's secrets as they are now into its machine, whether it runs or not."""
        ...

    def remove(self, session: Session, *, keep_progress: bool) -> None:
        """Delete what the engine holds outside the session's folder; no machine runs."""
        ...

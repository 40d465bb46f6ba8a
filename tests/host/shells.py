"""A page's terminal without a page: commands typed into the student's shell of a real machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from websockets.sync.client import ClientConnection, connect

from host.sessions import Session
from tests.host.people import until


class Shell:
    """One terminal; `run` types a script and gives what it printed."""

    def __init__(self, session: Session, socket: ClientConnection) -> None:
        self._workspace = session.workspace
        self._socket = socket
        self._scripts = 0

    def type(self, text: str) -> None:
        """Press keys."""
        self._socket.send(text.encode())

    def run(self, script: str, seconds: float = 60.0) -> str:
        """Run bash lines in the shell itself; their output, errors included."""
        self._scripts += 1
        name = f".probe-{self._scripts}"
        (self._workspace / f"{name}.sh").write_text(script)
        output, done = (self._workspace / f"{name}.{end}" for end in ("out", "done"))
        done.unlink(missing_ok=True)
        self.type(f" . ./{name}.sh > {name}.out 2>&1; touch {name}.done\r")
        until(done.exists, seconds)
        return output.read_text(errors="replace")


@contextmanager
def attached(session: Session, terminal: str = "main") -> Iterator[Shell]:
    """Attach to a terminal as the student's page does."""
    with connect(
        f"ws://127.0.0.1:{session.record().port}/ws/terminal/{terminal}",
        additional_headers={"Authorization": f"Bearer {session.token('student')}"},
        open_timeout=60,
        max_size=None,
        proxy=None,
    ) as socket:
        yield Shell(session, socket)

"""A session's life on the host: bring the machine up, listen for moves, keep it up, end it."""

from __future__ import annotations

import hashlib
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from host.client import Daemon, Status
from host.engines import Engine
from host.ports import choose, is_free, require_free
from host.sessions import Origin, Session, create, remove_tree, storage_errors
from host.transitions import Mover
from runtime.domain.errors import (
    CANNOT_LISTEN,
    BadRequest,
    ConnectionFailure,
    EngineFailure,
    Unauthorized,
    WorkshopError,
)

PORT_ATTEMPTS = 3
WAIT_SECONDS = 10.0  # one long poll
DEAF_SECONDS = 180.0  # a machine that answers nothing for this long is started again
MOST_RESTARTS = 5  # within RESTART_WINDOW_SECONDS; more means it will not work
RESTART_WINDOW_SECONDS = 120.0
MOST_BACKOFF_SECONDS = 5.0


class Terminated(BaseException):
    """SIGTERM or SIGHUP came: end the run as tidily as Ctrl-C does."""


class Run:
    """One `workshop run`: the holder of the session's lock, from start to stop.

    `say` hears what happens, once each; `show` the state of now, again and again.
    """

    def __init__(
        self,
        session: Session,
        engine: Engine,
        say: Callable[[str], None],
        show: Callable[[Status], None] = lambda _: None,
    ) -> None:
        self._session = session
        self._engine = engine
        self._say = say
        self._show = show
        self._mover = Mover(session, engine, say)
        self._restarts: list[float] = []
        self._is_port_wanted = False
        self._has_taken_over = False

    def set_up(
        self, origin: Origin, port: int | None, compile_to: Callable[[Path], None] | None
    ) -> None:
        """Settle the artifact (None: the images hold it) and the port; a machine that serves just
        that is left running."""
        name = self._session.name
        if self._session.exists() and (engine := self._session.record().engine) != origin.engine:
            raise BadRequest(
                f"{name} began with the engine {engine}, and its files cannot move to "
                f"{origin.engine}. Go on with --engine {engine}, or begin anew after: "
                f"workshop rm {name}"
            )
        if port is not None and not self._serves_on(port):
            require_free(port)  # before anything is made or stopped
        self._has_taken_over = True
        create(self._session, origin)
        if compile_to is not None:
            self._settle_artifact(compile_to)
        self._settle_port(port)

    def begin(self) -> Status:
        """Bring the machine up; Status says where it is."""
        for _ in range(PORT_ATTEMPTS):
            try:
                return self._mover.begin()
            except WorkshopError as error:
                if not self._lost_its_port(error):
                    raise
            self._say("The port was taken meanwhile; using another one.")
            self._session.update(port=choose(None))
        return self._mover.begin()

    def serve(self) -> None:
        """Listen for transitions and keep the machine up, until interrupted."""
        failures, last_answer = 0, time.monotonic()
        while True:
            try:
                with self._daemon() as daemon:
                    while True:
                        self._show(daemon.status())
                        open_ones = daemon.wait(WAIT_SECONDS)
                        failures, last_answer = 0, time.monotonic()
                        if open_ones:
                            break
                if not all(self._mover.perform(transition) for transition in open_ones):
                    time.sleep(1.0)  # another host's: look again, but not at once
            except (ConnectionFailure, Unauthorized) as error:
                if self._engine.find(self._session) is None:
                    self._start_again("The machine ended by itself")
                elif time.monotonic() - last_answer > DEAF_SECONDS:
                    self._start_again(error.message)
                else:
                    failures += 1
                    time.sleep(min(0.1 * 2**failures, MOST_BACKOFF_SECONDS))
                    continue
                failures, last_answer = 0, time.monotonic()

    def stop(self) -> None:
        """End the machine; files and progress stay. One that was refused a start is left alone."""
        if self._has_taken_over:
            self._engine.stop(self._session)

    def _lost_its_port(self, error: WorkshopError) -> bool:
        """Whether another program took the port between our choice and the machine's start.

        It may have given the port back since: then only the daemon's words tell.
        """
        port = self._session.record().port
        if self._is_port_wanted or port is None or self._engine.find(self._session) is not None:
            return False
        return CANNOT_LISTEN in error.message or not is_free(port)

    def _start_again(self, why: str) -> None:
        now = time.monotonic()
        recent = [moment for moment in self._restarts if now - moment < RESTART_WINDOW_SECONDS]
        self._restarts = [*recent, now]
        if len(recent) >= MOST_RESTARTS:
            raise EngineFailure(
                f"{why}, for the {len(recent) + 1}th time in a row; giving up. "
                f"`workshop logs {self._session.name}` shows what the daemon said."
            )
        self._say(f"{why}; starting it again. Progress is kept.")
        self._mover.begin()

    def _settle_artifact(self, compile_to: Callable[[Path], None]) -> None:
        session = self._session
        new = session.directory / "artifact.new"
        with storage_errors(session.directory):
            if new.exists():
                remove_tree(new)
            compile_to(new)
            if session.artifact.exists() and digest(session.artifact) == digest(new):
                remove_tree(new)
                return
            if self._engine.find(session) is not None:
                self._say("The workshop changed; its machine starts again with the new text.")
                self._engine.stop(session)
            if session.artifact.exists():
                remove_tree(session.artifact)
            new.rename(session.artifact)

    def _settle_port(self, wanted: int | None) -> None:
        session = self._session
        self._is_port_wanted = wanted is not None
        remembered = session.record().port
        running = self._engine.find(session) is not None
        if running and wanted in (None, remembered):
            return
        if running:
            self._engine.stop(session)
        if wanted is None and remembered is not None and not is_free(remembered):
            self._say(f"Port {remembered} is taken by another program; using another one.")
        session.update(port=wanted or choose(remembered))

    def _serves_on(self, port: int) -> bool:
        session = self._session
        known = session.exists() and session.record().port == port
        return known and self._engine.find(session) is not None

    def _daemon(self) -> Daemon:
        return Daemon(self._session, self._session.record().port or 0)


def digest(tree: Path) -> str:
    """What distinguishes two artifacts: names, modes and bytes of their files."""
    total = hashlib.sha256()
    for path in sorted(path for path in tree.rglob("*") if path.is_file()):
        name = path.relative_to(tree).as_posix()
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{name}\0{path.stat().st_mode:o}\0{content}\0".encode())
    return total.hexdigest()


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP become `Terminated`, raised in the main thread."""

    def end(number: int, frame: FrameType | None) -> None:
        raise Terminated

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

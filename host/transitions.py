"""Moving a session's machine to another step, so that a crash at any moment can be mended.

    claim      the daemon knows who works on it; the old machine still runs
    prepare    the step's state is made and copied aside; the old machine still runs
    (written)  the move is in session.json: from here on it is finished or undone
    stop       every process of the old machine ends
    enter      the folders change places; the old ones go to kept/
    start      the new daemon finds the transition in its log and completes it
    settle     what was replaced is put aside; the new machine runs
    restore    when the new machine does not come up: the old folders, the old machine, and a reason

Every part may be repeated; the next `run` goes on where the last one was killed.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from host.client import Daemon, Status, Transition
from host.engines import Engine, Machine
from host.ports import require_free
from host.sessions import Failure, Session, Swap, kept_name
from runtime.domain.errors import (
    ConnectionFailure,
    EngineFailure,
    NotFound,
    TransitionEnded,
    Unauthorized,
    WorkshopError,
)
from runtime.domain.transitions import TransitionStatus

READY_SECONDS = 90.0  # what a daemon that runs gets to be ready; it takes one on an idle machine
ADOPT_SECONDS = 30.0  # what a machine found running gets to answer
POLL_SECONDS = 0.05
LOG_LINES = 8  # of the daemon's log, shown when it did not come up


class Mover:
    """Starts and moves one session's machine; used by the holder of the session's lock only."""

    def __init__(
        self,
        session: Session,
        engine: Engine,
        say: Callable[[str], None],
        *,
        ready_seconds: float = READY_SECONDS,
    ) -> None:
        self._session = session
        self._engine = engine
        self._say = say
        self._ready_seconds = ready_seconds

    def begin(self) -> Status:
        """Bring the session's machine up, whatever a killed run left behind."""
        self._settle()
        swap = self._session.record().swap
        if swap is not None and not self._arrived(swap):
            self._say(f"Finishing the move to {swap.step} that was interrupted.")
            return self._restore(swap) if swap.phase == "restoring" else self._enter(swap)
        if swap is not None:
            self._session.update(step=swap.step, swap=None, settling=swap.kept)
            self._settle()
        return self._adopted() or self.start()

    def start(self, swap: Swap | None = None) -> Status:
        """Start the machine and wait until its page can be used.

        Raises PortTaken, or EngineFailure with the end of the daemon's log.
        """
        self._engine.stop(self._session)
        require_free(self._port())
        machine = self._engine.start(self._session, swap)
        try:
            old_boot = self._session.record().boot
            status = self._wait_ready(machine, other_than=old_boot, seconds=self._ready_seconds)
        except BaseException:
            self._engine.stop(self._session, grace_seconds=1.0)
            raise
        self._session.update(boot=status.boot)
        self._report_failure()
        return status

    def perform(self, transition: Transition) -> bool:
        """Do one transition; False when it was not claimed: another host's, over, or a full disk.

        A failure is told to the daemon; only a machine that does not come back raises.
        """
        record = self._session.record()
        swap = Swap(
            transition=transition.id,
            step=transition.step,
            kind=transition.kind,
            origin=record.step,
            kept=kept_name(record.step),
        )
        with self._daemon() as daemon:
            try:
                daemon.claim(transition.id, record.host_id, f"/kept/{swap.kept}")
            except (ConnectionFailure, Unauthorized):
                raise
            except WorkshopError as error:
                self._say(error.message)
                return False
            self._say(f"Moving the machine to {transition.step} ({transition.kind}).")
            try:
                self._engine.prepare(self._session, swap)
            except WorkshopError as error:
                self._say(f"The machine stays where it is: {error.message}")
                daemon.fail(transition.id, error.code, error.message)
                return True
        self._session.update(swap=swap)
        self._enter(swap)
        return True

    def _enter(self, swap: Swap) -> Status:
        self._engine.stop(self._session)
        try:
            self._engine.enter(self._session, swap)
            status = self.start(swap)
        except WorkshopError as error:
            self._say(f"The machine could not move to {swap.step}: {error.message}")
            failure = Failure(transition=swap.transition, code=error.code, reason=error.message)
            back = swap.model_copy(update={"phase": "restoring"})
            self._session.update(swap=back, failure=failure)
            return self._restore(back)
        self._session.update(step=swap.step, swap=None, settling=swap.kept)
        self._settle()
        if (self._session.kept / swap.kept).exists():
            self._say(f"The machine is at {swap.step}. Earlier files: /kept/{swap.kept}")
        else:
            self._say(f"The machine is at {swap.step}.")
        return status

    def _settle(self) -> None:
        """Put aside what the last move replaced; a failure costs the machine nothing."""
        kept = self._session.record().settling
        if kept is None:
            return
        try:
            self._engine.settle(self._session, kept)
        except WorkshopError as error:
            self._say(f"The files from before the move are not in /kept yet: {error.message}")
            return
        self._session.update(settling=None)

    def _restore(self, swap: Swap) -> Status:
        self._engine.stop(self._session)
        self._engine.restore(self._session, swap)
        self._session.update(step=swap.origin, swap=None)
        status = self.start()
        self._say(f"The machine is back at {swap.origin}, as it was.")
        return status

    def _arrived(self, swap: Swap) -> bool:
        """Whether the move was over but for the note in session.json."""
        if self._engine.find(self._session) is None or swap.phase == "restoring":
            return False
        try:
            with self._daemon() as daemon:
                there = daemon.transition(swap.transition)
                return there.status is TransitionStatus.COMPLETED and daemon.ready()
        except WorkshopError:
            return False

    def _adopted(self) -> Status | None:
        """The running machine of an earlier run, when it is well; None when there is none."""
        machine = self._engine.find(self._session)
        if machine is None:
            return None
        try:
            status = self._wait_ready(machine, other_than=None, seconds=ADOPT_SECONDS)
        except WorkshopError:
            return None
        self._say(f"{self._session.name} is running already; looking after it again.")
        self._session.update(boot=status.boot)
        self._report_failure()
        return status

    def _report_failure(self) -> None:
        """Tell the daemon of a failed move it has not heard of, at last."""
        failure = self._session.record().failure
        if failure is None:
            return
        try:
            with self._daemon() as daemon:
                daemon.fail(failure.transition, failure.code, failure.reason)
        except (TransitionEnded, NotFound):
            pass  # it expired in the meantime
        self._session.update(failure=None)

    def _wait_ready(self, machine: Machine, *, other_than: str | None, seconds: float) -> Status:
        """The status of a daemon that is ready and not the boot `other_than`."""
        deadline = time.monotonic() + seconds
        with self._daemon() as daemon:
            while time.monotonic() < deadline:
                if not self._engine.alive(self._session, machine):
                    raise EngineFailure(f"The daemon ended at once. {self._last_words()}")
                try:
                    if daemon.ready() and (status := daemon.status()).boot != other_than:
                        return status
                except (ConnectionFailure, Unauthorized):
                    pass
                time.sleep(POLL_SECONDS)
        raise EngineFailure(
            f"The daemon was not ready after {seconds:.0f} seconds. {self._last_words()}"
        )

    def _last_words(self) -> str:
        lines = list(self._engine.logs(self._session, LOG_LINES, follow=False))
        return "Its log ends:\n" + "\n".join(lines) if lines else "Its log is empty."

    def _port(self) -> int:
        port = self._session.record().port
        if port is None:
            raise EngineFailure(f"{self._session.name} has no port yet; use workshop run.")
        return port

    def _daemon(self) -> Daemon:
        return Daemon(self._session, self._port())

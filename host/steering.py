"""What other processes say to a session: move it, end it, look at it.

The process that runs a session listens to its daemon, so a move is asked of the daemon; when no
process looks after the session (it was killed), the one who asks does the move itself.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from host import config
from host.client import Daemon, Transition
from host.helping import forget
from host.ledger import Ledger
from host.sessions import Record, Session
from host.source import engine_of
from host.transitions import Mover
from runtime.domain.errors import (
    ConnectionFailure,
    EngineFailure,
    NotFound,
    TimedOut,
    Unauthorized,
    WorkshopError,
)
from runtime.domain.transitions import TransitionKind, TransitionStatus
from runtime.store.eventlog import read_state

MOVE_SECONDS = 900.0  # a step's state may have to be made first
SETTLE_SECONDS = 20.0  # what a host gets to put the replaced files aside while one waits
END_SECONDS = 30.0  # what a supervising process gets to stop its machine


@dataclass(frozen=True)
class Moved:
    """A move that happened; `kept` is the folder of the files it replaced."""

    transition: Transition
    kept: Path | None


def move(
    session: Session, step: str | None, kind: TransitionKind, say: Callable[[str], None]
) -> Moved:
    """Ask for a move and wait until it happened; `reset` needs no step.

    Raises what the daemon says, EngineFailure with the host's reason, or TimedOut.
    """
    before = _kept(session)
    with daemon_of(session) as daemon:
        wanted = daemon.status().step if step is None else step
        transition = daemon.request(wanted, kind)
        if session.holder() is None:
            with session.locked():  # nobody looks after it: be the host for this one move
                Mover(session, engine_of(session), say).perform(transition)
        ended = _wait_for_end(session, daemon, transition)
    _wait_for_files(session)
    new = sorted(_kept(session) - before)
    return Moved(ended, session.kept / new[-1] if new else None)


def end(session: Session) -> bool:
    """End the machine, through the process that looks after it when there is one."""
    engine = engine_of(session)
    holder = session.holder()
    was_running = holder is not None or engine.find(session) is not None
    if holder:
        os.kill(holder, signal.SIGTERM)
        deadline = time.monotonic() + END_SECONDS
        while session.holder() == holder:
            if time.monotonic() > deadline:
                raise TimedOut(
                    f"Process {holder}, which looks after {session.name}, does not end; "
                    f"end it with: kill -9 {holder}"
                )
            time.sleep(0.05)
    with session.locked():
        engine.stop(session)
        if holder is None:
            forget(session, engine)  # a run that was killed may have left a key
    return was_running


def describe(session: Session) -> dict[str, object]:
    """What `list` and `status` show; `state` is running, unattended, stopped or broken."""
    try:
        record = session.record()
    except WorkshopError as error:
        return {"name": session.name, "state": "broken", "step": "-", "problem": error.message}
    entry: dict[str, object] = {
        "name": record.name,
        "title": record.title,
        "state": "stopped",
        "step": record.step,
        "source": record.source,
        "engine": record.engine,
        "help": _help_cost(session),
    }
    if engine_of(session).find(session) is None or record.port is None:
        return entry | _progress(session, record)
    with Daemon(session, record.port) as daemon:
        entry |= {"address": daemon.address, "port": record.port}
        try:
            seen = daemon.status()
        except WorkshopError as error:
            return entry | {"state": "not answering", "problem": error.message}
    return entry | {
        "state": "running" if session.holder() is not None else "unattended",
        "step": seen.step,
        "completed": seen.completed,
        "steps": seen.steps,
        "connected": seen.connected,
    }


def _progress(session: Session, record: Record) -> dict[str, object]:
    """How far a stopped session is, from its log; nothing when that cannot be read."""
    try:
        done = read_state(session.runtime).completed
    except OSError:
        return {}
    return {
        "completed": sum(step in done for step in record.steps),
        "steps": len(record.steps),
    }


def cost_shown(entry: Mapping[str, object]) -> str:
    """What help cost a session, for a table: money where prices are known, else tokens."""
    spent = entry.get("help")
    if not isinstance(spent, dict) or not spent["inputTokens"] + spent["outputTokens"]:
        return "-"
    if "cost" in spent:
        return f"{spent['cost']:.2f}"
    return f"{spent['inputTokens'] + spent['outputTokens']} tokens"


def _help_cost(session: Session) -> dict[str, object]:
    spent = Ledger().of_session(session.name)
    entry: dict[str, object] = {"inputTokens": spent.input, "outputTokens": spent.output}
    cost = config.load().cost(spent.input, spent.output)
    return entry if cost is None else entry | {"cost": round(cost, 4)}


def daemon_of(session: Session) -> Daemon:
    """A connection to the session's daemon."""
    return Daemon(session, session.record().port or 0)


def _wait_for_end(session: Session, daemon: Daemon, transition: Transition) -> Transition:
    """Follow a transition through the daemon's own restart; raises when it did not happen."""
    deadline = time.monotonic() + MOVE_SECONDS
    pause = 0.05
    while time.monotonic() < deadline:
        try:
            now = daemon.transition(transition.id)
        except (ConnectionFailure, Unauthorized):
            _require_someone(session)
            now = transition  # the old machine has gone, the new one does not answer yet
        match now.status:
            case TransitionStatus.COMPLETED:
                return now
            case TransitionStatus.FAILED:
                raise EngineFailure(
                    f"The machine stays where it was: {now.reason}", {"code": now.code}
                )
            case TransitionStatus.CANCELLED:
                raise NotFound("The move was cancelled before a host took it on.")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)
    raise TimedOut(f"The move to {transition.step} did not end within {MOVE_SECONDS:.0f} seconds.")


def _wait_for_files(session: Session) -> None:
    """Give the host a moment to put the replaced files aside; they may be large."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline and session.holder() is not None:
        record = session.record()
        if record.swap is None and record.settling is None:
            return
        time.sleep(0.05)


def _require_someone(session: Session) -> None:
    """Fail when neither a machine nor a process that will start one is left."""
    if session.holder() is None and engine_of(session).find(session) is None:
        raise EngineFailure(
            f"The process that looked after {session.name} ended in the middle of the move; "
            f"{session.host_log} may say why. Go on with: workshop run {session.record().source}"
        )


def _kept(session: Session) -> set[str]:
    return {path.name for path in session.kept.iterdir()} if session.kept.is_dir() else set()

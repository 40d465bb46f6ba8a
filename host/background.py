"""`run --detach`: the same run in a process of its own, which reports once and goes on."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from host.client import named_error
from host.output import Answer, Refusal
from host.sessions import Session, storage_errors
from runtime.domain.errors import EngineFailure, TimedOut, WorkshopError

START_SECONDS = 120.0
LOG_LINES = 8


class Report:
    """How the background process tells the waiting one how it went; None tells nobody."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    @property
    def is_awaited(self) -> bool:
        """Whether another process shows the answer: then it is in no log, the link least of all."""
        return self._descriptor is not None

    def ready(self, answer: Answer) -> None:
        """The page can be used."""
        self._send({"data": dict(answer.data), "text": answer.text})

    def failed(self, error: WorkshopError) -> None:
        """It did not come up; nothing after `ready`."""
        refusal = error if isinstance(error, Refusal) else Refusal(error)
        self._send(
            {
                "code": refusal.error.code,
                "message": refusal.error.message,
                "data": refusal.data,
                "suggestion": refusal.suggestion,
            }
        )

    def _send(self, report: dict[str, object]) -> None:
        if self._descriptor is None:
            return
        with suppress(BrokenPipeError):  # the one who waited was ended; the run goes on
            os.write(self._descriptor, json.dumps(report, default=str).encode() + b"\n")
        os.close(self._descriptor)
        self._descriptor = None


def run(session: Session, words: Sequence[str]) -> Answer:
    """Start `workshop run` with these words in the background and wait until its page can be used.

    Raises what the run raised before it was ready.
    """
    with storage_errors(session.directory):
        session.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        log = os.open(session.host_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    ours, theirs = os.pipe()
    command = [sys.executable, "-m", "host", "run", *words, "--report-to", str(theirs)]
    try:
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[theirs],
            start_new_session=True, env=_environment(),
        )  # fmt: skip
    finally:
        os.close(log)
        os.close(theirs)
    return _answer(_first_line(ours), session)


def _answer(line: bytes, session: Session) -> Answer:
    if not line:
        last = session.host_log.read_text(errors="replace").splitlines()[-LOG_LINES:]
        raise EngineFailure("The background run ended at once:\n" + "\n".join(last))
    report = json.loads(line)
    if "code" in report:
        raise Refusal(
            named_error(report["code"], report["message"]),
            data=report["data"],
            suggestion=report["suggestion"],
        )
    return Answer({**report["data"], "detached": True}, report["text"])


def _first_line(descriptor: int) -> bytes:
    """What the run reports; empty when it ended without a word."""
    with os.fdopen(descriptor, "rb") as pipe:
        readable, _, _ = select.select([pipe], [], [], START_SECONDS)
        if not readable:
            raise TimedOut(f"The background run said nothing for {START_SECONDS:.0f} seconds.")
        return pipe.readline()


def _environment() -> dict[str, str]:
    """Ours, with this package importable whatever the current folder is."""
    root = str(Path(__file__).resolve().parent.parent)
    paths = [root, os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}

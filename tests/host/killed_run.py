"""A program for tests: looks after a session and kills itself at a moment of its first move.

python -m tests.host.killed_run WORKSHOP MOMENT [ENGINE]
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from host.run import Run
from host.sessions import Limits
from host.source import choose
from tests.host.engines import Disturbed


def main(workshop: Path, moment: str, engine_name: str) -> None:
    """Serve until the move comes."""
    chosen = choose(str(workshop), engine_name, Limits(), say)
    session = chosen.session
    armed = False

    def die() -> None:
        if armed:
            os.kill(os.getpid(), signal.SIGKILL)

    engine = Disturbed(chosen.engine, {moment: die})
    with session.locked():
        run = Run(session, engine, say)
        run.set_up(chosen.origin, None, chosen.compile_to)
        run.begin()
        armed = True
        say("ready")
        run.serve()


def say(sentence: str) -> None:
    """One line."""
    sys.stdout.write(sentence + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "sandbox")

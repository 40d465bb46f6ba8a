"""The real engine, with a fault before or after one of its calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from host.engines import GRACE_SECONDS, Engine, Machine
from host.sessions import Session, Swap

Fault = Callable[[], None]


class Disturbed:
    """An Engine; `faults` by `before:CALL` or `after:CALL`, each happening every time."""

    def __init__(self, engine: Engine, faults: Mapping[str, Fault]) -> None:
        self.name = engine.name
        self._engine = engine
        self._faults = faults

    def check(self) -> None:
        """See Engine."""
        self._engine.check()

    def prepare(self, session: Session, swap: Swap) -> None:
        """See Engine."""
        self._happen("before:prepare")
        self._engine.prepare(session, swap)
        self._happen("after:prepare")

    def enter(self, session: Session, swap: Swap) -> None:
        """See Engine."""
        self._happen("before:enter")
        self._engine.enter(session, swap)
        self._happen("after:enter")

    def restore(self, session: Session, swap: Swap) -> None:
        """See Engine."""
        self._happen("before:restore")
        self._engine.restore(session, swap)
        self._happen("after:restore")

    def renew_secrets(self, session: Session) -> None:
        """See Engine."""
        self._engine.renew_secrets(session)

    def settle(self, session: Session, kept: str) -> None:
        """See Engine."""
        self._happen("before:settle")
        self._engine.settle(session, kept)
        self._happen("after:settle")

    def remove(self, session: Session, *, keep_progress: bool) -> None:
        """See Engine."""
        self._engine.remove(session, keep_progress=keep_progress)

    def start(self, session: Session, swap: Swap | None = None) -> Machine:
        """See Engine."""
        self._happen("before:start")
        machine = self._engine.start(session, swap)
        self._happen("after:start")
        return machine

    def find(self, session: Session) -> Machine | None:
        """See Engine."""
        return self._engine.find(session)

    def alive(self, session: Session, machine: Machine) -> bool:
        """See Engine."""
        return self._engine.alive(session, machine)

    def stop(self, session: Session, grace_seconds: float = GRACE_SECONDS) -> None:
        """See Engine."""
        self._engine.stop(session, grace_seconds)
        self._happen("after:stop")

    def logs(self, session: Session, lines: int, *, follow: bool) -> Iterator[str]:
        """See Engine."""
        return self._engine.logs(session, lines, follow=follow)

    def _happen(self, moment: str) -> None:
        fault = self._faults.get(moment)
        if fault is not None:
            fault()

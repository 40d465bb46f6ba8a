"""What is wrong or weaker than it should be, said once, shown on the page and in /readyz."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple


class Problem(NamedTuple):
    """`code` for programs, `message` a sentence for people."""

    code: str
    message: str


class Problems:
    """The problems of now, by code; `on_change` hears of every difference."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._current: dict[str, Problem] = {}
        self._on_change = on_change

    def __iter__(self) -> Iterator[Problem]:
        return iter(self._current.values())

    def set(self, code: str, message: str | None) -> None:
        """Say `message` under `code`, or take the problem back with None."""
        before = self._current.get(code)
        if message is None:
            self._current.pop(code, None)
        else:
            self._current[code] = Problem(code, message)
        if before != self._current.get(code):
            self._on_change()

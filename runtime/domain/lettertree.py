"""Aho and Corasick's tree: finds many texts in one reading, one step a letter."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class LetterTree(Generic[T]):
    """Nodes are numbers; 0 is the root. Each text carries an item that is found with it."""

    def __init__(self, texts: Iterable[tuple[str, T]]) -> None:
        self._next: list[dict[str, int]] = [{}]
        self._fail = [0]
        self._depth = [0]
        self._ends: list[tuple[T, ...]] = [()]
        for text, item in texts:
            self._add(text, item)
        self._link()

    def next(self, node: int, letter: str) -> int:
        """The node after one more letter."""
        while node and letter not in self._next[node]:
            node = self._fail[node]
        return self._next[node].get(letter, 0)

    def ends(self, node: int) -> tuple[T, ...]:
        """The items of the texts that end at this node."""
        return self._ends[node]

    def depth(self, node: int) -> int:
        """How many of the last letters could be the beginning of a text."""
        return self._depth[node]

    def _add(self, text: str, item: T) -> None:
        node = 0
        for letter in text:
            following = self._next[node].get(letter)
            if following is None:
                following = len(self._next)
                self._next[node][letter] = following
                self._next.append({})
                self._fail.append(0)
                self._depth.append(self._depth[node] + 1)
                self._ends.append(())
            node = following
        self._ends[node] = (*self._ends[node], item)

    def _link(self) -> None:
        queue = deque(self._next[0].values())
        while queue:
            node = queue.popleft()
            for letter, following in self._next[node].items():
                queue.append(following)
                if node:
                    self._fail[following] = self.next(self._fail[node], letter)
                self._ends[following] += self._ends[self._fail[following]]

"""What an author did wrong, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, order=True)
class Fault:
    """One sentence about one place in one file; `line` and `column` count from 1.

    `message` reads "what is wrong; what to do". A fault about a whole file points at 1:1.
    """

    file: str
    line: int
    column: int
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.field}: {self.message}"

    def as_json(self) -> dict[str, object]:
        """The fault for programs."""
        return {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "field": self.field,
            "message": self.message,
        }


def listed(names: Iterable[str]) -> str:
    """Names as a person lists them: `a, b or c`."""
    words = list(names)
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} or {words[-1]}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The sentence's second half for an unknown name: the nearest known one, else all of them."""
    names = list(known)
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"did you mean “{near[0]}”?"
    return f"known here: {', '.join(names)}"


def shortened(text: str, limit: int = 60) -> str:
    """Text of the author's, on one line and short enough for a sentence."""
    line = " ".join(text.split())
    line = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in line)
    return line if len(line) <= limit else f"{line[: limit - 1]}…"

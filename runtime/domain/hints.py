"""An author's hints.md as single hints, so that they can be uncovered one by one.

The page draws the same file by the same rules (web/src/lib/hints.ts): split by horizontal rules,
else by headings (of the level that is there more than once, or below a title), else by the items
of a plain list; otherwise it is one hint.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*\s*$")
_RULE = re.compile(r"^ {0,3}(?:-{3,}|\*{3,}|_{3,})\s*$")
_ITEM = re.compile(r"^(?:[0-9]{1,9}[.)]|[-*+])\s+")
_INDENT = re.compile(r"^\s{1,4}")

_Kind = Literal["text", "heading", "rule", "item", "blank", "code"]


@dataclass(frozen=True, slots=True)
class Hint:
    """One hint, Markdown; `title` is the author's heading, when there is one."""

    title: str | None
    text: str


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    kind: _Kind
    level: int = 0

    @property
    def is_lone_title(self) -> bool:
        return self.kind == "heading" and self.level == 1

    @property
    def heading(self) -> str | None:
        match = _HEADING.match(self.text)
        return match[2] if match else None


def split_hints(source: str) -> tuple[Hint, ...]:
    """The hints of a file, in the author's order; empty hints are left out."""
    lines = _classified(source.replace("\r\n", "\n").replace("\r", "\n"))
    if any(line.kind == "rule" for line in lines):
        return _by_rule(lines)
    level = _heading_level(lines)
    if level:
        return _by_heading(lines, level)
    items = _by_item(lines)
    if items is not None:
        return items
    return _finished([(None, [line.text for line in lines if not line.is_lone_title])])


def _classified(source: str) -> list[_Line]:
    fence = ""
    after_blank = True  # a rule under a line of text would be a heading's underline
    lines = []
    for text in source.split("\n"):
        may_be_rule, after_blank = after_blank, not text.strip()
        match = _FENCE.match(text)
        mark = match[1] if match else ""
        if fence:
            if mark.startswith(fence) and text.strip() == mark:
                fence = ""
            lines.append(_Line(text, "code"))
        elif mark:
            fence = mark
            lines.append(_Line(text, "code"))
        elif heading := _HEADING.match(text):
            lines.append(_Line(text, "heading", len(heading[1])))
        elif may_be_rule and _RULE.match(text):
            lines.append(_Line(text, "rule"))
        elif _ITEM.match(text):
            lines.append(_Line(text, "item"))
        else:
            lines.append(_Line(text, "text" if text.strip() else "blank"))
    return lines


def _heading_level(lines: Sequence[_Line]) -> int:
    """The highest heading level that splits: one used twice, or the one below a lone title."""
    levels = [line.level for line in lines if line.kind == "heading"]
    for level in range(1, 7):
        count = levels.count(level)
        if count > 1 or (count == 1 and level > 1):
            return level
    return 0


def _by_heading(lines: Iterable[_Line], level: int) -> tuple[Hint, ...]:
    hints: list[tuple[str | None, list[str]]] = [(None, [])]
    for line in lines:
        if line.kind == "heading" and line.level == level:
            hints.append((line.heading, []))
        elif not (line.kind == "heading" and line.level < level):
            hints[-1][1].append(line.text)
    return _finished(hints)


def _by_rule(lines: Iterable[_Line]) -> tuple[Hint, ...]:
    hints: list[tuple[str | None, list[str]]] = [(None, [])]
    for line in lines:
        _, texts = hints[-1]
        if line.kind == "rule":
            hints.append((None, []))
        elif line.kind == "heading" and not "".join(texts).strip():
            hints[-1] = (line.heading if line.level > 1 else None, texts)
        else:
            texts.append(line.text)
    return _finished(hints)


def _by_item(lines: Iterable[_Line]) -> tuple[Hint, ...] | None:
    """Only when nothing but list items, and what belongs to them, is there."""
    hints: list[tuple[str | None, list[str]]] = []
    for line in lines:
        if line.is_lone_title:
            continue
        if line.kind == "item":
            hints.append((None, [_ITEM.sub("", line.text)]))
        elif line.kind == "blank" or line.text[:1].isspace():
            if hints:
                hints[-1][1].append(_INDENT.sub("", line.text))
        else:
            return None
    return _finished(hints) if len(hints) > 1 else None


def _finished(hints: Iterable[tuple[str | None, list[str]]]) -> tuple[Hint, ...]:
    made = (Hint(title, "\n".join(lines).strip()) for title, lines in hints)
    return tuple(hint for hint in made if hint.text or hint.title is not None)

"""YAML as a tree in which every node knows its line and column.

Built from ruamel.yaml's events rather than its constructors, because authors' files are only
ever read here and three things must hold: positions are exact, nothing in a file can exhaust the
machine (depth, size and alias expansion are bounded), and a scalar keeps the text it was written
with, which goss reads by other rules than Python does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from host.faults import Fault, shortened

MAX_BYTES = 512 * 1024
MAX_DEPTH = 40  # levels of nesting
MAX_NODES = 20_000  # after aliases are expanded

_INTEGER = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CONSTANTS: Mapping[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
}  # fmt: skip

_SENTENCES = (
    ("found character '\\t'", "a tab stands where YAML wants spaces; indent with spaces"),
    (
        "mapping values are not allowed here",
        "a “: ” is not allowed here; put the text in quotes, or check the indentation of this line",
    ),
    ("could not find expected ':'", "a “:” is missing after this key; write “key: value”"),
    (
        "expected <block end>",
        "this line does not fit the lines above it; check its indentation",
    ),
    ("found unexpected end of stream", "a quote is opened and never closed; close it"),
    (
        "but found '<stream end>'",
        "the file ends inside a bracket or brace; close it",
    ),
    ("found undefined alias", "an alias names an anchor that is not there; define it above"),
)


@dataclass(frozen=True)
class Node:
    """A place in the file, and how many nodes lie below it (itself included)."""

    line: int
    column: int
    size: int = field(default=1, kw_only=True)


@dataclass(frozen=True)
class Scalar(Node):
    """A single value: `text` is what stands in the file, `style` is None when it is not quoted."""

    text: str
    style: str | None

    @property
    def value(self) -> str | int | float | bool | None:
        """The text by the rules of YAML 1.2: only plain text can be anything but a string."""
        if self.style is not None:
            return self.text
        if self.text in _CONSTANTS:
            return _CONSTANTS[self.text]
        if len(self.text) <= 20 and _INTEGER.fullmatch(self.text):
            return int(self.text)
        if len(self.text) <= 20 and _OTHER_BASE.fullmatch(self.text):
            return int(self.text, 0)
        if len(self.text) <= 40 and _FLOAT.fullmatch(self.text):
            return float(self.text)
        return self.text


@dataclass(frozen=True)
class Sequence(Node):
    """A list."""

    items: tuple[Node, ...]


@dataclass(frozen=True)
class Table(Node):
    """A mapping, in the order of the file; merge keys are already merged."""

    keys: Mapping[str, Scalar]
    values: Mapping[str, Node]

    def __iter__(self) -> Iterator[tuple[str, Scalar, Node]]:
        for name, key in self.keys.items():
            yield name, key, self.values[name]


@dataclass
class _Open:
    """A collection whose end has not come yet."""

    line: int
    column: int
    anchor: str | None
    is_mapping: bool
    items: list[Node] = field(default_factory=list)
    key: Scalar | None = None
    keys: dict[str, Scalar] = field(default_factory=dict)
    values: dict[str, Node] = field(default_factory=dict)
    merged: list[Table] = field(default_factory=list)
    size: int = 1


class Stop(Exception):
    """The file cannot be read any further."""

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(message)
        self.line, self.column, self.message = line, column, message


def parse(raw: bytes, file: str) -> tuple[Node | None, list[Fault]]:
    """The tree of `raw` with every fault found; None when it cannot be read to its end.

    Never raises for what a file holds.
    """
    builder = _Builder(file)
    try:
        builder.read(_decoded(raw))
    except Stop as stop:
        builder.refuse(stop.line, stop.column, stop.message)
        return None, builder.faults
    return builder.root or Scalar(1, 1, "", None), builder.faults


def describe(node: Node) -> str:
    """What a node is, in the words of a sentence: `a list`, `the text “x”`."""
    match node:
        case Table():
            return "a mapping" if node.keys else "an empty mapping"
        case Sequence():
            return "a list" if node.items else "an empty list"
        case Scalar(value=None):
            return "nothing"
        case Scalar(value=bool()):
            return f"the truth value {node.text}"
        case Scalar(value=int() | float()):
            return f"the number {node.text}"
        case Scalar():
            return f"the text “{shortened(node.text)}”"
    return "something else"


def _decoded(raw: bytes) -> str:
    if len(raw) > MAX_BYTES:
        raise Stop(1, 1, f"the file has {len(raw)} bytes; at most {MAX_BYTES} are read")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line = before.count(b"\n") + 1
        column = error.start - (before.rfind(b"\n") + 1) + 1
        raise Stop(
            line,
            column,
            f"byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8",
        ) from error
    return text


class _Builder:
    def __init__(self, file: str) -> None:
        self.file = file
        self.faults: list[Fault] = []
        self.root: Node | None = None
        self._open: list[_Open] = []
        self._anchors: dict[str, Node | None] = {}
        self._documents = 0

    def refuse(self, line: int, column: int, message: str, field: str = "yaml") -> None:
        self.faults.append(Fault(self.file, line, column, field, message))

    def read(self, text: str) -> None:
        try:
            for event in YAML(typ="safe", pure=True).parse(text):
                self._take(event)
        except ReaderError as error:
            before = text[: error.position]
            line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
            code = error.character if isinstance(error.character, int) else ord(error.character)
            raise Stop(
                line, column, f"the character U+{code:04X} is not allowed in YAML; remove it"
            ) from error
        except MarkedYAMLError as error:
            raise self._translated(error) from error
        except YAMLError as error:
            raise Stop(
                1, 1, f"this is not YAML ({shortened(str(error), 200)}); check it"
            ) from error
        except (ValueError, OverflowError, RecursionError, IndexError) as error:
            # The scanner's own slips on hostile escapes and directives.
            raise Stop(1, 1, "this is not YAML that can be read; check it from the top") from error

    @staticmethod
    def _translated(error: MarkedYAMLError) -> Stop:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problem = str(error.problem or error.context or "it is not YAML")
        for part, sentence in _SENTENCES:
            if part in problem:
                if part == "found unexpected end of stream" and error.context_mark:
                    line, column = error.context_mark.line + 1, error.context_mark.column + 1
                return Stop(line, column, sentence)
        return Stop(line, column, f"this is not YAML ({shortened(problem, 200)}); check this line")

    def _take(self, event: Any) -> None:  # ruamel's events have no common typed base
        mark = event.start_mark
        line, column = mark.line + 1, mark.column + 1
        tag = getattr(event, "tag", None)
        if tag is not None and str(tag) not in ("", "!", "tag:yaml.org,2002:str"):
            raise Stop(line, column, f"the tag {shortened(str(tag))} is not supported; remove it")
        match event:
            case DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise Stop(line, column, "a second document begins here; keep one per file")
            case SequenceStartEvent() | MappingStartEvent():
                if len(self._open) >= MAX_DEPTH:
                    raise Stop(line, column, f"nesting is deeper than {MAX_DEPTH} levels; flatten")
                self._anchor(event.anchor, None)
                is_mapping = isinstance(event, MappingStartEvent)
                self._open.append(_Open(line, column, event.anchor, is_mapping))
            case SequenceEndEvent() | MappingEndEvent():
                self._close()
            case ScalarEvent():
                style = "'" if tag is not None and not event.style else event.style
                scalar = Scalar(line, column, event.value, style or None)
                self._anchor(event.anchor, scalar)
                self._add(scalar)
            case AliasEvent():
                self._add(self._aliased(event.anchor, line, column))

    def _anchor(self, name: str | None, node: Node | None) -> None:
        if name is not None:
            self._anchors[name] = node

    def _aliased(self, name: str, line: int, column: int) -> Node:
        if name not in self._anchors:
            shown = shortened(name)
            raise Stop(line, column, f"*{shown} has no anchor &{shown} above it; define it first")
        node = self._anchors[name]
        if node is None:
            raise Stop(
                line, column, f"*{shortened(name)} stands inside its own anchor; write it out"
            )
        return node

    def _close(self) -> None:
        done = self._open.pop()
        node: Node
        if not done.is_mapping:
            node = Sequence(done.line, done.column, tuple(done.items), size=done.size)
        else:
            for other in done.merged:
                for name, key, value in other:
                    if name not in done.keys:
                        done.keys[name], done.values[name] = key, value
            node = Table(done.line, done.column, done.keys, done.values, size=done.size)
        self._anchor(done.anchor, node)
        self._add(node)

    def _add(self, node: Node) -> None:
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        parent.size += node.size
        if parent.size > MAX_NODES:
            raise Stop(
                node.line, node.column, f"the file grows to more than {MAX_NODES} values; shorten"
            )
        if not parent.is_mapping:
            parent.items.append(node)
        elif parent.key is None:
            if not isinstance(node, Scalar):
                raise Stop(node.line, node.column, "a key is a list or mapping; use plain text")
            parent.key = node
        else:
            key, parent.key = parent.key, None
            self._put(parent, key, node)

    def _put(self, parent: _Open, key: Scalar, node: Node) -> None:
        if key.text == "<<" and key.style is None:
            sources = node.items if isinstance(node, Sequence) else (node,)
            for source in sources:
                if isinstance(source, Table):
                    parent.merged.append(source)
                else:
                    self.refuse(key.line, key.column, "“<<” merges mappings only; name one", "<<")
        elif key.text in parent.keys:
            first = parent.keys[key.text].line
            self.refuse(
                key.line,
                key.column,
                f"the key is here a second time (first in line {first}); keep one",
                shortened(key.text),
            )
        else:
            parent.keys[key.text], parent.values[key.text] = key, node

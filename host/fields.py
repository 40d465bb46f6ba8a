"""A YAML mapping read field by field, with a sentence for everything that does not fit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from host.faults import Fault, did_you_mean, listed, shortened
from host.yamltree import Node, Scalar, Sequence, Table, describe


@dataclass
class Report:
    """Where faults and warnings about one file are gathered."""

    file: str
    faults: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)

    def refuse(self, node: Node, path: str, message: str) -> None:
        """A fault at a node."""
        self.faults.append(Fault(self.file, node.line, node.column, path, message))

    def warn(self, node: Node, path: str, message: str) -> None:
        """Something the author should know."""
        self.warnings.append(Fault(self.file, node.line, node.column, path, message))


@dataclass(frozen=True)
class Text:
    """A text with its place in the file."""

    value: str
    node: Scalar


class Fields:
    """The entries of one mapping; `path` is its name in sentences, such as `steps[2].llm`.

    Keys that are not in `known` are reported at once. A getter returns None for what is absent or
    was reported.
    """

    def __init__(self, node: Node, path: str, known: Iterable[str], report: Report) -> None:
        self.node = node
        self.path = path
        self._report = report
        self._known = tuple(known)
        self._values: Mapping[str, Node] = {}
        if not isinstance(node, Table):
            report.refuse(
                node,
                path,
                f"expected a mapping with {listed(self._known)}, found {describe(node)}; "
                "write “key: value” lines",
            )
            return
        self._values = node.values
        self._keys = node.keys
        for name, key, _ in node:
            if name not in self._known:
                unused = [each for each in self._known if each not in node.keys]
                report.refuse(
                    key,
                    self.named(shortened(name)),
                    f"there is no such field; {did_you_mean(name, unused or self._known)}",
                )

    def named(self, name: str) -> str:
        """The full name of a field."""
        return f"{self.path}.{name}" if self.path else name

    def has(self, name: str) -> bool:
        """Whether the field is written at all."""
        return name in self._values

    def key(self, name: str) -> Node:
        """The place of a field's name; of the mapping when it is absent."""
        return self._keys[name] if name in self._values else self.node

    def value(self, name: str) -> Node | None:
        """The field's value as it stands."""
        return self._values.get(name)

    def refuse(self, name: str, message: str) -> None:
        """A fault at the field, or at the mapping when the field is absent."""
        self._report.refuse(self.key(name), self.named(name), message)

    def required(self, *names: str) -> None:
        """Report fields that must be there and are not."""
        for name in names:
            if isinstance(self.node, Table) and name not in self._values:
                self._report.refuse(self.node, self.named(name), "it is missing; add it")

    def text(self, name: str, pattern: str | None = None, rule: str = "") -> str | None:
        """A text that is not blank; `rule` says in words what `pattern` wants."""
        node = self._values.get(name)
        found = self._text(node, self.named(name)) if node is not None else None
        if found is None:
            return None
        if pattern is not None and not re.fullmatch(pattern, found.value):
            self._report.refuse(
                found.node,
                self.named(name),
                f"expected {rule}, found {describe(found.node)}; change it",
            )
            return None
        return found.value

    def choice(self, name: str, options: Iterable[str]) -> str | None:
        """One of a few words."""
        node = self._values.get(name)
        if node is None:
            return None
        words = tuple(options)
        if isinstance(node, Scalar) and node.text in words:
            return node.text
        self._report.refuse(
            node,
            self.named(name),
            f"expected {listed(words)}, found {describe(node)}; write one of them",
        )
        return None

    def number(self, name: str, low: int, high: int) -> int | None:
        """A whole number within bounds."""
        node = self._values.get(name)
        if node is None:
            return None
        value = node.value if isinstance(node, Scalar) else None
        if type(value) is int and low <= value <= high:
            return value
        self._report.refuse(
            node,
            self.named(name),
            f"expected a whole number from {low} to {high}, found {describe(node)}; write one",
        )
        return None

    def inner(self, name: str, known: Iterable[str]) -> Fields | None:
        """A mapping inside this one."""
        node = self._values.get(name)
        return None if node is None else Fields(node, self.named(name), known, self._report)

    def items(self, name: str) -> Iterator[tuple[str, Node]]:
        """The entries of a list, each with its name such as `steps[0]`."""
        node = self._values.get(name)
        if node is None:
            return
        if not isinstance(node, Sequence):
            self._report.refuse(
                node,
                self.named(name),
                f"expected a list, found {describe(node)}; write “- ” lines",
            )
            return
        for index, item in enumerate(node.items):
            yield self.named(f"{name}[{index}]"), item

    def texts(self, name: str) -> Iterator[tuple[str, Text]]:
        """The entries of a list of texts."""
        for path, item in self.items(name):
            found = self._text(item, path)
            if found is not None:
                yield path, found

    def entries(self, name: str) -> Iterator[tuple[str, Scalar, Node]]:
        """Names and values of a mapping whose keys the author chooses."""
        node = self._values.get(name)
        if node is None:
            return
        if not isinstance(node, Table):
            self._report.refuse(
                node,
                self.named(name),
                f"expected names with values, found {describe(node)}; write “NAME: value” lines",
            )
            return
        yield from node

    def _text(self, node: Node, path: str) -> Text | None:
        if isinstance(node, Scalar) and isinstance(node.value, str):
            if not node.text.strip():
                self._report.refuse(node, path, "the text is empty; write something or remove it")
            elif "\0" in node.text:
                self._report.refuse(node, path, "the text contains a NUL character; remove it")
            else:
                return Text(node.text, node)
        elif isinstance(node, Scalar) and node.value is not None:
            self._report.refuse(
                node, path, f"expected text, found {describe(node)}; put it in quotes"
            )
        elif isinstance(node, Table):
            self._report.refuse(
                node,
                path,
                "expected text, found a mapping (a “: ” in a text makes one); "
                "put the whole text in quotes",
            )
        else:
            self._report.refuse(node, path, f"expected text, found {describe(node)}; write text")
        return None

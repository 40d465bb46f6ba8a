"""Look for what goss would not tell an author, and count the results it will print.

goss ignores a misspelt section, counts an empty list and a skipped check as passed, and prints
nothing when nothing is asserted; any of these would let a step pass that checks nothing. So a
goss file is held against `gossrules` when the workshop is compiled, and the number of results
expected travels with it: the daemon trusts a pass only when exactly that many came.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches

from host.faults import Fault, did_you_mean, shortened
from host.gossrules import (
    COMMON,
    INCLUDE,
    LIST_MATCHERS,
    MATCHERS,
    NUMBER_MATCHERS,
    OLD_NAMES,
    SECTIONS,
    TEXT_MATCHERS,
    TRUTHS,
    TYPES,
    ResourceType,
    pattern_problem,
)
from host.yamltree import Node, Scalar, Sequence, Table, describe

_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?")
_OCTAL = re.compile(r"0o?[0-7]+")

SHOWN = ("title", "hint")  # what the page shows of a check's `meta`


@dataclass
class Findings:
    """What the lint of one goss file gives: faults, notes, and the counts of `GossSpec`."""

    faults: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)
    expected: int = 0
    skipped: int = 0
    declared_skips: list[str] = field(default_factory=list)

    def add(self, other: Findings) -> None:
        """Take in what another file of the same step gave."""
        self.faults += other.faults
        self.warnings += other.warnings
        self.expected += other.expected
        self.skipped += other.skipped
        self.declared_skips += other.declared_skips


def lint(root: Node | None, file: str, field: str = "goss") -> Findings:
    """Look at one goss file; what it includes is looked at by itself."""
    linter = _Linter(file, field)
    linter.whole(root)
    return linter.found


def judge(found: Findings, root: Node, file: str, field: str = "goss") -> None:
    """Add what is wrong with all files of a step together: too little is checked."""
    message = ""
    if found.expected == 0:
        message = "nothing is asserted; write at least one check"
    elif found.skipped == found.expected:
        message = "every check is skipped, so nothing is checked; let one run"
    if message and not found.faults:
        found.faults.append(Fault(file, root.line, root.column, field, message))


class _Linter:
    def __init__(self, file: str, field: str) -> None:
        self._file = file
        self._field = field
        self.found = Findings()

    def _refuse(self, node: Node, path: str, message: str) -> None:
        self.found.faults.append(
            Fault(self._file, node.line, node.column, f"{self._field}.{path}", message)
        )

    def _note(self, node: Node, path: str, message: str) -> None:
        self.found.warnings.append(
            Fault(self._file, node.line, node.column, f"{self._field}.{path}", message)
        )

    def whole(self, root: Node | None) -> None:
        if not isinstance(root, Table):
            what = describe(root) if root is not None else "nothing"
            node = root or Scalar(1, 1, "", None)
            self.found.faults.append(
                Fault(
                    self._file,
                    node.line,
                    node.column,
                    self._field,
                    f"expected sections such as “file:” and “command:”, found {what}; "
                    "write at least one check",
                )
            )
            return
        for name, key, section in root:
            if name == INCLUDE:
                continue
            if name not in TYPES:
                self._refuse(
                    key,
                    shortened(name),
                    f"goss has no section of this name and would ignore it; "
                    f"{did_you_mean(name, SECTIONS)}",
                )
                continue
            self._section(name, key, section)

    def _section(self, name: str, key: Scalar, section: Node) -> None:
        if not isinstance(section, Table) or not section.keys:
            self._refuse(
                key,
                name,
                f"expected names with their attributes, found {describe(section)}; "
                "add a check or remove the section",
            )
            return
        for resource_id, resource_key, body in section:
            self._resource(name, resource_id, resource_key, body)

    def _resource(self, type_name: str, resource_id: str, key: Scalar, body: Node) -> None:
        kind = TYPES[type_name]
        path = f"{type_name}.{shortened(resource_id, 40)}"
        if not isinstance(body, Table):
            self._refuse(key, path, f"expected attributes, found {describe(body)}; add one")
            return
        given = dict(self._attributes(type_name, kind, path, body))
        is_skipped = self._is_true(body.values.get("skip"))
        results = self._count(kind, path, key, given, is_skipped)
        self.found.expected += results
        if is_skipped:
            self.found.skipped += results
            self.found.declared_skips.append(f"{type_name}/{resource_id}")
        elif kind.chained and kind.leading and results > 1 and _is_false(given.get(kind.leading)):
            self._refuse(
                key,
                path,
                f"“{kind.leading}” is false, so goss skips the other attributes unseen; "
                f"keep “{kind.leading}” alone",
            )

    def _attributes(
        self, type_name: str, kind: ResourceType, path: str, body: Table
    ) -> Iterator[tuple[str, Node]]:
        """The attributes that print results, by their present names; checks all of them."""
        old = OLD_NAMES.get(type_name, {})
        for name, key, value in body:
            where = f"{path}.{shortened(name)}"
            new = old.get(name, name)
            if new in kind.checked:
                if isinstance(value, Scalar) and value.value is None:
                    self._refuse(key, where, "there is no value, so nothing is asserted; add one")
                    continue
                if new in kind.as_number and not _is_numeric(value):
                    self._refuse(
                        value, where, f"expected a number, found {describe(value)}; write one"
                    )
                elif new in TRUTHS and isinstance(value, Scalar) and not _is_truth(value):
                    self._refuse(
                        value, where, f"expected true or false, found {describe(value)}; write one"
                    )
                elif new == "mode" and isinstance(value, Scalar) and _is_octal(value):
                    self._refuse(
                        value,
                        where,
                        f"{value.text} without quotes is read as the number "
                        f'{int(value.text.replace("o", ""), 8)}; write "{value.text}"',
                    )
                else:
                    self._matcher(value, where, patterns=new in kind.listed)
                if new in kind.by_line:
                    self._whole_text(value, where)
                yield new, value
            elif name == "meta":
                self._meta(value, where)
            elif name in COMMON or name in kind.settings:
                self._setting(kind, name, value, where)
            else:
                known = [known for known in kind.known if known not in body.keys]
                self._refuse(
                    key, where, f"“{type_name}” has no such attribute; {did_you_mean(name, known)}"
                )

    def _count(
        self,
        kind: ResourceType,
        path: str,
        key: Scalar,
        given: dict[str, Node],
        is_skipped: bool,
    ) -> int:
        missing = kind.leading is not None and kind.leading not in given
        if missing and not is_skipped:
            self._refuse(
                key,
                path,
                f"“{kind.leading}” is missing and goss needs it; add “{kind.leading}: …”",
            )
        if kind.leading is None and not given:
            self._refuse(key, path, f"nothing is asserted; add one of: {', '.join(kind.checked)}")
        silent = sum(
            isinstance(given.get(name), Sequence) and not _items(given[name])
            for name in kind.listed
        )
        return len(given) - silent + missing

    def _meta(self, value: Node, where: str) -> None:
        if not isinstance(value, Table):
            self._refuse(value, where, f"expected a mapping, found {describe(value)}; write one")
            return
        for name in SHOWN:
            entry = value.values.get(name)
            if entry is not None and not (isinstance(entry, Scalar) and entry.value is not None):
                self._refuse(
                    entry,
                    f"{where}.{name}",
                    f"expected a sentence for the student, found {describe(entry)}; write one",
                )

        for name, key, _ in value:
            near = get_close_matches(name, SHOWN, n=1, cutoff=0.7)
            if name not in SHOWN and near and near[0] not in value.keys:
                self._note(
                    key,
                    f"{where}.{shortened(name)}",
                    f"the page does not show it; did you mean “{near[0]}”?",
                )

    def _whole_text(self, value: Node, where: str) -> None:
        """A text instead of a list of what to look for is equal to the whole, or nothing is."""
        if isinstance(value, Scalar) and value.text and not value.text.endswith("\n"):
            shown = shortened(value.text, 40)
            self._note(
                value,
                where,
                "goss compares this with all there is, line breaks included; "
                f'to look for it in there, write a list: ["{shown}"]',
            )

    def _setting(self, kind: ResourceType, name: str, value: Node, where: str) -> None:
        expected = kind.settings.get(name) or COMMON[name]
        match expected:
            case "text":
                fits = isinstance(value, Scalar) and value.value is not None
            case "number":
                fits = isinstance(value, Scalar) and type(value.value) is int
            case "truth":
                fits = isinstance(value, Scalar) and isinstance(value.value, bool)
            case "list":
                fits = isinstance(value, Sequence)
            case "anything":
                fits = True
        if not fits:
            noun = {"text": "text", "number": "a whole number", "truth": "true or false"}
            self._refuse(
                value,
                where,
                f"expected {noun.get(expected, 'a list')}, found {describe(value)}; write that",
            )

    @staticmethod
    def _is_true(value: Node | None) -> bool:
        return isinstance(value, Scalar) and value.value is True

    def _matcher(self, value: Node, where: str, *, patterns: bool = False) -> None:
        """One expectation; `patterns` when a list here holds patterns of text."""
        match value:
            case Scalar(value=None):
                self._refuse(value, where, "an entry is empty; write what is expected")
            case Scalar() if value.style is None and _DATE.fullmatch(value.text):
                self._refuse(
                    value, where, f'goss reads this as a date; put it in quotes: "{value.text}"'
                )
            case Sequence():
                self._list(value, where, patterns=patterns)
            case Table():
                self._named(value, where)

    def _list(self, value: Sequence, where: str, *, patterns: bool) -> None:
        if not value.items:
            self._refuse(value, where, "an empty list asserts nothing; add an entry or remove it")
        for index, item in enumerate(value.items):
            place = f"{where}[{index}]"
            if not patterns:
                self._matcher(item, place)
            elif not (isinstance(item, Scalar) and isinstance(item.value, str)):
                self._refuse(
                    item,
                    place,
                    f"expected text to look for, found {describe(item)}; put it in quotes",
                )
            else:
                self._matcher(item, place)
                problem = pattern_problem(item.text)
                if problem:
                    self._refuse(item, place, f"goss cannot read this pattern ({problem}); mend it")

    def _named(self, value: Table, where: str) -> None:
        if len(value.keys) != 1:
            self._refuse(
                value,
                where,
                f"expected exactly one matcher, found {len(value.keys)}; "
                "combine several with “and: [...]”",
            )
            return
        name, key, argument = next(iter(value))
        place = f"{where}.{shortened(name)}"
        if name not in MATCHERS:
            self._refuse(
                key, place, f"goss has no matcher of this name; {did_you_mean(name, MATCHERS)}"
            )
        elif name in TEXT_MATCHERS:
            if not (isinstance(argument, Scalar) and isinstance(argument.value, str)):
                self._refuse(
                    argument, place, f"expected text, found {describe(argument)}; put it in quotes"
                )
        elif name in NUMBER_MATCHERS:
            if not (isinstance(argument, Scalar) and _is_number(argument)):
                self._refuse(
                    argument, place, f"expected a number, found {describe(argument)}; write one"
                )
        elif name in LIST_MATCHERS:
            if not isinstance(argument, Sequence):
                self._refuse(
                    argument, place, f"expected a list, found {describe(argument)}; write a list"
                )
            elif argument.items or name != "consist-of":
                self._list(argument, place, patterns=name == "have-patterns")
        elif name == "gjson":
            if not isinstance(argument, Table) or not argument.keys:
                self._refuse(
                    argument,
                    place,
                    f"expected paths with what they hold, found {describe(argument)}; add one",
                )
            else:
                for inner, _, expectation in argument:
                    self._matcher(expectation, f"{place}.{shortened(inner)}")
        elif name != "equal":
            self._matcher(argument, place)


def _items(node: Node) -> tuple[Node, ...]:
    return node.items if isinstance(node, Sequence) else ()


def _is_number(node: Scalar) -> bool:
    return isinstance(node.value, int | float) and not isinstance(node.value, bool)


def _is_numeric(node: Node) -> bool:
    """A number, text that goss turns into one, or a matcher (which is looked at by itself)."""
    if not isinstance(node, Scalar):
        return isinstance(node, Table)
    return _is_number(node) or (node.style is not None and bool(re.fullmatch(r"-?\d+", node.text)))


def _is_truth(node: Scalar) -> bool:
    return isinstance(node.value, bool) or node.text in ("true", "false")


def _is_octal(node: Scalar) -> bool:
    return node.style is None and len(node.text) > 1 and bool(_OCTAL.fullmatch(node.text))


def _is_false(node: Node | None) -> bool:
    """Whether this expectation holds only for false."""
    if isinstance(node, Scalar):
        return node.value is False or node.text == "false"
    if isinstance(node, Table) and len(node.keys) == 1:
        name, _, argument = next(iter(node))
        if name == "equal":
            return _is_false(argument)
        if name == "not":
            return isinstance(argument, Scalar) and argument.value is True
    return False

"""A step's goss file as one self-contained text: templates judged, includes merged in.

goss renders every file as a Go template and reads `gossfile:` includes at run time. The artifact
holds one goss.yaml per step, so includes are merged when the workshop is compiled, in the order
goss would take them. Templates stay as they are; only those that are mere text are understood.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from host.faults import Fault, did_you_mean, shortened
from host.folder import Folder, Unreadable
from host.gosslint import Findings, judge, lint
from host.gossrules import INCLUDE
from host.spec import GossSpec
from host.yamltree import Node, Scalar, Sequence, Table, describe, parse

MAX_INCLUDES = 50  # files one step's checks may consist of

_ACTION = re.compile(r"\{\{-?\s*(?P<body>.*?)\s*-?\}\}", re.DOTALL)
_TEXT_ACTION = re.compile(
    r"""\{\{(?P<left>-\s)?\s*
        (?: "(?P<quoted>[^"\\\n]*)" | `(?P<raw>[^`]*)` | (?P<comment>/\*.*?\*/) )
        \s*(?P<right>\s-)?\}\}""",
    re.DOTALL | re.VERBOSE,
)
_PLAIN_IN_FLOW = re.compile(r"[-+.~0-9A-Za-z_]+")
_MENTIONS_INCLUDE = re.compile(rf"""^\s*["']?{INCLUDE}["']?\s*:""", re.MULTILINE)

_TEMPLATE = (
    "a template decides what is checked, so the number of checks is not known in advance; "
    "to mean the characters “{{” themselves, write {{`{{`}}"
)

Placed = Callable[[Fault], Fault]


@dataclass
class Checks:
    """What became of a step's goss file; `spec` is None when there are faults."""

    spec: GossSpec | None = None
    faults: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)


def from_text(text: str, file: str, folder: Folder, base: str, field: str = "goss") -> Checks:
    """The checks of a goss file; `base` is its folder, from which includes are found."""
    rendered = render_text_actions(text)
    if rendered is None:
        return _templated(text, file, field)
    root, faults = parse(rendered.encode("utf-8", "surrogatepass"), file)
    if faults or root is None:
        return Checks(faults=faults)
    return _Merge(folder, field).checks(root, file, base, text)


def from_tree(root: Node, file: str, folder: Folder, base: str, field: str = "goss") -> Checks:
    """The checks written as YAML inside workshop.yaml itself."""
    if not isinstance(root, Table):
        return Checks(faults=lint(root, file, field).faults)
    text = emit(root)
    if "{{" in text:
        checks = from_text(text, file, folder, base, field)
        checks.faults = [replace(f, line=root.line, column=root.column) for f in checks.faults]
        checks.warnings = [replace(w, line=root.line, column=root.column) for w in checks.warnings]
        return checks
    return _Merge(folder, field).checks(root, file, base, text)


def render_text_actions(text: str) -> str | None:
    """The text as goss's templates print it when all of them are mere text; None otherwise."""
    if "{{" not in text:
        return text
    rendered: list[str] = []
    position, trims = 0, False
    for match in [*_TEXT_ACTION.finditer(text), None]:
        between = text[position : match.start()] if match else text[position:]
        if "{{" in between:
            return None
        between = between.lstrip() if trims else between
        if match is None:
            rendered.append(between)
            break
        rendered.append(between.rstrip() if match["left"] else between)
        rendered.append(match["quoted"] or match["raw"] or "")
        position, trims = match.end(), bool(match["right"])
    return "".join(rendered)


def emit(root: Table, *, escape_templates: bool = False) -> str:
    """A goss file with the same meaning as `root`, one line for each resource."""
    lines: list[str] = []
    for name, _, section in root:
        lines.append(f"{_quoted(name)}:")
        if not isinstance(section, Table) or not section.keys:
            lines[-1] += f" {_flow(section)}"
            continue
        for resource, _, body in section:
            key = _quoted(resource)
            # A YAML key on the line of its value may have at most 1024 characters.
            lines += (
                [f"  {key}: {_flow(body)}"]
                if len(key) < 1000
                else [f"  ? {key}", f"  : {_flow(body)}"]
            )
    text = "\n".join(lines) + "\n"
    return text.replace("{{", "{{`{{`}}") if escape_templates else text


def _templated(text: str, file: str, field: str) -> Checks:
    action = next(iter(_ACTION.finditer(text)), None)
    start = action.start() if action else text.index("{{")
    line, column = text[:start].count("\n") + 1, start - text.rfind("\n", 0, start)
    if _MENTIONS_INCLUDE.search(text):
        message = "a goss file with includes cannot hold templates; write the checks out"
        return Checks(faults=[Fault(file, line, column, field, message)])
    warning = Fault(file, line, column, field, _TEMPLATE)
    return Checks(GossSpec(text, None), warnings=[warning])


def _quoted(text: str) -> str:
    """A YAML string in double quotes, readable by goss's older reader too."""
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else _escaped(char) for char in quoted)


def _escaped(char: str) -> str:
    code = ord(char)
    return (
        f"\\x{code:02x}"
        if code < 0x100
        else f"\\u{code:04x}"
        if code < 0x10000
        else f"\\U{code:08x}"
    )


def _flow(node: Node) -> str:
    match node:
        case Table():
            inside = ", ".join(f"{_quoted(name)}: {_flow(value)}" for name, _, value in node)
            return f"{{{inside}}}"
        case Sequence():
            return f"[{', '.join(_flow(item) for item in node.items)}]"
        case Scalar(style=None, text=text) if not text:
            return "null"
        case Scalar(style=None, text=text) if _PLAIN_IN_FLOW.fullmatch(text):
            return text  # goss decides by its own rules what 0644, yes or 1.10 is
        case Scalar(text=text):
            return _quoted(text)
    raise AssertionError(f"a node of an unknown kind: {node!r}")


class _Merge:
    """Follows the includes of one step's goss file."""

    def __init__(self, folder: Folder, field: str) -> None:
        self._folder = folder
        self._field = field
        self._found = Findings()
        self._sections: dict[str, tuple[Scalar, dict[str, tuple[str, Scalar, Node]]]] = {}
        self._files = 0

    def checks(self, root: Node, file: str, base: str, text: str) -> Checks:
        self._take(root, file, base, ())
        judge(self._found, root, file, self._field)
        if self._found.faults:
            return Checks(faults=self._found.faults)
        if self._files > 1:
            text = emit(self._merged(), escape_templates=True)
        skips = tuple(sorted(self._found.declared_skips))
        spec = GossSpec(text, self._found.expected, skips)
        return Checks(spec, warnings=self._found.warnings)

    def _take(self, root: Node, file: str, base: str, above: tuple[str, ...]) -> None:
        self._files += 1
        self._found.add(lint(root, file, self._field))
        if not isinstance(root, Table):
            return
        for name, key, section in root:
            if name != INCLUDE and isinstance(section, Table):
                self._gather(name, key, section, file)
        if INCLUDE in root.keys:
            self._includes(root.values[INCLUDE], file, base, above)

    def _gather(self, name: str, key: Scalar, section: Table, file: str) -> None:
        _, resources = self._sections.setdefault(name, (key, {}))
        for resource, resource_key, body in section:
            if resource in resources:
                other = resources[resource][0]
                self._refuse(
                    file,
                    resource_key,
                    f"{name}.{shortened(resource, 40)}",
                    f"the same check is in {other} already and goss would keep one; rename one",
                )
            resources[resource] = (file, resource_key, body)

    def _includes(self, section: Node, file: str, base: str, above: tuple[str, ...]) -> None:
        if not isinstance(section, Table):
            self._refuse(
                file,
                section,
                INCLUDE,
                f"expected paths of goss files, found {describe(section)}; "
                "write “path/of/file.yaml: {}”",
            )
            return
        for name, key, body in sorted(section, key=lambda entry: entry[0]):
            where = f"{INCLUDE}.{shortened(name)}"
            if not isinstance(body, Table):
                self._refuse(file, key, where, "expected “{}” after the path; write it")
                continue
            known = ("file", "skip", "title", "meta")
            for attribute, attribute_key, _ in body:
                if attribute not in known:
                    self._refuse(
                        file,
                        attribute_key,
                        f"{where}.{shortened(attribute)}",
                        f"“{INCLUDE}” has no such attribute; {did_you_mean(attribute, known)}",
                    )
            skip, path = body.values.get("skip"), body.values.get("file")
            if isinstance(skip, Scalar) and skip.value is True:
                continue
            pattern = path.text if isinstance(path, Scalar) and path.text else name
            self._include(pattern, file, key, where, base, above)

    def _include(
        self, pattern: str, file: str, key: Scalar, where: str, base: str, above: tuple[str, ...]
    ) -> None:
        try:
            for path in self._matching(pattern, base):
                real = str(self._folder.locate(path))
                if real in above:
                    raise Unreadable(f"“{path}” includes itself; break the circle")
                if self._files >= MAX_INCLUDES:
                    raise Unreadable(f"more than {MAX_INCLUDES} files are included; use fewer")
                self._read(path, key, (*above, real))
        except Unreadable as problem:
            self._refuse(file, key, where, str(problem))

    def _matching(self, pattern: str, base: str) -> list[str]:
        """Paths below the workshop's folder that an include names, in goss's order."""
        if pattern.startswith("/"):
            raise Unreadable(f"“{pattern}” is an absolute path; write it relative to this file")
        parts = PurePosixPath(base, pattern).parts
        found = [""]
        for part in parts:
            if not any(char in part for char in "*?["):
                found = [f"{path}/{part}" if path else part for path in found]
                continue
            found = [
                f"{path}/{name}" if path else name
                for path in found
                for name in self._folder.names(path or ".")
                if fnmatchcase(name, part)
            ]
        if not found:
            raise Unreadable(f"no file matches “{pattern}”; correct it")
        return sorted(found)

    def _read(self, path: str, key: Scalar, above: tuple[str, ...]) -> None:
        text = render_text_actions(self._folder.text(path))
        if text is None:
            raise Unreadable(f"“{path}” holds templates and cannot be included; write it out")
        root, faults = parse(text.encode(), path)
        self._found.faults += faults
        if root is not None and not faults:
            self._take(root, path, str(PurePosixPath(path).parent), above)

    def _merged(self) -> Table:
        keys = {name: key for name, (key, _) in self._sections.items()}
        values: dict[str, Node] = {}
        for name, (key, resources) in self._sections.items():
            values[name] = Table(
                key.line,
                key.column,
                {resource: entry[1] for resource, entry in resources.items()},
                {resource: entry[2] for resource, entry in resources.items()},
            )
        return Table(1, 1, keys, values)

    def _refuse(self, file: str, node: Node, path: str, message: str) -> None:
        self._found.faults.append(
            Fault(file, node.line, node.column, f"{self._field}.{path}", message)
        )

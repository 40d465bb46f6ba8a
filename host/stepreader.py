"""One step of workshop.yaml and the files beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import Literal, cast

from host import gossfile
from host.content import Reference, references
from host.faults import Fault, shortened
from host.fences import mistakes
from host.fields import Fields, Report
from host.folder import Folder, Unreadable
from host.spec import Asset, AutoValidate, GossSpec, StepSpec
from host.stepmachine import MachineReader
from host.steporder import Placed
from host.yamltree import Node, Scalar
from runtime.domain.workshop import STEP_ID_PATTERN, NavigationMode, StepLlm

RESERVED_ID = "start"  # the image a workshop begins with
MODES = ("hints", "explain", "solve")
FIELDS = (
    *("id", "title", "group", "requires", "markdown", "markdownFile", "goss", "gossFile"),
    *("files", "env", "commands", "llm", "autoValidate"),
)
CONVENTION = ("content.md", "hints.md", "explain.md", "solve.md", "goss.yaml", "llm-docs")
ID_RULE = "lower-case letters, digits, “.”, “_” and “-”, at most 63, a letter or digit first"


Mode = Literal["hints", "explain", "solve"]


@dataclass(frozen=True)
class Document:
    """A text with where it came from: its file, its folder, and its node when it is inline."""

    text: str
    file: str
    folder: str
    node: Scalar | None = None


class StepReader:
    """Reads the step at `steps[position]`; faults go to `report`."""

    def __init__(
        self, node: Node, position: int, folder: Folder, report: Report, lines: Sequence[str]
    ) -> None:
        self._position = position
        self._folder = folder
        self._report = report
        self._lines = lines
        self._fields = Fields(node, f"steps[{position}]", FIELDS, report)
        self._secrets: set[str] = set()

    def placed(self, navigation: NavigationMode) -> Placed:
        """The step's name and place in the order, with the rules of its own fields checked."""
        fields = self._fields
        fields.required("id", "title")
        name = fields.text("id", STEP_ID_PATTERN.strip("^$"), ID_RULE)
        if name == RESERVED_ID:
            fields.refuse("id", f"“{RESERVED_ID}” is the name of the first machine; choose another")
        if navigation is NavigationMode.LINEAR:
            for unfit in ("group", "requires"):
                if fields.has(unfit):
                    fields.refuse(
                        unfit,
                        "linear navigation has no such field; remove it or write "
                        "“navigation: guided” in the workshop",
                    )
        requires: dict[str, Node] = {}
        for path, entry in fields.texts("requires"):
            if entry.value in requires:
                self._report.refuse(entry.node, path, f"“{entry.value}” is listed twice; keep one")
            requires[entry.value] = entry.node
        return Placed(
            path=fields.path,
            node=fields.node,
            id=name,
            id_node=fields.value("id") or fields.node,
            title=fields.text("title"),
            group=fields.text("group"),
            requires=requires,
        )

    def read(self, placed: Placed) -> StepSpec:
        """The whole step; of no use when there were faults."""
        home = f"steps/{placed.id}" if placed.id else ""
        goss = self._goss(home)
        hints, explain, solve = (self._beside(home, name) for name in CONVENTION[1:4])
        llm, docs = self._llm(home)
        content = self._content(home)
        if content:
            for line, message in mistakes(content.text):
                self._report.warnings.append(self._at(content, line, message))
        self._look_around(home)
        machine = MachineReader(self._fields, self._folder, self._report)
        return StepSpec(
            id=placed.id or "",
            title=placed.title or "",
            position=self._position,
            content=content.text if content else "",
            group=placed.group,
            requires=tuple(placed.requires),
            goss=goss,
            files=tuple(machine.files()),
            env=dict(machine.env()),
            commands=tuple(machine.commands()),
            llm=llm,
            llm_docs=docs,
            hints=hints,
            explain=explain,
            solve=solve,
            auto_validate=cast(
                AutoValidate | None, self._fields.choice("autoValidate", ("on-command", "off"))
            ),
            assets=tuple(self._assets(content)) if content else (),
            where=machine.where,
        )

    # Texts and checks

    def _content(self, home: str) -> Document | None:
        found = self._document("markdown", "markdownFile", home, "content.md")
        if found is None:
            given = self._fields.has("markdown") or self._fields.has("markdownFile")
            if home and not given and not self._folder.has(f"{home}/content.md"):
                self._fields.refuse(
                    "markdown",
                    f"the step has no text; write {home}/content.md or add “markdown: |”",
                )
            return None
        if not found.text.strip():
            self._refuse_file(found.file, "content", "the step's text is empty; write it")
        return found

    def _goss(self, home: str) -> GossSpec | None:
        inline = self._fields.value("goss")
        if inline is not None and not isinstance(inline, Scalar):
            self._exclusive("goss", "gossFile", home, "goss.yaml")
            checks = gossfile.from_tree(inline, self._report.file, self._folder, home)
            return self._judged(checks)
        found = self._document("goss", "gossFile", home, "goss.yaml")
        if found is None:
            return None
        checks = gossfile.from_text(found.text, found.file, self._folder, found.folder)
        if found.node is not None:
            checks.faults = [self._moved(fault, found.node) for fault in checks.faults]
            checks.warnings = [self._moved(fault, found.node) for fault in checks.warnings]
        return self._judged(checks)

    def _judged(self, checks: gossfile.Checks) -> GossSpec | None:
        self._report.faults += checks.faults
        self._report.warnings += checks.warnings
        return checks.spec

    def _document(self, inline: str, by_path: str, home: str, convention: str) -> Document | None:
        """A text given inline, by path, or by its conventional name; None when there is none."""
        self._exclusive(inline, by_path, home, convention)
        if self._fields.has(inline):
            text, node = self._fields.text(inline), self._fields.value(inline)
            if text is None or not isinstance(node, Scalar):
                return None
            return Document(text, self._report.file, home, node)
        if self._fields.has(by_path):
            path = self._fields.text(by_path)
            node = self._fields.value(by_path)
            field = self._fields.named(by_path)
        else:
            path = f"{home}/{convention}" if home else None
            node, field = None, convention
            if path is None or not self._folder.has(path):
                return None
        if path is None:
            return None
        text = self._text(path, node, field)
        if text is None:
            return None
        if convention == "goss.yaml":
            self._keep_secret(path)
        return Document(text, path, str(PurePosixPath(path).parent))

    def _exclusive(self, inline: str, by_path: str, home: str, convention: str) -> None:
        fields = self._fields
        if fields.has(inline) and fields.has(by_path):
            fields.refuse(by_path, f"“{inline}” is given as well; keep one of them")
        given = inline if fields.has(inline) else by_path if fields.has(by_path) else None
        path = f"{home}/{convention}"
        if given is None or not home or not self._folder.has(path):
            return
        if given == by_path and fields.text(by_path) == path:
            return
        self._report.warn(
            fields.key(given),
            fields.named(given),
            f"it is used, and {path} is not; remove one of them",
        )

    def _beside(self, home: str, name: str) -> str | None:
        path = f"{home}/{name}"
        if not home or not self._folder.has(path):
            return None
        self._keep_secret(path)
        text = self._text(path, None, name)
        if text is not None and not text.strip():
            self._refuse_file(path, name, "the file is empty; write it or remove it")
        return text

    def _text(self, path: str, node: Node | None, field: str) -> str | None:
        try:
            return self._folder.text(path)
        except Unreadable as problem:
            if node is not None:
                self._report.refuse(node, field, str(problem))
            else:
                self._refuse_file(path, field, str(problem))
            return None

    def _refuse_file(self, path: str, field: str, message: str) -> None:
        self._report.faults.append(Fault(path, 1, 1, field, message))

    def _keep_secret(self, path: str) -> None:
        try:
            self._secrets.add(str(self._folder.locate(path)))
        except Unreadable:
            return

    # Help

    def _llm(self, home: str) -> tuple[StepLlm | None, tuple[Asset, ...]]:
        fields = self._fields.inner("llm", ("mode", "context", "docs"))
        docs: dict[str, Asset] = {}
        for name in self._folder.names(f"{home}/llm-docs") if home else ():
            self._doc(docs, f"{home}/llm-docs/{name}", None, "llm-docs")
        if fields is not None:
            for path, entry in fields.texts("docs"):
                self._doc(docs, entry.value, entry.node, path)
        if fields is None and not docs:
            return None, ()
        mode = fields.choice("mode", MODES) if fields else None
        context = fields.text("context") if fields else None
        settings = StepLlm(mode=cast(Mode | None, mode), context=context, has_docs=bool(docs))
        return settings, tuple(docs[name] for name in sorted(docs))

    def _doc(self, docs: dict[str, Asset], path: str, node: Node | None, field: str) -> None:
        self._keep_secret(path)
        text = self._text(path, node, field)
        name = PurePosixPath(path).name
        if text is None:
            return
        if name in docs and docs[name].content != text.encode():
            message = f"another document is called “{name}” already; rename one"
            if node is not None:
                self._report.refuse(node, field, message)
            else:
                self._refuse_file(path, field, message)
        docs[name] = Asset(name, text.encode())

    # What the text refers to

    def _assets(self, content: Document) -> Iterator[Asset]:
        for reference in references(content.text):
            asset = self._asset(content, reference)
            if asset is not None:
                yield asset

    def _asset(self, content: Document, reference: Reference) -> Asset | None:
        shown = shortened(reference.path)
        if reference.is_remote:
            self._warn_text(
                content,
                reference,
                f"the picture “{shown}” is on another site and the page will not load it; "
                "put it into the step's folder",
            )
            return None
        path = (
            f"{content.folder}/{reference.path}"
            if content.folder not in ("", ".")
            else reference.path
        )
        if ".." in PurePosixPath(reference.path).parts:
            self._warn_text(
                content,
                reference,
                f"“{shown}” leads out of the folder of the text and the page will not find it; "
                "put the file into the folder",
            )
            return None
        try:
            if str(self._folder.locate(path)) in self._secrets:
                self._fault_text(
                    content,
                    reference,
                    f"the text links to “{shown}”, which students must not read; remove the link",
                )
                return None
            return Asset(reference.path, self._folder.read(path))
        except Unreadable as problem:
            self._warn_text(content, reference, f"the text refers to “{shown}”, but {problem}")
            return None

    def _warn_text(self, content: Document, reference: Reference, message: str) -> None:
        self._report.warnings.append(self._at(content, reference.line, message))

    def _fault_text(self, content: Document, reference: Reference, message: str) -> None:
        self._report.faults.append(self._at(content, reference.line, message))

    def _at(self, content: Document, line: int, message: str) -> Fault:
        fault = Fault(content.file, line, 1, "markdown", message)
        return self._moved(fault, content.node) if content.node is not None else fault

    def _moved(self, fault: Fault, node: Scalar) -> Fault:
        """A fault inside an inline text, at its place in workshop.yaml."""
        if fault.file != self._report.file:
            return fault
        if node.style != "|":
            return replace(fault, line=node.line, column=node.column)
        inside = node.text.split("\n")
        first = next((index for index, line in enumerate(inside) if line.strip()), 0)
        outside = self._lines[node.line + first] if node.line + first < len(self._lines) else ""
        indent = _indent(outside) - _indent(inside[first])
        return replace(fault, line=node.line + fault.line, column=indent + fault.column)

    def _look_around(self, home: str) -> None:
        """Warn of files that look like misspelt ones."""
        names = self._folder.names(home) if home else []
        missing = [known for known in CONVENTION if known not in names]
        for name in names:
            near = get_close_matches(name, missing, n=1, cutoff=0.85)
            if near and name not in CONVENTION:
                message = f"the file is not used; did you mean “{near[0]}”?"
                self._report.warnings.append(Fault(f"{home}/{name}", 1, 1, name, message))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))

"""workshop.yaml to `Spec`: every rule of contracts section 10, every fault in one go.

Nothing here stops at a fault: a value that cannot be used is reported and read as absent, so that
an author sees all of them at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from pydantic import ValidationError

from host.faults import Fault, did_you_mean
from host.fields import Fields, Report
from host.folder import Folder, Unreadable
from host.spec import SPEC_NAME, AutoValidate, FaultyWorkshop, Spec, StepSpec
from host.steporder import check_order
from host.stepreader import ID_RULE, MODES, StepReader
from host.yamltree import MAX_BYTES, Node, Table, describe, parse
from runtime.domain.watching import WatchMode
from runtime.domain.workshop import NAME_PATTERN, LlmSettings, NavigationMode, TerminalSettings

VERSION = "v1"
MAX_STEPS = 500
NAVIGATION = tuple(mode.value for mode in NavigationMode)

_WORD = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
IMAGE = rf"{_WORD}(?::[0-9]{{1,5}}(?=/))?(?:/{_WORD})*"
IMAGE_RULE = (
    "an image's name in lower case without a tag, such as example.org/team/git-basics "
    "(each step's id becomes a tag)"
)
BASE_IMAGE = r"[A-Za-z0-9][A-Za-z0-9._:/@-]*"
USER = r"[a-z_][a-z0-9_-]{0,31}"
ABSOLUTE = r"/[^\0\n]*"
VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"


def read(root: Path) -> Spec:
    """The workshop in `root`, a resolved folder; raises FaultyWorkshop with every fault."""
    folder, report = Folder(root), Report(SPEC_NAME)
    try:
        raw = folder.read(SPEC_NAME, MAX_BYTES)
    except Unreadable as problem:
        raise FaultyWorkshop((Fault(SPEC_NAME, 1, 1, "file", str(problem)),)) from problem
    tree, report.faults = parse(raw, SPEC_NAME)
    lines = raw.decode("utf-8-sig", "replace").split("\n")
    spec = _Reader(root, folder, report, lines).whole(tree) if tree is not None else None
    faults, warnings = _in_order(report.faults), _in_order(report.warnings)
    if faults or spec is None:
        raise FaultyWorkshop(faults, warnings)
    return spec


def _in_order(faults: Sequence[Fault]) -> tuple[Fault, ...]:
    """workshop.yaml first, then the other files by name; each fault once."""
    return tuple(sorted(set(faults), key=lambda fault: (fault.file != SPEC_NAME, fault)))


class _Reader:
    def __init__(self, root: Path, folder: Folder, report: Report, lines: Sequence[str]) -> None:
        self._root = root
        self._folder = folder
        self._report = report
        self._lines = lines

    def whole(self, tree: Node) -> Spec | None:
        if not isinstance(tree, Table):
            self._report.refuse(
                tree,
                "file",
                f"expected a workshop, found {describe(tree)}; "
                "begin with “version: v1”, “workshop:”, “base:” and “steps:”",
            )
            return None
        top = Fields(tree, "", ("version", "workshop", "base", "steps"), self._report)
        top.required("version", "workshop", "base", "steps")
        top.choice("version", (VERSION,))
        about = top.inner(
            "workshop",
            (
                *("name", "image", "title", "description"),
                *("navigation", "llm", "terminal", "autoValidate", "watching"),
            ),
        )
        navigation = NavigationMode.LINEAR
        if about is not None:
            about.required("name", "image")
            # One that cannot be read forbids the least, so that no fault follows from it.
            unread = NavigationMode.FREE if about.has("navigation") else NavigationMode.LINEAR
            navigation = NavigationMode(about.choice("navigation", NAVIGATION) or unread)
        name = about.text("name", NAME_PATTERN.strip("^$"), ID_RULE) if about else None
        image = about.text("image", IMAGE, IMAGE_RULE) if about else None
        base_image, container_file = self._base(top)
        llm = self._llm(about) if about else None
        steps = self._steps(top, navigation)
        self._unused_folders(steps)
        if llm is None and about is not None and not about.has("llm"):
            self._llm_without_model(top)
        return Spec(
            root=self._root,
            name=name or "",
            image=image or "",
            title=about.text("title") if about else None,
            description=about.text("description") if about else None,
            navigation=navigation,
            llm=llm,
            terminal=self._terminal(about) if about else TerminalSettings(),
            auto_validate=cast(
                AutoValidate,
                (about.choice("autoValidate", ("on-command", "off")) if about else None)
                or "on-command",
            ),
            watching=cast(
                WatchMode,
                (about.choice("watching", ("always", "ask", "off")) if about else None) or "always",
            ),
            base_image=base_image,
            base_container_file=container_file,
            steps=steps,
            warnings=_in_order(self._report.warnings),
        )

    def _base(self, top: Fields) -> tuple[str | None, Path | None]:
        base = top.inner("base", ("image", "containerFile"))
        if base is None:
            return None, None
        image = base.text("image", BASE_IMAGE, "the name of an image")
        path = base.text("containerFile")
        if isinstance(base.node, Table) and base.has("image") == base.has("containerFile"):
            both = "both are given" if base.has("image") else "neither is given"
            self._report.refuse(
                base.key("containerFile"),
                base.path,
                f"expected either “image” or “containerFile”, but {both}; keep one",
            )
        if path is None:
            return image, None
        try:
            self._folder.text(path)
            return image, self._folder.locate(path)
        except Unreadable as problem:
            base.refuse("containerFile", str(problem))
            return image, None

    def _llm(self, about: Fields) -> LlmSettings | None:
        fields = about.inner(
            "llm",
            ("provider", "model", "apiKeyEnv", "maxTokens", "defaultMode", "sessionTokens"),
        )
        if fields is None:
            return None
        fields.required("provider", "model", "apiKeyEnv")
        values = {
            "provider": fields.choice("provider", ("anthropic",)),
            "model": fields.text("model"),
            "api_key_env": fields.text(
                "apiKeyEnv", VARIABLE, "the name of the environment variable that holds the key"
            ),
            "max_tokens": fields.number("maxTokens", 1, 64_000),
            "default_mode": fields.choice("defaultMode", MODES),
            "session_tokens": fields.number("sessionTokens", 1_000, 100_000_000),
        }
        try:
            return LlmSettings.model_validate(_given(values))
        except ValidationError:  # a required field is absent, which is reported
            return None

    def _terminal(self, about: Fields) -> TerminalSettings:
        fields = about.inner("terminal", ("user", "shell", "workdir", "recordInput"))
        if fields is None:
            return TerminalSettings()
        values = {
            "user": fields.text("user", USER, "a user's name such as student"),
            "shell": fields.text("shell", ABSOLUTE, "an absolute path such as /bin/bash"),
            "workdir": fields.text("workdir", ABSOLUTE, "an absolute path such as /workspace"),
            "record_input": fields.choice("recordInput", ("masked", "off", "all")),
        }
        return TerminalSettings.model_validate(_given(values))

    def _steps(self, top: Fields, navigation: NavigationMode) -> tuple[StepSpec, ...]:
        items = [node for _, node in top.items("steps")]
        if top.has("steps") and not items and not self._faulty("steps"):
            top.refuse("steps", "there is no step; write at least one")
        if len(items) > MAX_STEPS:
            top.refuse("steps", f"there are {len(items)} steps; at most {MAX_STEPS} are allowed")
            return ()
        readers = [
            StepReader(node, position, self._folder, self._report, self._lines)
            for position, node in enumerate(items)
        ]
        placed = [reader.placed(navigation) for reader in readers]
        check_order(placed, navigation, self._report)
        return tuple(reader.read(place) for reader, place in zip(readers, placed, strict=True))

    def _llm_without_model(self, top: Fields) -> None:
        """Note what steps say for a model when the workshop names none."""
        for path, node in top.items("steps"):
            if isinstance(node, Table) and "llm" in node.values:
                self._report.warn(
                    node.keys["llm"],
                    f"{path}.llm",
                    "the workshop names no model, so it has no effect; add “llm” to “workshop”",
                )

    def _faulty(self, field: str) -> bool:
        return any(fault.field == field for fault in self._report.faults)

    def _unused_folders(self, steps: Sequence[StepSpec]) -> None:
        ids = [step.id for step in steps]
        if not all(ids) or not ids:  # which folders are used is not known
            return
        for name in self._folder.names("steps"):
            if (
                name not in ids
                and not name.startswith(".")
                and (self._root / "steps" / name).is_dir()
            ):
                self._report.warnings.append(
                    Fault(
                        f"steps/{name}",
                        1,
                        1,
                        "folder",
                        "no step has this id, so the folder is not used; "
                        f"{did_you_mean(name, ids)}",
                    )
                )


def _given(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}

"""A workshop as its author wrote it: workshop.yaml and the files beside it, all resolved.

`load` is the one way in. It reports every fault of the folder at once and gives back values that
need no further checking: contents are read, paths confined, defaults filled in.
Format: contracts, section 10; for authors, docs/authoring.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from host.faults import Fault
from runtime.domain.errors import InvalidWorkshop, NotFound
from runtime.domain.watching import WatchMode
from runtime.domain.workshop import LlmSettings, NavigationMode, StepLlm, TerminalSettings

SPEC_NAME = "workshop.yaml"

AutoValidate = Literal["on-command", "off"]


class FaultyWorkshop(InvalidWorkshop):
    """The folder's faults, in the order of the files; the message has one line for each."""

    def __init__(self, faults: tuple[Fault, ...], warnings: tuple[Fault, ...] = ()) -> None:
        super().__init__(
            "\n".join(str(fault) for fault in faults),
            {"faults": [fault.as_json() for fault in faults]},
        )
        self.faults = faults
        self.warnings = warnings


@dataclass(frozen=True)
class FileSpec:
    """A file put into the machine before the step's commands run."""

    path: str  # absolute, inside the machine
    content: bytes
    mode: int


@dataclass(frozen=True)
class GossSpec:
    """A step's checks: one self-contained goss file, includes already merged in.

    `expected_checks` is the number of results goss prints for it, None when a template decides;
    `declared_skips` are the `type/id` of checks with `skip: true`.
    """

    text: str
    expected_checks: int | None
    declared_skips: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asset:
    """An image or file the step's text refers to; `path` is relative, as the text writes it."""

    path: str
    content: bytes


@dataclass(frozen=True)
class StepSpec:
    """One step; `where` tells the place of a field in workshop.yaml, e.g. `commands[0]`."""

    id: str
    title: str
    position: int
    content: str
    group: str | None = None
    requires: tuple[str, ...] = ()
    goss: GossSpec | None = None
    files: tuple[FileSpec, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    llm: StepLlm | None = None
    llm_docs: tuple[Asset, ...] = ()
    hints: str | None = None
    explain: str | None = None
    solve: str | None = None
    auto_validate: AutoValidate | None = None
    assets: tuple[Asset, ...] = ()
    where: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Spec:
    """The whole workshop; `warnings` are worth telling the author and stop nothing."""

    root: Path
    name: str
    image: str
    title: str | None
    description: str | None
    navigation: NavigationMode
    llm: LlmSettings | None
    terminal: TerminalSettings
    auto_validate: AutoValidate
    base_image: str | None  # exactly one of the two
    base_container_file: Path | None  # absolute
    steps: tuple[StepSpec, ...]
    watching: WatchMode = "always"
    warnings: tuple[Fault, ...] = ()


def load(directory: Path) -> Spec:
    """Read the workshop in `directory`.

    Raises NotFound when there is no such folder or it has no workshop.yaml, FaultyWorkshop (an
    InvalidWorkshop) with every fault otherwise.
    """
    from host.specreader import read

    if directory.is_file():
        raise NotFound(f"“{directory}” is a file; name the folder of the workshop, its parent.")
    if not directory.is_dir():
        raise NotFound(f"There is no folder “{directory}”.")
    root = directory.resolve()
    path = root / SPEC_NAME
    if not path.exists() and not path.is_symlink():
        near = get_close_matches(
            SPEC_NAME, [entry.name for entry in root.iterdir()], n=1, cutoff=0.85
        )
        if near:
            raise NotFound(f"“{directory}” has no {SPEC_NAME}, but a {near[0]}; rename it.")
        raise NotFound(f"“{directory}” has no {SPEC_NAME}; a workshop is a folder with that file.")
    return read(root)

"""Load and verify the compiled tree: all of it, or one sentence about what is wrong.

Layout and rules: contracts, section 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from runtime.domain.errors import InvalidWorkshop, NotFound
from runtime.domain.workshop import (
    Step,
    StepEntry,
    StepLlm,
    Workshop,
    WorkshopFile,
)

if TYPE_CHECKING:
    from runtime.domain.solution import StepSolution

MAX_JSON_BYTES = 4 << 20  # 4 MiB; a workshop.json is a few kilobytes

FILE_OF_FLAG = {
    "has_goss": "goss.yaml",
    "has_llm": "llm.json",
    "has_hints": "hints.md",
    "has_explain": "explain.md",
    "has_solve": "solve.md",
    "has_solution": "solution.json",
}

Model = TypeVar("Model", bound=BaseModel)


class Artifact(NamedTuple):
    """The verified tree at `root`."""

    root: Path
    workshop: Workshop
    llm: Mapping[str, StepLlm]

    @property
    def runtime_dir(self) -> Path:
        """Where the session's files are."""
        return self.root / "runtime"

    def step_dir(self, step: Step) -> Path:
        """The folder of one step."""
        return self.root / "steps" / step.id

    def goss_path(self, step: Step) -> Path:
        """The step's goss file."""
        return self.step_dir(step) / "goss.yaml"

    def read_text(self, step: Step, name: str) -> str:
        """One Markdown file of the step; raises NotFound when it has none."""
        try:
            return (self.step_dir(step) / name).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError as error:
            raise NotFound(f"The step “{step.title}” has no {name}.") from error

    def solution(self, step: Step) -> StepSolution:
        """What completes the step; empty when the compiler wrote none."""
        from runtime.domain.solution import StepSolution  # a start has no need of it

        if not step.has_solution:
            return StepSolution()
        return _parse(self.step_dir(step) / "solution.json", StepSolution)

    def documents(self, step: Step, limit_bytes: int) -> dict[str, str]:
        """The step's reference documents, by name, at most `limit_bytes` of them in all."""
        found: dict[str, str] = {}
        folder = self.step_dir(step) / "llm-docs"
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if limit_bytes <= 0 or not path.is_file():
                continue
            with path.open("rb") as file:
                raw = file.read(limit_bytes)
            limit_bytes -= len(raw)
            found[path.name] = raw.decode(errors="replace")
        return found

    def file_path(self, step: Step, name: str) -> Path:
        """A file the step's text refers to; raises NotFound for anything outside its folder."""
        folder = self.step_dir(step) / "files"
        refused = NotFound("There is no such file in this step.")
        if "\0" in name:
            raise refused
        path = folder / name
        try:
            inside = path.resolve(strict=True).is_relative_to(folder.resolve(strict=True))
        except (OSError, RuntimeError) as error:
            raise refused from error
        if not inside or not path.is_file():
            raise refused
        return path


def load(root: Path) -> Artifact:
    """Read the tree below `root`.

    Raises InvalidWorkshop with one sentence naming file, field, what was expected and what was
    found; nothing is half-loaded.
    """
    path = root / "workshop.json"
    definition = _parse(path, WorkshopFile)
    steps = tuple(_load_step(root, entry) for entry in definition.steps)
    workshop = Workshop(
        name=definition.name,
        title=definition.title or definition.name,
        description=definition.description or "",
        image=definition.image,
        navigation=definition.navigation,
        llm=definition.llm,
        terminal=definition.terminal,
        auto_validate=definition.auto_validate,
        watching=definition.watching,
        steps=steps,
    )
    llm = {
        step.id: _parse(root / "steps" / step.id / "llm.json", StepLlm)
        for step in steps
        if step.has_llm
    }
    return Artifact(root, workshop, llm)


def _load_step(root: Path, entry: StepEntry) -> Step:
    folder = root / "steps" / entry.id
    meta = folder / "meta.json"
    step = _parse(meta, Step)
    for field in ("id", "title", "group", "requires", "position"):
        expected, found = getattr(entry, field), getattr(step, field)
        if expected != found:
            raise InvalidWorkshop(
                f"{meta}: {field}: expected {expected!r}, as in workshop.json, found {found!r}."
            )
    _require_file(folder / "content.md", "the step's text")
    for flag, name in FILE_OF_FLAG.items():
        if getattr(step, flag):
            _require_file(folder / name, f"a file, since {meta.name} says {_camel(flag)}")
    return step


def _require_file(path: Path, what: str) -> None:
    if not path.is_file():
        raise InvalidWorkshop(
            f"{path}: expected {what}, found nothing. Compile the workshop again."
        )


def _parse(path: Path, model: type[Model]) -> Model:
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise InvalidWorkshop(f"{path}: expected at most {MAX_JSON_BYTES} bytes, found more.")
        raw = path.read_bytes()
    except OSError as error:
        raise InvalidWorkshop(
            f"{path}: expected a readable file, found: {error.strerror or error}. "
            "Is this a compiled workshop? `workshop compile DIR -o OUT` makes one."
        ) from error
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise InvalidWorkshop(f"{path}: {_sentence(error)}") from error


def _sentence(error: ValidationError) -> str:
    """The first fault: `field: expected …, found …`."""
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "value_error":  # ours: names its field and both sides already
        return f"{first['msg'].removeprefix('Value error, ')}."
    if first["type"] == "json_invalid":
        return f"expected JSON, found something else: {first['ctx']['error']}."
    if first["type"] == "missing":
        return f"{field}: expected a value, found nothing."
    return f"{field}: expected otherwise ({first['msg']}), found {_shorten(first['input'])}."


def _shorten(value: Any) -> str:  # Any: whatever JSON held
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _camel(flag: str) -> str:
    head, *rest = flag.split("_")
    return head + "".join(part.capitalize() for part in rest)

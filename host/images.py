"""A workshop's images: made one after the other, looked at, pushed.

An image is made only when it is not what it should be: its label tells what it was made of, its
layers tell what it was made on. So a second build of the same changes nothing, and a build that
was interrupted goes on where it was.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from host import containerfile, output
from host.compile import compile_workshop
from host.containerfile import PLATFORM, Base, Extras, Recipe, Stage
from host.engines.builds import Built, Order, build, is_reused, place_of
from host.engines.program import Program, has_registry
from host.faults import did_you_mean
from host.imagedigest import digests
from host.imagestate import base_tag, is_made_of, labels
from host.sessions import storage_errors
from host.spec import Spec
from runtime.domain.errors import (
    BadRequest,
    EngineFailure,
    InvalidWorkshop,
    NotFound,
    WorkshopError,
)

PULL_SECONDS = 1800.0
TAIL_LINES = 12  # how much of a failing command's output is shown

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Wish:
    """What the words of `workshop build` ask for."""

    from_step: str | None = None  # this step and all after it are made without any cache
    push: bool = False
    ca_bundle: Path | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    platform: str | None = None  # the image the platform is taken from; None: this version's


@dataclass(frozen=True)
class Image:
    """One image that is there now. `cached`: no command was run for it; `digest`: as pushed."""

    step: str
    tag: str
    id: str
    size: int  # bytes
    seconds: float
    cached: bool
    digest: str | None = None


@dataclass(frozen=True)
class _Site:
    """What all of it is built on, and the folder that the builder gets."""

    base: Base
    context: Path


@dataclass(frozen=True)
class _Done:
    """A stage that is there now; Any: a JSON document."""

    found: dict[str, Any]
    cached: bool


class Progress(Protocol):
    """Who is told how it goes."""

    def begin(self, number: int, what: str) -> None:
        """Image `number` (from 0) is made now."""
        ...

    def say(self, sentence: str) -> None:
        """A line that stays."""
        ...

    def show(self, line: str) -> None:
        """The builder's last line."""
        ...


class Images:
    """The images of one workshop in one container program."""

    def __init__(self, spec: Spec, program: Program, wish: Wish, progress: Progress) -> None:
        self._spec = spec
        self._program = program
        self._wish = wish
        self._progress = progress
        self._check()

    def build(self) -> list[Image]:
        """All of them. Raises InvalidWorkshop naming step and command when one fails."""
        self._progress.begin(0, f"Base: {base_name(self._spec)}")
        extras = Extras(self._wish.ca_bundle is not None, tuple(self._wish.arguments))
        base = self._base()
        recipes = containerfile.recipes(
            self._spec, base, digests(self._spec), extras, self._program.full_name
        )
        with _context(self._spec, recipes) as context:
            built = self._all(recipes, _Site(base, context))
        return [self._pushed(image) for image in built] if self._wish.push else built

    def _check(self) -> None:
        ids = [containerfile.START, *(step.id for step in self._spec.steps)]
        step = self._wish.from_step
        if step is not None and step not in ids:
            raise NotFound(
                f"--from-step: the workshop has no step “{step}”; {did_you_mean(step, ids)}"
            )
        if self._wish.push and not has_registry(self._spec.image):
            raise BadRequest(
                f"--push: the image “{self._spec.image}” names no registry. Write one into "
                f"workshop.image, for example registry.example.org/{self._spec.image}."
            )
        bundle = self._wish.ca_bundle
        if bundle is not None and not bundle.is_file():
            raise BadRequest(f"--ca-bundle: there is no file “{bundle}”.")

    def _base(self) -> Base:
        name = self._spec.base_image or self._base_built()
        found = self._here(name) or self._pulled(name)
        base = Base(name, str(found["Id"]))
        if PLATFORM in labels(found):
            return base
        platform = self._wish.platform or platform_image()
        brought = self._here(platform)
        if brought is None and self._wish.platform and has_registry(platform):
            brought = self._pulled(platform)
        if brought is None:
            raise NotFound(
                f"The base {name} holds no platform, and the image {platform}, from which it would "
                "be taken, is not on this computer. Make it in a checkout of Workshop with: make "
                "images — or name one that can be pulled with --platform-image IMAGE."
            )
        version = labels(brought).get(PLATFORM, output.version())
        return replace(
            base, platform=platform, platform_id=str(brought["Id"]), platform_version=version
        )

    def _base_built(self) -> str:
        file = self._spec.base_container_file
        assert file is not None  # a workshop has one of the two
        tag = base_tag(self._spec, self._program)
        order = Order(
            file, self._spec.root, tag,
            arguments=self._wish.arguments, ca_bundle=self._wish.ca_bundle,
        )  # fmt: skip
        done = build(self._program, order, self._progress.show)
        if done.exit_code == 0:
            return tag
        failure = done.failure
        if failure is None or failure.exit_code is None:
            raise self._failed(f"The base's {file.name} could not be built", done)
        tail = _tail(failure.output)
        raise InvalidWorkshop(
            f"The base's {file.name}: `{failure.instruction}` ended with exit code "
            f"{failure.exit_code}. Its last output:\n{tail}",
            {
                "file": str(file),
                "command": failure.instruction,
                "exit": failure.exit_code,
                "output": tail,
            },
        )

    def _all(self, recipes: Sequence[Recipe], site: _Site) -> list[Image]:
        made: list[Image] = []
        state: _Done | None = None
        anew = False
        for number, recipe in enumerate(recipes):
            self._progress.begin(number, _what(recipe.image, len(recipes) - 1))
            started = time.monotonic()
            anew = anew or self._wish.from_step == recipe.image.id
            state = self._done(recipe.state, site, state, anew)
            image = self._done(recipe.image, site, state, anew)
            seconds = round(time.monotonic() - started, 2)
            step = recipe.image.step
            tag = containerfile.tag(self._spec, step.id if step else None)
            found, cached = image.found, state.cached and image.cached
            made.append(
                Image(recipe.image.id, tag, str(found["Id"]), int(found["Size"]), seconds, cached)
            )
        return made

    def _done(self, stage: Stage, site: _Site, before: _Done | None, anew: bool) -> _Done:
        """The stage as it must be: as it is here, or built."""
        found = self._here(stage.tag)
        below = before.found if before else None
        if not anew and found is not None and is_made_of(found, stage.digest, site.base, below):
            return _Done(found, cached=True)
        order = Order(
            site.context / "Containerfile", site.context, stage.tag, stage.name,
            self._wish.arguments, self._wish.ca_bundle, anew,
        )  # fmt: skip
        done = build(self._program, order, self._progress.show)
        if done.exit_code != 0:
            raise self._stage_failed(stage, done)
        found = self._here(stage.tag)
        if found is None:
            raise EngineFailure(f"{stage.tag} was built and is not there; was it removed just now?")
        lines = [line.text for line in stage.instructions]
        return _Done(found, is_reused(done, lines, self._program))

    def _stage_failed(self, stage: Stage, done: Built) -> WorkshopError:
        failure = done.failure
        what = f"Step {stage.id}" if stage.step else "The start"
        if failure is None or failure.exit_code is None:
            return self._failed(f"{what} could not be built", done)
        lines = [line.text for line in stage.instructions]
        place = place_of(failure, lines, self._program)
        command = stage.instructions[place].command if place is not None else None
        tail = _tail(failure.output)
        if command is None:
            return InvalidWorkshop(
                f"{what} could not be made on the base {base_name(self._spec)}: {tail}",
                {"step": stage.id, "exit": failure.exit_code, "output": tail},
            )
        return InvalidWorkshop(
            f"{what}: the command `{command}` ended with exit code {failure.exit_code}. "
            f"Its last output:\n{tail}",
            {"step": stage.id, "command": command, "exit": failure.exit_code, "output": tail},
        )

    def _failed(self, what: str, done: Built) -> EngineFailure:
        return EngineFailure(
            f"{what}. {self._program.name} said:\n{_tail(done.lines)}",
            {"exit": done.exit_code, "output": _tail(done.lines)},
        )

    def _pulled(self, image: str) -> dict[str, Any]:
        self._progress.say(f"Pulling {image}.")
        done = self._program.run("pull", image, seconds=PULL_SECONDS)
        found = self._here(image) if done.returncode == 0 else None
        if found is None:
            why = self._program.failure(("pull",), done.returncode, done.stderr).message
            raise EngineFailure(
                f"The image {image} is not on this computer and cannot be pulled. Is its name "
                f"right, with its registry, and the registry within reach? ({why})"
            )
        return found

    def _pushed(self, image: Image) -> Image:
        self._progress.say(f"Pushing {image.tag}.")
        with tempfile.NamedTemporaryFile(prefix="workshop-digest-") as file:
            options = ["--digestfile", file.name] if self._program.is_podman else []
            code, lines = self._program.stream(
                ["push", *options, self._program.full_name(image.tag)], self._progress.show
            )
            digest = _DIGEST.search(Path(file.name).read_text() or "\n".join(lines[-3:]))
        if code != 0:
            raise EngineFailure(
                f"{image.tag} could not be pushed. {self._program.name} said:\n{_tail(lines)}"
            )
        return replace(image, digest=digest[0] if digest else None)

    def _here(self, image: str) -> dict[str, Any] | None:  # Any: a JSON document
        return self._program.inspect("image", image)


def platform_image() -> str:
    """Where the platform is taken from by default: this version's image, made on this computer."""
    return f"localhost/workshop/platform:{output.version()}"


def base_name(spec: Spec) -> str:
    """The base as a person knows it."""
    file = spec.base_container_file
    return spec.base_image or (str(file.relative_to(spec.root)) if file else "")


def _what(stage: Stage, steps: int) -> str:
    if stage.step is None:
        return "The start"
    return f"Step {stage.step.position + 1} of {steps}: {stage.id}"


def _tail(lines: Sequence[str]) -> str:
    kept = [line for line in lines if line.strip()][-TAIL_LINES:]
    return "\n".join(kept) or "(none)"


@contextmanager
def _context(spec: Spec, recipes: Sequence[Recipe]) -> Iterator[Path]:
    """The folder that the builder gets, with the Containerfile in it."""
    with tempfile.TemporaryDirectory(prefix="workshop-build-") as name:
        root = Path(name)
        compile_workshop(spec, root / containerfile.ARTIFACT)
        with storage_errors(root):
            for step in spec.steps:
                for number, file in enumerate(step.files):
                    path = root / containerfile.file_in_context(step, number)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(file.content)
            (root / "Containerfile").write_text(containerfile.text(recipes), encoding="utf-8")
        yield root

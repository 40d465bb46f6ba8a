"""What `workshop run` was given, a folder or an image, and the engine that will run it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from host import sandboxable
from host.compile import compile_workshop
from host.engines import Engine
from host.engines.containers import Containers, step_images
from host.engines.program import NAMES, Program, find
from host.engines.sandbox import Sandbox
from host.sessions import Limits, Origin, Session, place
from host.spec import FaultyWorkshop, Spec, load
from host.states import States
from runtime.domain.errors import BadRequest, EngineFailure, InvalidWorkshop, NotFound
from runtime.domain.transitions import TransitionKind
from runtime.domain.workshop import LlmSettings, WorkshopFile

SANDBOX = "sandbox"
ENGINES = (SANDBOX, *NAMES)

Say = Callable[[str], None]


@dataclass(frozen=True)
class Chosen:
    """A workshop that can run. `compile_to` writes its artifact into a folder; None when the
    engine's images hold it. `why` says which engine was chosen, `llm` which model it asks."""

    session: Session
    origin: Origin
    engine: Engine
    why: str
    compile_to: Callable[[Path], None] | None = None
    llm: LlmSettings | None = None


def choose(source: str, wanted: str | None, limits: Limits, say: Say) -> Chosen:
    """Read the workshop and find its engine.

    `wanted` is `podman`, `docker`, `sandbox` (the embedded engine) or None: then a session goes on
    with the engine it has, a folder whose images are built runs in containers, and any other
    folder in the embedded engine. Raises what the reading raises, BadRequest and EngineFailure.
    """
    if wanted is not None and wanted not in ENGINES:
        raise BadRequest(f"--engine: expected one of {', '.join(ENGINES)}, found “{wanted}”.")
    folder = Path(source)
    if folder.is_dir():
        return _of_folder(load(folder), wanted, limits, say)
    if folder.is_absolute() or source.startswith("."):
        raise NotFound(f"There is no folder “{source}”.")
    if wanted == SANDBOX:
        raise BadRequest("The embedded engine runs folders; an image needs podman or docker.")
    return _of_image(source, find(wanted), limits, say)


def engine_of(session: Session, say: Say = lambda _: None) -> Engine:
    """The engine of an existing session; a folder's workshop is read only when it is needed."""
    record = session.record()
    if record.engine in NAMES:
        images = step_images(record.image or record.name, record.steps)
        return Containers(find(record.engine), images, say)

    def state(step: str, kind: TransitionKind) -> Path:
        return States(load(Path(record.source)), say=say).place(step, kind)

    return Sandbox(state)


def _of_folder(spec: Spec, wanted: str | None, limits: Limits, say: Say) -> Chosen:
    session = place(spec.name)
    name, why = _engine_for(spec, session, wanted)
    steps = tuple(step.id for step in spec.steps)
    title = spec.title or spec.name
    if name != SANDBOX:
        images = step_images(spec.image, steps)
        origin = Origin(title, str(spec.root), name, steps, spec.image, limits)
        engine = Containers(find(name), images, say)
        return Chosen(session, origin, engine, why, llm=spec.llm)
    unfit = tuple(sandboxable.check(spec))
    if unfit:
        raise FaultyWorkshop(unfit, spec.warnings)
    return Chosen(
        session,
        Origin(title, str(spec.root), SANDBOX, steps),
        Sandbox(States(spec, say=say).place),
        why,
        lambda target: compile_workshop(spec, target),
        spec.llm,
    )


def _engine_for(spec: Spec, session: Session, wanted: str | None) -> tuple[str, str]:
    """The engine's name, and a sentence on why it is this one."""
    if wanted is not None:
        return wanted, f"Engine: {_spoken(wanted)}, as asked."
    if session.exists():
        name = session.record().engine
        return name, f"Engine: {_spoken(name)}, as before."
    try:
        program = find()
    except EngineFailure:
        return SANDBOX, f"Engine: {_spoken(SANDBOX)}; neither podman nor docker is installed."
    if program.inspect("image", f"{spec.image}:start") is not None:
        return program.name, f"Engine: {program.name}; the workshop's images are built."
    return SANDBOX, (
        f"Engine: {_spoken(SANDBOX)}; for {program.name}, build the images first: "
        f"workshop build {spec.root}"
    )


def _spoken(name: str) -> str:
    return "embedded (bubblewrap)" if name == SANDBOX else name


def _of_image(image: str, program: Program, limits: Limits, say: Say) -> Chosen:
    repository, tag = _parted(image)
    engine = Containers(program, step_images(repository, ()), say)
    engine.require_image(f"{repository}:{tag}")
    workshop = read_workshop(program, f"{repository}:{tag}")
    steps = tuple(step.id for step in workshop.steps)
    origin = Origin(
        title=workshop.title or workshop.name,
        source=image,
        engine=program.name,
        steps=steps,
        image=repository,
        limits=limits,
        first=_step_after(image, tag, steps),
    )
    images = step_images(repository, steps)
    return Chosen(
        place(workshop.name),
        origin,
        Containers(program, images, say),
        f"Engine: {program.name}.",
        llm=workshop.llm,
    )


def _parted(image: str) -> tuple[str, str]:
    """Repository and tag, `start` when there is none."""
    if "@" in image:
        raise BadRequest(
            f"“{image}” names one image by its digest; the steps of a workshop are tags. Give the "
            "name without it."
        )
    path, slash, last = image.rpartition("/")
    name, colon, tag = last.partition(":")
    return f"{path}{slash}{name}", tag if colon else "start"


def _step_after(image: str, tag: str, steps: tuple[str, ...]) -> str:
    """An image holds the solved state of its step: a session begins with the one after it."""
    if tag == "start":
        return steps[0]
    if tag in steps[:-1]:
        return steps[steps.index(tag) + 1]
    where = "the last step, solved" if tag in steps else "no step of this workshop"
    raise BadRequest(
        f"“{image}” is {where}. Run it without the tag, then go where you want with: "
        "workshop go STEP"
    )


def read_workshop(program: Program, image: str) -> WorkshopFile:
    """The workshop.json baked into an image. Raises InvalidWorkshop when there is none."""
    content = program.file_in(image, "/workshop/workshop.json")
    if content is None:
        raise InvalidWorkshop(
            f"{image} is no workshop: it has no /workshop/workshop.json. Images of workshops are "
            "made with: workshop build DIR"
        )
    try:
        return WorkshopFile.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidWorkshop(
            f"The workshop.json in {image} cannot be used: {where}: {first['msg']}."
        ) from error

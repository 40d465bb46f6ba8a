"""The commands around a workshop's images: make them, and say which are up to date."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from host import output, running
from host.authoring import read_folder
from host.buildprogress import BuildProgress
from host.engines.program import NAMES, Program, find
from host.images import Image, Images, Wish, base_name
from host.imagestate import states
from host.output import Answer, Refusal
from host.spec import SPEC_NAME
from runtime.domain.errors import BadRequest, EngineFailure, InvalidWorkshop, NotFound


def build(directory: Path, wish: Wish, engine: str | None = None) -> Answer:
    """Make the images of the workshop in `directory`.

    Raises Refusal with the faults of the folder, or with the step and command that failed.
    """
    spec = read_folder(directory)
    program = _program(engine)
    with BuildProgress(output.current(), len(spec.steps) + 1) as progress:
        progress.say(f"Engine: {program.name}.")
        try:
            made = Images(spec, program, wish, progress).build()
        except InvalidWorkshop as error:
            raise Refusal(error, data=error.details) from error
    fresh = sum(not image.cached for image in made)
    said = f"{fresh} of {len(made)} images made anew." if fresh else "Nothing has changed."
    return Answer(
        {
            "name": spec.name,
            "image": spec.image,
            "engine": program.name,
            "base": base_name(spec),
            "steps": [_as_json(image) for image in made],
        },
        f"{_table(made)}\n{said} Run it: workshop run {_word(directory)}",
    )


def is_workshop(word: str | None) -> bool:
    """Whether a command's argument is the folder of a workshop."""
    return word is not None and (Path(word) / SPEC_NAME).exists()


def status(directory: Path) -> Answer:
    """Which images of the workshop in `directory` are built, stale or missing; and its session,
    when it has one."""
    spec = read_folder(directory)
    session = _session(directory)
    try:
        program = _program(None)
        rows = states(spec, program)
    except EngineFailure as error:
        if session is None:
            raise
        output.current().say(f"{error.message} Its images cannot be looked at.")
        return Answer({"name": spec.name, "session": session.data}, session.text)
    lines = [output.table([("STEP", "IMAGE", "STATE"), *rows])]
    if any(state != "built" for _, _, state in rows):
        lines.append(f"Bring them up to date: workshop build {_word(directory)}")
    data: dict[str, object] = {
        "name": spec.name,
        "image": spec.image,
        "engine": program.name,
        "steps": [{"step": step, "tag": tag, "state": state} for step, tag, state in rows],
    }
    if session is not None:
        lines.append(f"\nIts session:\n{session.text}")
        data["session"] = session.data
    return Answer(data, "\n".join(lines))


def arguments(words: Sequence[str]) -> dict[str, str]:
    """`NAME=VALUE` words as a mapping. Raises BadRequest for another one."""
    pairs = [word.partition("=") for word in words]
    for name, equals, _ in pairs:
        if not equals or not name.isidentifier():
            raise BadRequest(f"--build-arg: expected NAME=VALUE, found “{name}{equals}”.")
    return {name: value for name, _, value in pairs}


def _program(wanted: str | None) -> Program:
    """The program asked for, or the one that `workshop run` is told to use; it may be told to use
    none."""
    usual = os.environ.get("WORKSHOP_ENGINE")
    return find(wanted or (usual if usual in NAMES else None))


def _session(directory: Path) -> Answer | None:
    try:
        return running.status(str(directory))
    except (NotFound, BadRequest):
        return None


def _word(directory: Path) -> str:
    return shlex.quote(str(directory))


def _table(made: Sequence[Image]) -> str:
    has_digests = any(image.digest for image in made)
    rows = [("IMAGE", "SIZE", "TIME", *(["DIGEST"] if has_digests else []))]
    rows += [
        (
            image.tag,
            f"{image.size / 1e6:.0f} MB",
            "unchanged" if image.cached else f"{image.seconds:.1f} s",
            *([image.digest or "-"] if has_digests else []),
        )
        for image in made
    ]
    return output.table(rows)


def _as_json(image: Image) -> dict[str, object]:
    entry: dict[str, object] = {
        "step": image.step,
        "tag": image.tag,
        "id": image.id,
        "size": image.size,
        "seconds": image.seconds,
        "cached": image.cached,
    }
    return entry | ({"digest": image.digest} if image.digest else {})

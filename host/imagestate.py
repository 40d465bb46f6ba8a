"""Whether an image is what its workshop would give now: by its labels and by its layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

from host import containerfile
from host.containerfile import BASE, DIGEST, INJECTED, START, Base
from host.engines.program import Program
from host.imagedigest import digests
from host.spec import Spec

BASE_TAG = "_base"  # of what base.containerFile gives; no step has such an id

Found = Mapping[str, Any]  # Any: an image as the program describes it, a JSON document


def is_made_of(found: Found, digest: str, base: Base, before: Found | None) -> bool:
    """Whether it was made of this, on this base, and on the one `before` it."""
    said = labels(found)
    made_on = {name: said[name] for name in (BASE, INJECTED) if name in said}
    return (
        said.get(DIGEST) == digest
        and made_on == base.labels
        and (before is None or _stands_on(found, before))
    )


def states(spec: Spec, program: Program) -> list[tuple[str, str, str]]:
    """Step, tag, and `built`, `stale` or `missing` of each image, the start first.

    What an image was made on is compared as far as it is on this computer.
    """

    @cache
    def here(image: str) -> dict[str, Any] | None:
        return program.inspect("image", image)

    base = spec.base_image or base_tag(spec, program)
    rows = []
    below: dict[str, Any] | None = None
    is_whole = True
    for step, digest in zip([None, *spec.steps], digests(spec), strict=True):
        name = containerfile.tag(spec, step.id if step else None)
        found = here(program.full_name(name))
        state = here(program.full_name(containerfile.state_tag(spec, step.id if step else None)))
        said = labels(found) if found else {}
        injected = said.get(INJECTED, "").split()
        made_on = [(base, said.get(BASE)), *([(injected[0], injected[-1])] if injected else [])]
        is_whole = (
            is_whole
            and found is not None
            and said.get(DIGEST) == digest.image
            and _is_pile([each for each in (below, state, found) if each is not None])
            and all(_is_still(here(image), id_) for image, id_ in made_on)
        )
        built = "built" if is_whole else "stale" if found else "missing"
        rows.append((step.id if step else START, name, built))
        below = state
    return rows


def base_tag(spec: Spec, program: Program) -> str:
    """The name of the image that base.containerFile gives."""
    return program.full_name(f"{spec.image}:{BASE_TAG}")


def labels(image: Found) -> dict[str, str]:
    """The labels of an image."""
    return dict((image.get("Config") or {}).get("Labels") or {})


def _is_pile(images: Sequence[Found]) -> bool:
    """Whether each stands on the one before it."""
    return all(_stands_on(upper, lower) for lower, upper in pairwise(images))


def _stands_on(found: Found, before: Found) -> bool:
    lower, layers = before["RootFS"]["Layers"], found["RootFS"]["Layers"]
    return bool(layers[: len(lower)] == lower)


def _is_still(found: Found | None, id_: str | None) -> bool:
    return found is None or found["Id"] == id_

"""May this step be viewed or entered now, and if not, why: contracts, section 1, Navigation."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import assert_never

from runtime.domain.workshop import NavigationMode, Step, Workshop


def locked_reason(workshop: Workshop, step: Step, completed: Collection[str]) -> str | None:
    """Why `step` is not accessible, as a sentence for the student; None when it is."""
    if step.id in completed:
        return None
    match workshop.navigation:
        case NavigationMode.FREE:
            return None
        case NavigationMode.LINEAR:
            return _first_open(workshop.steps[: step.position], completed)
        case NavigationMode.GUIDED:
            return _guided_reason(workshop, step, completed)
        case _ as never:
            assert_never(never)


def _first_open(earlier: Sequence[Step], completed: Collection[str]) -> str | None:
    for step in earlier:
        if step.id not in completed:
            return f"Complete “{step.title}” first."
    return None


def _guided_reason(workshop: Workshop, step: Step, completed: Collection[str]) -> str | None:
    missing = [name for name in step.requires if name not in completed]
    if missing:
        return f"Complete {_titles(workshop, missing)} first."
    previous = _previous_group(workshop, step.group)
    if previous is None:
        return None
    left = [each for each in workshop.steps if each.group == previous and each.id not in completed]
    if not left:
        return None
    return f"“{step.group}” opens when every step of “{previous}” is completed; {len(left)} to go."


def _previous_group(workshop: Workshop, group: str | None) -> str | None:
    """The group before `group` in order of first appearance."""
    if group is None:
        return None
    groups = list(dict.fromkeys(step.group for step in workshop.steps if step.group is not None))
    index = groups.index(group)
    return groups[index - 1] if index else None


def _titles(workshop: Workshop, ids: Sequence[str]) -> str:
    quoted = [f"“{step.title}”" for step in workshop.steps if step.id in ids]
    if len(quoted) == 1:
        return quoted[0]
    return f"{', '.join(quoted[:-1])} and {quoted[-1]}"

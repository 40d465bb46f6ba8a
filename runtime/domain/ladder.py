"""The rungs of help and who may climb them.

A rung is a mode: `hints` point the way, `explain` says why things are as they are, `solve` shows
the solution. The first is always there; the others only where the author allows them, by the
step's or the workshop's mode or by having written the text of that rung.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from runtime.domain.errors import ConfirmationNeeded, Forbidden
from runtime.domain.workshop import LlmSettings, Step, StepLlm

Mode = Literal["hints", "explain", "solve"]
MODES: tuple[Mode, ...] = get_args(Mode)  # lowest rung first

_NAMES: dict[Mode, str] = {
    "hints": "hints",
    "explain": "explanations",
    "solve": "solutions",
}


def default_mode(workshop: LlmSettings | None, step: StepLlm | None) -> Mode:
    """The mode of a question that names none: the step's, else the workshop's, else `hints`."""
    if step is not None and step.mode is not None:
        return step.mode
    return workshop.default_mode if workshop is not None else "hints"


def allowed_modes(default: Mode, step: Step) -> tuple[Mode, ...]:
    """The modes a student may ask for: all up to the default, and those the author wrote."""
    written = {"explain": step.has_explain, "solve": step.has_solve}
    highest = MODES.index(default)
    return tuple(
        mode for index, mode in enumerate(MODES) if index <= highest or written.get(mode, False)
    )


def chosen_mode(
    wanted: Mode | None, default: Mode, allowed: Sequence[Mode], *, confirmed: bool
) -> Mode:
    """The mode that is used for a question.

    Raises Forbidden for a mode the author does not allow, ConfirmationNeeded for a solution that
    the student has not confirmed to want.
    """
    mode = wanted or default
    if mode not in allowed:
        names = " and ".join(_NAMES[each] for each in allowed)
        raise Forbidden(f"The author of this step allows {names}, not {_NAMES[mode]}.")
    if mode == "solve" and not confirmed:
        raise ConfirmationNeeded(
            "This shows the whole solution. Confirm that you want to see it.", {"mode": mode}
        )
    return mode

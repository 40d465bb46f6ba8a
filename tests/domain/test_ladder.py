"""Which rung of help a student may have."""

from __future__ import annotations

import pytest

from runtime.domain.errors import ConfirmationNeeded, Forbidden
from runtime.domain.ladder import Mode, allowed_modes, chosen_mode, default_mode
from runtime.domain.workshop import LlmSettings, Step, StepLlm

STEP = Step(id="one", title="One", position=0)


def settings(mode: Mode) -> LlmSettings:
    return LlmSettings(provider="anthropic", model="m", api_key_env="KEY", default_mode=mode)


@pytest.mark.parametrize(
    ("workshop", "step", "expected"),
    [
        (None, None, "hints"),
        (settings("hints"), None, "hints"),
        (settings("explain"), None, "explain"),
        (settings("explain"), StepLlm(), "explain"),
        (settings("explain"), StepLlm(mode="hints"), "hints"),
        (settings("hints"), StepLlm(mode="solve"), "solve"),
    ],
)
def test_the_step_decides_then_the_workshop_then_hints(
    workshop: LlmSettings | None, step: StepLlm | None, expected: Mode
) -> None:
    assert default_mode(workshop, step) == expected


@pytest.mark.parametrize(
    ("default", "has_explain", "has_solve", "expected"),
    [
        ("hints", False, False, ("hints",)),
        ("hints", True, False, ("hints", "explain")),
        ("hints", False, True, ("hints", "solve")),
        ("explain", False, False, ("hints", "explain")),
        ("solve", False, False, ("hints", "explain", "solve")),
    ],
)
def test_a_rung_is_allowed_by_the_mode_or_by_the_authors_text(
    default: Mode, has_explain: bool, has_solve: bool, expected: tuple[Mode, ...]
) -> None:
    step = STEP.model_copy(update={"has_explain": has_explain, "has_solve": has_solve})
    assert allowed_modes(default, step) == expected


def test_a_rung_the_author_does_not_allow_is_refused() -> None:
    with pytest.raises(Forbidden, match="allows hints, not solutions"):
        chosen_mode("solve", "hints", ("hints",), confirmed=True)


def test_a_solution_needs_a_confirmation() -> None:
    every: tuple[Mode, ...] = ("hints", "explain", "solve")
    with pytest.raises(ConfirmationNeeded):
        chosen_mode("solve", "hints", every, confirmed=False)
    with pytest.raises(ConfirmationNeeded):
        chosen_mode(None, "solve", every, confirmed=False)
    assert chosen_mode("solve", "hints", every, confirmed=True) == "solve"


def test_a_question_without_a_mode_gets_the_default() -> None:
    assert chosen_mode(None, "explain", ("hints", "explain"), confirmed=False) == "explain"

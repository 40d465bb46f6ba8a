"""The reference for authors is true: its example compiles, its tables are complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from host.authoring import validate
from host.sandboxable import check
from host.spec import FaultyWorkshop, load
from host.stepreader import FIELDS
from tests.goss_binary import ROOT
from tests.host.test_spec import workshop

REFERENCE = (ROOT / "docs/authoring.md").read_text()
EXAMPLE = re.findall(r"^```yaml\n(version: v1\n.*?)^```$", REFERENCE, re.MULTILINE | re.DOTALL)


def test_the_example_is_a_valid_workshop_for_every_engine(tmp_path: Path) -> None:
    (text,) = EXAMPLE
    spec = load(workshop(tmp_path, text))
    assert [step.id for step in spec.steps] == ["write", "think"]
    assert spec.steps[0].goss is not None
    assert spec.steps[0].goss.expected_checks == 2
    assert check(spec) == []
    assert spec.warnings == ()


def test_every_field_of_a_step_is_in_the_reference() -> None:
    assert [name for name in FIELDS if f"`{name}`" not in REFERENCE] == []


def test_every_field_of_the_workshop_is_in_the_reference(tmp_path: Path) -> None:
    text = "version: v1\nworkshop: {zzz: 1, llm: {zzz: 1}, terminal: {zzz: 1}}\nbase: {zzz: 1}\n"
    with pytest.raises(FaultyWorkshop) as raised:
        load(workshop(tmp_path, text))
    known = [
        (fault.field.removesuffix("zzz").removeprefix("workshop."), name)
        for fault in raised.value.faults
        if "known here: " in fault.message
        for name in fault.message.partition("known here: ")[2].split(", ")
    ]
    assert len(known) > 15
    assert [
        field + name
        for field, name in known
        if f"`{name}`" not in REFERENCE
        and f"`{field}{name}`" not in REFERENCE
        and f"`{name}:" not in REFERENCE
    ] == []


@pytest.mark.parametrize("name", ["hello-linux", "git-basics"])
def test_the_examples_are_valid_and_fit_the_embedded_engine(name: str) -> None:
    data = validate(ROOT / "examples" / name, sandbox=True).data
    assert (data["faults"], data["warnings"]) == ([], [])

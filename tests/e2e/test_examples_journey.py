"""Both examples from the first step to the last, typed as their authors wrote them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from host.spec import load
from tests.e2e.conftest import PATIENCE_MS, REPOSITORY, Desk, Start, wait_until

pytestmark = [pytest.mark.journey, pytest.mark.timeout(600)]

FENCE = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", ["hello-linux", "git-basics"])
def test_a_student_works_through_the_whole_workshop_by_typing(
    name: str, start: Start, visit: Callable[..., Page]
) -> None:
    """No check is started by a click: each step turns green because its commands were typed."""
    folder = REPOSITORY / "examples" / name
    steps = load(folder).steps
    machine = start(folder)
    page = visit(machine.link)
    desk = Desk(page)
    desk.sees("$")
    for number, step in enumerate(steps):
        desk.is_at(step.title)
        for line in solution(folder / "steps" / step.id / "solve.md"):
            desk.type(line)
        if not (folder / "steps" / step.id / "goss.yaml").exists():
            page.get_by_role("button", name="Mark as complete").click()
        desk.is_completed(step.title)
        if number + 1 < len(steps):
            page.get_by_role("button", name=f"Next: {steps[number + 1].title}").click()
    expect(page.get_by_text("You finished the workshop")).to_be_visible(timeout=PATIENCE_MS)
    triggers = {event["trigger"] for event in machine.events() if event["event"] == "goss_result"}
    assert triggers == {"auto"}


def test_what_was_typed_is_in_the_recording_with_its_marks(
    start: Start, visit: Callable[..., Page]
) -> None:
    machine = start(REPOSITORY / "examples/hello-linux")
    desk = Desk(visit(machine.link))
    desk.sees("$")
    desk.type("echo a line to be kept")
    desk.sees("a line to be kept")
    [cast] = machine.folder.glob("state/**/runtime/*.cast")
    wait_until(lambda: "$ echo a line to be kept" in of_kind(cast, "m"))
    assert "a line to be kept\r\n" in "".join(of_kind(cast, "o"))


def of_kind(cast: Path, kind: str) -> list[str]:
    """What the events of one kind hold; the last line may still be in the making."""
    lines = cast.read_text().split("\n")[1:-1]
    return [text for _, code, text in map(json.loads, lines) if code == kind]


def solution(path: Path) -> list[str]:
    """The lines of every shell block of an author's solution."""
    return [line for block in FENCE.findall(path.read_text()) for line in block.splitlines()]

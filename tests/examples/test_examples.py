"""Every example proves itself: unsolved fails, its commands and its written solution pass."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from runtime.domain.checks import Verdict
from runtime.domain.navigation import locked_reason
from runtime.domain.workshop import NavigationMode, Step, TerminalSettings, Workshop
from tests.examples.machine import REPOSITORY, Machine

EXAMPLES = REPOSITORY / "examples"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/workshop.yaml"))
BASH_BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.sandbox


@dataclass(frozen=True)
class Lesson:
    """One step of one example, as its folder has it."""

    example: str
    spec: dict[str, Any]  # the step of workshop.yaml, as its author wrote it

    @property
    def id(self) -> str:
        return str(self.spec["id"])

    @property
    def folder(self) -> Path:
        return EXAMPLES / self.example / "steps" / self.id

    @property
    def checks(self) -> Path:
        return self.folder / "goss.yaml"

    def blocks(self, name: str) -> str:
        """The runnable blocks of one of the step's texts, one after the other."""
        return "\n".join(BASH_BLOCK.findall((self.folder / name).read_text("utf-8")))

    def solve(self, machine: Machine) -> None:
        """Run the step's commands, each in a shell of its own, until one fails."""
        answer = machine.run(
            'for command; do bash -ec "$command" || { echo "$command" >&2; exit 1; }; done',
            *self.spec.get("commands", []),
        )
        assert answer.returncode == 0, f"{answer.stdout}{answer.stderr}"


def read(path: Path) -> Any:
    """The YAML file as plain objects; what they hold is asserted where it is used."""
    return YAML(typ="safe").load(path.read_text("utf-8"))


def lessons(example: str) -> list[Lesson]:
    steps = read(EXAMPLES / example / "workshop.yaml")["steps"]
    return [Lesson(example, step) for step in steps]


CHECKED = [each for name in NAMES for each in lessons(name) if each.checks.exists()]


def checked(function: Any) -> Any:
    """Run the test once for every step that has checks; a pytest decorator, hence untyped."""
    ids = [f"{each.example}/{each.id}" for each in CHECKED]
    return pytest.mark.parametrize("lesson", CHECKED, ids=ids)(function)


def in_the_other_order(example: str) -> list[Lesson]:
    """Of the steps that are open always the last one; empty when that is the written order."""
    definition = read(EXAMPLES / example / "workshop.yaml")
    workshop = Workshop(
        name=example,
        title=example,
        description="",
        image=example,
        navigation=NavigationMode(definition["workshop"].get("navigation", "linear")),
        llm=None,
        terminal=TerminalSettings(),
        auto_validate="on-command",
        steps=tuple(
            Step(
                id=step["id"],
                title=step["title"],
                group=step.get("group"),
                requires=tuple(step.get("requires", ())),
                position=position,
            )
            for position, step in enumerate(definition["steps"])
        ),
    )
    left, done = list(workshop.steps), list[str]()
    while left:
        step = [each for each in left if locked_reason(workshop, each, done) is None][-1]
        left.remove(step)
        done.append(step.id)
    if done == [step.id for step in workshop.steps]:
        return []
    return sorted(lessons(example), key=lambda lesson: done.index(lesson.id))


@dataclass(frozen=True)
class States:
    """The machine before and after a step's commands; not to be changed."""

    start: Machine
    solved: Machine


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], States]:
    """The states of every step of every example, each built on the step before."""
    states: dict[tuple[str, str], States] = {}
    for name in NAMES:
        machine = Machine.create(tmp_path_factory.mktemp(name) / "start")
        for lesson in lessons(name):
            start, machine = machine, machine.copy(machine.root.parent / lesson.id)
            lesson.solve(machine)
            states[name, lesson.id] = States(start, machine)
    return states


@pytest.fixture
def states(lesson: Lesson, proven: dict[tuple[str, str], States]) -> States:
    """The states of this step."""
    return proven[lesson.example, lesson.id]


@pytest.fixture
def machine(states: States, tmp_path: Path) -> Machine:
    """A copy of the state in which the step starts."""
    return states.start.copy(tmp_path / "machine")


def assert_outcome(verdict: Verdict, outcome: str) -> None:
    failed = [f"{each.title}: {each.summary}" for each in verdict.checks if not each.passed]
    assert verdict.outcome == outcome, "\n".join([verdict.reason or "", *failed])


@checked
def test_commands_of_a_step_turn_failed_checks_into_passed_ones(
    lesson: Lesson, states: States
) -> None:
    assert_outcome(states.start.check(lesson.checks), "failed")
    assert_outcome(states.solved.check(lesson.checks), "passed")


@checked
def test_written_solution_solves_the_step(lesson: Lesson, machine: Machine) -> None:
    machine.run(lesson.blocks("solve.md"))
    assert_outcome(machine.check(lesson.checks), "passed")


@checked
def test_blocks_of_the_text_alone_leave_something_to_do(lesson: Lesson, machine: Machine) -> None:
    answer = machine.run(lesson.blocks("content.md"))
    assert "command not found" not in answer.stderr
    assert_outcome(machine.check(lesson.checks), "failed")


@pytest.mark.parametrize("name", [name for name in NAMES if in_the_other_order(name)])
def test_steps_hold_in_any_order_the_navigation_allows(name: str, tmp_path: Path) -> None:
    machine = Machine.create(tmp_path / "machine")
    for lesson in in_the_other_order(name):
        lesson.solve(machine)
        if lesson.checks.exists():
            assert_outcome(machine.check(lesson.checks), "passed")


@checked
def test_every_check_has_a_title_and_a_hint_for_the_student(lesson: Lesson) -> None:
    for kind, resources in read(lesson.checks).items():
        for key, resource in resources.items():
            for field in ("title", "hint"):
                assert resource.get("meta", {}).get(field), f"{kind} {key} has no {field}"


@pytest.mark.parametrize("name", NAMES)
def test_every_step_has_its_texts_and_the_pictures_they_show(name: str) -> None:
    for lesson in lessons(name):
        for text in ("content.md", "hints.md", "explain.md", "solve.md"):
            assert (lesson.folder / text).read_text("utf-8").strip()
        content = (lesson.folder / "content.md").read_text("utf-8")
        for target in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", content):
            assert (lesson.folder / target).is_file(), f"{lesson.id}: {target}"

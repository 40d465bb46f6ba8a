"""A student whose machine is a container, in a real browser: moved, reset, solved, held back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.containers.engine import Engine
from tests.containers.operators import Operator, operator
from tests.e2e.conftest import PATIENCE_MS, REPOSITORY, Desk, browser, visit

__all__ = ["browser", "visit"]  # fixtures

pytestmark = [pytest.mark.container, pytest.mark.journey, pytest.mark.timeout(600)]

HELLO = REPOSITORY / "examples/hello-linux"
FIRST, SECOND = "Look around", "Who may do what"
FIRST_STEP = (
    "mkdir -p garden/diary garden/seeds; echo 'Sowed twelve beans.' > garden/diary/monday.txt;"
    " cp garden/diary/monday.txt garden/diary/tuesday.txt;"
    " echo 'Watered them.' >> garden/diary/tuesday.txt; touch garden/seeds/beans.txt"
)


@pytest.fixture
def host(engine: Engine, platform_images: None, tmp_path: Path) -> Iterator[Operator]:
    """An operator who has built hello-linux and runs it."""
    with operator(tmp_path, engine.environment, "unused", name="hello-linux") as one:
        built = one.cli("build", str(HELLO))
        assert built.code == 0, built
        yield one


def test_the_machine_moves_under_the_student_without_losing_a_tick(
    host: Operator, visit: Callable[..., Page]
) -> None:
    page = visit(host.run_folder(HELLO)["link"])
    desk = Desk(page)
    desk.sees("$")
    desk.type("cat /etc/hostname; echo mine > mine.txt")
    desk.type(FIRST_STEP)
    desk.is_completed(FIRST)

    page.get_by_role("button", name=f"Next: {SECOND}").click()
    desk.is_at(SECOND)
    ask(page, f"Move my machine to “{SECOND}”", "Move my machine")
    moving = page.get_by_role("status").filter(has_text=f"moving to “{SECOND}”")
    expect(moving.first).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_role("heading", name=SECOND, level=1)).to_be_visible()  # text stays readable
    rows = page.locator(".xterm-rows").first
    expect(rows).not_to_contain_text("echo mine", timeout=PATIENCE_MS)
    expect(moving).to_have_count(0, timeout=PATIENCE_MS)
    desk.sees("$")
    # The old files come after the new shell: nobody waits for them.
    desk.type("clear; until ls /kept/*/workspace 2>&-; do sleep 0.2; done; ls garden/diary")
    desk.sees("mine.txt")
    desk.is_completed(FIRST)

    moved(desk, f"Solve “{SECOND}” for me", "Solve it for me")
    desk.type("clear; stat -c %a /workspace/garden/secret.txt")
    desk.sees("600")
    desk.is_completed(SECOND)

    moved(desk, f"Start “{SECOND}” over", "Start this step over")
    desk.type("clear; ls /workspace/garden/secret.txt")
    desk.sees("No such file")
    desk.is_completed(SECOND)

    host.podman("image", "untag", "localhost/workshop/hello-linux:permissions")
    ask(page, f"Solve “{SECOND}” for me", "Solve it for me")
    expect(page.get_by_text(re.compile("workshop build")).first).to_be_visible(timeout=PATIENCE_MS)
    desk.type("echo still $((40 + 2)) here")
    desk.sees("still 42 here")


def test_an_instructor_follows_the_machine_and_misses_nothing(
    host: Operator, visit: Callable[..., Page]
) -> None:
    """Fault 34, with containers: a live terminal, a swap and a killed container."""
    student = visit(host.run_folder(HELLO)["link"])
    desk = Desk(student)
    desk.sees("$")
    link = host.cli("open", "hello-linux", "--instructor").document["data"]["link"]
    instructor = visit(link)
    commands = instructor.get_by_role("list", name="Commands")
    instructor.get_by_role("button", name="Watch “main”").click()
    typed: list[str] = []

    def type_some(when: str) -> None:
        for number in range(3):
            typed.append(f"echo {when}-{number}")
            desk.type(typed[-1])
            expect(commands.get_by_text(typed[-1])).to_be_visible(timeout=PATIENCE_MS)
        live = instructor.locator(".live .xterm-rows")
        expect(live).to_contain_text(f"{when}-2", timeout=PATIENCE_MS)
        shown = re.findall(r"echo \w+-\d", commands.inner_text())
        assert shown == typed, "each once, in order"

    type_some("before")
    moved(desk, f"Start “{FIRST}” over", "Start this step over")
    type_some("moved")
    host.podman("kill", "--signal", "KILL", host.containers()[0])
    expect(desk.page.locator("[data-terminal=main][data-status=connected]")).to_be_visible(
        timeout=PATIENCE_MS
    )
    desk.sees("$")
    type_some("killed")
    instructor.reload()
    expect(commands.get_by_text(typed[-1])).to_be_visible(timeout=PATIENCE_MS)
    assert re.findall(r"echo \w+-\d", commands.inner_text()) == typed


def ask(page: Page, action: str, confirm: str) -> None:
    """Choose from the machine's menu, read the question, say yes."""
    page.get_by_role("button", name="Machine", exact=True).click()
    page.get_by_role("button", name=re.compile(re.escape(action))).click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("Your shell is replaced")
    question.get_by_role("button", name=confirm).click()


def moved(desk: Desk, action: str, confirm: str) -> None:
    """The same, until the page shows the new shell: the old one's words are gone."""
    desk.type("clear; echo the old $((0 + 1))st shell")
    desk.sees("the old 1st shell")
    ask(desk.page, action, confirm)
    rows = desk.page.locator(".xterm-rows").first
    expect(rows).not_to_contain_text("the old 1st shell", timeout=PATIENCE_MS)
    desk.sees("$")

"""What must survive: a killed daemon, a moved machine, a second page."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import PATIENCE_MS, REPOSITORY, Desk, Machine, Start

pytestmark = [pytest.mark.journey, pytest.mark.timeout(400)]

Visit = Callable[..., Page]
HELLO = REPOSITORY / "examples/hello-linux"
FIRST, SECOND, THIRD = "Look around", "Who may do what", "Programs at work"
FIRST_STEP = (
    "mkdir -p garden/diary garden/seeds; echo 'Sowed twelve beans.' > garden/diary/monday.txt;"
    " cp garden/diary/monday.txt garden/diary/tuesday.txt;"
    " echo 'Watered them.' >> garden/diary/tuesday.txt; touch garden/seeds/beans.txt"
)


def test_kill_9_of_everything_and_a_new_run_lose_no_tick_and_no_file(
    start: Start, visit: Visit
) -> None:
    """Fault 3, as a student meets it: the open page comes back by itself."""
    machine = start(HELLO)
    page = visit(machine.link)
    desk = Desk(page)
    desk.sees("$")
    desk.type(FIRST_STEP)
    desk.is_completed(FIRST)
    before = machine.link
    machine.kill_daemon()
    notice = page.get_by_role("status").filter(has_text=re.compile("connect", re.IGNORECASE))
    expect(notice.first).to_be_visible(timeout=PATIENCE_MS)
    machine.start()
    assert machine.link == before
    expect(notice).to_have_count(0, timeout=PATIENCE_MS)
    desk.is_completed(FIRST)
    desk.type("cat garden/diary/tuesday.txt")
    desk.sees("Watered them.")


def test_go_solve_and_reset_from_another_terminal_move_the_page_by_itself(
    start: Start, visit: Visit
) -> None:
    machine = start(HELLO)
    page = visit(machine.link)
    desk = Desk(page)
    desk.sees("$")
    desk.type(FIRST_STEP)
    desk.is_completed(FIRST)
    desk.type("echo of the old machine > mine.txt")

    move(machine, desk, "go", "permissions")
    desk.is_at(SECOND)
    desk.type("clear; ls garden/diary /workspace")
    desk.sees("monday.txt")
    assert "mine.txt" not in desk.terminal_text()
    desk.is_completed(FIRST)

    move(machine, desk, "solve", "permissions")
    desk.is_completed(SECOND)  # by itself: another machine is another result
    desk.type("clear; stat -c %a garden/secret.txt")
    desk.sees("600")
    desk.is_completed(SECOND)

    move(machine, desk, "reset")
    desk.type("clear; ls garden/secret.txt")
    desk.sees("No such file")
    desk.is_completed(SECOND)


def test_the_page_moves_the_machine_after_asking(start: Start, visit: Visit) -> None:
    machine = start(HELLO)
    page = visit(machine.link)
    desk = Desk(page)
    desk.sees("$")
    desk.type("touch mine.txt")
    page.get_by_role("button", name="Machine", exact=True).click()
    page.get_by_role("button", name=re.compile(f"Start “{FIRST}” over")).click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("replaced")
    question.get_by_role("button", name=re.compile("Start", re.IGNORECASE)).click()
    desk.type("clear; ls /workspace; ls /kept/*/workspace")
    desk.sees("mine.txt")
    kinds = [
        event["kind"] for event in machine.events() if event["event"] == "transition_requested"
    ]
    assert kinds == ["reset"]


STUCK = """\
version: v1
workshop: {name: stuck, image: example.org/stuck, navigation: free}
base: {image: debian:12}
steps:
  - {id: first, title: First, markdown: Begin here., commands: ["exit 7"]}
  - {id: second, title: Second, markdown: Go on.}
"""


def test_a_move_that_fails_says_why_on_the_page_and_loses_nothing(
    tmp_path: Path, start: Start, visit: Visit
) -> None:
    """Fault 17, as a student meets it."""
    folder = tmp_path / "stuck"
    folder.mkdir()
    (folder / "workshop.yaml").write_text(STUCK)
    machine = start(folder)
    page = visit(machine.link)
    desk = Desk(page)
    desk.sees("$")
    page.get_by_role("button", name="Mark as complete").click()
    desk.is_completed("First")
    desk.type("echo still ''mine > mine.txt")
    assert not machine.cli("go", "second", check=False)["success"]
    notice = page.get_by_role("status").filter(has_text="was not moved to “Second”")
    expect(notice).to_contain_text("exit code 7")
    expect(notice).to_contain_text("Everything is as it was.")
    desk.is_completed("First")
    desk.type("cat mine.txt")
    desk.sees("still mine")


def test_two_pages_show_the_same_shell_and_the_same_ticks(start: Start, visit: Visit) -> None:
    """Fault 34."""
    machine = start(HELLO)
    first, second = visit(machine.link), visit(machine.link)
    Desk(first).sees("$")
    Desk(first).type("echo typed in the $((40 + 2))nd window")
    Desk(second).sees("typed in the 42nd window")
    Desk(second).type(FIRST_STEP)
    Desk(first).is_completed(FIRST)
    Desk(second).is_completed(FIRST)


def move(machine: Machine, desk: Desk, *words: str) -> None:
    """Move the machine from another terminal, and wait until the page shows the new shell."""
    desk.type("echo the old $((1 + 0))st shell")
    desk.sees("the old 1st shell")
    machine.cli(*words)
    rows = desk.page.locator(".xterm-rows").first
    expect(rows).not_to_contain_text("the old 1st shell", timeout=PATIENCE_MS)
    desk.sees("$")

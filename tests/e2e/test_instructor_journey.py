"""Two real browsers: a student works, an instructor sees it as it happens and helps."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import PATIENCE_MS, Desk, Machine, Start, wait_until

pytestmark = [pytest.mark.journey, pytest.mark.timeout(400)]

Visit = Callable[..., Page]
SOON_MS = 5_000  # a second on a machine with nothing else to do

GREETING = """\
version: v1
workshop: {name: greeting, image: example.org/greeting, title: A greeting, watching: WATCHING}
base: {image: debian:12}
steps:
  - id: greet
    title: Greet
    markdown: Write a greeting.
    goss: |
      file:
        /workspace/greeting.txt:
          exists: true
          contents: [hello]
          meta: {title: The greeting is written}
    autoValidate: off
  - id: done
    title: Done
    markdown: You are done.
"""


def workshop(folder: Path, watching: str) -> Path:
    (folder / "workshop.yaml").write_text(GREETING.replace("WATCHING", watching))
    return folder


def instructors_link(machine: Machine) -> str:
    link: str = machine.cli("open", machine.name, "--instructor")["data"]["link"]
    return link


def attached(student: Page) -> None:
    """Wait until the page is at the new daemon's shell, which shows its first prompt."""
    expect(student.get_by_text("Connected", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    terminal = student.locator("[data-terminal=main][data-status=connected]")
    expect(terminal).to_be_visible(timeout=PATIENCE_MS)
    time.sleep(1)
    Desk(student).sees("$")


def live_text(page: Page) -> str:
    return page.locator(".live .xterm-rows").inner_text()


def test_the_token_leaves_the_address_and_no_token_opens_nothing(
    tmp_path: Path, start: Start, visit: Visit
) -> None:
    machine = start(workshop(tmp_path, "always"))
    link = instructors_link(machine)
    page = visit(link)
    expect(page.get_by_text("A greeting")).to_be_visible()
    assert "token" not in page.url
    assert page.url.endswith("/instructor/")
    page.reload()
    expect(page.get_by_text("Now at")).to_be_visible()
    stranger = visit(machine.link.split("?")[0] + "instructor/")
    expect(stranger.get_by_text("You are not signed in.")).to_be_visible()


def test_the_instructor_sees_each_thing_as_it_happens_and_helps(
    tmp_path: Path, start: Start, visit: Visit
) -> None:
    machine = start(workshop(tmp_path, "ask"))
    student = visit(machine.link)
    desk = Desk(student)
    desk.sees("$")
    page = visit(instructors_link(machine))
    expect(page.get_by_text("Now at")).to_be_visible()

    desk.type("cat /workspace/greeting.txt")
    row = page.get_by_role("button", name="cat /workspace/greeting.txt")
    expect(row).to_contain_text("exit 1", timeout=SOON_MS)

    for _ in range(3):
        student.get_by_role("button", name=re.compile("^Check (my work|again)")).click()
        time.sleep(0.7)
    stuck = page.get_by_role("region", name="Stuck")
    expect(stuck).to_contain_text("failed 3 times in a row", timeout=SOON_MS)

    student.get_by_role("button", name="Raise hand").click()
    student.get_by_label("What is it about?").fill("which file?")
    student.get_by_role("button", name="Raise my hand").click()
    expect(student.get_by_role("button", name="Hand is up")).to_be_visible()
    hand = page.get_by_role("region", name="Raised hand")
    expect(hand).to_contain_text("which file?", timeout=SOON_MS)
    assert page.title().startswith("(1)")

    page.get_by_role("button", name="Ask to watch").click()
    expect(student.get_by_text("An instructor asks to watch your terminal “main”.")).to_be_visible()
    student.get_by_role("button", name="Let them watch").click()
    wait_until(lambda: "greeting.txt" in live_text(page))
    expect(student.get_by_text("An instructor is watching “main”.")).to_be_visible()
    desk.type("echo so''mething")
    wait_until(lambda: "something" in live_text(page))

    page.get_by_role("button", name="Ask to type").click()
    student.get_by_role("button", name="Let them type").click()
    expect(page.get_by_text("You are typing in the student’s terminal.")).to_be_visible()
    expect(student.get_by_text("An instructor may type in your terminal")).to_be_visible()
    page.locator(".live .xterm-helper-textarea").focus()
    page.keyboard.type("echo hello > /workspace/greeting.txt; echo as''sisted")
    page.keyboard.press("Enter")
    desk.sees("assisted")
    student.keyboard.press("F9")
    expect(student.get_by_text("An instructor may type in your terminal")).to_be_hidden()
    expect(page.get_by_text("You are typing in the student’s terminal.")).to_be_hidden()

    page.get_by_label("A note the student sees").fill("Read the file's name again.")
    page.get_by_role("button", name="Lower the hand").click()
    expect(student.get_by_text("Read the file's name again.")).to_be_visible()
    expect(hand).to_be_hidden()

    student.get_by_role("button", name=re.compile("^Check (my work|again)")).click()
    steps = page.get_by_role("listitem").filter(has_text="Greet")
    expect(steps.first).to_contain_text("(completed)", timeout=SOON_MS)
    expect(stuck).to_be_hidden()
    events = [event["event"] for event in machine.events()]
    asked = [name for name in events if name.startswith("watch_")]
    assert asked == [
        "watch_requested",
        "watch_answered",
        "watch_requested",
        "watch_answered",
        "watch_ended",
    ]


def test_a_click_on_a_failed_command_replays_it(tmp_path: Path, start: Start, visit: Visit) -> None:
    machine = start(workshop(tmp_path, "always"))
    student = visit(machine.link)
    desk = Desk(student)
    desk.sees("$")
    desk.type("ls /no''where")
    desk.sees("cannot access")
    page = visit(instructors_link(machine))
    page.get_by_role("button", name=re.compile("nowhere|no''where")).click()
    recording = page.get_by_role("region", name="Recording")
    expect(recording).to_be_visible()
    expect(recording).to_contain_text("no''where")
    expect(recording.locator("pre")).to_contain_text("cannot access")  # it plays


def test_a_kill_in_the_middle_loses_nothing_on_either_page(
    tmp_path: Path, start: Start, visit: Visit
) -> None:
    """Faults 3 and 34: the daemon dies by SIGKILL and another one goes on."""
    machine = start(workshop(tmp_path, "always"))
    student = visit(machine.link)
    desk = Desk(student)
    desk.sees("$")
    page = visit(instructors_link(machine))
    commands = page.get_by_role("list", name="Commands")
    desk.type("echo before")
    expect(commands.get_by_text("echo before")).to_be_visible()
    machine.kill_daemon()
    expect(page.get_by_text("Reconnecting…")).to_be_visible()
    machine.start()
    expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    attached(student)
    desk.type("echo after")
    expect(commands.get_by_text("echo after")).to_be_visible()
    assert commands.get_by_text("echo before").count() == 1
    assert commands.get_by_text("echo after").count() == 1


def test_a_telephone_has_room_for_who_watches(tmp_path: Path, start: Start, visit: Visit) -> None:
    machine = start(workshop(tmp_path, "ask"))
    student = visit(machine.link, viewport={"width": 390, "height": 800})
    page = visit(instructors_link(machine))
    page.get_by_role("button", name="Ask to watch").click()
    student.get_by_role("button", name="Let them watch").click()
    sentence = student.get_by_text("An instructor is watching “main”.").bounding_box()
    choice = student.get_by_role("combobox", name="Who may watch").bounding_box()
    assert sentence is not None
    assert choice is not None
    assert sentence["height"] < 40, "one line of text"
    assert choice["x"] + choice["width"] <= 390 - 12


def test_a_moved_machine_is_followed(tmp_path: Path, start: Start, visit: Visit) -> None:
    """Fault 34: a swap in the middle; the student's machine is another one, the pages go on."""
    machine = start(workshop(tmp_path, "always"))
    student = visit(machine.link)
    desk = Desk(student)
    desk.sees("$")
    page = visit(instructors_link(machine))
    commands = page.get_by_role("list", name="Commands")
    desk.type("echo before")
    expect(commands.get_by_text("echo before")).to_be_visible()
    machine.cli("reset", "-s", machine.name)
    expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    attached(student)
    desk.type("echo after")
    expect(commands.get_by_text("echo after")).to_be_visible()
    assert commands.get_by_text("echo before").count() == 1
    page.get_by_role("tab", name="Events").click()
    expect(page.get_by_text("Starts “Greet” over")).to_be_visible()


def test_the_rows_work_from_the_keyboard(tmp_path: Path, start: Start, visit: Visit) -> None:
    machine = start(workshop(tmp_path, "always"))
    desk = Desk(visit(machine.link))
    desk.sees("$")
    desk.type("git pussh")
    page = visit(instructors_link(machine))
    expect(page.get_by_text("git pussh")).to_be_visible()
    page.get_by_role("tab", name="Commands").focus()
    page.keyboard.press("Tab")  # the panel's search
    for _ in range(6):
        page.keyboard.press("Tab")
        if "command" in (page.evaluate("document.activeElement.className") or ""):
            break
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Recording")).to_be_visible()


def test_hostile_text_is_inert_on_the_instructors_page(
    tmp_path: Path, start: Start, visit: Visit
) -> None:
    """Faults 19 and 44: in commands, notes and terminal output."""
    machine = start(workshop(tmp_path, "always"))
    student = visit(machine.link)
    desk = Desk(student)
    desk.sees("$")
    page = visit(instructors_link(machine))
    page.get_by_role("button", name="Watch “main”").click()
    attack = "<img src=x onerror=document.title='hit'>"
    desk.type(
        f'echo "{attack}"; printf "\\e]52;c;aGl0\\a\\e]0;hit\\a\\e[c\\e[6n\\e]8;;javascript:1\\aX"'
    )
    student.get_by_role("button", name="Raise hand").click()
    student.get_by_label("What is it about?").fill(attack)
    student.get_by_role("button", name="Raise my hand").click()
    expect(page.get_by_role("region", name="Raised hand")).to_contain_text(attack)
    wait_until(lambda: "onerror" in live_text(page))
    assert page.locator("img").count() == 0
    assert "hit" not in page.title()
    before = desk.terminal_text()
    time.sleep(1)
    assert desk.terminal_text() == before  # nothing the view would answer went to the shell

"""One wall, five real sessions: one of the wall's own computer and four by link and token."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.crowd import crowd, now
from tests.e2e.conftest import REPOSITORY, Desk, Machine, Start

pytestmark = [pytest.mark.journey, pytest.mark.timeout(400)]

Visit = Callable[..., Page]
SOON_MS = 5_000  # a second on a machine with nothing else to do

WORKSHOP = """\
version: v1
workshop: {name: NAME, image: example.org/NAME, title: A greeting, navigation: free}
base: {image: debian:12}
steps:
  - {id: greet, title: Greet, markdown: Write a greeting.}
  - {id: done, title: Done, markdown: You are done.}
"""
ROSTER_NAME = "Grace Hopper"
OTHERS = ("Edsger", "Barbara", "Donald")


def workshop(folder: Path, name: str) -> Path:
    folder.mkdir()
    (folder / "workshop.yaml").write_text(WORKSHOP.replace("NAME", name))
    return folder


@contextmanager
def wall(machine: Machine, roster: Path) -> Iterator[str]:
    """`workshop class` as a person runs it; its link."""
    process = subprocess.Popen(
        [sys.executable, "-m", "host", "class", str(roster), "--json"],
        cwd=REPOSITORY,
        env=machine.environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield str(json.loads(process.stdout.readline())["data"]["link"])
    finally:
        process.send_signal(signal.SIGINT)
        with process:  # waits, and closes what it printed to
            assert process.wait(20) == 130


def tile(page: Page, name: str) -> Locator:
    return page.get_by_role("list", name="Students").get_by_role("listitem").filter(has_text=name)


def test_the_wall_moves_by_itself_and_keeps_what_it_saw(
    tmp_path: Path, start: Start, visit: Visit
) -> None:
    ada = start(workshop(tmp_path / "ada", "ada"))
    grace = start(workshop(tmp_path / "grace", "grace"))
    link = grace.cli("open", grace.name, "--instructor")["data"]["link"]
    roster = tmp_path / "class.txt"
    lines = [f"# Monday\n{link} {ROSTER_NAME}\n"]
    for name in OTHERS:
        other = start(workshop(tmp_path / name.lower(), name.lower()))
        link = other.cli("open", other.name, "--instructor")["data"]["link"]
        lines.append(f"{link} {name}\n")
    roster.write_text("".join(lines))
    with wall(ada, roster) as link:
        page = visit(link)
        expect(page.get_by_role("heading", name="class", exact=True)).to_be_visible()
        assert "token" not in page.url
        expect(tile(page, "ada")).to_contain_text("Page closed")
        for name in (ROSTER_NAME, *OTHERS):
            expect(tile(page, name)).to_contain_text("1/2")

        adas, graces = visit(ada.link), visit(grace.link)
        Desk(adas).sees("$")
        Desk(graces).sees("$")
        expect(tile(page, "ada")).to_contain_text("Working", timeout=SOON_MS)
        Desk(adas).type("ls /no''where")
        expect(tile(page, "ada").locator("pre")).to_contain_text("cannot access", timeout=SOON_MS)
        expect(tile(page, "ada")).to_contain_text("exit 2", timeout=SOON_MS)
        expect(adas.get_by_text("An instructor is watching “main”.")).to_be_visible()

        queue = page.get_by_role("region", name="Raised hands").get_by_role("listitem")
        raise_hand(graces, "which file?")
        expect(queue).to_contain_text([f"{ROSTER_NAME}"], timeout=SOON_MS)
        raise_hand(adas, "me too")
        expect(queue).to_contain_text([ROSTER_NAME, "ada"], timeout=SOON_MS)
        expect(tile(page, ROSTER_NAME)).to_contain_text("which file?")
        assert page.title().startswith("(2)")
        graces.get_by_role("button", name="Hand is up").click()
        graces.get_by_role("button", name="Take it down").click()
        expect(queue).to_contain_text(["ada"], timeout=SOON_MS)
        expect(queue).to_have_count(1)

        page.get_by_role("tab", name="Steps").click()
        page.get_by_role("combobox", name="Workshop").select_option(index=0)
        rows = page.get_by_role("row")
        expect(rows.filter(has_text="ada")).to_contain_text("0/2")
        adas.get_by_role("button", name="Mark as complete").click()
        expect(rows.filter(has_text="ada")).to_contain_text("1/2", timeout=SOON_MS)

    expect(page.get_by_text("Reconnecting…")).to_be_visible()
    ada.stop()
    with wall(ada, roster):
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        page.get_by_role("tab", name="Wall").click()
        expect(tile(page, ROSTER_NAME)).to_contain_text("Working")
        ada.start()
        expect(tile(page, "ada")).to_contain_text("ls /no''where")
        expect(queue).to_contain_text(["ada"])

        with page.context.expect_page() as opened:
            tile(page, "ada").get_by_role("link").click()
        expect(opened.value.get_by_text("Now at")).to_be_visible()
        assert "token" not in opened.value.url


def raise_hand(student: Page, word: str) -> None:
    student.get_by_role("button", name="Raise hand").click()
    student.get_by_label("What is it about?").fill(word)
    student.get_by_role("button", name="Raise my hand").click()


def test_one_students_endless_word_leaves_room_for_the_others(tmp_path: Path, visit: Visit) -> None:
    """A student may own the machine that the daemon runs on."""
    roster = tmp_path / "class.txt"
    with crowd(2) as made:
        ada, grace = made.students
        ada.raise_hand("W" * 2000, minutes=5)
        grace.raise_hand("help")
        roster.write_text(made.roster())
        with wall(Machine(tmp_path, tmp_path), roster) as link:
            page = visit(link)
            queue = page.get_by_role("region", name="Raised hands").get_by_role("listitem")
            expect(queue).to_contain_text([ada.name, grace.name])
            place = queue.nth(1).bounding_box()
            assert place is not None
            assert place["y"] < 400


SCRIPT = "<img src=x onerror='window.broken=1'><script>window.broken=1</script>"
AWAY = "[go](javascript:window.broken=1) ![x](https://evil.example/x.png)"


def test_what_students_send_is_text_on_the_wall(tmp_path: Path, visit: Visit) -> None:
    """Fault 19: names, commands, notes, reasons and screens; that nothing foreign was asked for is
    checked for every page."""
    roster = tmp_path / "class.txt"
    with crowd(2) as made:
        ada, grace = made.students
        ada.name = f"Ada {SCRIPT}"
        ada.raise_hand(f"{SCRIPT} {AWAY}", minutes=5)
        why = {"reason": "check_fails", "step": "step-0", "since": now(), "message": SCRIPT}
        ada.stuck = [why]
        link = "\x1b]8;;javascript:window.broken=1\x1b\\link\x1b]8;;\x1b\\"
        ada.command(f"echo {SCRIPT}", 1, f"{SCRIPT}\r\n{link}\x1b]0;{SCRIPT}\x07\r\n")
        roster.write_text(made.roster())
        with wall(Machine(tmp_path, tmp_path), roster) as address:
            page = visit(address)
            hands = page.get_by_role("region", name="Raised hands").get_by_role("listitem")
            expect(hands).to_contain_text([ada.name])
            expect(tile(page, "Ada")).to_contain_text(f"echo {SCRIPT}")
            expect(tile(page, "Ada").locator("pre")).to_contain_text(SCRIPT)
            for name in ("Steps", "Wall"):
                page.get_by_role("tab", name=name).click()
                expect(page.get_by_text(SCRIPT).first).to_be_visible()
                assert page.locator("main").locator("script, iframe, img, object").count() == 0
                assert page.locator("a[href^=javascript]").count() == 0
            assert page.evaluate("window.broken") is None
            assert SCRIPT not in page.content()
            made.do(lambda: grace.raise_hand("still here"))
            expect(hands).to_contain_text([ada.name, grace.name])


def test_the_wall_works_from_the_keyboard(tmp_path: Path, start: Start, visit: Visit) -> None:
    ada = start(workshop(tmp_path / "ada", "ada"))
    grace = start(workshop(tmp_path / "grace", "grace"))
    link = grace.cli("open", grace.name, "--instructor")["data"]["link"]
    roster = tmp_path / "class.txt"
    roster.write_text(f"{link} {ROSTER_NAME}\n")
    with wall(ada, roster) as link:
        page = visit(link)
        expect(tile(page, "ada")).to_be_visible()
        expect(tile(page, ROSTER_NAME)).to_be_visible()
        tile(page, ROSTER_NAME).get_by_role("link").focus()
        page.keyboard.press("ArrowRight")
        expect(tile(page, "ada").get_by_role("link")).to_be_focused()
        page.keyboard.press("Home")
        expect(tile(page, ROSTER_NAME).get_by_role("link")).to_be_focused()
        page.keyboard.press("/")
        page.keyboard.type("ada")
        expect(tile(page, ROSTER_NAME)).to_have_count(0)
        expect(tile(page, "ada")).to_be_visible()

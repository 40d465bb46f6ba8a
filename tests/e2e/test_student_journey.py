"""A student's hour, in a real browser: work, leave, come back, be moved."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import PATIENCE_MS, REPOSITORY, Desk, Start

pytestmark = [pytest.mark.journey, pytest.mark.timeout(400)]

DRAWN = """\
version: v1
workshop: {name: drawn, image: example.org/drawn}
base: {image: debian:12}
steps:
  - id: only
    title: Only
    markdown: |
      ```mermaid
      flowchart LR
        A --> B
      ```
"""
Visit = Callable[..., Page]
HELLO = REPOSITORY / "examples/hello-linux"
GIT = REPOSITORY / "examples/git-basics"


def test_a_locked_step_says_why(start: Start, visit: Visit) -> None:
    page = visit(start(HELLO).link)
    Desk(page).step("Who may do what")
    expect(page.get_by_text("This step is locked. Complete “Look around” first.")).to_be_visible()


def test_a_reload_in_the_middle_of_vim_finds_vim(start: Start, visit: Visit) -> None:
    page = visit(start(HELLO).link)
    desk = Desk(page)
    desk.sees("$")
    desk.type("echo before-the-editor")
    desk.sees("before-the-editor")
    desk.type("vim -u NONE notes.txt")
    desk.sees("~")
    page.keyboard.type("ihalf a sentence")
    desk.sees("half a sentence")
    page.reload()
    desk.sees("half a sentence")
    page.locator(".xterm-helper-textarea").first.focus()
    page.keyboard.type(", finished")
    page.keyboard.press("Escape")
    desk.type(":wq")
    desk.sees("before-the-editor")
    desk.type("cat notes.txt")
    desk.sees("half a sentence, finished")


def test_parts_of_the_page_that_load_when_used_do_load(
    tmp_path: Path, start: Start, visit: Visit
) -> None:
    """A diagram, the search in the terminal, wide characters: each is a file of its own."""
    (tmp_path / "workshop.yaml").write_text(DRAWN)
    page = visit(start(tmp_path).link)
    desk = Desk(page)
    diagram = page.get_by_role("img", name=re.compile("^Diagram: flowchart LR"))
    expect(diagram).to_be_visible(timeout=PATIENCE_MS)
    assert diagram.evaluate("image => image.naturalWidth") > 0
    desk.sees("$")
    desk.type("echo needle in a $((600 - 1)) straws; echo haystack")
    desk.sees("needle in a 599 straws")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("textbox", name="Find in the terminal").fill("599")
    expect(page.get_by_text("1 of 1", exact=True)).to_be_visible(timeout=PATIENCE_MS)

"""Several terminals in a real browser: named, split, found again, restarted, on two pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import REPOSITORY, Machine, Start, wait_until

pytestmark = [pytest.mark.journey, pytest.mark.timeout(400)]

Visit = Callable[..., Page]
HELLO = REPOSITORY / "examples/hello-linux"

NAMED = """\
version: v1
workshop: {name: named, image: example.org/named}
base: {image: debian:12}
steps:
  - id: only
    title: Only
    markdown: |
      ```bash terminal=server
      echo from the $((10 - 8))nd block
      ```

      ```bash
      echo https://example.org/ "</title>" from the $((10 - 7))rd block
      ```
"""


class Deck:
    """What a student does with the terminals of a page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        expect(self.pane("main")).to_be_attached()

    def tab(self, label: str) -> Locator:
        return self.page.get_by_role("tab", name=label, exact=True)

    def pane(self, name: str) -> Locator:
        return self.page.locator(f'section[data-terminal="{name}"]')

    def rows(self, name: str) -> Locator:
        return self.pane(name).locator(".xterm-rows")

    def sees(self, name: str, text: str) -> None:
        """Wait until a terminal shows `text`."""
        expect(self.rows(name)).to_contain_text(text)

    def type(self, name: str, text: str) -> None:
        """A line and Enter, into that terminal."""
        self.pane(name).locator(".xterm-helper-textarea").focus()
        self.page.keyboard.type(text)
        self.page.keyboard.press("Enter")

    def has_focus(self, name: str) -> None:
        """Wait until keys go to that terminal."""
        expect(self.pane(name).locator(".xterm-helper-textarea")).to_be_focused()

    def choose(self, label: str, item: str) -> None:
        """An item of a tab's menu."""
        self.tab(label).click(button="right")
        self.page.get_by_role("menuitem", name=item).click()

    def answer(self, button: str) -> None:
        """The answer to the question."""
        self.page.get_by_role("dialog").get_by_role("button", name=button).click()

    def boxes(self) -> dict[str, tuple[int, int, int, int]]:
        """Where each terminal is that is seen: left, top, width and height in px."""
        found = {}
        for pane in self.page.locator("section[data-terminal]").all():
            box = pane.bounding_box()
            if pane.is_visible() and box is not None:
                place = (box["x"], box["y"], box["width"], box["height"])
                found[pane.get_attribute("data-terminal") or ""] = (
                    round(place[0]),
                    round(place[1]),
                    round(place[2]),
                    round(place[3]),
                )
        return found

    def text(self, name: str) -> list[str]:
        """The lines of a terminal that hold something."""
        return [line.rstrip() for line in self.rows(name).inner_text().splitlines() if line.strip()]


def opened(start: Start, visit: Visit, workshop: Path = HELLO) -> tuple[Machine, Deck]:
    machine = start(workshop)
    deck = Deck(visit(machine.link))
    deck.sees("main", "$")
    short_prompt(deck, "main")
    return machine, deck


def short_prompt(deck: Deck, name: str) -> None:
    """One that does not wrap in a narrow terminal."""
    deck.type(name, "PS1='ready$ '; clear")
    expect(deck.rows(name)).to_have_text(re.compile(r"^\s*ready\$\s*$"))


def test_named_and_split_terminals_are_found_again_by_a_reload(start: Start, visit: Visit) -> None:
    _, deck = opened(start, visit)
    page = deck.page
    deck.type("main", "echo here is main")
    page.keyboard.press("Control+Shift+D")
    deck.has_focus("terminal-2")
    short_prompt(deck, "terminal-2")
    deck.type("terminal-2", "echo here is two")
    deck.choose("Terminal 2", "Split down")
    deck.has_focus("terminal-3")
    short_prompt(deck, "terminal-3")
    deck.type("terminal-3", "echo here is three")

    deck.tab("Terminal 2").dblclick()
    page.get_by_role("textbox", name="Name of the terminal").fill("  the  server ")
    page.keyboard.press("Enter")
    expect(deck.tab("the server")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(deck.tab("Terminal 3")).to_be_focused()
    page.keyboard.press("F2")
    page.keyboard.type("logs")
    page.keyboard.press("Escape")
    page.keyboard.press("F2")
    page.keyboard.type("notes")
    page.keyboard.press("Enter")
    expect(deck.tab("notes")).to_be_focused()

    divider = page.get_by_role("separator", name="Between the terminals “the server” and “notes”")
    divider.focus()
    page.keyboard.press("Shift+ArrowDown")
    expect(divider).to_have_attribute("aria-valuenow", "60")
    for name, text in (("main", "main"), ("terminal-2", "two"), ("terminal-3", "three")):
        deck.sees(name, f"here is {text}")
    before = deck.boxes()
    assert list(before) == ["main", "terminal-2", "terminal-3"]
    assert before["main"][2] < before["main"][3] > before["terminal-2"][3] + 10
    screens = {name: deck.text(name) for name in before}

    page.reload()
    for name in before:
        deck.sees(name, "here is")
    assert deck.boxes() == before
    assert {name: deck.text(name) for name in before} == screens
    assert page.get_by_role("tab").all_inner_texts() == ["Terminal", "the server", "notes"]
    expect(deck.tab("notes")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_text("of another page")).to_have_count(0)


def test_panes_are_left_and_closed_and_shown_again(start: Start, visit: Visit) -> None:
    _, deck = opened(start, visit)
    page = deck.page
    page.keyboard.press("Control+Shift+S")
    deck.has_focus("terminal-2")
    page.keyboard.press("Control+Shift+O")
    deck.has_focus("main")
    deck.choose("Terminal", "Show alone")
    assert list(deck.boxes()) == ["main"]
    deck.choose("Terminal 2", "Show on the right")
    deck.has_focus("terminal-2")
    boxes = deck.boxes()
    assert boxes["main"][1] == boxes["terminal-2"][1]
    assert boxes["main"][0] < boxes["terminal-2"][0]

    deck.choose("Terminal 2", "Close")
    deck.answer("Keep it as it is")
    assert list(deck.boxes()) == ["main", "terminal-2"]
    deck.choose("Terminal 2", "Close")
    deck.answer("Close the terminal")
    expect(deck.tab("Terminal 2")).to_have_count(0)
    deck.has_focus("main")
    assert list(deck.boxes()) == ["main"]

    page.get_by_role("button", name="Open another terminal").click()
    deck.has_focus("terminal-2")
    deck.sees("terminal-2", "$")
    deck.type("terminal-2", "exit")
    expect(page.get_by_test_id("terminal-status")).to_contain_text("The shell ended")
    deck.choose("Terminal 2", "Close")  # nothing runs in it: nothing is asked
    deck.has_focus("main")


def test_a_restart_ends_what_nohup_hides_and_the_page_goes_on(start: Start, visit: Visit) -> None:
    """Fault 27, as a student meets it."""
    _, deck = opened(start, visit)
    page = deck.page
    page.keyboard.press("Control+Shift+D")
    deck.has_focus("terminal-2")
    deck.sees("terminal-2", "$")
    short_prompt(deck, "terminal-2")
    deck.type("terminal-2", "nohup setsid sleep 98765 >/dev/null 2>&1 &")
    deck.sees("terminal-2", "[1]")
    deck.type("terminal-2", "sleep 45678")
    count = "ps ax | grep -c '[s]leep 98765'"
    deck.type("main", f"clear; {count}")
    deck.sees("main", "1ready$")

    deck.choose("Terminal 2", "Restart")
    expect(page.get_by_role("dialog")).to_contain_text("Everything that runs in this terminal ends")
    deck.answer("Restart the terminal")
    deck.has_focus("terminal-2")
    deck.sees("terminal-2", "student@")  # the prompt of a new shell
    expect(page.get_by_test_id("terminal-status")).to_have_count(0)
    deck.type("main", f"clear; {count}")
    deck.sees("main", "0ready$")
    deck.type("terminal-2", "echo $((6 * 7))nd answer")
    deck.sees("terminal-2", "42nd answer")


def test_a_moved_machine_has_the_terminals_again(start: Start, visit: Visit) -> None:
    machine, deck = opened(start, visit)
    page = deck.page
    page.keyboard.press("Control+Shift+D")
    deck.has_focus("terminal-2")
    short_prompt(deck, "terminal-2")
    deck.choose("Terminal 2", "Rename")
    page.keyboard.type("editor")
    page.keyboard.press("Enter")
    expect(deck.tab("editor")).to_be_visible()
    before = deck.boxes()
    machine.cli("reset")
    for name in before:
        expect(deck.rows(name)).not_to_contain_text("ready$")
        deck.sees(name, "student@")
    expect(deck.tab("editor")).to_be_visible()
    assert deck.boxes() == before


def test_a_code_block_runs_in_the_terminal_it_names(
    tmp_path: Path, start: Start, visit: Visit
) -> None:
    (tmp_path / "workshop.yaml").write_text(NAMED)
    _, deck = opened(start, visit, tmp_path)
    page = deck.page
    page.get_by_role("button", name="Run in terminal “server”").click()
    deck.has_focus("server")
    deck.sees("server", "from the 2nd block")
    page.get_by_role("button", name="Run in terminal", exact=True).click()
    deck.has_focus("main")
    deck.sees("main", "from the 3rd block")
    expect(deck.rows("main")).not_to_contain_text("2nd block")

    deck.choose("server", "Show on the right")
    short_prompt(deck, "server")
    deck.choose("server", "Rename")  # a title is the student's; the block goes by the name
    page.keyboard.type("web")
    page.keyboard.press("Enter")
    deck.type("main", "clear")
    page.get_by_role("button", name="Run in terminal “server”").click()
    deck.has_focus("server")
    deck.sees("server", "from the 2nd block")
    assert list(deck.boxes()) == ["main", "server"]
    assert page.get_by_role("tab").all_inner_texts() == ["Terminal", "web"]


def test_two_pages_of_different_sizes_one_has_its_own_the_other_is_told(
    start: Start, visit: Visit
) -> None:
    machine, large = opened(start, visit)
    large.type("main", "clear; stty size; echo in the ''large page")
    large.sees("main", "in the large page")
    small = Deck(visit(machine.link, viewport={"width": 1024, "height": 700}))
    told = small.page.get_by_text("Another page gave this terminal its size")
    expect(told).to_be_visible()
    rows, cols = numbers(large.text("main"))
    expect(told).to_contain_text(f"{cols}×{rows}")
    assert small.text("main")[-1] == large.text("main")[-1]
    fits(small)

    small.type("main", "clear; stty size; echo in the ''small page")
    expect(told).to_have_count(0)
    told = large.page.get_by_text("Another page gave this terminal its size")
    small.sees("main", "in the small page")
    fewer_rows, fewer_cols = numbers(small.text("main"))
    assert fewer_rows < rows
    assert fewer_cols < cols
    expect(told).to_contain_text(f"{fewer_cols}×{fewer_rows}")
    expect(told).to_have_count(0)  # it does not stand before the text for ever …
    expect(large.page.get_by_text(f"{fewer_cols}×{fewer_rows}")).to_be_visible()  # … this does
    fits(large)
    large.type("main", "true")
    expect(large.page.get_by_text("of another page")).to_have_count(0)


def numbers(lines: list[str]) -> tuple[int, int]:
    """What `stty size` printed."""
    found = re.search(r"^(\d+) (\d+)$", "\n".join(lines), re.MULTILINE)
    assert found is not None
    return int(found[1]), int(found[2])


def fits(deck: Deck) -> None:
    """A terminal of another size is whole on the page: smaller letters, no scroll bars."""
    screen = deck.pane("main").locator(".xterm-screen")
    pane = deck.pane("main")

    def inside() -> bool:
        inner, outer = screen.bounding_box(), pane.bounding_box()
        assert inner is not None
        assert outer is not None
        return (
            inner["x"] + inner["width"] <= outer["x"] + outer["width"]
            and inner["y"] + inner["height"] <= outer["y"] + outer["height"]
        )

    wait_until(inside)


def test_a_phone_shows_one_terminal(start: Start, visit: Visit) -> None:
    machine = start(HELLO)
    page = visit(machine.link, viewport={"width": 390, "height": 780}, has_touch=True)
    page.get_by_role("button", name="Terminal", exact=True).click()
    deck = Deck(page)
    deck.sees("main", "$")
    page.get_by_role("button", name="Open another terminal").click()
    deck.sees("terminal-2", "$")
    assert list(deck.boxes()) == ["terminal-2"]
    page.get_by_role("button", name="Menu of the terminal “Terminal 2”").click()
    labels = page.get_by_role("menuitem").all_inner_texts()
    assert [each.split("\n")[0].strip() for each in labels] == ["Rename", "Restart…", "Close"]

"""Clipboard and keys of the terminal in Chromium and Firefox, by real keys and a real clipboard."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Protocol

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.conftest import PATIENCE_MS, REPOSITORY, sessions, wait_until
from tests.e2e.firefox import Tab, firefox

pytestmark = [pytest.mark.journey, pytest.mark.timeout(400)]

HELLO = REPOSITORY / "examples/hello-linux"
SECONDS = PATIENCE_MS / 1000
# Beside the page and in it: what is in the clipboard is what a paste into it gives.
FIELD = """(() => {
    const field = document.createElement('textarea');
    field.id = 'field';
    field.style.cssText = 'position:fixed;left:0;top:0;z-index:99;width:4rem;height:2rem';
    document.body.append(field);
})()"""
FOCUS_FIELD = "void (document.querySelector('#field').value = %s, field.focus(), field.select())"
ROW = """(() => {
    const row = [...document.querySelectorAll('.xterm-rows > div')]
        .findLast(row => row.textContent.trimEnd() === %s);
    const { left, top, height } = row.getBoundingClientRect();
    return { x: left + 20, y: top + height / 2 };
})()"""
MIDDLE = """(() => {
    const found = [...document.querySelectorAll(%s)]
        .find(each => each.textContent.trim() === %s && each.getClientRects().length > 0);
    if (!found) return null;
    const { left, top, width, height } = found.getBoundingClientRect();
    return { x: left + width / 2, y: top + height / 2 };
})()"""

# Sooner than a hand can: before the event of the dialog's closing has come.
CLOSE_AND_PASTE = """(() => {
    document.querySelector('[data-testid=terminal-question]').close();
    const paste = new Event('paste', { bubbles: true, cancelable: true });
    paste.clipboardData = { getData: () => 'one\\ntwo\\nthree\\n' };
    document.querySelector('.xterm-helper-textarea').dispatchEvent(paste);
})()"""


AFRESH = """(() => {
    localStorage.clear();
    const request = new XMLHttpRequest();
    request.open('POST', '/api/terminals/main/restart', false);
    request.send();
})()"""


class Window(Protocol):
    """What both browsers can do."""

    def evaluate(self, expression: str) -> Any: ...  # Any: JSON
    def press(self, combination: str) -> None: ...
    def type(self, text: str) -> None: ...
    def click(self, x: float, y: float, times: int = 1) -> None: ...


class Chromium:
    """A page of Playwright's."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def evaluate(self, expression: str) -> Any:  # Any: JSON
        return self._page.evaluate(expression)

    def press(self, combination: str) -> None:
        self._page.keyboard.press(combination)

    def type(self, text: str) -> None:
        self._page.keyboard.type(text)

    def click(self, x: float, y: float, times: int = 1) -> None:
        self._page.mouse.click(x, y, click_count=times)


class Student:
    """Somebody at the terminal."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.sees("$")
        window.evaluate(FIELD)
        self.enter("PS1='ready$ '; clear")
        self.waits(lambda: self.text().strip() == "ready$", "a short prompt")

    def waits(self, condition: Any, what: str) -> None:  # Any: what is true or not
        try:
            wait_until(lambda: bool(condition()), SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{what}; the terminal shows {self.text()!r}") from error

    def text(self) -> str:
        """What the terminal shows, by its rows."""
        rows = "[...document.querySelectorAll('.xterm-rows > div')].map(row => row.textContent)"
        return "\n".join(row.rstrip().replace("\xa0", " ") for row in self.window.evaluate(rows))

    def sees(self, text: str) -> None:
        self.waits(lambda: text in self.text(), f"no {text!r}")

    def prints(self, line: str) -> None:
        """Wait for a whole line, not for the command that holds the same words."""
        self.waits(lambda: line in self.text().splitlines(), f"no line {line!r}")

    def focus(self) -> None:
        self.window.evaluate("void document.querySelector('.xterm-helper-textarea').focus()")

    def enter(self, command: str) -> None:
        """A line and Enter."""
        self.focus()
        self.window.type(command)
        self.window.press("Enter")

    def copies(self, text: str) -> None:
        """Elsewhere, by Ctrl+C."""
        self.window.evaluate(FOCUS_FIELD % json.dumps(text))
        self.window.press("Control+c")
        self.focus()

    def clipboard(self) -> str:
        """What Ctrl+V elsewhere gives."""
        self.window.evaluate(FOCUS_FIELD % "''")
        self.window.press("Control+v")
        pasted = str(self.window.evaluate("document.querySelector('#field').value"))
        self.focus()
        return pasted

    def selects(self, word: str) -> None:
        """By a double click on the line that is nothing else."""
        at = self.window.evaluate(ROW % json.dumps(word))
        self.window.click(at["x"], at["y"], 2)

    def pushes(self, selector: str, text: str) -> None:
        """Click what says this."""
        middle = MIDDLE % (json.dumps(selector), json.dumps(text))
        self.waits(lambda: self.window.evaluate(middle), f"nothing says {text!r}")
        at = self.window.evaluate(middle)
        self.window.click(at["x"], at["y"])

    def question(self) -> str | None:
        """The title of the question that is asked."""
        title = "document.querySelector('[data-testid=terminal-question][open] h2')?.textContent"
        said: str | None = self.window.evaluate(f"{title} ?? null")
        return said

    def notice(self) -> str:
        """What the terminal says for a moment."""
        said = "document.querySelector('[data-testid=terminal-notice]')?.textContent ?? ''"
        return str(self.window.evaluate(said))

    def is_told(self, text: str) -> None:
        self.waits(lambda: text in self.notice(), f"no word of {text!r}")

    def is_in_the_terminal(self) -> bool:
        where = "document.activeElement.classList.contains('xterm-helper-textarea')"
        return bool(self.window.evaluate(where))


@pytest.fixture(scope="module")
def fox() -> Iterator[Tab]:
    with firefox() as tab:
        yield tab


@pytest.fixture(scope="module")
def link() -> Iterator[str]:
    """One session for all: each test begins with a shell and a page of its own."""
    with sessions() as start:
        yield start(HELLO).link


@pytest.fixture(params=["chromium", "firefox"])
def student(request: pytest.FixtureRequest, link: str, browser: Browser) -> Iterator[Student]:
    """At a new shell, with the page's settings as they are at first."""
    if request.param == "firefox":
        tab: Tab = request.getfixturevalue("fox")
        tab.goto(link)
        yield Student(tab)
        tab.evaluate(AFRESH)
        tab.goto("about:blank")
        return
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(link)
    yield Student(Chromium(page))
    page.evaluate(AFRESH)
    context.close()


def test_what_is_selected_is_copied_by_its_key_or_at_once(student: Student) -> None:
    student.copies("before")
    student.enter("clear; echo copied-$((6 * 7))-once; echo copied-$((6 * 7))-twice")
    student.prints("copied-42-twice")
    student.window.press("Control+Shift+C")
    student.is_told("Nothing is selected")
    student.selects("copied-42-once")
    assert student.clipboard() == "before"
    student.window.press("Control+Shift+C")
    student.is_told("Copied.")
    assert student.clipboard() == "copied-42-once"

    student.pushes("footer button", "Keys")
    student.pushes("label", "Copy as soon as text is selected")
    student.window.press("Escape")
    student.waits(lambda: not student.notice(), "the last notice stays")
    student.focus()
    student.selects("copied-42-twice")
    student.is_told("Copied.")
    assert student.clipboard() == "copied-42-twice"
    student.enter("cat")
    student.window.press("Control+c")  # is no key to copy
    student.sees("^C")


def test_a_paste_of_several_lines_waits_for_enter_or_asks_first(student: Student) -> None:
    two = "echo first-$((1 + 1))\necho second-$((1 + 2))"
    student.copies(two)
    student.window.press("Control+Shift+V")
    student.sees("echo second-$((1 + 2))")
    assert student.question() is None
    assert "first-2" not in student.text()  # one entry, as bracketed paste makes it
    student.window.press("Enter")
    student.prints("second-3")
    student.prints("first-2")

    student.copies("\x1b[201~echo escaped-$((1 + 3))\n\x03echo again-$((1 + 3))\n")
    student.window.press("Shift+Insert")
    student.sees("echo again-$((1 + 3))")
    assert not re.search(r"^(escaped|again)-4$", student.text(), re.MULTILINE)
    student.window.press("Control+c")

    student.enter("clear; echo now-$((6 * 7)); cat")  # takes every line of a paste at once
    student.prints("now-42")
    student.window.type("meow")
    student.window.press("Enter")
    student.waits(lambda: student.text().count("meow") == 2, "no cat")
    student.window.press("Control+Shift+V")
    student.waits(lambda: student.question() == "Paste 2 lines?", "no question before cat")
    student.window.press("Escape")
    student.waits(student.is_in_the_terminal, "the focus is elsewhere")
    student.window.press("Control+c")
    student.sees("^C")
    assert "again" not in student.text()

    student.enter("bind 'set enable-bracketed-paste off'; clear")
    student.waits(lambda: student.text().strip() == "ready$", "a new prompt")
    student.copies(two + "\n")
    student.window.press("Control+Shift+V")
    student.waits(lambda: student.question() == "Paste 2 lines?", "no question")
    assert student.text().strip() == "ready$"
    student.window.press("Escape")
    student.waits(student.is_in_the_terminal, "the focus is elsewhere")
    student.window.press("Control+Shift+V")
    student.waits(lambda: student.question() == "Paste 2 lines?", "no second question")
    student.window.evaluate(CLOSE_AND_PASTE)
    student.waits(lambda: student.question() == "Paste 3 lines?", "a hasty paste is lost")
    student.window.press("Escape")
    student.waits(lambda: student.question() is None, "the question stays")
    student.waits(student.is_in_the_terminal, "the focus is elsewhere")
    student.window.press("Control+Shift+V")
    student.waits(lambda: student.question() == "Paste 2 lines?", "no third question")
    assert student.text().strip() == "ready$"
    student.window.press("Enter")
    student.prints("second-3")
    assert student.is_in_the_terminal()

    student.copies("# one line runs nothing by itself")
    student.window.press("Control+Shift+V")
    student.sees("# one line runs nothing by itself")
    assert student.question() is None


def test_a_program_may_copy_but_never_read_the_clipboard(student: Student) -> None:
    """OSC 52: any program, also a remote one, can print it."""
    student.copies("a password")
    student.enter(
        "clear; printf '\\033]52;c;?\\a'; IFS= read -rsn1 -t3 answer; echo \"answer=[$answer]\""
    )
    student.prints("answer=[]")
    assert student.clipboard() == "a password"
    student.enter("printf '\\033]52;c;%s\\a' $(printf 'by a program: é' | base64)")
    student.is_told("A program copied 15 characters to your clipboard.")
    assert student.clipboard() == "by a program: é"
    student.enter("printf '\\033]52;c;!\\a'; echo cleared-$((6 * 7))")
    student.prints("cleared-42")
    assert student.clipboard() == "by a program: é"


def test_the_keys_of_a_shell_reach_it(student: Student) -> None:
    """All that a browser gives to a page: windows of applications get Ctrl+W, too."""
    window = student.window
    student.enter("clear; echo unusual-$((6 * 7))")
    student.prints("unusual-42")
    window.press("Control+r")
    student.sees("(reverse-i-search)")
    window.type("unus")
    student.sees("`unus': clear; echo unusual-$((6 * 7))")
    window.press("Control+g")
    window.type("echo kept lost")
    window.press("Control+w")
    window.type("one")
    window.press("Enter")
    student.prints("kept one")
    window.type("echo kept lost")
    window.press("Alt+Backspace")
    window.type("two")
    window.press("Enter")
    student.prints("kept two")
    window.type("echo three ")
    window.press("Alt+.")
    window.press("Enter")
    student.prints("three two")
    window.type("echo lost four")
    window.press("Alt+b")
    window.press("Alt+b")
    window.press("Alt+d")
    window.press("Enter")
    student.prints("four")
    window.type("echo /usr/share/co")
    window.press("Control+a")
    window.press("Control+k")
    window.type("ls -d /usr/lo")
    window.press("Tab")
    window.press("Enter")
    student.prints("/usr/local/")
    assert student.is_in_the_terminal()  # Tab was the shell's


def test_the_terminal_is_left_and_read_aloud(student: Student) -> None:
    window = student.window
    assert "Ctrl+Shift+L" in window.evaluate("document.querySelector('.hint .leave').innerText")
    student.enter("clear; echo read-$((6 * 7))-aloud")
    student.prints("read-42-aloud")
    window.press("Control+Shift+L")
    assert not student.is_in_the_terminal()
    focused = "document.activeElement.closest('footer') !== null || document.activeElement.tagName"
    assert window.evaluate(focused) in (True, "BUTTON")
    tree = "document.querySelector('.xterm-accessibility')?.textContent ?? null"
    assert window.evaluate(tree) is None
    student.pushes("footer button", "Keys")
    student.pushes("label", "Read the terminal aloud with a screen reader")
    window.press("Escape")
    student.waits(lambda: "read-42-aloud" in (window.evaluate(tree) or ""), "nothing to read")
    student.enter("echo live-$((6 * 7))")
    live = "document.querySelector('.xterm-accessibility + .live-region, .live-region').textContent"
    student.waits(lambda: "live-42" in window.evaluate(live), "nothing is said")

"""Every page in every state, light and dark, through axe: nothing may be found.

A state is a line of a table: its name and the way to it from the state above. A page's states are
reached in the life of one daemon, and each is seen before the next is made.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Locator, Page, expect

from tests.api.conftest import HOST, INSTRUCTOR, STUDENT
from tests.api.test_help import KEY, LLM, STEP
from tests.e2e.conftest import REPOSITORY, Desk, Machine, Start
from tests.e2e.test_class_journey import tile, wall
from tests.e2e.test_everybody_journey import fits
from tests.e2e.test_instructor_journey import instructors_link, workshop
from tests.model_server import ModelServer, model_server
from tests.runtime.daemon import Process, make_root, running

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]

Visit = Callable[..., Page]
AXE = (REPOSITORY / "web/node_modules/axe-core/axe.min.js").read_text()
RUN = """only => axe.run(document, {
  resultTypes: ['violations'], ...(only && {runOnly: {type: 'rule', values: only}}),
}).then(found => found.violations.map(each =>
  `${each.impact} ${each.id}: ${each.nodes.map(node => `${node.html.slice(0, 160)}
    ${node.failureSummary}`).join(' | ')}`))"""
STILL = """async () => {
  const frame = () => new Promise(requestAnimationFrame);
  await frame();
  await frame();
  await Promise.allSettled(document.getAnimations().map(each => each.finished));
  await frame();
}"""  # colours change slowly, and a terminal draws in the next frame
SOON_MS = 15_000  # every state is a moment away from the one above it
DARK = ["color-contrast", "link-in-text-block"]  # what else there is does not depend on colours

TEXT = """\
# Permissions

Some *text* with `code`, a [link](https://example.org/) and a list.

- [ ] Read this
- [x] Type that

| name | bits |
| --- | --- |
| report.sh | `rw-r--r--` |

```bash
echo run-$((6 * 7))
```

> A note.

```mermaid
graph LR; a[Write] --> b[Run]
```
"""
GOSS = (
    'file: {PATH: {exists: true, contents: ["hello"], meta: {title: It greets, hint: "Use echo."}}}'
)
BROKEN = "file: [this is no goss file"


@dataclass
class Eyes:
    """Looks at one page and remembers what is wrong in it."""

    page: Page
    found: list[str] = field(default_factory=list)

    def look(self, state: str) -> None:
        """Light with every rule, dark with those that know colours."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE)
        schemes: tuple[tuple[Literal["light", "dark"], list[str] | None], ...]
        schemes = (("light", None), ("dark", DARK))
        for scheme, only in schemes:
            self.page.emulate_media(color_scheme=scheme)
            self.page.evaluate(STILL)
            each: list[str] = self.page.evaluate(RUN, only)
            self.found += [f"{state}, {scheme}: {fault}" for fault in each]


Step = Callable[[Page], object]


def see(page: Page, states: list[tuple[str, Step]]) -> None:
    """Make each state and look at it; everything that was found is told at once."""
    eyes = Eyes(page)
    page.emulate_media(reduced_motion="reduce")
    page.set_default_timeout(SOON_MS)
    for name, make in states:
        try:
            made = make(page)
            if isinstance(made, Locator):
                expect(made.first).to_be_visible(timeout=SOON_MS)
        except (AssertionError, PlaywrightError) as error:
            error.add_note(f"on the way to “{name}”; so far:\n" + "\n".join(eyes.found))
            raise
        eyes.look(name)
    assert not eyes.found, "\n".join(eyes.found)


def press(name: str, then: str | None = None, *, exact: bool = True) -> Step:
    """Press a button, wait for a text."""

    def make(page: Page) -> Locator | None:
        page.get_by_role("button", name=name, exact=exact).first.click()
        return None if then is None else page.get_by_text(then)

    return make


def key(keys: str, then: str | None = None) -> Step:
    """Press keys, wait for a text."""

    def make(page: Page) -> Locator | None:
        page.keyboard.press(keys)
        return None if then is None else page.get_by_text(then)

    return make


def ask(question: str, then: str) -> Step:
    """Ask the model, wait for a text."""

    def make(page: Page) -> Locator:
        expect(page.get_by_role("button", name="Ask", exact=True)).to_be_visible(timeout=SOON_MS)
        box = page.get_by_label("Your question about this step")
        box.fill(question)
        box.press("Enter")
        return page.get_by_text(re.compile(then))

    return make


def shell(line: str, then: str) -> Step:
    """Type a line into the shell, wait for what it prints."""

    def make(page: Page) -> None:
        Desk(page).type(line)
        expect(page.locator(".xterm-rows").filter(has_text=then).first).to_be_visible()

    return make


def chain(*steps: Step) -> Step:
    """One after the other; the last one says what is waited for."""

    def make(page: Page) -> object:
        made: object = None
        for each in steps:
            made = each(page)
            if isinstance(made, Locator):
                expect(made.first).to_be_visible(timeout=SOON_MS)
        return made

    return make


@dataclass
class Room:
    """A daemon, its model and its artifact's folder."""

    root: Path
    daemon: Process
    model: ModelServer

    def link(self, path: str = "/", token: str = STUDENT) -> str:
        return f"http://{self.daemon.address}{path}?token={token}"

    def attach_host(self) -> None:
        """Be the host that looks for moves of the machine."""

        connection = http.client.HTTPConnection(self.daemon.address, timeout=5)
        connection.request(
            "GET", "/api/host/transitions", headers={"authorization": f"Bearer {HOST}"}
        )
        assert connection.getresponse().status == 200
        connection.close()


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    greeting = tmp_path / "greeting"
    steps: list[dict[str, Any]] = [
        {
            **STEP,
            "content": TEXT,
            "hints": "First, *look*.\n\n---\n\nThen think.\n",
            "explain": "The `x` bit tells the kernel.\n",
            "goss": GOSS.replace("PATH", str(greeting)),
            "group": "Basics",
        },
        {"id": "broken", "title": "Broken", "goss": BROKEN},
        {"id": "last", "title": "Last"},
    ]
    with model_server(pause_seconds=0.01) as model:
        root = make_root(tmp_path, steps, llm=LLM, watching="ask", title="A greeting")
        settings = {"MODEL_KEY": KEY, "WORKSHOP_LLM_BASE_URL": model.url}
        with running(root, **settings, WORKSHOP_LLM_RATE_LIMIT="2") as daemon:
            yield Room(root, daemon, model)


def test_the_students_page_is_for_everybody(room: Room, visit: Visit, tmp_path: Path) -> None:
    room.attach_host()
    page = visit(room.link(), bypass_csp=True)
    Desk(page).sees("$")

    def repair(_: Page) -> None:
        (room.root / "steps/broken/goss.yaml").write_text("file: {/: {exists: true}}")

    def machine(page: Page) -> Locator:
        room.attach_host()
        page.get_by_role("button", name="Machine", exact=True).click()
        return page.get_by_text("Your machine is at")

    def step(title: str) -> Step:
        return lambda page: Desk(page).step(title)

    paste = """() => {
      const paste = new Event('paste', { bubbles: true, cancelable: true });
      paste.clipboardData = { getData: () => 'one\\ntwo\\nthree\\n' };
      document.querySelector('.xterm-helper-textarea').dispatchEvent(paste);
    }"""
    see(
        page,
        [
            ("the first step", lambda page: page.get_by_text("A note.")),
            ("a failed check", press("Check my work", "Use echo.")),
            ("a locked step", chain(step("Last"), lambda p: p.get_by_text("This step is locked"))),
            ("back", press("Back to “", "A note.", exact=False)),
            ("hints", press("Hints", "First, look.", exact=False)),
            ("the last hint", press("Show the next hint", "That was the last hint.")),
            ("why it works", press("Why it works", "tells the kernel")),
            ("the solution", press("Solution", "You learn more")),
            ("the solution, shown", press("Show the solution", "chmod +x")),
            ("a question", press("Ask a question", "are sent to the model")),
            ("an answer that comes", ask("behave:slow", "Look at")),
            ("an answer that was stopped", press("Stop", "You stopped this answer.")),
            ("a model that fails", ask("behave:429", "asked too much right now")),
            ("an answer", ask("Why?", "Written by a model")),
            ("a limit", ask("Again?", "You can ask again in")),
            (
                "a question before the solution",
                chain(
                    lambda p: p.get_by_text("The solution", exact=True).click(),
                    lambda p: p.get_by_role("button", name="Ask", exact=True),
                ),
            ),
            ("a hand", press("Raise hand", "What is it about?")),
            ("a raised hand", chain(press("Raise my hand"), press("Hand is up", "sees it"))),
            ("no hand", press("Take it down")),
            ("the machine's menu", machine),
            ("a move", chain(press("Start “", exact=False), dialog)),
            ("no move", chain(press("Keep it as it is"), focus("Machine"))),
            ("a solve", chain(machine, press("Solve “", exact=False), dialog)),
            ("no solve", chain(press("Keep it as it is"), focus("Machine"))),
            ("keys of the terminal", press("Keys", "leave the terminal")),
            ("find", chain(key("Escape"), press("Find"))),
            ("a split terminal", chain(key("Escape"), key("Control+Shift+D"))),
            ("a terminal's menu", press("Menu of the terminal", "Split down", exact=False)),
            ("a new name", chain(key("Escape"), press_menu("Rename"))),
            ("a close", chain(key("Escape"), press_menu("Close"), dialog)),
            ("one terminal", chain(press("Close the terminal"), in_the_shell)),
            (
                "a paste",
                chain(
                    shell("cat", "cat"),
                    chain(lambda p: p.evaluate(paste), lambda p: p.get_by_text("Paste 3")),
                ),
            ),
            (
                "an ended shell",
                chain(press("Cancel"), in_the_shell, key("Control+C"), shell("exit", "exit")),
            ),
            ("a new shell", press("Start a new shell")),
            ("recording", press("Recording", "Pause recording", exact=False)),
            (
                "the recordings",
                chain(press("Recordings", exact=False), lambda p: p.locator("li[data-recording]")),
            ),
            (
                "a delete",
                chain(
                    lambda p: p.get_by_title("Delete").first.click(),
                    lambda p: p.get_by_role("dialog").last,
                ),
            ),
            ("no delete", chain(press("Keep it", exact=False), focus("Delete ", exact=False))),
            (
                "a recording",
                chain(
                    lambda p: p.locator("li[data-recording] a").first.click(),
                    lambda p: p.get_by_role("region", name="Recording"),
                ),
            ),
            ("no recordings", press("Back to the workshop")),
            (
                "a passed check",
                chain(
                    lambda _: (tmp_path / "greeting").write_text("hello"),
                    press("Check my work", "Step complete"),
                ),
            ),
            (
                "a check that cannot run",
                chain(press("Next: ", exact=False), press("Check my work", "are broken")),
            ),
            ("a repaired check", chain(repair, press("Check my work", "Step complete"))),
            (
                "a finished workshop",
                chain(press("Next: ", exact=False), press("Mark as complete", "You finished")),
            ),
            ("no steps", press("Steps", exact=False)),
            (
                "a narrow window",
                lambda p: p.set_viewport_size({"width": 640, "height": 512}),
            ),
            ("a drawer", press("Steps", exact=False)),
            ("no drawer", press("Close the list of steps")),
            ("the terminal alone", press("Terminal")),
            (
                "a lost connection",
                chain(lambda _: room.daemon.stop(), lambda p: p.get_by_text("Reconnecting")),
            ),
        ],
    )


def test_help_that_does_not_come_is_for_everybody(visit: Visit, tmp_path: Path) -> None:
    nobody = {"MODEL_KEY": KEY, "WORKSHOP_LLM_BASE_URL": "http://127.0.0.1:9"}
    with running(make_root(tmp_path, [STEP], llm=LLM), **nobody) as daemon:
        page = visit(f"http://{daemon.address}/?token={STUDENT}", bypass_csp=True)
        page.route("**/steps/one/help", lambda route: route.abort())
        see(
            page,
            [
                ("no hints", press("Hints", "cannot be reached right now", exact=False)),
                (
                    "no model",
                    chain(
                        lambda p: p.unroute("**/steps/one/help"),
                        press("Ask a question"),
                        ask("Why?", "model cannot be reached"),
                    ),
                ),
            ],
        )


def in_the_shell(page: Page) -> None:
    """The keys go to the shell, as they did before a question."""
    expect(page.locator(".xterm-helper-textarea:focus")).to_have_count(1, timeout=SOON_MS)


def focus(name: str, *, exact: bool = True) -> Step:
    """Where a question was asked has the focus again."""

    def make(page: Page) -> None:
        button = page.get_by_role("button", name=name, exact=exact).first
        expect(button).to_be_focused(timeout=SOON_MS)

    return make


def dialog(page: Page) -> Locator:
    """The question that is asked."""
    return page.get_by_role("dialog")


def press_menu(item: str) -> Step:
    """Open the terminal's menu and take an item."""

    def make(page: Page) -> None:
        page.get_by_role("button", name=re.compile("^Menu of the terminal")).click()
        page.get_by_role("menuitem", name=re.compile(f"^{item}")).click()

    return make


def test_the_instructors_page_is_for_everybody(tmp_path: Path, start: Start, visit: Visit) -> None:
    machine = start(workshop(tmp_path, "ask"))
    student = visit(machine.link, bypass_csp=True, reduced_motion="reduce")
    desk = Desk(student)
    desk.sees("$")
    desk.type("ls /no''where")
    desk.sees("cannot access")
    exported = tmp_path / "recording.html"
    machine.cli("recordings", "-x", "last", "-o", str(exported))
    for _ in range(3):
        student.get_by_role("button", name=re.compile("^Check (my work|again)")).click()
        student.wait_for_timeout(700)
    student.get_by_role("button", name="Raise hand").click()
    student.get_by_label("What is it about?").fill("which file?")
    student.get_by_role("button", name="Raise my hand").click()
    page = visit(instructors_link(machine), bypass_csp=True)
    students = Eyes(student)

    def students_yes(button: str, then: str) -> Step:
        def make(page: Page) -> Locator:
            expect(student.get_by_role("button", name=button)).to_be_visible()
            students.look(f"the student's page, before “{button}”")
            student.get_by_role("button", name=button).click()
            expect(student.get_by_text(re.compile("An instructor (is|may)")).first).to_be_visible()
            students.look(f"the student's page, after “{button}”")
            return page.get_by_text(then)

        return make

    def students_no(_: Page) -> None:
        student.get_by_label("Who may watch your terminals").select_option("off")

    def tab(name: str) -> Step:
        return lambda page: page.get_by_role("tab", name=name).click()

    see(
        page,
        [
            ("a hand and a stuck student", lambda page: page.get_by_text("failed 3 times")),
            ("checks", tab("Checks")),
            ("help", tab("Help")),
            ("events", tab("Events")),
            ("a command", chain(tab("Commands"), lambda page: page.get_by_text("ls /no").first)),
            ("a search for nothing", lambda page: page.get_by_role("searchbox").fill("zzz")),
            ("a search", lambda page: page.get_by_role("searchbox").fill("ls")),
            ("a question to watch", press("Ask to watch", "Waiting for the student", exact=False)),
            ("watching", students_yes("Let them watch", "Ask to type")),
            ("a question to type", press("Ask to type", exact=False)),
            ("typing", students_yes("Let them type", "You are typing")),
            ("a lowered hand", press("Lower the hand")),
            (
                "a replayed command",
                chain(
                    lambda page: (
                        page.get_by_role("list", name="Commands").get_by_role("button").last.click()
                    ),
                    lambda page: page.get_by_role("region", name="Recording"),
                ),
            ),
            (
                "nobody may watch",
                chain(
                    press("Back to live"), students_no, lambda page: page.get_by_text("chose so")
                ),
            ),
            (
                "a lost connection",
                chain(lambda page: machine.stop(), lambda page: page.get_by_text("Reconnecting")),
            ),
        ],
    )
    assert not students.found, "\n".join(students.found)
    see_the_export(exported, page)


def see_the_export(exported: Path, beside: Page) -> None:
    """A recording in a file, which plays without a network."""
    browser = beside.context.browser
    assert browser is not None
    offline = browser.new_context(offline=True, bypass_csp=True)
    try:
        page = offline.new_page()
        page.goto(exported.as_uri())
        see(
            page,
            [
                ("an exported recording", lambda page: page.get_by_role("list").first),
                ("that plays", lambda page: page.locator("#chapters button").last.click()),
            ],
        )
    finally:
        offline.close()


def test_the_class_is_for_everybody(room: Room, visit: Visit, tmp_path: Path) -> None:
    student = visit(room.link())
    Desk(student).sees("$")
    Desk(student).type("ls /no''where")
    student.get_by_role("button", name="Raise hand").click()
    student.get_by_role("button", name="Raise my hand").click()
    roster = tmp_path / "class.txt"
    roster.write_text(
        f"{room.link('/instructor/', INSTRUCTOR)} Ada\n"
        "http://127.0.0.1:9/instructor/?token=0123456789abcdef0123456789 Nobody\n"
    )
    folder = tmp_path / "host"
    folder.mkdir()
    with wall(Machine(room.root, folder), roster) as link:
        page = visit(link, bypass_csp=True)
        see(
            page,
            [
                ("the wall", lambda page: tile(page, "Ada").get_by_text("Hand up")),
                ("the matrix", lambda page: page.get_by_role("tab", name="Steps").click()),
            ],
        )
        for name in ("Steps", "Wall"):
            page.get_by_role("tab", name=name).click()
            fits(page)
        wrong = visit(link.split("?")[0] + "?token=wrong-token-0123456789", bypass_csp=True)
        see(wrong, [("a wrong link", lambda page: page.get_by_text("does not work"))])
        stranger = visit(link.split("?")[0], bypass_csp=True)
        see(stranger, [("not signed in", lambda page: page.get_by_text("You are not signed in"))])
        fits(stranger)
        expect(stranger.get_by_role("heading")).not_to_have_count(0)
        expect(stranger.get_by_role("link", name="CSV")).to_have_count(0)
        fits(wrong)
    see(page, [("a lost connection", lambda page: page.get_by_text("Reconnecting"))])


def test_what_stands_at_the_door_is_for_everybody(room: Room, visit: Visit, tmp_path: Path) -> None:
    door = f"http://{room.daemon.address}"
    for path in ("/", "/instructor/"):
        page = visit(f"{door}{path}", bypass_csp=True)
        see(page, [("not signed in", lambda page: page.get_by_text("You are not signed in"))])
        fits(page)
        page = visit(f"{door}{path}?token=wrong-token-0123456789", bypass_csp=True)
        see(page, [("a wrong link", lambda page: page.get_by_text("This link does not work"))])
        fits(page)
        slow = visit(f"{door}/healthz", bypass_csp=True)
        slow.route("**/assets/*.js", lambda route: route.abort())
        slow.goto(f"{door}{path}")
        see(slow, [("no script yet", lambda page: page.get_by_text("Loading the page."))])

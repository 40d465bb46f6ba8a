"""Recordings in the page: the light, the list, and looking back at what was typed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import REPOSITORY, Desk, Machine, Start, wait_until

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]

Visit = Callable[..., Page]
HELLO = REPOSITORY / "examples" / "hello-linux"
HOSTILE = "<img src=x onerror=document.title='hacked'>"

FOLLOW = """async () => {
  const recordings = await (await fetch('/api/recordings')).json();
  const url = `/api/recordings/${recordings.at(-1).name}/live`;
  const place = document.getElementById('player');
  AsciinemaPlayer.create({ driver: 'eventsource', url }, place, { autoPlay: true });
}"""


class Viewer:
    """Somebody who looks at recordings."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.layer = page.get_by_role("dialog", name="Recordings")
        self.entries = page.locator("li[data-recording]")
        self.screen = page.locator(".ap-term-text")
        self.player = page.get_by_role("region", name="Recording")
        self.search = page.get_by_role("searchbox", name="Search in commands")

    def light(self) -> Locator:
        """The button that says whether terminals are recorded."""
        return self.page.locator("[data-recording] button[aria-expanded]").last

    def choose(self, item: str) -> None:
        """Open the light's menu and take one of its items."""
        self.light().click()
        self.page.get_by_role("button", name=re.compile(f"^{item}")).last.click()

    def open_list(self) -> None:
        """Go to the recordings by the light."""
        self.choose("Recordings")
        expect(self.entries.first).to_be_visible()

    def open_newest(self) -> None:
        """Play the newest recording."""
        self.open_list()
        self.entries.first.get_by_role("link").first.click()
        expect(self.player).to_be_visible()

    def command(self, text: str) -> Locator:
        """A command of the list beside the player."""
        return self.page.locator("button.command", has_text=text)

    def shows(self, text: str) -> None:
        """Wait until the player's screen has `text`."""
        expect(self.screen).to_contain_text(text)

    def does_not_show(self, text: str) -> None:
        """Wait until it has not."""
        expect(self.screen).not_to_contain_text(text)


@pytest.fixture
def visit_strictly(visit: Visit) -> Iterator[Visit]:
    """Visits whose content security policy nothing may try to break."""
    complaints: list[str] = []

    def open_link(link: str, **options: object) -> Page:
        page = visit(link, **options)
        page.on(
            "console", lambda said: complaints.append(said.text) if said.type == "error" else None
        )
        return page

    yield open_link
    assert complaints == []


def runtime_of(machine: Machine) -> Path:
    [log] = machine.folder.glob("state/**/runtime/state-events.jsonl")
    return log.parent


def work(page: Page) -> Desk:
    """Type a few commands, so that there is something to look back at."""
    desk = Desk(page)
    desk.sees("$")
    for command, seen in (
        ("echo first-$((1 + 1))", "first-2"),
        ("ls /nowhere", "No such file"),
        ("sleep 1; echo second-$((2 + 2))", "second-4"),
        ("clear; echo third-$((3 + 3))", "third-6"),
    ):
        desk.type(command)
        desk.sees(seen)
    return desk


def test_a_click_on_a_command_shows_the_moment_it_was_typed(
    start: Start, visit_strictly: Visit
) -> None:
    page = visit_strictly(start(HELLO).link)
    work(page)
    viewer = Viewer(page)
    expect(viewer.light()).to_have_text(re.compile("Recording"))
    viewer.open_newest()

    viewer.command("sleep 1").click()
    viewer.shows("sleep 1; echo second-$((2 + 2))")
    viewer.shows("first-2")
    viewer.does_not_show("second-4")
    expect(viewer.command("sleep 1")).to_have_attribute("aria-current", "true")
    expect(viewer.command("sleep 1")).to_contain_text(re.compile(r"ran 1\.\d s"))
    expect(viewer.command("ls /nowhere")).to_contain_text("exit 2")
    expect(viewer.player.get_by_role("heading", name="Look around")).to_be_visible()

    # The address is this moment, after a reload too, and without the player's help.
    expect(page).to_have_url(re.compile(r"#recordings/session-.*-main\.cast\?t=\d"))
    page.reload()
    viewer.shows("sleep 1; echo second-$((2 + 2))")
    viewer.does_not_show("second-4")

    # It plays on from there, faster if one likes, and what was cleared is gone again.
    page.get_by_role("combobox", name="Speed").select_option("8×")
    page.get_by_role("button", name="Play", exact=True).click()
    viewer.shows("third-6")
    viewer.does_not_show("first-2")

    page.go_back()
    expect(viewer.entries).to_have_count(1)
    page.keyboard.press("Escape")
    expect(viewer.layer).to_have_count(0)
    Desk(page).sees("third-6")


def test_the_keyboard_is_enough(start: Start, visit_strictly: Visit) -> None:
    page = visit_strictly(start(HELLO).link)
    work(page)
    viewer = Viewer(page)
    viewer.light().focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    viewer.entries.first.get_by_role("link").first.focus()
    page.keyboard.press("Enter")
    viewer.shows("third-6")

    page.keyboard.press("/")
    expect(viewer.search).to_be_focused()
    page.keyboard.type("no WHERE")
    expect(page.locator("button.command")).to_have_count(1)
    expect(page.get_by_text("1 of 4")).to_be_visible()
    page.keyboard.press("Tab")  # the button that empties the field is not in the way
    while not viewer.command("nowhere").evaluate("button => button === document.activeElement"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    viewer.shows("ls /nowhere")
    viewer.does_not_show("No such file")

    page.keyboard.press("]")  # the next command
    viewer.shows("No such file")
    viewer.shows("sleep 1")
    page.keyboard.press("Home")
    viewer.does_not_show("first-2")
    page.keyboard.press("k")
    expect(viewer.player).to_have_attribute("data-mode", "playing")
    page.keyboard.press("k")
    expect(viewer.player).to_have_attribute("data-mode", "paused")
    page.keyboard.press("End")
    expect(viewer.player).to_have_attribute("data-mode", "following")
    viewer.shows("third-6")


def test_a_recording_that_goes_on_can_be_followed(start: Start, visit_strictly: Visit) -> None:
    link = start(HELLO).link
    page = visit_strictly(link)
    other = visit_strictly(link)
    desk = work(page)
    viewer = Viewer(other)
    viewer.open_newest()
    expect(other.get_by_role("button", name="Live")).to_have_attribute("aria-pressed", "true")
    viewer.shows("third-6")
    desk.type("echo fourth-$((4 + 4))")
    viewer.shows("fourth-8")
    expect(viewer.command("fourth")).to_have_attribute("aria-current", "true")

    viewer.command("first").click()
    viewer.does_not_show("third-6")
    desk.type("echo fifth-$((5 + 5))")
    expect(viewer.command("fifth")).to_be_visible()
    viewer.does_not_show("fifth-10")
    other.get_by_role("button", name="Live").click()
    viewer.shows("fifth-10")


def test_recording_is_paused_resumed_and_deleted(start: Start, visit_strictly: Visit) -> None:
    machine = start(HELLO)
    page = visit_strictly(machine.link)
    viewer = Viewer(page)
    desk = Desk(page)
    desk.sees("$")
    desk.type("echo before-$((1 + 1))")
    desk.sees("before-2")

    viewer.choose("Pause recording")
    expect(viewer.light()).to_have_text(re.compile("Paused"))
    desk.type("echo private-$((2 + 2))")
    desk.sees("private-4")
    page.reload()
    expect(viewer.light()).to_have_text(re.compile("Paused"))
    desk.type("clear")
    viewer.choose("Resume recording")
    expect(viewer.light()).to_have_text(re.compile("Recording"))
    desk.type("echo after-$((3 + 3))")
    desk.sees("after-6")

    viewer.open_list()
    expect(viewer.entries).to_have_count(2)
    written = "".join(each.read_text() for each in runtime_of(machine).glob("*.cast"))
    assert "before-2" in written and "private" not in written

    viewer.entries.last.get_by_role("button", name=re.compile("^Delete")).click()
    page.get_by_role("button", name="Delete it").click()
    expect(viewer.entries).to_have_count(1)
    assert "before-2" not in "".join(
        each.read_text() for each in runtime_of(machine).glob("*.cast")
    )

    # The one that is being written goes as well, and the next begins at once.
    viewer.entries.first.get_by_role("link").first.click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("a new recording begins at once")).to_be_visible()
    page.get_by_role("button", name="Delete it").click()
    expect(viewer.entries).to_have_count(1)
    page.get_by_role("button", name="Back to the workshop").click()
    desk.type("echo again-$((4 + 4))")
    desk.sees("again-8")
    viewer.open_newest()
    viewer.shows("again-8")
    expect(viewer.command("again")).to_be_visible()
    expect(viewer.command("after")).to_have_count(0)


def test_a_cast_of_the_asciinema_program_is_listed_followed_and_played(
    start: Start, visit_strictly: Visit
) -> None:
    machine = start(HELLO)
    page = visit_strictly(machine.link)
    viewer = Viewer(page)
    Desk(page).sees("$")
    cast = runtime_of(machine) / "mine.cast"
    counting = "for n in 1 2 3 4 5 6 7 8; do echo n-$((n + 10)); sleep 1; done"
    script = f"echo begin-$((1 + 1)); sleep 4; {counting}"
    recorder = subprocess.Popen(
        ["asciinema", "rec", "--quiet", "--command", script, str(cast)],
        env={"PATH": os.environ["PATH"], "HOME": str(machine.folder), "TERM": "xterm-256color"},
        stdin=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: cast.exists() and b"begin-2" in cast.read_bytes())
        viewer.open_list()
        entry = viewer.entries.filter(has_text="mine")
        expect(entry.get_by_text("Live")).to_be_visible()
        entry.get_by_role("link").first.click()
        viewer.shows("begin-2")
        viewer.shows("n-13")  # while it is being written
        expect(viewer.player).to_have_attribute("data-mode", "following")
        assert recorder.wait(30) == 0
    finally:
        recorder.kill()
        recorder.wait()
    viewer.shows("n-18")
    expect(page.get_by_role("button", name="Live")).to_have_count(0)  # nobody writes any more
    page.keyboard.press("Home")
    viewer.does_not_show("begin-2")
    page.keyboard.press("Space")
    viewer.shows("begin-2")
    viewer.does_not_show("n-18")
    expect(page.get_by_text("Nothing is marked in this recording")).to_be_visible()


def test_the_players_own_event_stream_takes_what_is_sent(start: Start, visit: Visit) -> None:
    """The plain asciinema-player follows a terminal, through a change of its size too."""
    link = start(HELLO).link
    page = visit(link)
    desk = Desk(page)
    desk.sees("$")
    plain = visit(link, bypass_csp=True)
    Desk(plain).sees("$")
    plain.set_content("<div id='player' style='width: 900px; height: 600px'></div>")
    bundle = REPOSITORY / "web/node_modules/asciinema-player/dist/bundle/asciinema-player.min.js"
    plain.add_script_tag(content=bundle.read_text())
    plain.evaluate(FOLLOW)
    desk.type("echo before-$((1 + 1))")
    expect(plain.locator(".ap-term-text")).to_contain_text("before-2")
    page.set_viewport_size({"width": 1300, "height": 700})
    desk.type("echo after-$((2 + 2))")
    expect(plain.locator(".ap-term-text")).to_contain_text("after-4")


def test_a_hostile_recording_is_text_and_nothing_else(start: Start, visit_strictly: Visit) -> None:
    """Faults 19 and 44."""
    machine = start(HELLO)
    page = visit_strictly(machine.link)
    viewer = Viewer(page)
    lines: list[object] = [
        {"version": 2, "width": 80, "height": 24, "timestamp": 1, "title": HOSTILE},
        [0.1, "o", f"\x1b]0;{HOSTILE}\x07\x1b]52;c;aGFja2Vk\x07\x1b[c{HOSTILE}\r\n"],
        [0.2, "m", HOSTILE],
        [0.3, "m", f"$ {HOSTILE}"],
        [0.4, "r", "99999x99999"],
        {"no": "event"},
        [0.5, "o", "the end\r\n"],
    ]
    text = "\n".join(map(json.dumps, lines)) + '\n[0.6,"o","torn'
    name = f"{HOSTILE} & 50%?#.cast".replace("/", "")
    (runtime_of(machine) / name).write_text(text)
    os.utime(runtime_of(machine) / name, (time.time() - 60,) * 2)
    page.evaluate("navigator.clipboard.writeText('kept')")
    viewer.open_list()
    viewer.entries.filter(has_text="50%").get_by_role("link").first.click()
    expect(page.get_by_role("button", name="Play the recording")).to_be_visible()
    page.keyboard.press("End")
    viewer.shows("the end")
    viewer.shows(HOSTILE)
    expect(viewer.command(HOSTILE)).to_be_visible()
    expect(page.get_by_text("One line of this recording could not be read")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "kept"
    assert "hacked" not in page.title()
    page.reload()
    expect(page.get_by_role("heading", name=HOSTILE)).to_be_visible()

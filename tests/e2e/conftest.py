"""A real browser, a real session: `workshop run` in the background, Chromium on its link."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from host.sessions import Session
from tests.conftest import FAILED
from tests.goss_binary import goss_binary

REPOSITORY = Path(__file__).resolve().parents[2]
CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-3d-apis",  # the terminal draws in the page, where a test can read it
]
PATIENCE_MS = 60_000  # for anything the page should show; a slow machine is no defect
expect.set_options(timeout=PATIENCE_MS)


@dataclass
class Machine:
    """One session as its host knows it; `folder` holds its state and cache."""

    workshop: Path
    folder: Path
    link: str = ""
    name: str = ""
    engine: str = "sandbox"

    def cli(self, *words: str, check: bool = True) -> dict[str, Any]:  # Any: a JSON document
        """Run a command of the CLI with --json and give its document."""
        done = subprocess.run(
            [sys.executable, "-m", "host", *words, "--json"],
            cwd=REPOSITORY,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=120,
        )
        document: dict[str, Any] = json.loads(done.stdout)
        assert document["success"] or not check, f"{words}: {document}\n{done.stderr}"
        return document

    def start(self) -> None:
        """Run the workshop in the background."""
        data = self.cli("run", str(self.workshop), "--detach")["data"]
        self.link, self.name = data["link"], data["name"]

    def stop(self) -> None:
        """End it; what it left stays."""
        self.cli("stop", self.name, check=False)

    def end(self) -> None:
        """The same by a signal to its host, which takes a CLI's start less."""
        session = Session(self.folder / "state" / "workshop" / self.name)
        holder = session.holder()
        if holder is None:
            self.stop()
            return
        os.kill(holder, signal.SIGTERM)
        wait_until(lambda: session.holder() is None, 60)

    def kill_daemon(self) -> None:
        """SIGKILL to everything of the session: the daemon and the host that watches over it."""
        marker = str(self.folder)
        for proc in Path("/proc").iterdir():
            if not proc.name.isdecimal() or int(proc.name) == os.getpid():
                continue
            try:
                words = (proc / "cmdline").read_bytes() + (proc / "environ").read_bytes()
                if marker.encode() in words:
                    os.kill(int(proc.name), signal.SIGKILL)
            except (OSError, ProcessLookupError):
                continue

    def events(self) -> list[dict[str, Any]]:  # Any: JSON objects
        """The event log."""
        [log] = self.folder.glob("state/**/runtime/state-events.jsonl")
        return [json.loads(line) for line in log.read_bytes().splitlines()]

    def environment(self) -> dict[str, str]:
        """What a person of this machine has."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "WORKSHOP_ENGINE": self.engine,
            "PYTHONPATH": str(REPOSITORY),
            "WORKSHOP_GOSS": str(goss_binary()),
            "LANG": "C.UTF-8",
        }


Start = Callable[[Path], Machine]


@contextmanager
def sessions() -> Iterator[Start]:
    """Starts sessions that end with the block."""
    machines: list[Machine] = []

    def begin(workshop: Path) -> Machine:
        folder = Path(tempfile.mkdtemp(prefix="workshop-journey-"))
        folder.chmod(0o755)
        machine = Machine(workshop, folder)
        machines.append(machine)
        machine.start()
        return machine

    yield begin
    for machine in machines:
        machine.end()
        machine.kill_daemon()
        shutil.rmtree(machine.folder, ignore_errors=True)


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts sessions that end with the test."""
    with sessions() as begin:
        yield begin


@pytest.fixture(scope="module")  # while Playwright runs, no other test can have an event loop
def browser() -> Iterator[Browser]:
    """The system's Chromium; without one the journeys fail."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


def violations(page: Page) -> list[str]:
    """What axe finds on a page that was visited with `bypass_csp`."""
    if not page.evaluate("'axe' in window"):
        page.evaluate((REPOSITORY / "web/node_modules/axe-core/axe.min.js").read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{each['id']}: {each['nodes'][0]['html']}" for each in found["violations"]]


@dataclass
class Visit:
    """A page and what went wrong in it."""

    page: Page
    foreign: list[str]
    errors: list[str]
    said: list[str]

    def describe(self) -> str:
        """What somebody who reads a failure wants to know of the page."""
        try:
            text = self.page.inner_text("body", timeout=2_000)
        except PlaywrightError as error:
            text = str(error)
        return "\n".join((f"The page {self.page.url} shows:", text[:2_000], *self.said[-20:]))


@pytest.fixture
def visit(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Callable[..., Page]]:
    """Opens links in windows of their own; nothing may fail or leave the origin."""
    contexts: list[BrowserContext] = []
    visits: list[Visit] = []

    def open_link(link: str, **options: Any) -> Page:  # Any: Playwright's options
        context = browser.new_context(
            viewport=options.pop("viewport", {"width": 1440, "height": 900}), **options
        )
        context.set_default_timeout(PATIENCE_MS)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        contexts.append(context)
        page = context.new_page()
        made = Visit(page, [], [], [])
        visits.append(made)
        origin = re.match(r"https?://[^/]+", link)
        assert origin is not None
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((origin[0], "data:", "blob:"))
                else made.foreign.append(request.url)
            ),
        )
        page.on("pageerror", lambda error: made.errors.append(str(error)))
        page.on("console", lambda message: made.said.append(f"{message.type}: {message.text}"))
        page.on(
            "requestfailed",
            lambda request: made.said.append(f"{request.url} failed: {request.failure}"),
        )
        page.goto(link)
        return page

    yield open_link
    if request.node.stash.get(FAILED, False):
        for each in visits:
            print(each.describe())  # noqa: T201 -- pytest shows it with the failure
    for each in visits:
        assert each.foreign == [], "the page asked for something outside its origin"
        assert each.errors == [], "a script of the page failed"
    for context in contexts:
        context.close()


class Desk:
    """What a student does at the page."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def terminal_text(self) -> str:
        """What the terminal shows, by its rows."""
        return self.page.locator(".xterm-rows").first.inner_text()

    def type(self, text: str) -> None:
        """Type a line and Enter into the shell."""
        self.page.locator(".xterm-helper-textarea").first.focus()
        self.page.keyboard.type(text)
        self.page.keyboard.press("Enter")

    def sees(self, text: str) -> None:
        """Wait until the terminal shows `text`."""
        expect(self.page.locator(".xterm-rows").first).to_contain_text(text, timeout=PATIENCE_MS)

    def step(self, title: str) -> None:
        """Choose a step in the list."""
        self.page.get_by_role("navigation", name="Steps").get_by_text(title, exact=True).click()

    def is_at(self, title: str) -> None:
        """Wait until the step of that title is shown."""
        current = self.page.locator("[aria-current=step]")
        expect(current).to_contain_text(title, timeout=PATIENCE_MS)

    def is_completed(self, title: str) -> None:
        """Wait until the step list shows it as completed."""
        entry = self.page.get_by_role("navigation", name="Steps").get_by_role(
            "button", name=re.compile(re.escape(title) + r".*\(completed\)", re.DOTALL)
        )
        expect(entry).to_be_visible(timeout=PATIENCE_MS)


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for `condition`, at most that long."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)

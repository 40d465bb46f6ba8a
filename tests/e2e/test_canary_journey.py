"""Secrets with a name of their own, through everything a class does; then they are looked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import REPOSITORY, Desk, Machine, Start

pytestmark = [pytest.mark.journey, pytest.mark.timeout(400)]

Visit = Callable[..., Page]
HELLO = REPOSITORY / "examples/hello-linux"
PASSWORD = "canary-of-a-password-7261"
KEY = "sk-ant-api03-canary0123456789canary0123456789canary"
OPEN_TO_THE_SHELL = "/proc/[0-9]*/environ /proc/[0-9]*/cmdline /workshop /run /tmp /home /workspace"
KNOWN_TO_SCRIPTS = """() => JSON.stringify([
  location.href, document.cookie, document.documentElement.outerHTML, document.referrer,
  {...localStorage}, {...sessionStorage}, performance.getEntries().map((each) => each.name),
])"""


def test_no_secret_is_where_it_does_not_belong(start: Start, visit: Visit) -> None:
    """Faults 1, 8, 9, 45: tokens, a password and a key, after a class has used all of them."""
    machine = start(HELLO)
    tokens = secrets(machine)
    assert {"student", "instructor", "host"} <= tokens.keys()
    page = visit(machine.link)
    desk = Desk(page)
    desk.sees("$")
    link = machine.cli("open", machine.name, "--instructor")["data"]["link"]
    instructor = visit(link)
    expect(instructor.get_by_text("Hello, Linux").first).to_be_visible()

    desk.type("read -s secret")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    desk.type(f"echo ask --key {KEY} >/dev/null; echo passed-$((1 + 1))")
    desk.sees("passed-2")
    timeline = instructor.get_by_text(re.compile("ask --key")).first
    expect(timeline).to_be_visible()
    for each in tokens.values():
        assert found_by_the_shell(desk, each) == "0"
    machine.cli("reset")
    desk.is_at("Look around")

    for shown in (page, instructor):
        known = shown.evaluate(KNOWN_TO_SCRIPTS)
        assert [name for name, each in tokens.items() if each in known] == []
    assert KEY not in instructor.evaluate(KNOWN_TO_SCRIPTS)
    kept = dict(files(machine))
    assert len(kept) > 10
    assert [name for name, raw in kept.items() if PASSWORD.encode() in raw] == []
    for name, token in tokens.items():
        holders = [path for path, raw in kept.items() if token.encode() in raw]
        assert [path for path in holders if "/secrets/" not in path] == [], name
    shown_logs = machine.cli("logs", machine.name)
    assert not any(each in str(shown_logs) for each in tokens.values())


def secrets(machine: Machine) -> dict[str, str]:
    """The session's secrets by name; one that it does not need is empty."""
    [folder] = machine.folder.glob("state/**/secrets")
    return {path.name: text for path in folder.iterdir() if (text := path.read_text().strip())}


def files(machine: Machine) -> Iterator[tuple[str, bytes]]:
    """All that the session left on disk."""
    for path in machine.folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield str(path), path.read_bytes()


def found_by_the_shell(desk: Desk, token: str) -> str:
    """How many files and processes hold it, as the student's shell sees them."""
    # What is typed must not be what is looked for.
    pattern = f"[{token[0]}]{token[1:]}"
    mark = token[-4:]
    desk.type(f"clear; echo {mark}-$(grep -rlsae '{pattern}' {OPEN_TO_THE_SHELL} | wc -l)-files")
    answer = re.compile(rf"{mark}-(\d+)-files")
    rows = desk.page.locator(".xterm-rows").first
    expect(rows).to_contain_text(answer)
    found: list[str] = answer.findall(rows.inner_text())
    return found[0]

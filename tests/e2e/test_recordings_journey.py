"""A session's recordings on the command line: the list, and copies for elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import REPOSITORY, Desk, Start, wait_until

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]


def test_a_recording_leaves_as_cast_as_text_and_as_a_page_that_plays_offline(
    tmp_path: Path, start: Start, visit: Callable[..., Page], browser: Browser
) -> None:
    machine = start(REPOSITORY / "examples" / "hello-linux")
    desk = Desk(visit(machine.link))
    desk.sees("$")
    for number in range(3):
        desk.type(f"echo round-$((100 + {number})); clear")
    desk.type("echo the $((40 + 2)) end")
    desk.sees("the 42 end")

    def newest() -> str:
        done = machine.cli(
            "recordings", machine.name, "-x", "last", "-o", f"{tmp_path}/a.txt", "--force"
        )
        assert done["data"]["bytes"] == (tmp_path / "a.txt").stat().st_size
        return (tmp_path / "a.txt").read_text()

    wait_until(lambda: "the 42 end" in newest())
    assert all(f"round-{number}" in newest() for number in (100, 101, 102)), "also what was cleared"
    wait_until(lambda: "$ echo the" in export(machine.cli, tmp_path / "a.html").read_text())
    raw = export(machine.cli, tmp_path / "a.cast").read_bytes()
    assert raw.startswith(b'{"version":2')

    machine.stop()
    [listed] = machine.cli("recordings", machine.name)["data"]["recordings"]
    assert listed["terminal"] == "main" and not listed["live"]
    again = machine.cli(
        "recordings", machine.name, "-x", "last", "-o", f"{tmp_path}/a.txt", check=False
    )
    assert again["error"]["code"] == "already_exists" and "--force" in again["error"]["message"]

    offline = browser.new_context(offline=True)
    try:
        page = offline.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console", lambda said: problems.append(said.text) if said.type == "error" else None
        )
        page.goto((tmp_path / "a.html").as_uri())
        page.get_by_role("button", name=re.compile(r"\$ echo the")).click()
        expect(page.locator("#player")).to_contain_text("the 42 end")
        assert problems == []
    finally:
        offline.close()


def export(cli: Callable[..., object], target: Path) -> Path:
    cli("recordings", "-x", "last", "-o", str(target), "--force")
    return target

"""The student page: its weight before mermaid, and the time until a student can use it."""

from __future__ import annotations

import gzip
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from bench.start import free_port, milliseconds_to, started
from bench.table import Row
from tests.e2e.conftest import CHROMIUM, FLAGS
from tests.made import make_artifact, me

STATIC = Path(__file__).resolve().parents[1] / "runtime/static"
LIMIT_KB = 350
VISITS = 7  # each with a cache of its own
MOST_MS = 1000


def rows() -> list[Row]:
    """The weight, and the median of some first visits."""
    return [_weight(), _interactive()]


def _weight() -> Row:
    """Everything index.html loads by itself: scripts, their static imports, styles."""
    page = (STATIC / "index.html").read_text()
    todo = re.findall(r'(?:src|href)="/(assets/[^"]+)"', page)
    seen: dict[str, int] = {"index.html": len(gzip.compress(page.encode()))}
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        content = (STATIC / name).read_bytes()
        seen[name] = len(gzip.compress(content))
        if name.endswith(".js"):
            text = content.decode()
            imports = re.findall(r'(?:\bfrom|\bimport)\s*"(?:\./)?([^"/]+\.js)"', text)
            todo += [f"assets/{each}" for each in imports]
    kilobytes = sum(seen.values()) / 1000
    return Row(
        "page before mermaid, gzip",
        f"{kilobytes:.0f} KB in {len(seen)} files",
        limit=f"under {LIMIT_KB} KB",
        within=kilobytes < LIMIT_KB,
    )


def _interactive() -> Row:
    """From the address to the step's text, the checks' button and a prompt that takes keys."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        port = free_port()
        # /bin/sh reads no settings of this computer's user, whose time is not the page's.
        terminal = {"user": me(), "shell": "/bin/sh", "workdir": folder}
        root = make_artifact(Path(folder), [{"id": "one", "goss": "{}"}], terminal=terminal)
        settings = {
            "WORKSHOP_ROOT": str(root),
            "WORKSHOP_HOST": "127.0.0.1",
            "WORKSHOP_PORT": str(port),
            "WORKSHOP_STUDENT_TOKEN": "none",
        }
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        with started([sys.executable, "-m", "runtime"], settings) as process:
            milliseconds_to(f"http://127.0.0.1:{port}/readyz", process)
            taken = [_visit(browser, f"http://127.0.0.1:{port}/") for _ in range(VISITS)]
        browser.close()
    median = statistics.median(taken)
    return Row(
        "page interactive, first visit",
        f"{median:.0f} ms",
        f"{min(taken):.0f} to {max(taken):.0f} ms",
        f"under {MOST_MS} ms",
        median < MOST_MS,
    )


def _visit(browser: Browser, address: str) -> float:
    context = browser.new_context()
    page = context.new_page()
    began = time.perf_counter()
    page.goto(address, wait_until="commit")
    expect(page.get_by_role("button", name="Check my work")).to_be_visible()
    expect(page.locator(".xterm-rows").first).to_contain_text(re.compile(r"[$#]"))
    taken = (time.perf_counter() - began) * 1000
    context.close()
    return taken

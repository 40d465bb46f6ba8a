"""Payloads wherever text can come from: nothing of them may run or leave the origin."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Desk, Start, wait_until

pytestmark = [pytest.mark.journey, pytest.mark.timeout(400)]

# Each sets a mark that nobody else sets, or asks a foreign host for something.
SCRIPTS = [
    "<script>window.broken = 1</script>",
    "<img src=x onerror='window.broken = 1'>",
    "<svg onload='window.broken = 1'><animate onbegin='window.broken = 1' attributeName=x dur=1s>",
    "<iframe srcdoc='<script>parent.broken = 1</script>'></iframe>",
    "<style>@import url(https://evil.example/a.css); * {background: url(//evil.example/b)}</style>",
    "<math><mtext></p><img src=x onerror='window.broken = 1'></mtext></math>",
    "<form action=https://evil.example><button>go</button></form>",
    "<base href=https://evil.example/>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "[click](javascript:window.broken=1)",
    "[click](&#106;avascript:window.broken=1)",
    "[click](data:text/html,<script>window.broken=1</script>)",
    "![picture](https://evil.example/pixel.png)",
    '![picture](x "a\\" onerror=\\"window.broken=1")',
    "[![x](https://evil.example/x.svg)](vbscript:x)",
    "![outside](../../../../etc/passwd)",
    "```\"><img src=x onerror='window.broken=1'>\nls\n```",
    "```mermaid\ngraph TD; A[\"<img src=x onerror='window.broken=1'>\"] --> B;"
    ' click A "javascript:window.broken=1"\n```',
    "```mermaid\n%%{init: {'securityLevel': 'loose', 'htmlLabels': true}}%%\n"
    "graph TD; A[\"<iframe src='https://evil.example/'></iframe>\"]\n```",
]
TITLE = "<img src=x onerror='window.broken=1'>Title${{window.broken=1}}"
PLAIN = TITLE.replace("{", "").replace("}", "")  # goss files are templates: braces mean something
HELP = {
    "hints": ["Hints"],
    "explain": ["Why it works"],
    "solve": ["Solution", "Show the solution"],
}
HOSTILE = """\
version: v1
workshop:
  name: hostile
  title: "{title}"
  description: "{title}"
  image: example.org/hostile
  navigation: guided
base: {{image: debian:12}}
steps:
  - id: first
    title: "{title}"
    group: "{title}"
    goss:
      file:
        "/workspace/<img src=x onerror='window.broken=1'>":
          exists: true
      command:
        "cat /workspace/note.txt":
          exit-status: 0
          stdout: ["<script>window.broken=1</script>"]
          meta:
            title: "{plain}"
            hint: "{plain} [a](javascript:window.broken=1) ![b](https://evil.example/c.png)"
  - id: second
    title: Second
    group: "later {title}"
    markdown: text
"""


def test_payloads_in_everything_an_author_or_a_shell_can_write_are_inert(
    tmp_path: Path, start: Start, visit: Callable[..., Page]
) -> None:
    """Fault 19."""
    workshop = tmp_path / "hostile"
    step = workshop / "steps" / "first"
    step.mkdir(parents=True)
    for folder in (*tmp_path.parents[:3], tmp_path):
        folder.chmod(folder.stat().st_mode | 0o055)
    (workshop / "workshop.yaml").write_text(HOSTILE.format(title=TITLE, plain=PLAIN))
    text = "\n\n".join(SCRIPTS)
    (step / "content.md").write_text(f"The text begins.\n\n{text}\n\nThe text ends.\n")
    for name in ("hints.md", "explain.md", "solve.md"):
        (step / name).write_text(f"{name} begins.\n\n{text}\n\n{name} ends.\n")

    page = visit(start(workshop).link)
    desk = Desk(page)
    desk.sees("$")
    expect(page.get_by_text("The text ends.")).to_be_visible()
    expect(page.get_by_role("heading", name=TITLE, level=1)).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("^Diagram: graph TD")).first).to_be_attached()

    desk.type("echo '<script>window.broken=1</script>' > \"<img src=x onerror='window.broken=1'>\"")
    desk.type("printf '\\e]8;;javascript:window.broken=1\\e\\\\link\\e]8;;\\e\\\\ <b>bold</b>\\n'")
    desk.type("printf '\\e]0;<img src=x onerror=window.broken=1>\\a'; ls")
    desk.sees("link <b>bold</b>")
    page.locator(".xterm-rows").get_by_text("link", exact=True).first.click(force=True)
    page.get_by_role("button", name="Check my work").click()
    expect(page.get_by_text("expected").first).to_be_visible()
    for name, buttons in HELP.items():
        for button in buttons:
            page.get_by_role("button", name=button, exact=True).click()
        expect(page.get_by_text(f"{name}.md ends.")).to_be_attached()
        nothing_came_through(page)
    wait_until(lambda: page.evaluate("document.readyState") == "complete")
    assert page.evaluate("window.broken") is None


def nothing_came_through(page: Page) -> None:
    """No element, no address and no handler that a text brought along."""
    for link in page.locator("main a").all():
        assert re.match(r"(https?:|#|mailto:)", link.get_attribute("href") or "#"), link
    assert page.locator("main").locator("script, iframe, base, meta, form, object").count() == 0
    handlers = page.evaluate(
        "[...document.querySelectorAll('*')].flatMap(e => [...e.attributes])"
        ".filter(a => a.name.startsWith('on')).map(a => a.name)"
    )
    assert handlers == []

"""The page without a mouse, at 200 % and 400 %, and with what a browser enforces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Response, expect

from tests.api.conftest import INSTRUCTOR, STUDENT
from tests.e2e.conftest import Desk
from tests.runtime.daemon import Process, make_root, running

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]

Visit = Callable[..., Page]
TEXT = "# Greet\n\nType this:\n\n```bash\necho ran-$((6 * 7)) > GREETING\n```\n"
GOSS = "file: {GREETING: {exists: true, meta: {title: It greets}}}"
MARKED = """() => {
  const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(document.activeElement);
  return (outlineStyle !== 'none' && parseFloat(outlineWidth) > 0) || boxShadow !== 'none';
}"""
CUT = """() => [...document.querySelectorAll('button, a[href], input, select')]
  .filter(each => each.checkVisibility({ visibilityProperty: true }))
  .filter(each => !each.closest('.skip, .xterm, [role=tablist]'))
  .filter(each => {
    const { left, right } = each.getBoundingClientRect();
    return left < -1 || right > innerWidth + 1;
  }).map(each => each.outerHTML.slice(0, 120))"""
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Process]:
    greeting = str(tmp_path / "greeting")
    step = {
        "id": "one",
        "title": "Greet",
        "content": TEXT.replace("GREETING", greeting),
        "goss": GOSS.replace("GREETING", greeting),
        "hints": "Use echo.\n",
    }
    with running(make_root(tmp_path, [step, {"id": "two", "title": "Done"}])) as process:
        yield process


def link(daemon: Process, path: str = "/", token: str = STUDENT) -> str:
    return f"http://{daemon.address}{path}?token={token}"


def reach(page: Page, wanted: Locator, keys: str = "Tab") -> None:
    """Press a key until `wanted` has the focus; each stop on the way can be seen."""
    for _ in range(40):
        page.keyboard.press(keys)
        where = page.evaluate("document.activeElement.outerHTML.slice(0, 120)")
        assert where.startswith("<body") or "xterm" in where or page.evaluate(MARKED), (
            f"no mark on {where}"
        )
        if wanted.evaluate("each => each === document.activeElement"):
            return
    pytest.fail(f"{wanted} is not reached")


def test_a_student_needs_no_mouse(daemon: Process, visit: Visit) -> None:
    page = visit(link(daemon))
    Desk(page).sees("$")

    def button(name: str, *, exact: bool = True) -> Locator:
        return page.get_by_role("button", name=name, exact=exact).first

    page.evaluate("document.activeElement.blur()")
    reach(page, button("Raise hand"))
    page.keyboard.press("Enter")
    expect(page.get_by_label("What is it about?")).to_be_focused()
    page.keyboard.type("which file?")
    page.keyboard.press("Enter")
    expect(button("Hand is up")).to_be_focused()

    reach(page, button("Run in terminal", exact=False))
    page.keyboard.press("Enter")
    expect(page.locator(".xterm-helper-textarea").first).to_be_focused()
    expect(page.locator(".xterm-rows")).to_contain_text("ran-")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")  # belongs to the shell
    expect(page.locator(".xterm-helper-textarea").first).to_be_focused()
    page.keyboard.press("Control+Shift+L")
    expect(button("Keys")).to_be_focused()

    reach(page, button("Hints", exact=False))  # backwards is the shell, forwards is around
    page.keyboard.press("Enter")
    expect(page.get_by_text("Use echo.")).to_be_visible()
    reach(page, button("Check my work"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Step complete")).to_be_visible()

    reach(page, button("Open another terminal"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("tab")).to_have_count(2)
    expect(page.locator(".xterm-helper-textarea:focus")).to_have_count(1)
    page.keyboard.press("Control+Shift+L")
    menu = button("Menu of the terminal", exact=False)
    reach(page, menu)
    page.keyboard.press("Enter")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("Close “")
    expect(button("Keep it as it is")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(menu).to_be_focused()


@pytest.mark.parametrize(("width", "height"), [(640, 512), (320, 256)])
def test_nothing_is_cut_when_it_is_enlarged(
    daemon: Process, visit: Visit, width: int, height: int
) -> None:
    """1280 by 1024 at 200 % and at 400 %."""
    size = {"viewport": {"width": width, "height": height}, "device_scale_factor": 1280 // width}
    page = visit(link(daemon), **size)
    expect(page.get_by_text("Type this:")).to_be_visible()
    assert (page.evaluate(TOO_WIDE), page.evaluate(CUT)) == (0, [])
    page.get_by_role("button", name="Raise hand").click()
    page.get_by_role("button", name="Raise my hand").scroll_into_view_if_needed()
    expect(page.get_by_role("button", name="Raise my hand")).to_be_in_viewport(ratio=1)
    assert page.evaluate(CUT) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Check my work").click()
    expect(page.get_by_text("It greets").first).to_be_visible()
    page.get_by_role("button", name="Hints").click()
    expect(page.get_by_text("Use echo.")).to_be_visible()
    page.get_by_role("button", name="Terminal", exact=True).click()
    expect(page.get_by_role("button", name="Keys")).to_be_visible()
    assert (page.evaluate(TOO_WIDE), page.evaluate(CUT)) == (0, [])
    if width < 640:
        return  # the instructor's page is for a wider window
    page.goto(link(daemon, "/instructor/", INSTRUCTOR))
    expect(page.get_by_text("Now at")).to_be_visible()
    assert (page.evaluate(TOO_WIDE), page.evaluate(CUT)) == (0, [])


def test_a_browser_is_told_what_it_may_do(daemon: Process, visit: Visit) -> None:
    """Policy, frames, types, referrer, cookies and caches as they come to a browser."""
    page = visit(link(daemon))
    Desk(page).sees("$")
    answers: list[Response] = []
    broken: list[str] = []
    page.on("response", lambda answer: answers.append(answer))
    page.on("console", lambda said: broken.append(said.text) if said.type == "error" else None)
    page.add_init_script(
        "document.addEventListener('securitypolicyviolation',"
        "event => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`))"
    )
    page.reload()
    Desk(page).sees("$")
    page.get_by_role("button", name="Check my work").click()
    page.get_by_role("button", name="Hints").click()
    expect(page.get_by_text("Use echo.")).to_be_visible()
    page.goto(link(daemon, "/instructor/", INSTRUCTOR))
    expect(page.get_by_text("Now at")).to_be_visible()
    assert broken == []
    assert "token" not in page.url and page.evaluate("document.cookie") == ""

    assert {answer.request.resource_type for answer in answers} >= {"document", "script", "fetch"}
    for answer in answers:
        headers = answer.headers
        assert "default-src 'self'" in headers["content-security-policy"], answer.url
        assert headers["x-content-type-options"] == "nosniff", answer.url
        assert headers["referrer-policy"] == "no-referrer", answer.url
        if answer.status == 200 and "/assets/" in answer.url:
            assert "immutable" in headers["cache-control"], answer.url
        elif answer.status == 200:
            assert headers["cache-control"].split(", ")[-1] in ("no-cache", "no-store"), answer.url
        assert not answer.request.headers.get("referer"), answer.url

    cookies = page.context.cookies()
    assert len(cookies) == 2
    assert all(each.get("httpOnly") and each.get("sameSite") == "Strict" for each in cookies)

    here = f"http://{daemon.address}/"
    page.evaluate(
        "here => { const frame = document.createElement('iframe'); frame.src = here;"
        " document.body.append(frame); }",
        here,
    )
    page.wait_for_timeout(500)
    assert any("frame" in each for each in broken), "the page is shown in a frame"

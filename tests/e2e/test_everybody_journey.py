"""The page without a mouse, at 200 % and 400 %, and with what a browser enforces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Response, expect

from tests.api.conftest import INSTRUCTOR, STUDENT
from tests.api.test_help import KEY, LLM
from tests.e2e.conftest import Desk, Start
from tests.e2e.test_instructor_journey import instructors_link, workshop
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
ENLARGED = [(640, 512), (320, 256)]  # 1280 by 1024 at 200 % and at 400 %
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
    model = {"MODEL_KEY": KEY, "WORKSHOP_LLM_BASE_URL": "http://127.0.0.1:9"}
    root = make_root(tmp_path, [step, {"id": "two", "title": "Done"}], llm=LLM)
    with running(root, **model) as process:
        yield process


def link(daemon: Process, path: str = "/", token: str = STUDENT) -> str:
    return f"http://{daemon.address}{path}?token={token}"


def fits(page: Page) -> None:
    """Enlarged, the page is as wide as the window and no control leaves it."""
    for width, height in ENLARGED:
        page.set_viewport_size({"width": width, "height": height})
        assert (page.evaluate(TOO_WIDE), page.evaluate(CUT)) == (0, []), width


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


def test_an_instructor_needs_no_mouse(tmp_path: Path, start: Start, visit: Visit) -> None:
    machine = start(workshop(tmp_path, "always"))
    student = visit(machine.link)
    Desk(student).sees("$")
    Desk(student).type("ls /no''where")
    Desk(student).sees("cannot access")
    student.get_by_role("button", name="Raise hand").click()
    student.get_by_role("button", name="Raise my hand").click()
    page = visit(instructors_link(machine))

    def button(name: str) -> Locator:
        return page.get_by_role("button", name=name).first

    commands = page.get_by_role("list", name="Commands").get_by_role("button")
    expect(commands).to_have_count(1)
    reach(page, page.get_by_label("A note the student sees"))
    page.keyboard.type("Look up")
    reach(page, button("Lower the hand"))
    page.keyboard.press("Enter")
    expect(student.get_by_text("Look up")).to_be_visible()
    expect(button("Lower the hand")).to_have_count(0)
    expect(page.locator("aside :focus")).to_have_count(1)

    reach(page, page.get_by_role("tab", name="Commands"))
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Checks")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    reach(page, page.get_by_label("Search the commands"))
    page.keyboard.type("zzz")
    expect(commands).to_have_count(0)
    page.keyboard.press("Control+A")
    page.keyboard.type("ls")
    reach(page, button("Failed"))
    page.keyboard.press("Space")
    expect(commands).to_have_count(1)
    reach(page, commands.first)
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Recording")).to_be_visible()
    reach(page, button("Back to live"))
    page.keyboard.press("Enter")
    expect(button("main")).to_be_focused()

    reach(page, button("Watch “main”"))
    page.keyboard.press("Enter")
    expect(page.locator(".live .xterm-rows")).to_contain_text("cannot access")
    expect(button("main")).to_be_focused()
    around(page)  # also through the terminal, where nothing can be typed
    reach(page, button("Stop watching"))
    page.keyboard.press("Enter")
    expect(button("main")).to_be_focused()


def around(page: Page) -> None:
    """Tab comes back to where it began and stops at nothing twice."""
    page.evaluate("window.began = document.activeElement; window.stops = new Set()")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === window.began"):
            return
        fresh = page.evaluate(
            "document.activeElement === document.body ||"
            " window.stops.size < window.stops.add(document.activeElement).size"
        )
        assert fresh, page.evaluate("document.activeElement.outerHTML.slice(0, 120)")
    pytest.fail("Tab does not come around")


@pytest.mark.parametrize(("width", "height"), ENLARGED)
def test_nothing_is_cut_when_it_is_enlarged(
    daemon: Process, visit: Visit, width: int, height: int
) -> None:
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
    page.get_by_role("button", name="Text", exact=True).click()
    page.get_by_role("button", name="Ask a question").click()
    page.get_by_role("button", name="Ask", exact=True).scroll_into_view_if_needed()
    assert (page.evaluate(TOO_WIDE), page.evaluate(CUT)) == (0, [])
    page.goto(f"{page.url.split('#')[0]}#recordings")
    expect(page.locator("li[data-recording]").first).to_be_visible()
    assert (page.evaluate(TOO_WIDE), page.evaluate(CUT)) == (0, [])
    page.locator("li[data-recording] a").first.click()
    expect(page.get_by_role("region", name="Recording")).to_be_visible()
    assert (page.evaluate(TOO_WIDE), page.evaluate(CUT)) == (0, [])
    page.goto(link(daemon, "/instructor/", INSTRUCTOR))
    expect(page.get_by_text("Now at")).to_be_visible()
    assert (page.evaluate(TOO_WIDE), page.evaluate(CUT)) == (0, [])


def test_a_phone_on_its_side_has_room_for_the_text(daemon: Process, visit: Visit) -> None:
    page = visit(link(daemon), viewport={"width": 844, "height": 390}, has_touch=True)
    text = page.get_by_text("Type this:")
    check = page.get_by_role("button", name="Check my work")
    for seen in (text, check, page.get_by_role("button", name="Run in terminal")):
        expect(seen).to_be_in_viewport(ratio=1)
    check.click()
    expect(page.get_by_text("It greets").first).to_be_in_viewport(ratio=1)
    expect(check).to_be_in_viewport(ratio=1)
    assert (page.evaluate(TOO_WIDE), page.evaluate(CUT)) == (0, [])
    bar = check.locator("xpath=ancestor::*[contains(@class, 'bar')][1]").bounding_box()
    assert bar is not None
    assert bar["height"] < 390 / 5


def test_a_system_with_few_colours_still_shows_what_is_chosen(
    daemon: Process, visit: Visit
) -> None:
    page = visit(link(daemon), forced_colors="active")
    Desk(page).sees("$")
    page.get_by_role("button", name="Open another terminal").click()
    tabs = page.get_by_role("tab")
    expect(tabs).to_have_count(2)
    expect(tabs.nth(1)).to_have_attribute("aria-selected", "true")
    ground = "each => getComputedStyle(each).backgroundColor"
    assert tabs.nth(1).evaluate(ground) != tabs.nth(0).evaluate(ground)
    step = page.locator("[aria-current=step]")
    assert step.evaluate("each => getComputedStyle(each).outlineStyle") == "solid"
    bar = page.get_by_role("progressbar").first
    assert bar.evaluate("each => getComputedStyle(each).forcedColorAdjust") == "none"


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

"""The terminal socket of the real daemon, with real frames over a real connection."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from runtime.services.sizing import RESIZE_SECONDS
from tests.api.conftest import INSTRUCTOR
from tests.api.served import PROTOCOL, Served, served
from tests.services.shells import LIMIT_SECONDS, descriptors, until
from tests.services.test_processes import running, unique_sleep


@asynccontextmanager
async def made(folder: Path, **settings: str) -> AsyncIterator[Served]:
    """A daemon in `folder`, for the length of the block."""
    root = folder / "workshop"
    root.mkdir()
    async with served(root, **settings) as daemon:
        yield daemon


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Served]:
    """A daemon whose shell has no start-up files."""
    async with made(tmp_path) as daemon:
        yield daemon


async def test_a_page_is_greeted_shown_the_screen_and_given_bytes(daemon: Served) -> None:
    async with daemon.socket() as page:
        assert page.connection.subprotocol == PROTOCOL
        hello = await page.hears("hello")
        assert hello == {
            "type": "hello",
            "terminal": "main",
            "cols": 80,
            "rows": 24,
            "offset": hello["offset"],
            "role": "student",
        }
        await page.hears("offset")
        assert [each["type"] for each in page.messages[:3]] == ["hello", "screen", "offset"]
        assert page.output.startswith(b"\x1bc")
        await page.has_a_living_shell()


async def test_a_reconnect_continues_at_its_byte(daemon: Served) -> None:
    async with daemon.socket() as page:
        await page.type("echo $((6 * 7))'!'\r")
        await page.sees("42!")
        offset = page.offset
    async with daemon.socket(query=f"?offset={offset}") as page:
        assert (await page.hears("hello"))["offset"] == offset
        await page.type("echo $((7 * 7))'!'\r")
        await page.sees("49!")
        assert "42!" not in page.since(0)
        assert not any(each["type"] == "screen" for each in page.messages)


@pytest.mark.parametrize("offset", ["0", "-1", "x", "1e9", "9" * 30, "%00", ""])
async def test_an_offset_that_is_none_gets_the_screen(daemon: Served, offset: str) -> None:
    async with daemon.socket(query=f"?offset={offset}") as page:
        await page.hears("screen")


async def test_without_a_name_it_is_the_main_terminal(daemon: Served) -> None:
    async with daemon.socket("") as page:
        assert (await page.hears("hello"))["terminal"] == "main"


async def test_sizes_the_end_of_the_shell_and_a_new_one_are_told(daemon: Served) -> None:
    async with daemon.socket() as page:
        await page.say(type="resize", cols=100, rows=5000)
        assert await page.hears("resize") == {"type": "resize", "cols": 100, "rows": 1000}
        await page.type("exit 3\r")
        assert await page.hears("exit") == {"type": "exit", "code": 3}
        await page.say(type="restart")
        await page.hears("restarted")
        await page.has_a_living_shell()


async def test_opening_and_closing_terminals_over_http(daemon: Served) -> None:
    async with daemon.http() as http:
        made = await http.post("/api/terminals", json={"name": "second"})
        assert made.status_code == 201
        assert made.json() == {
            "name": "second",
            "cols": 80,
            "rows": 24,
            "clients": 0,
            "running": True,
        }
        assert (await http.post("/api/terminals", json={"name": "second"})).status_code == 409
        assert (await http.post("/api/terminals", json={"name": "../x"})).status_code == 422
        listed = (await http.get("/api/terminals")).json()
        assert [each["name"] for each in listed] == ["main", "second"]
        async with daemon.socket("/second") as page:
            await page.hears("hello")
            assert (await http.delete("/api/terminals/second")).status_code == 204
            assert await page.close_code() == 4404
        assert (await http.delete("/api/terminals/second")).status_code == 404
        for _ in range(7):
            assert (await http.post("/api/terminals")).status_code == 201
        full = await http.post("/api/terminals")
        assert (full.status_code, full.json()["error"]["code"]) == (409, "too_many")


async def test_the_main_terminal_cannot_be_closed_and_the_daemon_stays_ready(
    daemon: Served,
) -> None:
    async with daemon.http() as http, daemon.socket("/main") as page:
        await page.hears("hello")
        refused = await http.delete("/api/terminals/main")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "main_terminal")
        assert (await http.get("/readyz")).status_code == 200
        await page.has_a_living_shell()


async def test_restarting_over_http_keeps_the_pages_and_nothing_else(daemon: Served) -> None:
    """Fault 27: what nohup, setsid and a double fork hide ends with a restart."""
    sleep = unique_sleep(200)
    async with daemon.http() as http, daemon.socket() as page, daemon.socket() as other:
        await page.type(f"answer=42; ( ( nohup setsid {sleep} >/dev/null 2>&1 & ) & )\r")
        await until(lambda: running(sleep), sleep)
        answer = await http.post("/api/terminals/main/restart")
        assert (answer.status_code, answer.json()["running"]) == (200, True)
        assert running(sleep) == []
        for each in (page, other):
            await each.hears("restarted")
            assert not any(message["type"] == "exit" for message in each.messages)
        await other.type("echo the answer is $answer.\r")
        await page.sees("the answer is .")
        assert (await http.post("/api/terminals/other/restart")).status_code == 404


async def test_a_title_reaches_every_page_by_the_feed(daemon: Served) -> None:
    async with daemon.http() as http:
        listening = asyncio.create_task(_feed_says(http, "the server"))
        answer = await http.patch("/api/terminals/main", json={"title": " the server "})
        assert answer.status_code == 200
        assert (answer.json()["name"], answer.json()["title"]) == ("main", "the server")
        assert "the server" in await listening
        assert "title" not in (await http.patch("/api/terminals/main", json={"title": ""})).json()


@pytest.mark.parametrize(
    "body", [{}, {"title": None}, {"title": 4}, {"title": "x" * 41}, {"title": "\x1b]0;x\x07"}]
)
async def test_a_title_that_is_none_is_refused_by_name(
    daemon: Served, body: dict[str, object]
) -> None:
    async with daemon.http() as http:
        answer = await http.patch("/api/terminals/main", json=body)
        assert answer.status_code == 422
        assert answer.json()["error"]["details"] == {"field": "title"}
        assert (await http.patch("/api/terminals/other", json={"title": "x"})).status_code == 404


async def _feed_says(http: httpx2.AsyncClient, text: str) -> str:
    """The first `terminal` message that holds `text`."""
    async with asyncio.timeout(LIMIT_SECONDS), http.stream("GET", "/api/events") as feed:
        event = ""
        async for line in feed.aiter_lines():
            if line.startswith("event: "):
                event = line.removeprefix("event: ")
            elif event == "terminal" and text in line:
                return line
    raise AssertionError("the feed ended")


async def test_no_such_terminal_is_4404(daemon: Served) -> None:
    async with daemon.socket("/other") as page:
        assert await page.close_code() == 4404


async def test_too_many_pages_are_4409(daemon: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.services.terminal.MAX_PAGES", 1)
    async with daemon.socket() as page:
        await page.hears("hello")
        async with daemon.socket() as second:
            assert await second.close_code() == 4409


async def test_a_wrong_token_opens_nothing(daemon: Served) -> None:
    """Fault 8, the socket."""
    for token in ("wrong-token-0123456789", INSTRUCTOR):
        with contextlib.suppress(InvalidStatus):
            async with daemon.socket(token=token) as page:
                assert await page.close_code() == 4401
                assert page.messages == []
                assert page.given == 0
    assert daemon.daemon.services.terminals.list()[0].clients == 0


async def test_a_flood_of_pings_and_sizes_has_no_effect(daemon: Served) -> None:
    """Faults 30 and 31: 1 000 sizes a second, ping flood."""
    terminal = daemon.daemon.services.terminals.get("main")
    began = time.monotonic()
    async with daemon.socket() as page:
        for number in range(1000):
            await page.connection.ping()
            await page.say(type="resize", cols=20 + number % 80, rows=10 + number % 30)
        await page.say(type="resize", cols=90, rows=33)
        await page.type(" ")
        await until(lambda: terminal.size == (90, 33), "the last size")
        await page.has_a_living_shell()
        sizes = [each for each in page.messages if each["type"] == "resize"]
        assert sizes[-1] == {"type": "resize", "cols": 90, "rows": 33}
        assert len(sizes) <= (time.monotonic() - began) / RESIZE_SECONDS + 2


def resident_bytes() -> int:
    """Memory of this process that is in use."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def test_a_page_that_never_reads_costs_no_memory_and_slows_nobody(tmp_path: Path) -> None:
    """Fault 25: a page that never reads while `yes` runs."""
    async with (
        made(tmp_path, WORKSHOP_RECORD="off") as daemon,
        daemon.socket() as reader,
        daemon.socket(reads=False, max_queue=1) as stuck,
        daemon.http() as http,
    ):
        terminal = daemon.daemon.services.terminals.get("main")
        await reader.hears("hello")
        await reader.type("yes 0123456789012345678901234567890123456789\r")
        await until(lambda: reader.given > 3_000_000, "output")
        before, printed, given = resident_bytes(), terminal.display.ring.end, reader.given
        began = time.monotonic()
        assert (await http.get("/api/state")).status_code == 200
        assert time.monotonic() - began < 10
        await until(lambda: terminal.display.ring.end > printed + 20_000_000, "more output")
        assert resident_bytes() - before < 10 << 20
        assert reader.given > given
        before = reader.given
        await reader.type("\x03")
        await reader.has_a_living_shell()
        assert reader.given - before < 4 << 20  # Ctrl-C does not wait behind what was printed
        stuck.start_reading()
        await stuck.has_a_living_shell()
        assert any(each["type"] == "screen" for each in stuck.messages[2:])
        assert stuck.given < 10_000_000  # of more than 23


async def test_connects_and_disconnects_leave_nothing_behind(daemon: Served) -> None:
    """Fault 26: 1 000 sockets and feeds, however they end; descriptors, tasks, memory return."""
    terminals = daemon.daemon.services.terminals

    async def visit(number: int) -> None:
        with contextlib.suppress(ConnectionClosed):
            stays = number % 4 != 0
            async with daemon.socket(reads=stays) as page:
                if stays:
                    await page.hears("hello")
                if number % 3 == 1:
                    page.connection.transport.abort()
                elif number % 3 == 2:
                    await page.send("not JSON")

    async def visit_feed(http: httpx2.AsyncClient) -> None:
        async with http.stream("GET", "/api/events") as feed:
            async for line in feed.aiter_lines():
                if line.startswith("event: state"):
                    return

    async def visit_all(sockets: int, feeds: int) -> None:
        for start in range(0, sockets, 10):
            await asyncio.gather(*(visit(number) for number in range(start, start + 10)))
        async with daemon.http() as http:
            for _ in range(0, feeds, 10):
                await asyncio.gather(*(visit_feed(http) for _ in range(10)))
        await until(lambda: terminals.list()[0].clients == 0, "no page")

    await visit_all(60, 20)
    # What the first visits left is the measure; whatever a visit keeps is then there 1 000 times.
    before, tasks, memory = descriptors(), len(asyncio.all_tasks()), resident_bytes()
    await visit_all(600, 400)
    await until(lambda: len(asyncio.all_tasks()) <= tasks, "the tasks to end")
    await until(lambda: descriptors() <= before, "the descriptors")
    gc.collect()
    assert resident_bytes() - memory < 10 << 20
    log = (daemon.root / "runtime" / "state-events.jsonl").read_text()
    connected = log.count('"event":"connected"')
    assert connected == log.count('"event":"disconnected"')
    assert 495 <= connected <= 660  # some leave before they have come


async def test_stopping_closes_sockets_and_ends_recordings_on_a_whole_line(
    tmp_path: Path,
) -> None:
    """Fault 18: sockets and a recording open while output floods."""
    async with contextlib.AsyncExitStack() as pages:
        async with made(tmp_path) as daemon:
            page = await pages.enter_async_context(daemon.socket())
            await page.type("yes flood\r")
            await page.sees("flood\r\nflood")
            began = time.monotonic()
        assert time.monotonic() - began < 10
        assert await page.close_code() in (1001, 1012, 4500)
    [cast] = (daemon.root / "runtime").glob("*.cast")
    raw = cast.read_bytes()
    assert raw.endswith(b"\n")
    for line in raw[:-1].split(b"\n"):
        json.loads(line)

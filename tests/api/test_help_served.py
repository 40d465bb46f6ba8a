"""Help over a real connection: pages that leave, many at once, and a daemon that stops."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from tests.api.conftest import STUDENT
from tests.api.served import Served, served
from tests.api.test_help import KEY, LLM, STEP, messages
from tests.api.test_instructor import FEED, Reader, reading, typed
from tests.model_server import ANSWER, ModelServer, model_server
from tests.services.shells import until

URL = "/api/steps/one/llm/help"


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with model_server() as serving:
        yield serving


@asynccontextmanager
async def asked(root: Path, model: ModelServer, **settings: str) -> AsyncIterator[Served]:
    environ = {
        "MODEL_KEY": KEY,
        "WORKSHOP_LLM_BASE_URL": model.url,
        "WORKSHOP_LLM_RATE_LIMIT": "1000",
        **settings,
    }
    async with served(root, {"steps": [STEP], "llm": LLM}, **environ) as daemon:
        yield daemon


async def first_token(lines: AsyncIterator[str]) -> None:
    async for line in lines:
        if line == "event: token":
            return


async def history(http: httpx2.AsyncClient) -> list[str]:
    """The outcomes in the step's history."""
    answer = await http.get("/api/steps/one/llm/history")
    return [each["outcome"] for each in answer.json()["interactions"]]


async def test_a_page_that_leaves_ends_the_request_and_frees_the_slot(
    tmp_path: Path, model: ModelServer
) -> None:
    """Fault 24."""
    async with asked(tmp_path, model) as daemon, daemon.http() as http:
        await http.post(URL, json={"question": "Warm up"})
        model.behaviour = "slow"
        async with http.stream("POST", URL, json={"question": "How?"}) as answer:
            await first_token(answer.aiter_lines())
        left = time.monotonic()
        await until(lambda: model.requests[1].gone is not None, "the end of the request")
        assert model.requests[1].gone is not None
        assert model.requests[1].gone - left < 1
        model.behaviour = "normal"
        again = await http.post(URL, json={"question": "How?"})
        assert again.status_code == 200
        assert await history(http) == ["answered", "stopped", "answered"]


async def test_a_page_that_leaves_while_the_model_stalls_frees_the_slot_too(
    tmp_path: Path, model: ModelServer
) -> None:
    """Fault 24."""
    async with asked(tmp_path, model) as daemon, daemon.http() as http:
        await http.post(URL, json={"question": "Warm up"})
        model.behaviour = "stall"
        async with http.stream("POST", URL, json={"question": "How?"}) as answer:
            await first_token(answer.aiter_lines())
        left = time.monotonic()
        model.behaviour = "normal"
        while (await http.post(URL, json={"question": "?"})).status_code == 429:
            assert time.monotonic() - left < 1
            await asyncio.sleep(0.05)


async def test_one_answer_at_a_time_also_from_many_tabs(tmp_path: Path, model: ModelServer) -> None:
    """Fault 23."""
    async with asked(tmp_path, model) as daemon, daemon.http() as http:
        model.behaviour = "slow"
        async with http.stream("POST", URL, json={"question": "How?"}) as answer:
            await first_token(answer.aiter_lines())
            tabs = await asyncio.gather(
                *(http.post(URL, json={"question": "Me too"}) for _ in range(8))
            )
            assert {tab.status_code for tab in tabs} == {429}
            assert all(int(tab.headers["retry-after"]) > 0 for tab in tabs)
        assert len(model.requests) == 1


async def test_every_tab_hears_of_help(tmp_path: Path, model: ModelServer) -> None:
    async with (
        asked(tmp_path, model) as daemon,
        daemon.http() as http,
        reading(daemon, "/api/events", token=STUDENT) as tab,
    ):
        await http.post(URL, json={"question": "How?"})
        assert await tab.sees("help") == [{"step": "one"}]
        await http.post("/api/steps/one/help", json={"mode": "hints"})
        await tab.sees("help", 2)


async def test_a_daemon_that_stops_ends_an_answer_and_records_it(
    tmp_path: Path, model: ModelServer
) -> None:
    """Fault 18."""
    model.behaviour = "slow"
    async with asked(tmp_path, model) as daemon:
        http = daemon.http()
        stream = http.stream("POST", URL, json={"question": "How?"})
        answer = await stream.__aenter__()
        await first_token(answer.aiter_lines())
        stopping = time.monotonic()
    assert time.monotonic() - stopping < 5
    await http.aclose()
    assert '"outcome":"stopped"' in (tmp_path / "runtime/llm-history.jsonl").read_text()


async def test_the_first_words_arrive_while_the_model_still_writes(
    tmp_path: Path, model: ModelServer
) -> None:
    async with asked(tmp_path, model) as daemon, daemon.http() as http:
        await http.post(URL, json={"question": "Warm up"})
        model.pause_seconds = 0.05
        async with http.stream("POST", URL, json={"question": "How?"}) as answer:
            await first_token(answer.aiter_lines())
            assert model.requests[1].sent < len(ANSWER) / 4 - 5
    assert messages("") == []


PASSWORD = "canary-password-0123456789"


async def test_a_password_reaches_no_model_and_no_other_page(
    tmp_path: Path, model: ModelServer
) -> None:
    """Fault 9: with another page at the terminal, an instructor who watches, and a question."""
    async with (
        asked(tmp_path, model) as daemon,
        daemon.http() as http,
        daemon.socket() as page,
        daemon.socket() as other,
        reading(daemon, f"{FEED}?after=0-0") as feed,
        reading(daemon, "/api/events", token=STUDENT) as events,
    ):
        await http.post("/api/watching", json={"mode": "always"})
        async with reading(daemon, "/api/instructor/terminals/main/live") as live:
            await page.type("read -sp 'Password: ' answer; echo got ${#answer}\r")
            for each in (page, other):
                await each.sees("\rPassword: ")
            for key in PASSWORD:
                await page.type(key)
            await page.type("\r")
            for each in (page, other):
                await each.sees(f"got {len(PASSWORD)}")
            await until(lambda: f"got {len(PASSWORD)}" in said(live), "what is watched")
        typed(daemon, "read -sp 'Password: ' answer")  # as the hook would log it
        await feed.sees("command")
        assert (await http.post(URL, json={"question": "How?"})).status_code == 200
        [request] = model.requests
        assert "read -sp" in request.text
        told = [request.text, *map(said, (feed, events, live))]
        told += [each.output.decode() + json.dumps(each.messages) for each in (page, other)]
        assert not [text for text in told if PASSWORD in text]


def said(reader: Reader) -> str:
    """Everything that came."""
    return "".join(str(each.data) for each in reader.messages)

"""Pausing, resuming, deleting and following recordings over HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from runtime.api import recordings
from tests.api.served import Served, served
from tests.services.shells import until


@pytest_asyncio.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Served]:
    """One of its own."""
    async with served(tmp_path) as made:
        yield made


async def casts(http: httpx2.AsyncClient) -> list[dict[str, Any]]:  # Any: JSON
    listed: list[dict[str, Any]] = (await http.get("/api/recordings")).json()
    return listed


async def mode(http: httpx2.AsyncClient) -> str:
    return str((await http.get("/api/state")).json()["recording"])


async def test_pause_and_resume_are_in_the_state_and_in_the_log(daemon: Served) -> None:
    async with daemon.http() as http:
        assert await mode(http) == "on"
        paused = await http.post("/api/recording", json={"paused": True})
        assert paused.json() == {"recording": "paused"}
        assert await mode(http) == "paused"
        assert [each["live"] for each in await casts(http)] == [False]
        resumed = await http.post("/api/recording", json={"paused": False})
        assert resumed.json() == {"recording": "on"}
        assert [each["live"] for each in await casts(http)] == [False, True]
    log = (daemon.root / "runtime" / "state-events.jsonl").read_text().splitlines()
    said = [json.loads(line) for line in log]
    changes = [
        (each["event"], each["by"]) for each in said if each["event"].startswith("recording_")
    ]
    assert changes == [("recording_paused", "student"), ("recording_resumed", "student")]


async def test_a_pause_outlives_the_daemon(tmp_path: Path) -> None:
    async with served(tmp_path) as first, first.http() as http:
        await http.post("/api/recording", json={"paused": True})
        before = len(await casts(http))
    async with served(tmp_path) as second, second.http() as http:
        assert await mode(http) == "paused"
        assert len(await casts(http)) == before


async def test_deleting_the_cast_being_written_begins_another(daemon: Served) -> None:
    async with daemon.http() as http, daemon.socket() as page:
        await page.type("echo pri''vate\r")
        await page.sees("private")
        [live] = await casts(http)
        assert (await http.delete(f"/api/recordings/{live['name']}")).status_code == 204
        [new] = await casts(http)
        assert new["live"]
        assert (await http.delete(f"/api/recordings/{live['name']}")).status_code in (204, 404)


@pytest.mark.parametrize("name", ["nothing.cast", "state-events.jsonl", "..%2fworkshop.json"])
async def test_only_recordings_can_be_deleted(daemon: Served, name: str) -> None:
    """Fault 41."""
    async with daemon.http() as http:
        assert (await http.delete(f"/api/recordings/{name}")).status_code == 404
    assert (daemon.root / "runtime" / "state-events.jsonl").exists()


async def test_a_live_cast_is_streamed_until_it_ends(daemon: Served) -> None:
    async with daemon.http() as http, daemon.socket() as page:
        await page.type("echo bef''ore\r")
        await page.sees("before")
        [live] = await casts(http)
        messages: list[str] = []
        async with http.stream("GET", f"/api/recordings/{live['name']}/live") as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            async for line in stream.aiter_lines():
                messages.append(line)
                if len([each for each in messages if each.startswith("data: ")]) == 1:
                    await page.type("echo aft''er\r")
                if "after" in line:
                    await http.post("/api/recording", json={"paused": True})
        data = [json.loads(each[6:]) for each in messages if each.startswith("data: ")]
        assert data[0]["version"] == 2 and data[0]["width"] == 80
        assert any(each[1] == "o" for each in data[1:-1])
        assert "event: done" in messages


async def test_what_is_streamed_is_what_the_player_takes(daemon: Served) -> None:
    """One line a message, however long the event; a size is an object, and a true one."""
    cast = daemon.root / "runtime" / "mine.cast"
    long = "x" * 50_000  # more than one event of ours holds
    with cast.open("w") as writer:
        writer.write('{"version":2,"width":80,"height":24}\n')
        writer.flush()
        async with (
            daemon.http() as http,
            http.stream("GET", "/api/recordings/mine.cast/live") as stream,
        ):
            said: list[object] = []
            async for line in stream.aiter_lines():
                if not line.startswith("data: "):
                    assert not line or line.startswith((":", "retry", "event", "id")), line[:50]
                    continue
                said.append(json.loads(line[6:]))
                if len(said) == 1:
                    for event in (
                        [1, "o", long],
                        [2, "r", "0x9"],
                        [3, "r", "90x20"],
                        [4, "m", "!"],
                    ):
                        writer.write(json.dumps(event) + "\n")
                    writer.flush()
                if said[-1] == [4.0, "m", "!"]:
                    break
    events = [each for each in said if isinstance(each, list)]
    assert "".join(each[2] for each in events if each[1] == "o") == long
    assert [each for each in events if each[1] == "r"] == [[3.0, "r", {"cols": 90, "rows": 20}]]


async def test_so_many_pages_follow_and_no_more(
    daemon: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "MAX_FOLLOWERS", 1)
    async with daemon.http() as http, daemon.http() as another:
        [live] = await casts(http)
        address = f"/api/recordings/{live['name']}/live"
        async with http.stream("GET", address) as stream:
            await anext(stream.aiter_lines())
            refused = await another.get(address)
            assert (refused.status_code, refused.json()["error"]["code"]) == (409, "too_many")
        switch = daemon.daemon.services.recording_switch
        await until(lambda: switch is not None and switch.followers == 0)


async def test_a_wrong_body_is_named(daemon: Served) -> None:
    async with daemon.http() as http:
        refused = await http.post("/api/recording", json={"paused": "perhaps"})
        assert refused.status_code == 422
        assert "paused" in refused.json()["error"]["message"]

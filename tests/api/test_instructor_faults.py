"""Instructor feeds under stress: many readers, many facts, no inotify, strangers."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import statistics
import time
from pathlib import Path

import pytest

from runtime.store import tail
from tests.api.conftest import INSTRUCTOR, STUDENT, Serve
from tests.api.served import Served, served
from tests.api.test_instructor import FEED, raise_hand, reading, typed
from tests.services.shells import descriptors, until

PATHS = [
    ("GET", "/api/instructor/status"),
    ("GET", FEED),
    ("GET", "/api/instructor/terminals/main/live"),
    ("POST", "/api/instructor/hand/lower"),
    ("POST", "/api/instructor/watching"),
    ("POST", "/api/instructor/terminals/main/input"),
    ("POST", "/api/watching"),
]


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize("token", [None, "wrong-token-0123456789", INSTRUCTOR[:-1], ""])
def test_a_wrong_token_opens_nothing_and_is_in_no_log(
    serve: Serve,
    method: str,
    path: str,
    token: str | None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Fault 8."""
    monkeypatch.setattr("runtime.api.auth.SLOW_SECONDS", 0)
    caplog.set_level(logging.DEBUG)
    client = serve(as_=None)
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    answer = client.request(method, path, headers={"origin": "http://testserver", **headers})
    assert answer.status_code == 401
    assert not token or token not in caplog.text


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_another_site_is_refused_before_anything_starts(
    serve: Serve, method: str, path: str
) -> None:
    """Fault 6, also with the token that a browser would send along."""
    client = serve(as_=None)
    for origin in ("http://evil.example", "null", "http://testserver.evil.example"):
        headers = {"origin": origin, "authorization": f"Bearer {INSTRUCTOR}"}
        assert client.request(method, path, headers=headers).status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "testserver.evil.example", ""])
def test_a_strange_host_is_refused(serve: Serve, host: str) -> None:
    """Fault 7."""
    answer = serve(as_=INSTRUCTOR).get("/api/instructor/status", headers={"host": host})
    assert answer.status_code in (400, 421)


async def test_the_link_becomes_a_cookie_and_the_token_leaves_the_address(tmp_path: Path) -> None:
    async with served(tmp_path) as at, at.http("none") as http:
        wrong = await http.get("/instructor/?token=wrong-token-0123456789")
        assert wrong.status_code == 401
        entered = await http.get(f"/instructor?token={INSTRUCTOR}", follow_redirects=False)
        entered = await http.get(entered.headers["location"], follow_redirects=False)
        assert entered.status_code == 303
        assert entered.headers["location"] == "/instructor/"
        cookie = entered.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert (await http.get("/api/instructor/status", headers={"authorization": ""})).is_success


async def come_and_go(at: Served, path: str) -> None:
    host, _, port = at.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: {at.address}\r\n"
        f"Authorization: Bearer {INSTRUCTOR}\r\n\r\n".encode()
    )
    await reader.readline()
    writer.transport.abort()


async def test_a_thousand_readers_that_come_and_go_leave_nothing(tmp_path: Path) -> None:
    """Fault 26."""
    async with served(tmp_path) as at:
        paths = [FEED, "/api/instructor/commands/stream", "/api/instructor/terminals/main/live"]
        for path in paths:
            await come_and_go(at, path)
        feed = at.instructor_feed
        await until(lambda: len(feed) == 0 and not at.daemon.session.state.watching.watchers)
        await asyncio.sleep(0.2)
        before = descriptors(), len(asyncio.all_tasks())
        for number in range(1000):
            await come_and_go(at, paths[number % 40 % 3] if number % 40 < 3 else paths[number % 2])
        await until(lambda: len(feed) == 0 and not at.daemon.session.state.watching.watchers)
        await until(lambda: descriptors() <= before[0] + 2, "the descriptors")
        await until(lambda: len(asyncio.all_tasks()) <= before[1] + 2, "the tasks")


async def test_without_inotify_commands_come_within_two_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault 36."""

    def exhausted(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tail, "Watch", exhausted)
    async with served(tmp_path) as at, reading(at) as reader:
        await reader.sees("status")
        await asyncio.sleep(1.1)  # the shell's own output is a hint, too: let it pass
        began = time.monotonic()
        typed(at, "echo polled")
        await reader.sees("command")
        assert time.monotonic() - began < 2.5
        async with at.http(STUDENT) as http:
            codes = [each["code"] for each in (await http.get("/readyz")).json()["problems"]]
            assert "commands_polled" in codes


async def test_two_hundred_students_worth_of_facts_come_in_time(tmp_path: Path) -> None:
    """Fault 50: each types a command every four seconds, and every fifth one is an event, too.

    They come whether or not the reader keeps up, as those of students do.
    """
    rate, seconds = 50, 6
    async with served(tmp_path) as at, reading(at) as reader:
        await reader.sees("status")
        written: list[float] = []
        seen: list[float] = []
        hands: list[asyncio.Task[None]] = []

        async def look() -> None:
            while len(seen) < rate * seconds:
                now = time.monotonic()
                seen.extend([now] * (len(reader.of("command")) - len(seen)))
                await asyncio.sleep(0.005)

        looking = asyncio.create_task(look())
        log = os.open(tmp_path / "runtime/command-log.jsonl", os.O_WRONLY | os.O_APPEND)
        try:
            for number in range(rate * seconds):
                line = {"ts": "2026-01-31T12:00:00.000Z", "exit": 0, "cmd": f"c {number}"}
                written.append(time.monotonic())
                os.write(log, json.dumps(line).encode() + b"\n")
                if number % 5 == 0:
                    hands.append(asyncio.create_task(raise_hand(at, f"h {number}")))
                await asyncio.sleep(1 / rate)
        finally:
            os.close(log)
        await asyncio.gather(*hands)
        await until(looking.done, "every command")
        await reader.sees("hand", len(hands))
        taken = [there - here for here, there in zip(written, seen, strict=True)]
        assert statistics.quantiles(taken, n=20)[-1] < 1
        assert [each["cmd"] for each in reader.of("command")] == [
            f"c {number}" for number in range(rate * seconds)
        ]

"""The wall in front of three real daemons."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from host.classroom.roster import Entry, parse_link
from tests.api.conftest import INSTRUCTOR
from tests.host.classroom.walls import wall
from tests.runtime.daemon import Process, make_root, running

pytestmark = pytest.mark.timeout(240)

NAMES = ("Ada", "Grace", "Alan")


@pytest.fixture
def daemons(tmp_path: Path) -> Iterator[list[Process]]:
    """Three, each on a port that stays its own; the last one's workshop lets nobody look."""
    with ExitStack() as stack:
        made = []
        for name in NAMES:
            (tmp_path / name).mkdir()
            watching = "off" if name == "Alan" else "always"
            root = make_root(tmp_path / name, navigation="free", watching=watching)
            made.append(stack.enter_context(running(root, **settings(free_port()))))
        yield made


def settings(port: int) -> dict[str, str]:
    return {"WORKSHOP_INSTRUCTOR_TOKEN": INSTRUCTOR, "WORKSHOP_PORT": str(port)}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def roster(daemons: list[Process]) -> list[Entry]:
    links = [f"http://{each.address}/instructor/?token={INSTRUCTOR}" for each in daemons]
    return [parse_link(link, name) for link, name in zip(links, NAMES, strict=True)]


def typed(daemon: Process, cmd: str, code: int = 0) -> None:
    """As the prompt hook of that machine writes it."""
    line = {"ts": "2026-01-31T12:00:00.000Z", "cmd": cmd, "exit": code, "term": "main"}
    with (daemon.root / "runtime/command-log.jsonl").open("ab", buffering=0) as log:
        log.write(json.dumps(line).encode() + b"\n")


async def test_three_students_on_one_wall(tmp_path: Path, daemons: list[Process]) -> None:
    ada, grace, _ = daemons
    async with wall(tmp_path, roster(daemons)) as at, at.page(screens=True):
        await at.sees(
            lambda: [at.seats[name].get("reach") for name in NAMES] == ["live"] * 3, "all"
        )
        assert [at.seats[name]["student"]["total"] for name in NAMES] == [2, 2, 2]

        async with ada.page() as shell:
            await shell.sees("$ ")
            await shell.type("echo on''-the-wall\r")
            await shell.sees("on-the-wall")
            await at.sees(lambda: "on-the-wall" in at.screens["Ada"].get("text", ""), "a picture")
            await at.sees(lambda: at.seats["Ada"]["student"]["connected"] == 1, "a page is open")
        await at.sees(lambda: "nobody look" in at.screens["Alan"].get("why", ""), "off is off")

        typed(ada, "make test", 2)
        await at.sees(lambda: tally(at.seats, "Ada").get("failedCommands") == 1, "a command")
        await grace.call("POST", "/api/hand", {"raised": True, "note": "me first"})
        await at.sees(lambda: at.whole["queue"] == ["Grace"], "a hand")
        await asyncio.sleep(0.01)
        await ada.call("POST", "/api/hand", {"raised": True, "note": "then me"})
        await at.sees(lambda: at.whole["queue"] == ["Grace", "Ada"], "two hands")
        await grace.call("POST", "/api/hand", {"raised": False})
        await at.sees(lambda: at.whole["queue"] == ["Ada"], "one hand")

        await ada.call("POST", "/api/steps/one/complete")
        await at.sees(lambda: at.seats["Ada"]["student"]["completed"] == 1, "a step")
        await at.sees(
            lambda: [step["completed"] for step in at.whole["funnels"][0]["steps"]] == [1, 0],
            "the funnel",
        )


async def test_a_killed_daemon_and_a_new_wall_lose_and_double_nothing(
    tmp_path: Path, daemons: list[Process]
) -> None:
    """Faults 3 and 34, for the wall: SIGKILL, another daemon on the same directory and port."""
    ada = daemons[0]
    entries = roster(daemons)
    async with wall(tmp_path, entries) as at, at.page():
        typed(ada, "echo one")
        await at.sees(lambda: tally(at.seats, "Ada").get("commands") == 1, "one")
        port = ada.port
        ada.kill()
        await at.sees(lambda: at.seats["Ada"]["reach"] == "unreachable", "gone")
        typed(ada, "echo two")
        with running(ada.root, **settings(port)) as again:
            await at.sees(lambda: tally(at.seats, "Ada").get("commands") == 2, "two")
            assert at.seats["Ada"]["reach"] == "live"
            typed(again, "echo three")
            await at.sees(lambda: tally(at.seats, "Ada").get("commands") == 3, "three")
    ids = kept(tmp_path, "Ada", at.seats)
    assert len(ids) == len(set(ids))
    typed(daemons[1], "echo while no wall is there")
    async with wall(tmp_path, entries) as at, at.page():
        await at.sees(lambda: tally(at.seats, "Grace").get("commands") == 1, "what was missed")
        await at.sees(lambda: at.seats["Ada"].get("reach") == "unreachable", "as it was left")
        assert tally(at.seats, "Ada")["commands"] == 3
    assert kept(tmp_path, "Ada", at.seats) == ids


async def test_the_book_is_the_daemons_log(tmp_path: Path, daemons: list[Process]) -> None:
    ada = daemons[0]
    async with wall(tmp_path, roster(daemons)) as at, at.page():
        for number in range(50):
            typed(ada, f"echo {number}")
        await at.sees(lambda: tally(at.seats, "Ada").get("commands") == 50, "all of them")
        session = at.seats["Ada"]["student"]["session"]
    book = [json.loads(line) for line in book_of(tmp_path, session).read_bytes().splitlines()]
    events = [each["record"]["event"] for each in book if each["kind"] != "command"]
    assert events == [event.event for event in ada.events()][: len(events)]
    commands = [each["record"]["cmd"] for each in book if each["kind"] == "command"]
    assert commands == [f"echo {number}" for number in range(50)]


def kept(folder: Path, name: str, seats: dict[str, dict[str, Any]]) -> list[str]:
    lines = book_of(folder, seats[name]["student"]["session"]).read_bytes().splitlines()
    return [json.loads(line)["id"] for line in lines]


def book_of(folder: Path, session: str) -> Path:
    return folder / "class" / "books" / f"{session}.jsonl"


def tally(seats: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    found: dict[str, Any] = seats[name].get("tally", {})
    return found

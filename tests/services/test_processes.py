"""Ending everything a terminal ever started, however it hides."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.services.shells import Machine, machine, until

HIDING = {
    "a background job": "{sleep} &",
    "nohup": "nohup {sleep} >/dev/null 2>&1 &",
    "setsid": "setsid {sleep} </dev/null >/dev/null 2>&1 &",
    "disown": "{sleep} & disown",
    "a double fork": "( ( setsid {sleep} </dev/null >/dev/null 2>&1 & ) & )",
    "HUP ignored": "bash -c \"trap '' HUP; {sleep}; :\" &",
    "HUP and TERM ignored": (
        "bash -c \"trap '' HUP TERM INT; while :; do sleep 0.05; done; {sleep}\" &"
    ),
    "a stopped job": "{sleep} & sleep 0.5; kill -STOP $!",
    "an empty environment": "env -i bash -c '{sleep}; :' &",
    "an empty environment in a session of its own": "env -i setsid {sleep} >/dev/null 2>&1 &",
    "all of that at once": (
        "( ( env -i setsid bash -c \"trap '' HUP TERM INT; (sleep 0.1; {sleep}; :); :\""
        " </dev/null >/dev/null 2>&1 & ) & )"
    ),
}


def running(mark: str) -> list[int]:
    """The processes whose command line holds `mark`, this one not among them."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
                state = (entry / "stat").read_bytes().rpartition(b")")[2].split()[0]
            except OSError:
                continue
            if mark.encode() in command and state != b"Z":
                found.append(int(entry.name))
    return found


def zombies() -> list[int]:
    """Our children that ended and were not collected."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_bytes().rpartition(b")")[2].split()
            except OSError:
                continue
            if fields[0] == b"Z" and int(fields[1]) == os.getpid():
                found.append(int(entry.name))
    return found


def unique_sleep(number: int) -> str:
    """A sleep that no other process of this machine is."""
    return f"sleep {100_000 + os.getpid()}.{number}"


@pytest.mark.parametrize("how", HIDING)
async def test_closing_ends_what_hides_from_a_hang_up(tmp_path: Path, how: str) -> None:
    """Fault 27: nohup, setsid, disown, double fork, then reset or stop: all gone."""
    sleep = unique_sleep(list(HIDING).index(how))
    async with machine(tmp_path) as made, made.page() as page:
        await page.run("set +m 2>/dev/null; " + HIDING[how].format(sleep=sleep))
        await until(lambda: running(sleep), sleep)
        await made.terminals.close("main")
        assert running(sleep) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
async def test_another_users_processes_are_found_and_ended_too(tmp_path: Path) -> None:
    """Fault 27."""

    from tests.services.shells import shell

    sleep = unique_sleep(50)
    spec = shell(tmp_path)._replace(cwd=Path("/"), uid=1000, gid=1000)
    async with machine(tmp_path, spec=spec) as made, made.page() as page:
        await page.run(HIDING["all of that at once"].format(sleep=sleep))
        await until(lambda: running(sleep), sleep)
        await made.terminals.close("main")
        assert running(sleep) == []


async def test_what_an_ended_shell_left_behind_goes_when_the_terminal_closes(
    tmp_path: Path,
) -> None:
    """Fault 27: two lives of one terminal."""
    sleep = unique_sleep(60)
    async with machine(tmp_path) as made, made.page() as page:
        await page.run(f"env -i setsid {sleep} >/dev/null 2>&1 &")
        await page.type("exit\r")
        await until(lambda: page.exits)
        assert running(sleep)
        await page.type("\r")
        await until(lambda: page.terminal.running)
        await made.terminals.close("main")
        assert running(sleep) == []


async def test_closing_ends_nothing_of_another_terminal(tmp_path: Path) -> None:
    sleep = unique_sleep(61)
    async with machine(tmp_path) as made, made.page("other") as other:
        await other.run(f"nohup {sleep} >/dev/null 2>&1 &")
        await made.terminals.open("main")
        await made.terminals.close("main")
        assert running(sleep)
        assert other.terminal.running


async def test_closing_takes_about_two_seconds_at_most(tmp_path: Path) -> None:
    """Fault 27: processes that refuse every request to end."""
    stubborn = HIDING["HUP and TERM ignored"].format(sleep=unique_sleep(62))
    async with machine(tmp_path) as made, made.page() as page:
        for _ in range(5):
            await page.run(stubborn)
        began = time.monotonic()
        cpu = os.times()
        await made.terminals.close_all()
        taken = time.monotonic() - began
        assert taken < 2.5 or sum(os.times()[:2]) - sum(cpu[:2]) < taken / 2  # a loaded machine


async def test_a_hundred_children_leave_no_zombie(tmp_path: Path) -> None:
    """Fault 28: shells, in the process that serves."""
    async with machine(tmp_path) as made, made.page() as page:
        await page.run("for i in $(seq 100); do (true &); done")
        for number in range(5):
            await made.terminals.open(f"short-{number}")
            await made.terminals.close(f"short-{number}")
        await until(lambda: not zombies(), "no zombie")
    await until(lambda: not zombies(), "no zombie")


async def test_stopping_the_daemon_ends_every_terminal_at_once(tmp_path: Path) -> None:
    """Fault 18: within the time of one."""
    made = Machine(tmp_path)
    for number in range(4):
        await made.terminals.open(f"number-{number}")
    await made.terminals.close_all()
    assert made.terminals.list() == []
    await until(lambda: not zombies(), "no zombie")

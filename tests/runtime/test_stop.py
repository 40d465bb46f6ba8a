"""The end of a daemon that is asked to end: quickly, wholly, with nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import time
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.runtime.daemon import Process, family, make_root, reading, running, wait

STOP_SECONDS = 5.0  # fault 18
HANGING = "600.125"  # seconds no other sleep on this machine sleeps
HANGS = f"command: {{hangs: {{exec: 'sleep {HANGING}', exit-status: 0, timeout: 600000}}}}\n"
# Bash at its prompt takes a hang-up for the end of its input and runs no trap for it.
LISTENS = """sh -c 'trap "echo yes >$0; exit" HUP; echo is-$((6 * 7)); sleep 600 & wait'"""
ESCAPES = {
    "nohup": "nohup sleep {0}1 >/dev/null 2>&1 &",
    "setsid": "setsid sleep {0}2",
    "disown": "sleep {0}3 & disown",
    "double fork": "(setsid sh -c 'sleep {0}4 & exec sleep {0}5' &)",
    "deaf": "bash -c 'trap \"\" HUP TERM INT; while :; do sleep {0}6; done' &",
    "without an environment": "env -i /bin/sleep {0}7 &",
    "stopped": "sh -c 'kill -STOP $$' {0}8 &",
    "all at once": "( ( env -i setsid /bin/sleep {0}9 >/dev/null 2>&1 & ) & )",
}


async def test_a_busy_daemon_is_out_in_time_and_leaves_nothing(tmp_path: Path) -> None:
    """Fault 18: feeds, sockets, a hanging check and a recording open, output flooding."""
    root = make_root(tmp_path, [{"id": "one", "goss": HANGS}], autoValidate="off")
    hung_up = tmp_path / "hung-up"
    with running(root, WORKSHOP_GOSS_TIMEOUT="120") as daemon:
        async with AsyncExitStack() as open_ones:
            feeds = [await open_ones.enter_async_context(daemon.feed()) for _ in range(3)]
            pages = [await open_ones.enter_async_context(daemon.page()) for _ in range(3)]
            await open_ones.enter_async_context(daemon.page(reads=False))
            await daemon.call("POST", "/api/terminals", {"name": "second"})
            second = await open_ones.enter_async_context(daemon.page("second"))
            await second.type(f"{LISTENS} {hung_up}\r")
            await second.sees("is-42")
            check = asyncio.create_task(daemon.call("POST", "/api/steps/one/validate"))
            await asyncio.to_thread(wait, lambda: is_running(HANGING), "the check")
            await pages[0].type("yes flood\r")
            await pages[0].sees("flood\r\nflood")
            closing = [asyncio.create_task(page.close_code()) for page in [*pages, second]]
            ending = [asyncio.create_task(reading(feed)) for feed in feeds]
            everything = family(daemon.pid, str(root))
            assert len(everything) >= 5  # daemon, shells, supervisor, worker, goss, sleep

            asked = time.monotonic()
            daemon.signal(signal.SIGTERM)
            assert await daemon.exited(STOP_SECONDS) == 143
            took = time.monotonic() - asked

            assert took < STOP_SECONDS
            assert set(await asyncio.gather(*closing)) <= {1001, 1012, 4500}
            assert all(end.endswith(b"0\r\n\r\n") for end in await asyncio.gather(*ending))
            refused = await check
            assert (refused.status, refused.json["error"]["code"]) == (503, "stopping")
    assert hung_up.read_text() == "yes\n"
    assert family(daemon.pid, str(root)) & everything == set()
    assert not is_running(HANGING)
    assert daemon.events()[-1].event == "session_stopped"
    assert daemon.events_bytes().endswith(b"\n")
    casts = list((root / "runtime").glob("*.cast"))
    assert len(casts) == 2
    for cast in casts:
        raw = cast.read_bytes()
        assert raw.endswith(b"\n")
        assert all(json.loads(line) for line in raw[:-1].split(b"\n"))
    assert "Traceback" not in daemon.log


async def test_processes_that_hide_from_a_hang_up_end_as_well(tmp_path: Path) -> None:
    """Fault 27, at a stop: nohup, setsid, disown, double forks, and those that do not listen."""
    root = make_root(tmp_path)
    seconds = "600.250"
    sleeps = [f"{seconds}{number}" for number in range(1, 10)]
    with running(root) as daemon:
        async with daemon.page() as page:
            for escape in ESCAPES.values():
                await page.type(escape.format(seconds) + "\r")
            await page.type("echo is-$((6 * 7))\r")
            await page.sees("is-42")
            for each in sleeps:
                await asyncio.to_thread(wait, partial(is_running, each), each)
            daemon.signal(signal.SIGTERM)
            assert await daemon.exited(STOP_SECONDS) == 143
    assert [each for each in sleeps if is_running(each)] == []


async def test_what_ends_is_collected_within_a_second(tmp_path: Path) -> None:
    """Fault 28: 100 short children of a shell, checks and shells, whoever has to collect them."""
    goss = 'command: {"for i in 1 2 3; do (true &); done": {exit-status: 0}}'
    root = make_root(tmp_path, [{"id": "one", "goss": goss}], autoValidate="off")
    with running(root) as daemon:
        async with daemon.page() as page:
            await page.type("for i in $(seq 100); do (sleep 0.2 &); (setsid true &); done\r")
            for _ in range(10):
                checked = await daemon.call("POST", "/api/steps/one/validate")
                assert checked.json["outcome"] == "passed"
            for _ in range(3):
                assert (await daemon.call("POST", "/api/terminals", {"name": "b"})).status == 201
                assert (await daemon.call("DELETE", "/api/terminals/b")).status == 204
            await page.type("sleep 0.3; echo is-$((6 * 7))\r")
            await page.sees("is-42")
            await asyncio.to_thread(wait, lambda: not zombies(daemon.pid), "no zombie", seconds=1.0)


def zombies(pid: int) -> set[int]:
    """What ended below `pid` and was not collected."""
    parents, ended = {}, set()
    for each in (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()):
        with contextlib.suppress(OSError):
            state, parent = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()[:2]
            parents[each] = int(parent)
            if state == "Z":
                ended.add(each)
    below = {pid}
    while fresh := {each for each, parent in parents.items() if parent in below} - below:
        below |= fresh
    return ended & below


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_idle_daemon_stops_at_once(tmp_path: Path, number: signal.Signals, code: int) -> None:
    with running(make_root(tmp_path)) as daemon:
        daemon.signal(number)
        assert daemon.wait_for_exit(3.0) == code
        assert daemon.events()[-1].event == "session_stopped"


async def test_a_second_signal_is_not_waited_for_and_not_lost_either(tmp_path: Path) -> None:
    with running(make_root(tmp_path)) as daemon:
        async with daemon.feed(), daemon.page() as page:
            await page.hears("hello")
            for _ in range(5):
                daemon.signal(signal.SIGTERM)
            assert await daemon.exited(STOP_SECONDS) == 143
        assert daemon.events()[-1].event == "session_stopped"


def test_a_stop_during_the_start_is_a_stop(tmp_path: Path) -> None:
    """Whenever it comes: no hanging, no half-written log, the next start works."""
    root = make_root(tmp_path)
    for tenths in range(6):
        daemon = Process(root)
        try:
            time.sleep(tenths / 10)  # the moment is what is tested
            daemon.signal(signal.SIGTERM)
            assert daemon.wait_for_exit(30) in (143, -signal.SIGTERM)
            assert daemon.events_bytes()[-1:] in (b"\n", b"")
        finally:
            daemon.stop()
    with running(root) as last:
        assert last.ask("/readyz") == {"ready": True, "missing": [], "problems": []}


def is_running(word: str) -> bool:
    """Whether a living process says `word` in its arguments."""
    return bool(family(-1, word))

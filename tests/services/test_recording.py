"""The recording of one life: full casts, pauses, deletions, a disk that is full."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from runtime.services.recording import Recording
from runtime.services.screen import Screen
from runtime.store.recordings import Recordings
from tests.services.shells import Machine, machine, until


def recording(here: Machine) -> Recording:
    found = here.terminals.get("main").recording
    assert found is not None
    return found


def played(events: list[Any]) -> str:  # Any: JSON
    """What a player shows at the end: text, without colours."""
    header, *rest = events
    screen = Screen(header["width"], header["height"])
    for _, kind, text in rest:
        if kind == "o":
            screen.feed(text.encode())
        elif kind == "r":
            screen.resize(*map(int, text.split("x")))
    shown = re.sub(rb"\x1b(\[[?>\d;]*[a-zA-Z]|\][^\x1b]*\x1b\\|[(=>c].?)", b"", screen.redraw())
    screen.close()
    return shown.decode()


async def test_nothing_between_pause_and_resume_is_in_any_cast(tmp_path: Path) -> None:
    async with machine(tmp_path) as here, here.page() as page:
        await page.run("echo bef''ore")
        here.is_paused = True
        await recording(here).pause()
        await page.run("clear; echo sec''ret; clear")
        assert recording(here).name is None
        here.is_paused = False
        await recording(here).begin()
        await page.run("echo aft''er")
    assert "before" in here.recorded("o", 0)
    assert "after" in here.recorded("o", 1)
    assert not any("secret" in path.read_text() for path in here.casts.iterdir())


async def test_a_shell_that_starts_while_paused_is_not_recorded(tmp_path: Path) -> None:
    async with machine(tmp_path) as here:
        here.is_paused = True
        async with here.page() as page:
            await page.run("echo hello")
            assert list(here.casts.iterdir()) == []
            here.is_paused = False
            await recording(here).begin()
            await page.run("echo again")
    assert "hello" in played(here.cast(0)), "the cast begins with the screen as it was"


async def test_a_full_cast_goes_on_in_another_that_plays_by_itself(tmp_path: Path) -> None:
    async with machine(tmp_path, file_bytes=64 << 10) as here, here.page() as page:
        await page.run("for i in {1..30000}; do echo line $i; done")
        await page.run("echo the e''nd")
    casts = here.recordings.list()
    assert len(casts) > 2
    assert all(each.bytes < 2 << 20 for each in casts)
    shown = "".join(here.recorded("o", index) for index in range(len(casts)))
    for number in (1, 15000, 30000):
        assert f"line {number}\r\n" in shown, "nothing is lost between two casts"
    marks = [event for event in here.cast(0)[1:] if event[1] == "m"]
    assert marks[-1][2] == f"goes on in {casts[1].name}"
    assert "the end" in played(here.cast(len(casts) - 1))


async def test_a_flood_goes_from_cast_to_cast_and_leaves_no_empty_one(tmp_path: Path) -> None:
    async with machine(tmp_path, file_bytes=64 << 10) as here, here.page() as page:
        await page.run("for i in {1..60}; do seq 1 2000; done")
        await page.run("echo the e''nd")
    sizes = [each.bytes for each in here.recordings.list()]
    assert len(sizes) > 3
    assert all(size > 64 << 10 for size in sizes[:-1]), sizes


async def test_a_recording_at_its_limit_stops_and_goes_on_when_there_is_room(
    tmp_path: Path,
) -> None:
    async with machine(tmp_path, limit_bytes=200_000) as here, here.page() as page:
        await page.run("for i in {1..40000}; do echo line $i; done")
        await until(lambda: here.problems)
        [said] = here.problems.values()
        assert (
            "195.3 KiB" in said and "WORKSHOP_RECORD_BYTES" in said and "Resume recording" in said
        )
        assert recording(here).name is None
        await page.run("echo the shell goes on")
        [full] = here.recordings.list()
        assert full.bytes <= 200_000
        await asyncio.to_thread(here.recordings.delete, full.name)
        await recording(here).begin()
        await page.run("echo once mo''re")
        assert here.problems == {}
    assert "once more" in here.recorded("o", 0)


async def test_the_oldest_recordings_go_when_the_setting_says_so(tmp_path: Path) -> None:
    old = tmp_path / "casts" / "session-20200101T000000Z-main.cast"
    foreign = tmp_path / "casts" / "mine.cast"
    old.parent.mkdir()
    old.write_bytes(b'{"version":2,"width":80,"height":24}\n' + b"x" * 120_000)
    foreign.write_bytes(b'{"version":2,"width":80,"height":24}\n' + b"x" * 50_000)
    limits = {"limit_bytes": 200_000, "when_full": "oldest"}
    async with machine(tmp_path, **limits) as here, here.page() as page:
        await page.run("for i in {1..5000}; do echo line $i; done")
        await until(lambda: not old.exists())
        assert here.problems == {}
    assert foreign.exists(), "what is not ours is not thrown away"


async def test_pausing_twice_and_resuming_twice_is_once(tmp_path: Path) -> None:
    async with machine(tmp_path) as here, here.page() as page:
        await page.run("true")
        await asyncio.gather(recording(here).pause(), recording(here).pause())
        await asyncio.gather(recording(here).begin(), recording(here).begin())
        await page.run("true")
    assert len(here.recordings.list()) == 2


async def test_the_asciinema_program_plays_what_we_record(tmp_path: Path) -> None:
    """Markers, resizes, wide characters and a cast that begins in the middle of a life."""
    async with machine(tmp_path, file_bytes=64 << 10) as here, here.page() as page:
        await page.run("printf 'h\\u00e9llo \\u4e16\\u754c \\U0001F600\\n'")
        here.terminals.marker("step one")
        here.terminals.get("main").resize(page.attachment, 100, 30)
        await page.run("for i in {1..12000}; do echo line $i; done; echo the e''nd")
        await page.sees("the end")  # the new size draws the prompt once more
        await until(lambda: len(here.recordings.list()) > 1)
    names = [each.name for each in here.recordings.list()]
    shown = b""
    for name in names:
        done = await asyncio.to_thread(
            subprocess.run,
            # asciinema wants a terminal of its own
            ["script", "-qec", f"asciinema cat {here.casts / name}", "/dev/null"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(tmp_path)},
            timeout=60,
        )
        assert done.returncode == 0, done.stdout
        shown += done.stdout
    assert "héllo 世界 😀" in shown.decode()
    assert b"the end" in shown


@pytest.mark.parametrize("mode", ["before", "after"])
async def test_an_ended_life_records_nothing_more(tmp_path: Path, mode: str) -> None:
    async with machine(tmp_path) as here:
        async with here.page() as page:
            await page.run("true")
            kept = recording(here)
            if mode == "before":
                await kept.pause()
        await here.terminals.close("main")
        await kept.begin()
        assert kept.name is None
    last = json.loads((here.casts / here.recordings.list()[-1].name).read_text().splitlines()[-1])
    assert isinstance(last, list)


def test_a_limit_holds_for_all_casts_of_a_folder_together(tmp_path: Path) -> None:
    import errno
    from datetime import UTC, datetime

    from runtime.domain.asciicast import Header

    recordings = Recordings(tmp_path, limit_bytes=1000)
    header = Header(width=80, height=24)
    first = recordings.create("main", datetime.now(UTC), header)
    second = recordings.create("other", datetime.now(UTC), header)
    first.append(b"x" * 899 + b"\n")
    with pytest.raises(OSError) as caught:
        second.append(b"x" * 99 + b"\n")
    assert caught.value.errno == errno.EDQUOT
    first.close()
    recordings.delete(first.name)
    second.append(b"x" * 99 + b"\n")
    second.close()

"""Following a cast while it grows: ours, and one of the asciinema program itself."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from contextlib import aclosing
from pathlib import Path

from runtime.domain.asciicast import CastEvent
from runtime.services.follow import Picture, follow
from runtime.store.recordings import Recordings
from tests.services.shells import machine, until

HEADER = b'{"version": 2, "width": 60, "height": 10}\n'


class Reader:
    """Follows a cast in a task; `picture`, `events` and `is_over` say what came."""

    def __init__(self, path: Path, recordings: Recordings) -> None:
        self.picture: Picture | None = None
        self.events: list[CastEvent] = []
        self.is_over = False
        self._path, self._recordings = path, recordings
        self.task = asyncio.create_task(self._read(), name="reader")

    @property
    def text(self) -> str:
        """The output that came after the picture."""
        return "".join(event.text for event in self.events if event.kind == "o")

    async def _read(self) -> None:
        name = self._path.name
        async with aclosing(follow(self._path, lambda: self._recordings.is_live(name))) as parts:
            async for part in parts:
                if isinstance(part, Picture):
                    self.picture = part
                else:
                    self.events += part
        self.is_over = True


async def test_a_late_reader_gets_the_screen_then_what_happens_then_the_end(tmp_path: Path) -> None:
    async with machine(tmp_path) as here:
        async with here.page() as page:
            await page.run("echo bef''ore")
            await asyncio.sleep(0.3)  # a batch
            reader = Reader(here.casts / here.recordings.list()[0].name, here.recordings)
            await until(lambda: reader.picture)
            assert reader.picture is not None and b"before" in reader.picture.screen
            assert (reader.picture.cols, reader.picture.rows) == (80, 24)
            await page.run("echo aft''er")
            await until(lambda: "after" in reader.text)
            assert "before" not in reader.text
        await here.terminals.close("main")
        await until(lambda: reader.is_over, "the end", seconds=10)


async def test_a_cast_of_the_asciinema_program_is_followed_and_listed(tmp_path: Path) -> None:
    path = tmp_path / "mine.cast"
    recordings = Recordings(tmp_path)
    recorder = await asyncio.create_subprocess_exec(
        "asciinema", "rec", "-q", "--cols", "70", "--rows", "20",
        "-c", "echo first; sleep 3; echo second", str(path),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "LC_ALL": "C.UTF-8", "HOME": str(tmp_path)},
    )  # fmt: skip
    await until(lambda: path.exists() and b"first" in path.read_bytes())
    [listed] = recordings.list()
    assert listed.live and listed.terminal is None
    reader = Reader(path, recordings)
    await until(lambda: reader.picture)
    assert reader.picture is not None and b"first" in reader.picture.screen
    assert (reader.picture.cols, reader.picture.rows) == (70, 20)
    await until(lambda: "second" in reader.text)
    assert await recorder.wait() == 0
    reader.task.cancel()
    await asyncio.gather(reader.task, return_exceptions=True)


async def test_times_of_version_3_are_made_absolute(tmp_path: Path) -> None:
    path = tmp_path / "three.cast"
    path.write_bytes(b'{"version": 3, "term": {"cols": 50, "rows": 12}}\n[1.5, "o", "a"]\n')
    reader = Reader(path, Recordings(tmp_path))
    await until(lambda: reader.picture)
    assert reader.picture is not None
    assert (reader.picture.cols, reader.picture.seconds) == (50, 1.5)
    with path.open("ab") as file:
        file.write(b'[2.0, "o", "b"]\n[0.5, "o", "c"]\n')
    await until(lambda: len(reader.events) == 2)
    assert [event.seconds for event in reader.events] == [3.5, 4.0]
    reader.task.cancel()
    await asyncio.gather(reader.task, return_exceptions=True)


async def test_whatever_the_file_holds_is_no_error(tmp_path: Path) -> None:
    hostile = [b"", b"\n\n", b"no header\n", HEADER + b'[1, "o"', HEADER + b"[[[[[[\n\x00\xff\n"]
    hostile.append(HEADER + json.dumps([1, "r", "0x99999"]).encode() + b"\n")
    for number, content in enumerate(hostile):
        path = tmp_path / f"{number}.cast"
        path.write_bytes(content)
        reader = Reader(path, Recordings(tmp_path))
        await until(lambda: reader.picture)  # noqa: B023  # awaited within the turn
        reader.task.cancel()
        await asyncio.gather(reader.task, return_exceptions=True)


async def test_a_file_that_is_replaced_or_deleted_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "gone.cast"
    path.write_bytes(HEADER + b'[1, "o", "hello"]\n')
    reader = Reader(path, Recordings(tmp_path))
    await until(lambda: reader.picture)
    path.unlink()
    await until(lambda: reader.is_over, "the end", seconds=10)

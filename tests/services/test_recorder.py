"""The recorder: what is written when, what never, and a disk that fails."""

from __future__ import annotations

import asyncio
import errno
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from runtime.domain.asciicast import Header
from runtime.services.recorder import WAITING_BYTES, Recorder, RecordInput
from runtime.store.recordings import CastFile, Recordings
from tests.services.shells import until

START = datetime(2026, 1, 31, tzinfo=UTC)


def make_recorder(
    folder: Path, record_input: RecordInput = "masked"
) -> tuple[Recorder, list[OSError]]:
    file = Recordings(folder).create("main", START, Header(width=80, height=24))
    failures: list[OSError] = []
    return Recorder(file, record_input=record_input, on_failure=failures.append), failures


def events(folder: Path) -> list[Any]:  # Any: JSON
    [path] = folder.iterdir()
    raw = path.read_bytes()
    assert raw.endswith(b"\n")
    return [json.loads(line) for line in raw[:-1].split(b"\n")[1:]]


def inputs(folder: Path) -> list[str]:
    return [event[2] for event in events(folder) if event[1] == "i"]


async def test_output_is_on_disk_a_batch_later_without_closing(tmp_path: Path) -> None:
    recorder, _ = make_recorder(tmp_path)
    recorder.output(b"hello ")
    recorder.output(b"world")
    assert events_if_any(tmp_path) == []
    await until(lambda: events_if_any(tmp_path))
    assert [event[1:] for event in events(tmp_path)] == [["o", "hello world"]]
    await recorder.close()


def events_if_any(folder: Path) -> list[Any]:  # Any: JSON
    return events(folder)


async def test_events_keep_their_order_and_kinds(tmp_path: Path) -> None:
    recorder, _ = make_recorder(tmp_path, "all")
    recorder.output(b"$ ")
    recorder.input(b"ls\r", hidden=False)
    recorder.output(b"ls\r\n")
    recorder.resize(100, 30)
    recorder.marker("$ ls\n" + "x" * 100)
    recorder.output(b"done")
    await recorder.close()
    found = events(tmp_path)
    assert [event[1:] for event in found] == [
        ["o", "$ "],
        ["i", "ls\r"],
        ["o", "ls\r\n"],
        ["r", "100x30"],
        ["m", ("$ ls " + "x" * 100)[:80]],
        ["o", "done"],
    ]
    times = [event[0] for event in found]
    assert times == sorted(times)


async def test_a_character_is_never_split_across_events(tmp_path: Path) -> None:
    """Fault 32: UTF-8 cut at every boundary."""
    recorder, _ = make_recorder(tmp_path)
    text = "é漢👩" * 20
    for byte in text.encode():
        recorder.output(bytes([byte]))
        recorder.marker("between")
    recorder.output("é".encode()[:1])
    await recorder.close()
    outputs = [event[2] for event in events(tmp_path) if event[1] == "o"]
    assert "".join(outputs) == text + "\ufffd"
    assert all("\ufffd" not in each for each in outputs[:-1])


async def test_ten_megabytes_without_a_newline_are_recorded_whole(tmp_path: Path) -> None:
    """Fault 32: 10 MB without newline, invalid bytes among them."""
    recorder, failures = make_recorder(tmp_path)
    piece = b"x" * 65_000 + b"\xff\xfe" + "é".encode() * 250
    for _ in range(150):
        recorder.output(piece)
        await until(lambda: recorder._waiting < WAITING_BYTES)
    await recorder.close()
    found = events(tmp_path)
    assert "".join(event[2] for event in found) == piece.decode("utf-8", "replace") * 150
    assert failures == []


async def test_a_password_is_one_star_and_the_line_around_it_is_kept(tmp_path: Path) -> None:
    """Fault 9: a password at a no-echo prompt is in no recording."""
    recorder, _ = make_recorder(tmp_path)
    recorder.input(b"sudo ls\r", hidden=False)
    recorder.output(b"Password: ")
    for key in b"hunter2\r":
        recorder.input(bytes([key]), hidden=True)
    recorder.output(b"\r\n$ ")
    recorder.input(b"pwd\r", hidden=False)
    await recorder.close()
    assert inputs(tmp_path) == ["sudo ls\r", "*", "pwd\r"]


async def test_two_passwords_are_two_stars(tmp_path: Path) -> None:
    """Fault 9: old and new password."""
    recorder, _ = make_recorder(tmp_path)
    for _ in range(2):
        recorder.output(b"Password: ")
        recorder.input(b"hunter2\r", hidden=True)
    await recorder.close()
    assert inputs(tmp_path) == ["*", "*"]


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
async def test_what_is_typed_ahead_of_a_prompt_is_masked(tmp_path: Path, end: bytes) -> None:
    """Fault 9: a password pasted together with its command, or typed before the prompt shows."""
    recorder, _ = make_recorder(tmp_path)
    recorder.input(b"read -s pw" + end + b"hunter2" + end, hidden=False)
    recorder.output(b"$ ")
    recorder.input(b"read -s pw" + end, hidden=False)
    recorder.input(b"hunter2" + end, hidden=False)
    await recorder.close()
    command = "read -s pw" + end.decode()
    assert inputs(tmp_path) == [command, "*", command, "*"]


@pytest.mark.parametrize(("record_input", "expected"), [("off", []), ("all", ["a\rb\r"])])
async def test_input_is_recorded_as_the_workshop_says(
    tmp_path: Path, record_input: RecordInput, expected: list[str]
) -> None:
    recorder, _ = make_recorder(tmp_path, record_input)
    recorder.input(b"a\rb\r", hidden=True)
    await recorder.close()
    assert inputs(tmp_path) == expected


class FailingFile(CastFile):
    """A cast on a disk that is full after the header."""

    def append(self, lines: bytes) -> None:
        if self.offset:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().append(lines)


async def test_a_full_disk_ends_the_recording_and_says_so_once(tmp_path: Path) -> None:
    """Fault 10: the shell goes on, the recording ends with a whole line."""
    import os

    path = tmp_path / "a.cast"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    file = FailingFile(descriptor, path.name, take=lambda size: None, on_close=lambda name: None)
    file.append(b'{"version":2}\n')
    failures: list[OSError] = []
    recorder = Recorder(file, record_input="all", on_failure=failures.append)
    recorder.output(b"hello")
    await until(lambda: failures)
    recorder.output(b"more")
    recorder.input(b"keys", hidden=False)
    recorder.marker("mark")
    await recorder.close()
    assert [error.errno for error in failures] == [errno.ENOSPC]
    assert path.read_bytes() == b'{"version":2}\n'


@pytest.mark.parametrize("more", [b"end", b""])
async def test_a_disk_slower_than_the_terminal_loses_output_and_says_how_much(
    tmp_path: Path, more: bytes
) -> None:
    """Fault 49: memory stays bounded."""
    recorder, _ = make_recorder(tmp_path)
    piece = b"y" * 65_536
    pieces = 3 * WAITING_BYTES // len(piece)
    for _ in range(pieces):  # the event loop never gets a turn to write
        recorder.output(piece)
    assert recorder._waiting < WAITING_BYTES + 2 * len(piece)
    await until(lambda: recorder._waiting == 0)
    if more:
        recorder.output(more)
    await recorder.close()
    found = events(tmp_path)
    recorded = sum(len(event[2]) for event in found if event[1] == "o") - len(more)
    lost = len(piece) * pieces - recorded
    assert [event[2] for event in found if event[1] == "m"] == [
        f"{lost} bytes are not recorded: the disk was too slow"
    ]
    assert lost > 0


async def test_closing_writes_what_waits_and_leaves_no_task(tmp_path: Path) -> None:
    """Fault 18: the recording ends on a whole line."""
    recorder, _ = make_recorder(tmp_path)
    for number in range(50):
        recorder.output(b"%d\r\n" % number * 4000)
        await asyncio.sleep(0)
    await asyncio.gather(recorder.close(), recorder.close())
    assert events(tmp_path)[-1][2].endswith("49\r\n")
    assert len(asyncio.all_tasks()) == 1

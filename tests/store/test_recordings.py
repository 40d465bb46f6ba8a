"""Casts on disk: names, modes, what is listed, and what can never be opened."""

from __future__ import annotations

import os
import resource
import socket
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runtime.domain.asciicast import CastEvent, Header, encode_event
from runtime.domain.errors import NotFound
from runtime.store.recordings import Recordings

START = datetime(2026, 1, 31, 14, 22, 1, 500_000, tzinfo=UTC)
NAME = "session-20260131T142201Z-main.cast"
HEADER = Header(width=80, height=24, timestamp=1769869321, title="main")


def read(recordings: Recordings, name: str) -> bytes:
    opened = recordings.open(name)
    try:
        return os.pread(opened.descriptor, opened.size, 0)
    finally:
        os.close(opened.descriptor)


def test_a_recording_is_named_by_its_start_and_terminal_and_private(tmp_path: Path) -> None:
    file = Recordings(tmp_path).create("main", START, HEADER)
    file.close()
    assert file.name == NAME
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600
    assert (tmp_path / NAME).read_bytes().startswith(b'{"version":2,"width":80,"height":24')


def test_a_second_start_in_the_same_second_is_a_second_file(tmp_path: Path) -> None:
    recordings = Recordings(tmp_path)
    names = []
    for _ in range(11):
        file = recordings.create("main", START, HEADER)
        names.append(file.name)
        file.close()
    stem = NAME.removesuffix(".cast")
    assert names == [NAME, *(f"{stem}.{number}.cast" for number in range(2, 12))]
    assert [(each.name, each.terminal) for each in recordings.list()] == [
        (name, "main") for name in names
    ]


def test_a_recording_is_live_until_it_is_closed(tmp_path: Path) -> None:
    recordings = Recordings(tmp_path)
    file = recordings.create("main", START, HEADER)
    file.append(encode_event(CastEvent(1.5, "o", "hello")))
    [listed] = recordings.list()
    assert (listed.live, listed.duration_ms, listed.bytes) == (True, 1500, file.offset)
    assert listed.started == START.replace(microsecond=0)
    file.append(encode_event(CastEvent(2.25, "o", "more")))
    file.close()
    [listed] = recordings.list()
    assert (listed.live, listed.duration_ms) == (False, 2250)


def test_files_of_the_asciinema_program_are_listed_and_read_just_the_same(tmp_path: Path) -> None:
    foreign = b'{"version": 2, "width": 80, "height": 24, "timestamp": 5}\n[0.5, "o", "hi"]\n'
    (tmp_path / "my demo é.cast").write_bytes(foreign)
    (tmp_path / "three.cast").write_bytes(b'{"version":3,"term":{"cols":80,"rows":24}}\n')
    (tmp_path / "broken.cast").write_bytes(b"\xff\x00{")
    recordings = Recordings(tmp_path)
    found = {each.name: each for each in recordings.list()}
    assert set(found) == {"my demo é.cast", "three.cast", "broken.cast"}
    assert found["my demo é.cast"].duration_ms == 500
    assert found["my demo é.cast"].terminal is None
    assert found["broken.cast"].duration_ms is None
    assert read(recordings, "my demo é.cast") == foreign


def test_a_foreign_file_is_live_while_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "demo.cast"
    path.write_bytes(b'{"version":2,"width":80,"height":24}\n')
    written = path.stat().st_mtime
    assert [each.live for each in Recordings(tmp_path, clock=lambda: written + 1).list()] == [True]
    assert [each.live for each in Recordings(tmp_path, clock=lambda: written + 60).list()] == [
        False
    ]


def test_a_torn_last_line_does_not_hide_the_length(tmp_path: Path) -> None:
    (tmp_path / "a.cast").write_bytes(
        b'{"version":2,"width":1,"height":1}\n[7.0,"o","x"]\n[8.0,"o","no en'
    )
    assert [each.duration_ms for each in Recordings(tmp_path).list()] == [7000]


def test_only_casts_are_listed(tmp_path: Path) -> None:
    (tmp_path / "state-events.jsonl").write_text("{}\n")
    (tmp_path / "folder.cast").mkdir()
    (tmp_path / "link.cast").symlink_to(tmp_path / "state-events.jsonl")
    (tmp_path / ".hidden.cast").write_text("")
    (tmp_path / "bad\nname.cast").write_text("")
    os.mkfifo(tmp_path / "pipe.cast")
    assert Recordings(tmp_path).list() == []


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".cast",
        "state-events.jsonl",
        "../secret.cast",
        "..",
        "folder/inner.cast",
        "/etc/passwd",
        "%2e%2e%2fsecret.cast",
        "..\\secret.cast",
        "..%5csecret.cast",
        "secret.cast\0",
        "secret.cast\0.cast",
        "secret.jsonl\0.cast",
        "link.cast",
        "outside.cast",
        "folder.cast",
        "pipe.cast",
        "socket.cast",
        "missing.cast",
        "x" * 300 + ".cast",
        "\ud800.cast",
        "．．／secret.cast",
    ],
)
def test_no_name_leads_anywhere_else(tmp_path: Path, name: str) -> None:
    """Fault 41: names with `../`, encodings, absolute, symbolic link, NUL."""
    directory = tmp_path / "runtime"
    directory.mkdir()
    (tmp_path / "secret.cast").write_text("secret")
    (directory / "state-events.jsonl").write_text("secret")
    (directory / "link.cast").symlink_to("state-events.jsonl")
    (directory / "outside.cast").symlink_to(tmp_path / "secret.cast")
    (directory / "folder.cast").mkdir()
    (directory / "folder").mkdir()
    (directory / "folder/inner.cast").write_text("secret")
    os.mkfifo(directory / "pipe.cast")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(directory / "socket.cast"))
        before = sum(1 for _ in Path("/proc/self/fd").iterdir())
        with pytest.raises(NotFound):
            Recordings(directory).open(name)
        assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before


def test_a_failed_append_leaves_whole_lines(tmp_path: Path) -> None:
    """Fault 10, the recording: the disk takes only a part of a line."""
    file = Recordings(tmp_path).create("main", START, HEADER)
    file.append(encode_event(CastEvent(1, "o", "kept")))
    before = (tmp_path / NAME).read_bytes()
    fits, torn = (
        encode_event(CastEvent(2, "o", "x" * 50)),
        encode_event(CastEvent(3, "o", "y" * 50)),
    )
    with pytest.raises(OSError, match="No space"), file_size_limit(len(before + fits) + 20):
        file.append(fits + torn)
    with pytest.raises(OSError, match="too large"), file_size_limit(file.offset):
        file.append(torn)
    file.close()
    assert (tmp_path / NAME).read_bytes() == before + fits


class file_size_limit:  # noqa: N801  # reads as a verb in its `with`
    """No file of this process grows beyond so many bytes."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __enter__(self) -> None:
        self._before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self._size, self._before[1]))

    def __exit__(self, *_: object) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self._before)


def test_a_name_with_an_impossible_date_is_listed_without_one(tmp_path: Path) -> None:
    (tmp_path / "session-99999999T999999Z-main.cast").write_bytes(b"no header\n")
    [listed] = Recordings(tmp_path).list()
    assert (listed.terminal, listed.started) == ("main", None)

"""Lines of JSON in files: whole or not at all, whatever the bytes and whatever the disk."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.store.jsonl import (
    MAX_LINE_BYTES,
    JsonlWriter,
    Line,
    parse_object,
    read_blocks,
    read_lines,
)

HOSTILE = {
    "nothing": b"",
    "deep arrays": b"[" * 60_000 + b"]" * 60_000,
    "deep objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "a huge integer": b'{"a":' + b"9" * 60_000 + b"}",
    "a huge exponent": b'{"a":1e99999}',
    "NaN": b'{"a":NaN}',
    "infinity": b'{"a":-Infinity}',
    "a lone surrogate": b'{"a":"\\ud800"}',
    "a lone surrogate in a key": b'{"\\udfff":1}',
    "bad UTF-8": b'{"a":"\xff"}',
    "a surrogate in UTF-8": b'{"a":"\xed\xa0\x80"}',
    "NULs": b"\0" * 60_000,
    "NULs and an object": b'\0\0{"a":1}',
    "a control character": b'{"a":"\x01"}',
    "half an object": b'{"a":1',
    "two objects": b'{"a":1}{"b":2}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "an array": b"[1]",
    "a string": b'"a"',
    "null": b"null",
    "a number": b"1",
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_no_object_is_none(raw: bytes) -> None:
    """Fault 13: hostile lines, as the parser meets them."""
    assert parse_object(raw) is None


@given(st.binary(max_size=200))
def test_parsing_any_bytes_raises_nothing(raw: bytes) -> None:
    """Fault 13: random lines."""
    parse_object(raw)


@given(
    st.dictionaries(
        st.text(),
        st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    )
)
def test_an_object_is_parsed(value: dict[str, object]) -> None:
    assert parse_object(json.dumps(value).encode()) == value


lines = st.lists(st.binary(max_size=50).map(lambda raw: raw.replace(b"\n", b"")))


@given(lines, st.binary(max_size=20).map(lambda raw: raw.replace(b"\n", b"")))
def test_complete_lines_are_read_with_their_places(written: list[bytes], torn: bytes) -> None:
    with _temporary(b"".join(raw + b"\n" for raw in written) + torn) as path:
        read = list(read_lines(path))
        whole = path.read_bytes()
    assert [line.raw for line in read] == written
    assert all(whole[line.start : line.end] == line.raw + b"\n" for line in read)


@given(lines, st.integers(0, 60), st.integers(0, 400))
def test_reading_begins_and_ends_where_it_should(
    written: list[bytes], start_line: int, limit: int
) -> None:
    whole = b"".join(raw + b"\n" for raw in written)
    start = sum(len(raw) + 1 for raw in written[:start_line])
    with _temporary(whole) as path:
        read = list(read_lines(path, start, limit_bytes=limit))
    expected = whole[start : start + limit].split(b"\n")[:-1]
    assert [line.raw for line in read] == expected


def test_a_line_over_64_kib_is_said_to_be_too_long(tmp_path: Path) -> None:
    """Fault 13: a line of 10 MB."""
    path = tmp_path / "log"
    largest = b"x" * MAX_LINE_BYTES
    texts = [b"a", largest, largest + b"y", b"b", b"z" * 10_000_000, b"", b"c", b"q" * 200_000]
    path.write_bytes(b"\n".join(texts) + b"\n")
    read = list(read_lines(path))
    assert [line.too_long for line in read] == [len(text) > MAX_LINE_BYTES for text in texts]
    assert [line.raw for line in read] == [
        b"" if len(text) > MAX_LINE_BYTES else text for text in texts
    ]
    assert [line.end - line.start for line in read] == [len(text) + 1 for text in texts]


def test_memory_stays_flat(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes((b"x" * 99 + b"\n") * 50_000 + b"y" * 20_000_000)
    tracemalloc.start()
    try:
        assert sum(len(block.lines) for block in read_blocks(path)) == 50_000
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_descriptor_is_read_without_moving_it(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"a\nb\n")
    with path.open("rb") as file:
        file.seek(3)
        assert [line.raw for line in read_lines(file.fileno())] == [b"a", b"b"]
        assert file.tell() == 3


@pytest.mark.parametrize("kind", ["pipe", "link", "directory", "device"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "log"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "link":
            path.symlink_to("/etc/passwd")
        case "directory":
            path.mkdir()
        case _:
            path = Path("/dev/zero")
    with pytest.raises(OSError):
        list(read_lines(path))


def test_appended_lines_are_read_back(tmp_path: Path) -> None:
    writer = JsonlWriter(tmp_path / "log")
    assert writer.append(b"one") == 4
    assert writer.append(b"two", sync=True) == 8 == writer.offset
    writer.close()
    writer.close()
    assert list(read_lines(tmp_path / "log")) == [Line(0, 4, b"one"), Line(4, 8, b"two")]
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_a_second_writer_goes_on_where_the_first_ended(tmp_path: Path) -> None:
    JsonlWriter(tmp_path / "log").append(b"one")
    writer = JsonlWriter(tmp_path / "log")
    assert writer.offset == 4
    assert writer.append(b"two") == 8


def test_nothing_is_glued_to_a_torn_line(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"one\ntor")
    writer = JsonlWriter(tmp_path / "log")
    assert writer.append(b"two") == 12
    writer.append(b"three")
    assert (tmp_path / "log").read_bytes() == b"one\ntor\ntwo\nthree\n"


@pytest.mark.parametrize("raw", [b"a\nb", b"\n", b"x" * (MAX_LINE_BYTES + 1)])
def test_what_is_not_one_line_is_refused(tmp_path: Path, raw: bytes) -> None:
    writer = JsonlWriter(tmp_path / "log")
    with pytest.raises(ValueError, match="expected one line"):
        writer.append(raw)
    assert (tmp_path / "log").read_bytes() == b""


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "log").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        JsonlWriter(tmp_path / "log")
    assert not (tmp_path / "elsewhere").exists()


def test_a_write_that_finds_no_room_leaves_no_half_line(tmp_path: Path) -> None:
    """Fault 10: the kernel writes what fits and then refuses, as on a full disk."""
    writer = JsonlWriter(tmp_path / "log")
    writer.append(b"a" * 99)
    old_limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    old_handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (150, old_limit[1]))
        for _ in range(2):
            with pytest.raises(OSError):
                writer.append(b"b" * 99)
            assert (tmp_path / "log").read_bytes() == b"a" * 99 + b"\n"
        assert writer.append(b"c" * 9) == 110
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old_limit)
        signal.signal(signal.SIGXFSZ, old_handler)
    assert writer.append(b"d") == 112
    assert [line.raw[:1] for line in read_lines(tmp_path / "log")] == [b"a", b"c", b"d"]


@pytest.mark.parametrize("failing", ["write", "short write", "fdatasync", "ftruncate", "fstat"])
@pytest.mark.parametrize("number", range(1, 6))
def test_whichever_call_fails_every_acknowledged_line_is_there_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str, number: int
) -> None:
    """Fault 48: the N-th write, sync or cut of the writer fails, for every N."""
    writer = JsonlWriter(tmp_path / "log")
    calls: list[str] = []

    def fail(call: str, real: Callable[..., object]) -> Callable[..., object]:
        def called(*arguments: object) -> object:
            calls.append(call)
            if calls.count(call) >= number and calls.count(call) < number + 2:
                if failing == "short write":
                    descriptor, piece = arguments
                    assert isinstance(piece, bytes)
                    return real(descriptor, piece[:3])
                raise OSError(errno.EIO, "injected")
            return real(*arguments)

        return called

    name = failing.removeprefix("short ")
    monkeypatch.setattr(os, name, fail(name, getattr(os, name)))
    if name in ("ftruncate", "fstat"):  # they are called when a write failed
        real_write = os.write
        turns = iter(range(1000))
        monkeypatch.setattr(
            os, "write", lambda fd, piece: real_write(fd, piece[: 2 + 98 * (next(turns) % 2)])
        )
    acknowledged = []
    for count in range(12):
        raw = f"line {count}".encode()
        try:
            writer.append(raw, sync=True)
        except OSError:
            continue
        acknowledged.append(raw)
    monkeypatch.undo()
    assert calls
    assert 5 <= len(acknowledged) < 12
    assert [line.raw for line in read_lines(tmp_path / "log")] == acknowledged
    assert writer.append(b"last") == (tmp_path / "log").stat().st_size


@contextmanager
def _temporary(content: bytes) -> Iterator[Path]:
    """A file for one example of Hypothesis, which does not go together with tmp_path."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        yield Path(file.name)

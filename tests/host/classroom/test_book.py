"""What the wall keeps of a session."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from host.classroom import book as book_module
from host.classroom.book import Book, file_name
from host.classroom.wire import StudentStatus
from runtime.domain.errors import TooMany
from tests.crowd import Student

SESSION = "0c5f9a0e"


def fact(number: int, **more: Any) -> tuple[str, str, bytes]:  # Any: JSON
    record = {"ts": "2026-01-31T12:00:00.000Z", "cmd": f"echo {number}", "exit": 0, **more}
    return f"0-{number * 100}", "command", json.dumps(record).encode()


def lines(folder: Path) -> list[dict[str, Any]]:  # Any: JSON
    return [json.loads(line) for line in (folder / f"{SESSION}.jsonl").read_bytes().splitlines()]


def test_facts_are_kept_in_their_order_and_counted(tmp_path: Path) -> None:
    book = Book(tmp_path, SESSION)
    assert book.place == "0-0"
    book.add(*fact(1))
    book.add(*fact(2, exit=2, term="main"))
    book.add("50-200", "hand", b'{"event":"hand_raised","ts":"2026-01-31T12:00:00.000Z"}')
    book.add("90-200", "hand", b'{"event":"hand_lowered","ts":"2026-01-31T12:00:00.000Z"}')
    book.add("91-200", "report", b'{"event":"goss_result"}')
    assert [each["id"] for each in lines(tmp_path)] == [
        *("0-100", "0-200", "50-200", "90-200", "91-200"),
    ]
    tally = book.tally
    assert (tally.commands, tally.failed_commands, tally.hands, tally.checks) == (2, 1, 1, 1)
    assert tally.last_command is not None
    assert (tally.last_command.cmd, tally.last_command.term) == ("echo 2", "main")
    book.close()


def test_a_book_goes_on_where_it_was(tmp_path: Path) -> None:
    first = Book(tmp_path, SESSION)
    first.add(*fact(1))
    status = Student(3, "Ada").status()
    first.show(StudentStatus.model_validate(status), json.dumps(status).encode())
    first.close()
    second = Book(tmp_path, SESSION)
    assert second.place == "0-100"
    assert second.tally == first.tally
    assert second.status == first.status
    second.close()


def test_a_fact_that_comes_twice_is_kept_once(tmp_path: Path) -> None:
    book = Book(tmp_path, SESSION)
    assert book.add(*fact(2))
    assert not book.add(*fact(2))
    assert not book.add(*fact(1))
    assert book.tally.commands == 1
    assert len(lines(tmp_path)) == 1
    book.close()


@pytest.mark.parametrize(
    "bad",
    [
        ("", "command", b"{}"),
        ("1-1", "rumour", b"{}"),
        ("1-1", "command", b"[1]"),
        ("1-1", "command", b"{" * 100_000),
        ("9" * 40 + "-1", "command", b"{}"),
    ],
)
def test_what_is_no_fact_is_not_kept(tmp_path: Path, bad: tuple[str, str, bytes]) -> None:
    book = Book(tmp_path, SESSION)
    assert not book.add(*bad)
    assert book.place == "0-0"
    book.close()


def test_a_book_cut_anywhere_asks_for_what_is_missing(tmp_path: Path) -> None:
    """Fault 2, for the wall: facts after the cut come again from the daemon."""
    book = Book(tmp_path, SESSION)
    facts = [fact(number) for number in range(1, 6)]
    for each in facts:
        book.add(*each)
    book.close()
    path = tmp_path / f"{SESSION}.jsonl"
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        again = Book(tmp_path, SESSION)
        kept = whole[:length].count(b"\n")
        assert again.place == (facts[kept - 1][0] if kept else "0-0")
        for each in facts:
            again.add(*each)
        again.close()
        assert path.read_bytes() == whole
        assert again.tally.commands == 5


def test_damage_in_the_middle_is_put_aside(tmp_path: Path) -> None:
    book = Book(tmp_path, SESSION)
    for number in range(1, 4):
        book.add(*fact(number))
    book.close()
    path = tmp_path / f"{SESSION}.jsonl"
    first, second, third = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + b"\0" * len(second) + third)
    again = Book(tmp_path, SESSION)
    assert again.place == "0-100"
    again.close()
    [aside] = tmp_path.glob("*.torn-*")
    assert aside.read_bytes().endswith(third)


def test_a_record_deeper_than_can_be_written_is_kept_as_cut(tmp_path: Path) -> None:
    book = Book(tmp_path, SESSION)
    assert book.add("1-0", "state", b'{"x":' + b"[" * 900 + b"]" * 900 + b"}")
    assert book.add("2-0", "state", b'{"event":"session_started"}')
    book.close()
    assert [each["record"] for each in lines(tmp_path)] == [
        {"cut": True},
        {"event": "session_started"},
    ]


def test_a_book_that_is_full_takes_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A student's machine may send for ever."""
    monkeypatch.setattr(book_module, "MOST_BYTES", 1000)
    book = Book(tmp_path, SESSION)
    with pytest.raises(TooMany):
        for number in range(1, 100):
            book.add(*fact(number))
    book.close()
    assert (tmp_path / f"{SESSION}.jsonl").stat().st_size <= 1000


def test_a_session_named_to_leave_the_folder_does_not() -> None:
    """A daemon is another's machine and says of itself what it likes."""
    for name in ("../../etc/passwd", "/etc/passwd", "a/b", "", ".", "x" * 500, "a\0b"):
        assert "/" not in file_name(name)
        assert file_name(name).startswith("x-")
    assert file_name("0c5f9a0e") == "0c5f9a0e"


def test_a_very_long_record_is_kept_as_cut(tmp_path: Path) -> None:
    book = Book(tmp_path, SESSION)
    assert book.add("1-1", "report", json.dumps({"results": "x" * 65_500}).encode())
    assert book.place == "1-1"
    book.close()
    again = Book(tmp_path, SESSION)
    assert again.place == "1-1"
    again.close()

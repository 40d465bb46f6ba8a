"""The class as a whole, and its tables."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.classroom.book import Book
from host.classroom.export import FORMULA, cell, steps_csv, students_csv
from host.classroom.overview import overview
from host.classroom.roster import Entry
from host.classroom.seat import Seat
from host.classroom.wire import StudentStatus
from tests.crowd import Student, ago

TOKEN = "secret-token-0123456789"


def seated(folder: Path, student: Student) -> Seat:
    """A seat that has heard this of its student."""
    key = f"https://{student.number}.example"
    seat = Seat(Entry(key, student.name, key, TOKEN), lambda seat: None)
    seat.book = Book(folder, student.session)
    status = student.status()
    seat.book.show(StudentStatus.model_validate(status), json.dumps(status).encode())
    return seat


def stuck(minutes: float) -> list[dict[str, str]]:
    return [{"reason": "idle", "step": "step-2", "since": ago(minutes), "message": "Idle."}]


def test_hands_are_in_the_order_they_went_up(tmp_path: Path) -> None:
    students = [Student(number, f"student {number}") for number in range(4)]
    for number, minutes in ((0, 1), (2, 9), (3, 4)):
        students[number].raise_hand("help", minutes)
    seats = [seated(tmp_path, student) for student in students]
    found = overview("monday", seats)
    assert found.queue == [seats[2].id, seats[3].id, seats[0].id]
    assert found.seats == [seat.id for seat in seats]


def test_the_funnel_counts_reached_here_stuck_and_completed(tmp_path: Path) -> None:
    students = [Student(number, f"student {number}") for number in range(5)]
    for student, at in zip(students, (0, 2, 2, 2, 8), strict=True):
        student.at = at
        student.spent = {0: 60 * (student.number + 1)}
    students[1].stuck = stuck(3)
    students[2].stuck = stuck(7)
    seats = [seated(tmp_path, student) for student in students]
    found = overview("monday", seats)
    [funnel] = found.funnels
    assert funnel.students == 5
    first, third, last = funnel.steps[0], funnel.steps[2], funnel.steps[7]
    assert (first.reached, first.here, first.completed, first.median_seconds) == (5, 1, 4, 210)
    assert (third.reached, third.here, third.stuck, third.completed) == (4, 3, 2, 1)
    assert (last.reached, last.here, last.completed) == (1, 0, 1), "who finished is nowhere"
    assert funnel.hangs == "step-2"
    assert found.stuck == [seats[2].id, seats[1].id], "the longest first"


def test_a_crowd_at_one_step_is_where_the_class_hangs(tmp_path: Path) -> None:
    students = [Student(number, f"student {number}", at=1) for number in range(6)]
    found = overview("monday", [seated(tmp_path, student) for student in students])
    assert found.funnels[0].hangs == "step-1"
    (tmp_path / "later").mkdir()
    students[0].at = 0
    for student in students[1:]:
        student.at = 8
    found = overview("monday", [seated(tmp_path / "later", student) for student in students])
    assert found.funnels[0].hangs is None


def test_who_was_never_heard_is_on_the_wall_and_in_no_funnel(tmp_path: Path) -> None:
    seat = Seat(Entry("k", "Ada", "https://a.example", TOKEN), lambda seat: None)
    found = overview("monday", [seat])
    assert found.seats == [seat.id]
    assert found.funnels == []
    assert seat.view().student is None
    assert TOKEN not in seat.view().model_dump_json()


def test_the_tables_have_a_row_per_student_and_per_step(tmp_path: Path) -> None:
    ada, bob = Student(0, "Ada", at=2), Student(1, "=cmd|' /C calc'!A0")
    ada.raise_hand("=1+1")
    seats = [seated(tmp_path, ada), seated(tmp_path, bob)]
    silent = Seat(Entry("k", "Silent", "https://s.example", TOKEN), lambda seat: None)
    rows = list(csv.DictReader(io.StringIO(students_csv([*seats, silent]))))
    assert [row["student"] for row in rows] == ["Ada", "'=cmd|' /C calc'!A0", "Silent"]
    assert (rows[0]["completed"], rows[0]["steps"], rows[0]["hand note"]) == ("2", "8", "'=1+1")
    assert rows[2]["workshop"] == ""
    steps = list(csv.DictReader(io.StringIO(steps_csv(seats))))
    assert len(steps) == 16
    assert (steps[0]["step"], steps[0]["completed"], steps[2]["completed"]) == ("step-0", "yes", "")
    assert TOKEN not in students_csv(seats) + steps_csv(seats)


@pytest.mark.parametrize("begin", FORMULA)
def test_no_cell_is_a_formula(begin: str) -> None:
    assert cell(f"{begin}HYPERLINK()") == f"'{begin}HYPERLINK()"
    assert cell(-5) == "-5", "a number of ours is none"


@pytest.mark.parametrize("end", [";", ";  ", '";"', "\t", "\n", "\r\n"])
def test_no_formula_begins_where_another_country_ends_a_cell(end: str) -> None:
    """Excel in Germany takes a semicolon, and a quote in the middle of a cell as it is."""
    assert cell(f"help{end}=HYPERLINK()") == f"help{end}'=HYPERLINK()"


@given(st.text(max_size=40))
def test_any_text_is_a_cell_that_reads_back(text: str) -> None:
    made = cell(text)
    assert not made.startswith(FORMULA)
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(["first", made])
    [row] = csv.reader(io.StringIO(line.getvalue(), newline=""))
    assert row == ["first", made]

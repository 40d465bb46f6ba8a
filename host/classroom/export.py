"""The class as CSV: a row per student, or a row per student and step. RFC 4180, UTF-8.

Names, titles and commands come from other people: what a spreadsheet would take for a formula is
given an apostrophe in front, as OWASP advises; also behind what a spreadsheet of another country
takes for the end of a cell.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from host.classroom.seat import Seat
from host.classroom.wire import StudentStep, Tally
from runtime.domain.events import timestamp

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")
INNER_FORMULA = re.compile(r"""([;\t\r\n]["' ]*)(?=[=+\-@＝＋－＠])""")

STUDENT_COLUMNS = (
    *("student", "address", "reach", "last heard", "session", "workshop", "step", "completed"),
    *("steps", "finished", "stuck", "hand since", "hand note", "hands raised", "minutes on task"),
    *("commands", "failed commands", "checks", "helps", "last activity"),
)
STEP_COLUMNS = (
    *("student", "workshop", "position", "step", "title", "started", "completed"),
    *("minutes on task", "attempts", "failed attempts", "commands", "failed commands", "helps"),
)


def students_csv(seats: Sequence[Seat]) -> str:
    """One row per student."""
    return _table(STUDENT_COLUMNS, map(_student, seats))


def steps_csv(seats: Sequence[Seat]) -> str:
    """One row per student and step."""
    return _table(STEP_COLUMNS, (row for seat in seats for row in _steps(seat)))


def _student(seat: Seat) -> list[object]:
    tally = seat.book.tally if seat.book else Tally()
    first = [seat.entry.name, seat.entry.address, seat.reach, seat.heard]
    student = seat.student
    if student is None:
        return [*first, *[None] * (len(STUDENT_COLUMNS) - len(first))]
    hand = student.hand
    return [
        *first,
        student.session,
        student.workshop,
        student.viewed_step,
        student.completed,
        student.total,
        student.finished,
        " ".join(each.message for each in student.stuck),
        hand.since if hand else None,
        hand.note if hand else None,
        tally.hands,
        _minutes(sum(each.on_task_seconds for each in student.steps)),
        tally.commands,
        tally.failed_commands,
        tally.checks,
        tally.helps,
        student.last_activity,
    ]


def _steps(seat: Seat) -> Iterable[list[object]]:
    student = seat.student
    for position, step in enumerate(student.steps if student else (), 1):
        assert student is not None
        yield [seat.entry.name, student.workshop, position, *_step(step)]


def _step(step: StudentStep) -> list[object]:
    return [
        step.id,
        step.title,
        step.started_at,
        step.completed_at if step.completed_at else ("yes" if step.completed else None),
        _minutes(step.on_task_seconds),
        step.attempts,
        step.failed,
        step.commands,
        step.failed_commands,
        step.helps,
    ]


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([cell(value) for value in row] for row in rows)
    return text.getvalue()


def cell(value: object) -> str:
    """One value as a cell that no spreadsheet runs."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return str(value)
        case datetime():
            return timestamp(value)
    text = INNER_FORMULA.sub(r"\1'", str(value).replace("\0", ""))
    return f"'{text}" if text.startswith(FORMULA) else text


def _minutes(seconds: int) -> float:
    return round(seconds / 60, 1)

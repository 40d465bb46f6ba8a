"""The class as a whole: who waits for help, in which order, and where the steps hold people up."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence

from host.classroom.seat import Seat
from host.classroom.wire import ClassView, Funnel, FunnelStep, StudentStatus, StudentStep


def overview(name: str, seats: Sequence[Seat]) -> ClassView:
    """What the page shows of all seats together."""
    students = [(seat.id, student) for seat in seats if (student := seat.student)]
    raised = sorted((student.hand.since, seat) for seat, student in students if student.hand)
    stuck = sorted(
        (min(each.since for each in student.stuck), seat)
        for seat, student in students
        if student.stuck
    )
    return ClassView(
        name=name,
        seats=[seat.id for seat in seats],
        queue=[seat for _, seat in raised],
        stuck=[seat for _, seat in stuck],
        funnels=funnels([student for _, student in students]),
    )


def funnels(students: Sequence[StudentStatus]) -> list[Funnel]:
    """One for each workshop that somebody does, the one with most students first."""
    by_workshop: dict[str, list[StudentStatus]] = {}
    for student in students:
        by_workshop.setdefault(student.workshop, []).append(student)
    found = [_funnel(name, each) for name, each in by_workshop.items()]
    return sorted(found, key=lambda funnel: (-funnel.students, funnel.workshop))


def _funnel(name: str, students: Sequence[StudentStatus]) -> Funnel:
    longest = max(students, key=lambda student: (len(student.steps), student.ts))
    titles = {each.id: each.title for each in longest.steps}
    efforts: dict[str, list[StudentStep]] = {step: [] for step in titles}
    here: dict[str, list[StudentStatus]] = {step: [] for step in titles}
    reached: Counter[str] = Counter()
    for student in students:
        for each in {each.id: each for each in student.steps}.values():
            if each.id in titles:
                efforts[each.id].append(each)
                came = each.completed or each.started_at or each.id == student.viewed_step
                reached[each.id] += bool(came)
        if not student.finished and student.viewed_step in titles:
            here[student.viewed_step].append(student)
    steps = [
        _step(step, title, reached[step], here[step], efforts[step])
        for step, title in titles.items()
    ]
    return Funnel(
        workshop=name,
        title=longest.title,
        students=len(students),
        steps=steps,
        hangs=_hangs(steps, len(students)),
    )


def _step(
    step: str,
    title: str,
    reached: int,
    here: Sequence[StudentStatus],
    efforts: Sequence[StudentStep],
) -> FunnelStep:
    times = [each.on_task_seconds for each in efforts if each.completed]
    return FunnelStep(
        id=step,
        title=title,
        reached=reached,
        here=len(here),
        stuck=sum(1 for student in here if student.stuck),
        completed=sum(1 for each in efforts if each.completed),
        median_seconds=round(statistics.median(times)) if times else None,
    )


def _hangs(steps: Sequence[FunnelStep], students: int) -> str | None:
    """Where most are stuck; without any, where a third of a class of some size is at once."""
    worst = max(steps, key=lambda step: step.stuck, default=None)
    if worst is not None and worst.stuck > 0:
        return worst.id
    crowd = max(steps, key=lambda step: step.here - step.completed, default=None)
    if crowd is not None and students >= 6 and crowd.here * 3 >= students:
        return crowd.id if crowd.completed < students / 2 else None
    return None

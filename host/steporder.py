"""Rules between steps: names, `requires`, groups, and that a student can reach every step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from host.faults import did_you_mean, shortened
from host.fields import Report
from host.yamltree import Node, Scalar
from runtime.domain.navigation import locked_reason
from runtime.domain.workshop import NavigationMode, Step, TerminalSettings, Workshop


@dataclass(frozen=True)
class Placed:
    """A step's place in the order; None stands for what could not be read."""

    path: str  # `steps[0]`
    node: Node
    id: str | None
    id_node: Node
    title: str | None
    group: str | None
    requires: Mapping[str, Node] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """How sentences name the step."""
        return self.id or self.path


def check_order(steps: Sequence[Placed], navigation: NavigationMode, report: Report) -> None:
    """Report duplicates, unknown and circular `requires`, and steps nobody can reach."""
    by_id = _unique(steps, report)
    before = len(report.faults)
    for step in steps:
        for required, node in step.requires.items():
            if required == step.id:
                report.refuse(node, f"{step.path}.requires", "the step requires itself; remove it")
            elif required not in by_id:
                report.refuse(
                    node,
                    f"{step.path}.requires",
                    f"there is no step “{shortened(required)}”; {did_you_mean(required, by_id)}",
                )
    _check_circles(by_id, report)
    whole = len(report.faults) == before and len(by_id) == len(steps)
    if whole and steps and navigation is NavigationMode.GUIDED:
        _check_reach(steps, report)


def _unique(steps: Sequence[Placed], report: Report) -> dict[str, Placed]:
    by_id: dict[str, Placed] = {}
    for step in steps:
        if step.id is None:
            continue
        if step.id in by_id:
            line = by_id[step.id].id_node.line
            report.refuse(
                step.id_node,
                f"{step.path}.id",
                f"“{step.id}” is taken by the step in line {line}; choose another id",
            )
        else:
            by_id[step.id] = step
    return by_id


def _check_circles(by_id: Mapping[str, Placed], report: Report) -> None:
    """Each circle of `requires` once, told from its first step in the file."""
    done: set[str] = set()
    for start in by_id:
        trail: list[str] = []
        stack = [(start, iter(by_id[start].requires))] if start not in done else []
        trail += [start] if stack else []
        while stack:
            name, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                stack.pop()
                done.add(trail.pop())
            elif following in trail and following != name:
                circle = [*trail[trail.index(following) :], following]
                report.refuse(
                    by_id[name].requires[following],
                    f"{by_id[name].path}.requires",
                    f"the steps require each other in a circle ({' → '.join(circle)}); "
                    "remove one of them",
                )
            elif following in by_id and following not in done and following not in trail:
                trail.append(following)
                stack.append((following, iter(by_id[following].requires)))


def _check_reach(steps: Sequence[Placed], report: Report) -> None:
    """Walk the workshop as a student who completes everything that is open."""
    workshop = Workshop(
        name="reach",
        title="",
        description="",
        image="reach",
        navigation=NavigationMode.GUIDED,
        llm=None,
        terminal=TerminalSettings(),
        auto_validate="off",
        steps=tuple(
            Step(
                id=step.id or "",
                title=step.title or step.name,
                group=step.group,
                requires=tuple(step.requires),
                position=position,
            )
            for position, step in enumerate(steps)
        ),
    )
    completed: set[str] = set()
    left = list(workshop.steps)
    while left:
        opened = [step for step in left if locked_reason(workshop, step, completed) is None]
        if not opened:
            break
        completed.update(step.id for step in opened)
        left = [step for step in left if step.id not in completed]
    for step in left:
        reason = (locked_reason(workshop, step, completed) or "").rstrip(".")
        placed = steps[step.position]
        report.refuse(
            placed.id_node if isinstance(placed.id_node, Scalar) else placed.node,
            f"{placed.path}.requires",
            f"no student can ever reach this step ({reason}); change its group or requires",
        )

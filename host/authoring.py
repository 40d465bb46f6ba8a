"""The author's commands: look at a workshop's folder, and compile it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from host import output, sandboxable
from host.compile import compile_workshop, contents
from host.faults import Fault
from host.output import Answer, Refusal
from host.spec import FaultyWorkshop, Spec, load


def validate(directory: Path, *, sandbox: bool = False) -> Answer:
    """Look for every fault; with `sandbox`, what the embedded engine cannot do is one too.

    Raises Refusal with the faults in its data, NotFound when there is no workshop.
    """
    spec = read_folder(directory, sandbox=sandbox)
    unfit = sandboxable.check(spec)
    steps = _count(len(spec.steps), "step")
    checks = sum(step.goss is not None for step in spec.steps)
    lines = [f"{spec.name} is a valid workshop: {steps}, {checks} of them with checks."]
    if unfit:
        lines.append(
            "It needs a container engine; “workshop validate --sandbox” says what the embedded "
            "engine cannot do."
        )
    return Answer(
        {
            "name": spec.name,
            "steps": [step.id for step in spec.steps],
            "faults": [],
            "warnings": [warning.as_json() for warning in spec.warnings],
            "sandbox": {"fits": not unfit, "faults": [fault.as_json() for fault in unfit]},
        },
        "\n".join(lines),
    )


def compile_folder(directory: Path, out: Path, *, sandbox: bool = False) -> Answer:
    """Write the artifact of the workshop in `directory` to `out`; raises as `validate` does."""
    spec = read_folder(directory, sandbox=sandbox)
    compile_workshop(spec, out)
    files = len(contents(spec))
    return Answer(
        {
            "name": spec.name,
            "out": str(out.resolve()),
            "files": files,
            "warnings": [warning.as_json() for warning in spec.warnings],
        },
        f"Compiled {spec.name} to {out}: {_count(len(spec.steps), 'step')}, "
        f"{_count(files, 'file')}.",
    )


def read_folder(directory: Path, *, sandbox: bool = False) -> Spec:
    """The workshop in a folder, its warnings said aloud. Raises Refusal, NotFound."""
    try:
        spec = load(directory)
        unfit = tuple(sandboxable.check(spec)) if sandbox else ()
        if unfit:
            raise FaultyWorkshop(unfit, spec.warnings)
    except FaultyWorkshop as faulty:
        _say(faulty.warnings)
        raise Refusal(
            faulty,
            data={
                "faults": [fault.as_json() for fault in faulty.faults],
                "warnings": [warning.as_json() for warning in faulty.warnings],
            },
            suggestion=f"{_count(len(faulty.faults), 'fault')} to mend in {directory}.",
        ) from faulty
    _say(spec.warnings)
    return spec


def _say(warnings: Sequence[Fault]) -> None:
    for warning in warnings:
        output.current().say(f"note: {warning}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

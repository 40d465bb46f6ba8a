"""Building one image with podman or docker, and reading in what they print how it went.

podman announces every instruction with `STEP 3/9: RUN …` and ends with `Error: building at STEP …`.
docker's builder numbers what it does (`#7 [stage 3/5] RUN …`, `#7 0.31 output`, `#7 ERROR: …`) and
counts only what touches files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from host.engines.program import Program

_PODMANS_STEP = re.compile(r"(?:\[\d+/\d+\] )?STEP (\d+)/\d+: (.*)")
_PODMANS_ERROR = re.compile(r"Error: (?:error )?building at STEP ")
_PODMANS_EXIT = re.compile(r"exit status (\d+)")
_PODMANS_REUSE = "--> Using cache "
_DOCKERS_STEP = re.compile(r"#(\d+) \[ *(?:\S+ +)*(\d+)/\d+\] (.*)")
_DOCKERS_OUTPUT = re.compile(r"#(\d+) \d+\.\d+ (.*)")
_DOCKERS_ERROR = re.compile(r"#(\d+) ERROR: .*exit code: (\d+)")
_DOCKERS_REUSE = re.compile(r"#\d+ CACHED")
_TOUCHES_FILES = ("FROM ", "WORKDIR ", "COPY ", "ADD ", "RUN ")


@dataclass(frozen=True)
class Order:
    """One image to build; `target` is the stage, None for the last one."""

    containerfile: Path
    context: Path
    tag: str
    target: str | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    ca_bundle: Path | None = None  # the build secret `ca`
    anew: bool = False  # nothing is taken from the builder's cache


@dataclass(frozen=True)
class Failure:
    """The instruction that failed. `number` counts from 1, in the builder's own way of counting;
    `exit_code` is None when it was no command that failed."""

    number: int
    instruction: str
    exit_code: int | None
    output: tuple[str, ...]


@dataclass(frozen=True)
class Built:
    """How a build ended. `reused` is the number of instructions taken from the builder's cache."""

    exit_code: int
    lines: tuple[str, ...]
    reused: int
    failure: Failure | None


def build(program: Program, order: Order, say: Callable[[str], None]) -> Built:
    """Build it; `say` hears every line as it comes. Raises EngineFailure without the program."""
    words = ["build", "--file", str(order.containerfile), "--tag", order.tag]
    if program.is_podman:
        words += ["--format", "docker"]  # the other format has no health check
    if order.target:
        words += ["--target", order.target]
    for name, value in order.arguments.items():
        words += ["--build-arg", f"{name}={value}"]
    if order.ca_bundle:
        words += ["--secret", f"id=ca,src={order.ca_bundle.resolve()}"]
    if order.anew:
        words += ["--no-cache"]
    exit_code, lines = program.stream([*words, str(order.context)], say)
    read = read_podman if program.is_podman else read_docker
    return read(exit_code, lines)


def place_of(failure: Failure, instructions: Sequence[str], program: Program) -> int | None:
    """Which of a stage's instructions failed, as an index; None when that cannot be told."""
    counted = _counted(instructions, program)
    return counted[failure.number - 1] if 0 < failure.number <= len(counted) else None


def is_reused(built: Built, instructions: Sequence[str], program: Program) -> bool:
    """Whether all of a stage came from the builder's cache; its FROM is never said to."""
    return built.reused >= len(_counted(instructions, program)) - 1


def _counted(instructions: Sequence[str], program: Program) -> list[int]:
    return [
        index
        for index, text in enumerate(instructions)
        if program.is_podman or text.startswith(_TOUCHES_FILES)
    ]


def read_podman(exit_code: int, lines: Sequence[str]) -> Built:
    """What podman's lines say."""
    reused = sum(line.startswith(_PODMANS_REUSE) for line in lines)
    failure = None
    steps = _podmans_steps(lines)
    errors = [index for index, line in enumerate(lines) if _PODMANS_ERROR.match(line)]
    if exit_code != 0 and steps and errors:
        step = _PODMANS_STEP.match(lines[steps[-1]])
        assert step is not None
        codes = _PODMANS_EXIT.findall("\n".join(lines[errors[-1] :]))
        code = int(codes[-1]) if codes else None
        output = tuple(lines[steps[-1] + 1 : errors[-1]])
        failure = Failure(int(step[1]), step[2], code, output)
    return Built(exit_code, tuple(lines), reused, failure)


def _podmans_steps(lines: Sequence[str]) -> list[int]:
    """Where instructions are announced: by consecutive numbers, which what a command prints in the
    same form seldom has."""
    steps: list[int] = []
    number = 0
    for index, line in enumerate(lines):
        step = _PODMANS_STEP.match(line)
        if step and int(step[1]) in (number + 1, 1):
            number = int(step[1])
            steps.append(index)
    return steps


def read_docker(exit_code: int, lines: Sequence[str]) -> Built:
    """What the lines of docker's builder say."""
    reused = sum(_DOCKERS_REUSE.fullmatch(line) is not None for line in lines)
    steps: dict[str, tuple[int, str]] = {}
    output: dict[str, list[str]] = {}
    failure = None
    for line in lines:
        if step := _DOCKERS_STEP.fullmatch(line):
            steps[step[1]] = (int(step[2]), step[3])
        elif said := _DOCKERS_OUTPUT.fullmatch(line):
            output.setdefault(said[1], []).append(said[2])
        elif (error := _DOCKERS_ERROR.match(line)) and error[1] in steps:
            number, text = steps[error[1]]
            failure = Failure(number, text, int(error[2]), tuple(output.get(error[1], ())))
    return Built(exit_code, tuple(lines), reused, failure if exit_code != 0 else None)

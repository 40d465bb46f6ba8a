"""What completes a step, as the compiler wrote it down for the guard against spoilers."""

from __future__ import annotations

from runtime.domain.workshop import ArtifactModel


class SolutionFile(ArtifactModel):
    """A file that completing the step leaves in the machine."""

    path: str
    content: str


class StepSolution(ArtifactModel):
    """`solution.json` of a step: what its author does to complete it."""

    commands: tuple[str, ...] = ()
    files: tuple[SolutionFile, ...] = ()

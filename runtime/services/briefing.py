"""What a model is told of a step, and what it must not tell: gathered from the artifact.

Blocking: it reads files. The guard of a step is made once, since its solution does not change.
"""

from __future__ import annotations

from dataclasses import dataclass

from runtime.domain.checks import Report
from runtime.domain.commands import Command
from runtime.domain.hints import Hint, split_hints
from runtime.domain.ladder import Mode
from runtime.domain.prompt import Document, Earlier, Material, build_prompt
from runtime.domain.spoilers import Guard, Key, Solution
from runtime.domain.workshop import Step
from runtime.services.answering import Inquiry, Substitute
from runtime.store.artifact import Artifact


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator and the author allow; `max_tokens` is of one answer."""

    per_minute: int
    session_tokens: int
    prompt_tokens: int
    docs_bytes: int
    max_tokens: int


@dataclass(frozen=True, slots=True)
class Tried:
    """What the student asked and did; `uncovered` counts the author's hints they have."""

    question: str
    commands: tuple[Command, ...]
    report: Report | None
    earlier: tuple[Earlier, ...]
    uncovered: int


class Briefing:
    """Makes inquiries for the steps of one artifact."""

    def __init__(self, artifact: Artifact, limits: Limits) -> None:
        self._artifact = artifact
        self._limits = limits
        self._guards: dict[str, tuple[Guard, frozenset[Key]]] = {}

    def inquiry(self, step: Step, mode: Mode, tried: Tried, left_tokens: int) -> Inquiry:
        """All that one question needs on its way through the model."""
        material = self._material(step, mode, tried)
        guard, known = self._guard(step, material.content)
        wrote = [tried.question, *(each.cmd for each in tried.commands), *_shown(tried.report)]
        known |= guard.known([*wrote, *(each.response for each in tried.earlier)])
        return Inquiry(
            prompt=build_prompt(material, self._limits.prompt_tokens),
            guard=None if mode == "solve" or guard.is_empty else guard,
            known=known,
            max_tokens=self._limits.max_tokens,
            left_tokens=left_tokens,
            substitute=self._substitute(step, mode, tried.uncovered),
        )

    def hints(self, step: Step) -> tuple[Hint, ...]:
        """The author's hints, one by one."""
        return split_hints(self._artifact.read_text(step, "hints.md")) if step.has_hints else ()

    def _material(self, step: Step, mode: Mode, tried: Tried) -> Material:
        documents = self._artifact.documents(step, self._limits.docs_bytes)
        return Material(
            mode=mode,
            workshop=self._artifact.workshop.title,
            title=step.title,
            content=self._artifact.read_text(step, "content.md"),
            question=tried.question,
            context=self._artifact.llm[step.id].context if step.has_llm else None,
            documents=tuple(Document(name, text) for name, text in documents.items()),
            commands=tried.commands,
            report=tried.report,
            earlier=tried.earlier,
            solution=self._solution(step) if mode == "solve" else None,
        )

    def _substitute(self, step: Step, mode: Mode, uncovered: int) -> Substitute | None:
        """What the student gets when the model cannot keep the solution to itself."""
        if mode == "explain" and step.has_explain:
            return Substitute(self._artifact.read_text(step, "explain.md"), None)
        hints = self.hints(step)
        if not hints:
            return None
        number = min(uncovered + 1, len(hints))
        return Substitute(hints[number - 1].text, number)

    def _guard(self, step: Step, content: str) -> tuple[Guard, frozenset[Key]]:
        """The step's guard, and what its text tells of the solution itself."""
        made = self._guards.get(step.id)
        if made is None:
            solution = self._artifact.solution(step)
            guard = Guard(
                Solution(
                    commands=solution.commands,
                    files=tuple(file.content for file in solution.files),
                    solve=self._artifact.read_text(step, "solve.md") if step.has_solve else None,
                )
            )
            made = self._guards[step.id] = (guard, guard.known([content]))
        return made

    def _solution(self, step: Step) -> str:
        if step.has_solve:
            return self._artifact.read_text(step, "solve.md")
        solution = self._artifact.solution(step)
        files = [f"{file.path}:\n{file.content}" for file in solution.files]
        return "\n\n".join([*files, "\n".join(solution.commands)])


def written(step: Step) -> tuple[Mode, ...]:
    """The rungs the author wrote."""
    has: dict[Mode, bool] = {
        "hints": step.has_hints,
        "explain": step.has_explain,
        "solve": step.has_solve,
    }
    return tuple(mode for mode, there in has.items() if there)


def _shown(report: Report | None) -> list[str]:
    """What the page says about the checks anyway."""
    if report is None:
        return []
    return [
        text
        for check in report.checks
        for text in (check.title, check.hint, check.summary, check.expected, check.found)
        if text
    ]

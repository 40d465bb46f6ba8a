"""Help with a step: the author's hints one by one, and a model's answers within limits.

Everything that was given is in `llm-history.jsonl`, from which limits and uncovered hints are
known again after a restart, and an event says so in the log. The model changes no state.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial

from runtime.domain import events as ev
from runtime.domain.allowance import MINUTE, Allowance
from runtime.domain.errors import NotFound, StorageFailed, StorageFull
from runtime.domain.hints import Hint
from runtime.domain.interactions import Interaction, Rating
from runtime.domain.ladder import Mode, allowed_modes, chosen_mode, default_mode
from runtime.domain.prompt import COMMANDS, Earlier
from runtime.domain.redaction import redact
from runtime.domain.workshop import Step
from runtime.services.answering import Answering, Inquiry, Result
from runtime.services.briefing import Briefing, Limits, Tried, written
from runtime.services.checks import Checks
from runtime.services.commands import CommandFeed
from runtime.services.llm import Model
from runtime.services.session import Session
from runtime.store.artifact import Artifact
from runtime.store.helplog import HelpLog

log = logging.getLogger("workshop.help")

STOP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class AuthorHelp:
    """The author's words; `hint` is their number of `hints` in all, 0 of 0 when they are none."""

    text: str
    title: str | None
    hint: int
    hints: int


@dataclass(frozen=True, slots=True)
class Ladder:
    """What help there is with a step, and what was uncovered already."""

    has_model: bool
    modes: tuple[Mode, ...]
    written: tuple[Mode, ...]
    default: Mode
    hints: int
    uncovered: tuple[Hint, ...]
    used_tokens: int
    session_tokens: int


class Help:
    """The help of one session; `model` is None where none is configured."""

    def __init__(
        self,
        session: Session,
        artifact: Artifact,
        checks: Checks,
        commands: CommandFeed,
        model: Model | None,
        limits: Limits,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._artifact = artifact
        self._checks = checks
        self._commands = commands
        self._model = model
        self._limits = limits
        self._briefing = Briefing(artifact, limits)
        self._monotonic = monotonic
        self._loading = asyncio.Lock()
        self._uncovering = asyncio.Lock()
        self._log: HelpLog | None = None
        self._allowance: Allowance | None = None
        self._answers: set[asyncio.Task[None]] = set()

    # The ladder

    async def ladder(self, step: Step) -> Ladder:
        """What there is; raises NotFound when there is neither a model nor a word of the author."""
        self._require(step)
        history = await self._history()
        hints = await asyncio.to_thread(self._briefing.hints, step)
        if self._model is not None:  # whoever looks at help may ask soon
            self._spawn(self._model.warm())
        modes = self._modes(step)
        return Ladder(
            has_model=self._model is not None,
            modes=modes if self._model is not None else written(step),
            written=written(step),
            default=self._default(step),
            hints=len(hints),
            uncovered=hints[: _uncovered(history, step)],
            used_tokens=self._spent.used_tokens,
            session_tokens=self._limits.session_tokens,
        )

    async def uncover(self, step: Step, mode: Mode, *, confirmed: bool) -> AuthorHelp:
        """The author's next hint, explanation or solution; recorded the first time.

        Raises NotFound when the author wrote none, ConfirmationNeeded for an unconfirmed solution,
        StorageFull and StorageFailed when it cannot be recorded.
        """
        if mode not in written(step):
            raise NotFound(f"The author wrote no {mode} for “{step.title}”.")
        history = await self._history()
        known = [each for each in history if _is_authors(each, step, mode)]
        if mode == "solve" and not known:
            chosen_mode(mode, mode, (mode,), confirmed=confirmed)
        async with self._uncovering:
            return await self._uncover(step, mode, confirmed=confirmed)

    async def interactions(self, step: Step | None = None) -> list[tuple[Interaction, bool | None]]:
        """What was given, oldest first, each with what the student thought of it."""
        history = await self._history()
        ratings = self._log.ratings if self._log is not None else {}
        return [
            (each, ratings[each.id].useful if each.id in ratings else None)
            for each in history
            if step is None or each.step == step.id
        ]

    async def rate(self, interaction: str, *, useful: bool) -> None:
        """Whether it was useful; raises NotFound for one that is not in the history."""
        if all(each.id != interaction for each in await self._history()):
            raise NotFound("There is no such answer.")
        await self._append(Rating(ts=self._session.now(), rated=interaction, useful=useful))

    # A question

    async def ask(
        self, step: Step, question: str, mode: Mode | None, *, confirmed: bool
    ) -> Answering:
        """Begin to answer a question; iterate the result.

        Raises NotFound without a model, Forbidden and ConfirmationNeeded for the mode, HelpLimited.
        """
        if self._model is None:
            raise NotFound("This workshop answers no questions: no model is configured.")
        default = self._default(step)
        chosen = chosen_mode(mode, default, self._modes(step), confirmed=confirmed)
        await self._history()
        self._spent.begin(self._monotonic())
        asked = Interaction(
            ts=self._session.now(),
            id=self._session.new_id(),
            step=step.id,
            mode=chosen,
            question=redact(question),
            response="",
            source="model",
            outcome="answered",
            model=self._model.name,
            confirmed=True if chosen == "solve" else None,
        )
        answering = Answering(
            self._model,
            prepare=partial(self._prepare, step, asked, question),
            record=partial(self._finish, asked),
        )
        task = answering.start()
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)
        return answering

    def cancel(self) -> None:
        """End every answer that is being written."""
        for task in tuple(self._answers):
            task.cancel()

    async def stop(self) -> None:
        """End every answer, record what came of it, close the file and the connections."""
        self.cancel()
        if self._answers:
            await asyncio.wait(self._answers, timeout=STOP_SECONDS)
        if self._model is not None:
            await self._model.close()
        if self._log is not None:
            self._log.close()

    # How an answer is made and recorded

    async def _prepare(self, step: Step, asked: Interaction, question: str) -> Inquiry:
        history = await self._history()
        commands = (command for _, command in self._commands.recent(COMMANDS))
        report = self._checks.latest.get(step.id)
        earlier = tuple(
            Earlier(each.question, each.response, each.mode == "solve")
            for each in history
            if each.step == step.id and each.question and each.response
        )
        return await asyncio.to_thread(
            self._briefing.inquiry,
            step,
            asked.mode,
            Tried(question, tuple(commands), report, earlier, _uncovered(history, step)),
            self._spent.left_tokens,
        )

    async def _finish(self, asked: Interaction, result: Result) -> Interaction:
        self._spent.end(result.tokens.total)
        answered = asked.model_copy(
            update={
                "response": result.text,
                "source": result.source,
                "outcome": result.outcome,
                "tokens": result.tokens,
                "hint": result.hint,
                "left_out": result.left_out or None,
            }
        )
        try:
            await self._keep(answered)
        except (StorageFull, StorageFailed) as error:  # the student has the answer all the same
            log.warning("an answer was not recorded: %s", error.message)
        return answered

    async def _uncover(self, step: Step, mode: Mode, *, confirmed: bool) -> AuthorHelp:
        history = await self._history()
        count, number, title = 0, 0, None
        if mode == "hints":
            hints = await asyncio.to_thread(self._briefing.hints, step)
            count = len(hints)
            number = min(_uncovered(history, step) + 1, count)
            if not hints:
                raise NotFound(f"The author wrote no hints for “{step.title}”.")
            title, text = hints[number - 1].title, hints[number - 1].text
        else:
            text = await asyncio.to_thread(self._artifact.read_text, step, f"{mode}.md")
        again = any(
            _is_authors(each, step, mode) and each.hint == (number or None) for each in history
        )
        if not again:
            await self._keep(
                Interaction(
                    ts=self._session.now(),
                    id=self._session.new_id(),
                    step=step.id,
                    mode=mode,
                    question="",
                    response=text,
                    source="author",
                    outcome="answered",
                    hint=number or None,
                    confirmed=confirmed or None,
                )
            )
        return AuthorHelp(text, title, number, count)

    async def _keep(self, given: Interaction) -> None:
        await self._append(given)
        await self._session.record(
            ev.HelpGiven(
                ts=given.ts,
                step=given.step,
                mode=given.mode,
                source=given.source,
                outcome=given.outcome,
                id=given.id,
                confirmed=given.confirmed,
            )
        )

    async def _append(self, record: Interaction | Rating) -> None:
        await self._history()
        assert self._log is not None
        await asyncio.to_thread(self._log.append, record)

    async def _history(self) -> Sequence[Interaction]:
        """Everything that was given, oldest first; read from the file at the first use."""
        async with self._loading:
            if self._log is None:
                self._log = await asyncio.to_thread(HelpLog, self._artifact.runtime_dir)
                self._allowance = self._restored(self._log)
            return list(self._log.interactions.values())

    def _restored(self, kept: HelpLog) -> Allowance:
        answers = [each for each in kept.interactions.values() if each.tokens is not None]
        now, wall = self._monotonic(), self._session.now()
        ages = [max(0.0, (wall - each.ts).total_seconds()) for each in answers]
        return Allowance(
            per_minute=self._limits.per_minute,
            session_tokens=self._limits.session_tokens,
            used_tokens=sum(each.tokens.total for each in answers if each.tokens is not None),
            asked=[now - age for age in ages if age < MINUTE],
        )

    @property
    def _spent(self) -> Allowance:
        assert self._allowance is not None, "the history is read first"
        return self._allowance

    # What the author wrote

    def _require(self, step: Step) -> None:
        if self._model is None and not written(step):
            raise NotFound(f"There is no help with “{step.title}”.")

    def _default(self, step: Step) -> Mode:
        return default_mode(self._session.workshop.llm, self._artifact.llm.get(step.id))

    def _modes(self, step: Step) -> tuple[Mode, ...]:
        return allowed_modes(self._default(step), step)

    def _spawn(self, work: Coroutine[object, None, None]) -> None:
        task = asyncio.create_task(work, name="warm the model's client")
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)


def _is_authors(given: Interaction, step: Step, mode: Mode) -> bool:
    return given.source == "author" and given.step == step.id and given.mode == mode


def _uncovered(history: Sequence[Interaction], step: Step) -> int:
    """How many of the author's hints the student has."""
    numbers = [each.hint or 0 for each in history if each.step == step.id]
    return max(numbers, default=0)

"""One question on its way through a model: streamed, guarded, asked again once, counted.

It runs as a task of its own, so that a page that leaves ends it cleanly: the request upstream is
closed, what came is recorded, the slot is free again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol

from runtime.domain.errors import WorkshopError
from runtime.domain.interactions import Interaction, Outcome, Source, Tokens
from runtime.domain.prompt import Prompt, estimate_tokens, with_objection
from runtime.domain.spoilers import Guard, Key
from runtime.services.llm import ModelFailed, Usage

MAX_ANSWER_CHARACTERS = 200_000  # whatever the model sends; its own limit comes first
QUEUED_MESSAGES = 20_000  # a page that does not read; an answer has fewer pieces


class AnsweringModel(Protocol):
    """What answers (`runtime.services.llm.Model`)."""

    name: str

    def answer(
        self, system: str, user: str, max_tokens: int
    ) -> AsyncGenerator[str | Usage, None]: ...


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Reset:
    """What was shown so far does not count; the answer begins anew."""


@dataclass(frozen=True, slots=True)
class Done:
    """The answer is complete and recorded."""

    interaction: Interaction


@dataclass(frozen=True, slots=True)
class Failed:
    """There is no whole answer; `interaction` has what came."""

    code: str
    message: str
    interaction: Interaction


Message = Token | Reset | Done | Failed


@dataclass(frozen=True, slots=True)
class Substitute:
    """The author's words for an answer that gave the solution away; `hint` is its number."""

    text: str
    hint: int | None


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What one attempt needs; `guard` is None where the solution may be told."""

    prompt: Prompt
    guard: Guard | None
    known: frozenset[Key]
    max_tokens: int
    left_tokens: int
    substitute: Substitute | None


@dataclass(slots=True)
class Result:
    """What became of the question so far."""

    outcome: Outcome = "answered"
    source: Source = "model"
    text: str = ""
    failure: ModelFailed | None = None
    hint: int | None = None
    left_out: tuple[str, ...] = ()
    input_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = False

    @property
    def tokens(self) -> Tokens:
        """What it cost, all attempts together."""
        return Tokens(
            input=self.input_tokens, output=self.output_tokens, estimated=self.estimated or None
        )


@dataclass(slots=True)
class Answering:
    """A question that is being answered; iterate it for its messages, `cancel` to end it.

    `prepare` makes the inquiry; `record` makes the result a fact and returns it.
    """

    model: AnsweringModel
    prepare: Callable[[], Awaitable[Inquiry]]
    record: Callable[[Result], Awaitable[Interaction]]
    _messages: asyncio.Queue[Message | None] = field(
        default_factory=lambda: asyncio.Queue(QUEUED_MESSAGES)
    )
    _result: Result = field(default_factory=Result)
    _task: asyncio.Task[None] | None = None
    _recording: asyncio.Task[Interaction] | None = None

    def start(self) -> asyncio.Task[None]:
        """Begin; the task ends when the answer is recorded."""
        self._task = asyncio.create_task(self._run(), name="help")
        return self._task

    async def messages(self) -> AsyncIterator[Message]:
        """Every message, the last one Done or Failed; closing it cancels the question."""
        try:
            while (message := await self._messages.get()) is not None:
                yield message
        finally:
            self.cancel()

    def cancel(self) -> None:
        """Nobody wants the answer any more."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        result = self._result
        try:
            await self._answer(await self.prepare())
        except ModelFailed as failure:
            result.failure = failure
            result.outcome = "partial" if result.text else "failed"
        except asyncio.CancelledError:
            result.outcome = "stopped"
        except WorkshopError as error:
            result.failure = ModelFailed(error.code, error.message)
            result.outcome = "failed"
        finally:
            # Whoever cancels a second time does not undo what was written.
            self._recording = asyncio.create_task(self._recorded(), name="record help")
            interaction = await asyncio.shield(self._recording)
            if result.failure is None:
                self._post(Done(interaction))
            else:
                self._post(Failed(result.failure.code, result.failure.message, interaction))
            self._post(None)

    async def _recorded(self) -> Interaction:
        return await self.record(self._result)

    async def _answer(self, inquiry: Inquiry) -> None:
        result = self._result
        result.left_out = inquiry.prompt.cut
        if await self._attempt(inquiry, inquiry.prompt):
            return
        self._reset()
        if await self._attempt(inquiry, with_objection(inquiry.prompt)):
            return
        self._reset()
        if inquiry.substitute is None:
            raise ModelFailed(
                "help_spoiler",
                "The answer would have given the solution away, so it is not shown. "
                "Ask about the idea behind this step, or about what you tried.",
            )
        result.source, result.outcome = "author", "replaced"
        result.hint = inquiry.substitute.hint
        self._show(inquiry.substitute.text)

    async def _attempt(self, inquiry: Inquiry, prompt: Prompt) -> bool:
        """One request; False when its answer gave the solution away."""
        result = self._result
        spent = result.tokens.total
        room = min(inquiry.max_tokens, inquiry.left_tokens - spent - prompt.tokens)
        if room < 1:
            raise ModelFailed(
                "help_budget", "What is left of this session's help is too little for an answer."
            )
        screen = inquiry.guard.screen(inquiry.known) if inquiry.guard is not None else None
        got, usage, is_free = "", None, False
        try:
            pieces = self.model.answer(prompt.system, prompt.user, room)
            async with aclosing(pieces):
                async for piece in pieces:
                    if isinstance(piece, Usage):
                        usage = piece
                        continue
                    got += piece
                    self._show(screen.feed(piece) if screen is not None else piece)
                    if screen is not None and screen.spoiler is not None:
                        return False
                    if len(got) > MAX_ANSWER_CHARACTERS:
                        raise ModelFailed("help_length", "The answer was far too long.")
            if screen is not None:
                self._show(screen.finish())
            return screen is None or screen.spoiler is None
        except ModelFailed as failure:
            is_free = failure.is_free and usage is None
            raise
        finally:
            if not is_free:
                self._count(prompt, usage, got)

    def _count(self, prompt: Prompt, usage: Usage | None, got: str) -> None:
        """What the model says it cost, or our estimate where it did not come to say it."""
        result = self._result
        written = estimate_tokens(got)
        said = usage.output if usage is not None else 0  # which it says at the end only
        result.input_tokens += usage.input if usage is not None else prompt.tokens
        result.output_tokens += max(said, written // 2) if said else written
        is_told = usage is not None and said >= min(written, max(1, written // 2))
        result.estimated = result.estimated or not is_told

    def _show(self, text: str) -> None:
        if text:
            self._result.text += text
            self._post(Token(text))

    def _reset(self) -> None:
        self._result.text = ""
        self._post(Reset())

    def _post(self, message: Message | None) -> None:
        if not self._messages.full():
            self._messages.put_nowait(message)
        else:  # nobody reads: end it, and let the end be read
            self._messages.get_nowait()
            self._messages.put_nowait(message)
            if self._result.outcome == "answered":
                self.cancel()

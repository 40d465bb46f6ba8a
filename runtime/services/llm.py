"""The model's API, by Anthropic's client: the only module that knows it.

The client costs 0.8 s to import and obeys a server that asks it to wait for days. So it is
imported in a thread on first use, does no retries of its own, and runs under a deadline of ours.
It also takes a stream that simply ends for a whole answer, which only `message_stop` says it is.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import anthropic
    from anthropic.types import RawMessageStreamEvent

PROVIDER_URL = "https://api.anthropic.com"
CONNECT_SECONDS = 5.0
RETRY_SECONDS = 0.5  # before the one retry, when the server does not say
PATIENCE_SECONDS = 3.0  # a server that wants a longer pause is not asked again
BUDGET_ERROR = "workshop_budget_error"  # what a relay of ours says when nothing is left

log = logging.getLogger("workshop.llm")


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens so far, as the model counts them."""

    input: int
    output: int


class ModelFailed(Exception):
    """No whole answer came; the message is a sentence for the student, `code` for programs.

    `is_free` says that the model did not begin, so that nothing was used.
    """

    def __init__(self, code: str, message: str, *, is_free: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.is_free = is_free


class _AgainPossible(Exception):
    """It failed before the first word and may work after `wait_seconds`."""

    def __init__(self, failure: ModelFailed, wait_seconds: float = RETRY_SECONDS) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.wait_seconds = wait_seconds


@dataclass(frozen=True, slots=True)
class _Question:
    system: str
    user: str
    max_tokens: int


class Model:
    """One model at one address, asked with one key."""

    def __init__(
        self, name: str, key: str, *, base_url: str | None = None, timeout_seconds: float = 30
    ) -> None:
        self.name = name
        self._key = key
        self._base_url = base_url or PROVIDER_URL
        self._timeout_seconds = timeout_seconds
        self._client: anthropic.AsyncAnthropic | None = None
        self._making: asyncio.Task[anthropic.AsyncAnthropic] | None = None

    async def warm(self) -> None:
        """Import the client, once, without anybody waiting for it yet."""
        await self._ready()

    async def close(self) -> None:
        """Close its connections."""
        if self._client is not None:
            await self._client.close()

    async def answer(
        self, system: str, user: str, max_tokens: int
    ) -> AsyncGenerator[str | Usage, None]:
        """The answer's text in pieces, and now and then what it costs so far.

        Raises ModelFailed within the deadline; whoever closes the iterator ends the request.
        """
        client = await self._ready()  # which may have to be imported: not the model's time
        deadline = asyncio.get_running_loop().time() + self._timeout_seconds
        question = _Question(system, user, max_tokens)
        for attempt in (1, 2):
            try:
                async with aclosing(self._stream(client, question, deadline)) as pieces:
                    async for piece in pieces:
                        yield piece
                return
            except _AgainPossible as again:
                left = deadline - asyncio.get_running_loop().time()
                if attempt == 2 or again.wait_seconds > min(PATIENCE_SECONDS, left):
                    raise again.failure from again
                log.warning("the model is asked once more: %s", again.failure.code)
                await asyncio.sleep(again.wait_seconds)

    async def _stream(
        self, client: anthropic.AsyncAnthropic, question: _Question, deadline: float
    ) -> AsyncGenerator[str | Usage, None]:
        import anthropic
        import httpx2

        usage = Usage(0, 0)
        ending: str | None = None
        spoke = False
        try:
            async with asyncio.timeout_at(deadline):
                stream = await client.messages.create(
                    model=self.name,
                    max_tokens=question.max_tokens,
                    system=question.system,
                    messages=[{"role": "user", "content": question.user}],
                    stream=True,
                )
            async with stream:
                events = aiter(stream)
                while (event := await _next(events, deadline)) is not None:
                    if event.type == "message_stop":
                        _check_ending(ending, spoke=spoke)
                        return
                    if event.type == "message_start":
                        usage = Usage(event.message.usage.input_tokens, usage.output)
                        yield usage
                    elif event.type == "message_delta":
                        ending = event.delta.stop_reason
                        usage = Usage(usage.input, event.usage.output_tokens)
                        yield usage
                    elif event.type == "content_block_delta" and event.delta.type == "text_delta":
                        spoke = True
                        yield event.delta.text
        except TimeoutError as error:
            seconds = f"{self._timeout_seconds:g} seconds"
            raise ModelFailed(
                "help_timeout", f"The model did not finish its answer within {seconds}."
            ) from error
        except anthropic.APIStatusError as error:
            raise _of_status(error, spoke=spoke) from error
        # The client lets some of others through: a broken connection, bytes that are no JSON.
        except (anthropic.APIError, httpx2.HTTPError, httpx2.StreamError, ValueError) as error:
            if spoke:
                raise _cut() from error
            failure = ModelFailed(
                "help_unreachable", "The model cannot be reached right now.", is_free=True
            )
            raise _AgainPossible(failure) from error
        raise _cut()

    async def _ready(self) -> anthropic.AsyncAnthropic:
        if self._making is None or (self._making.done() and self._client is None):
            self._making = asyncio.create_task(self._make(), name="import the model's client")
        return await asyncio.shield(self._making)

    async def _make(self) -> anthropic.AsyncAnthropic:
        self._client = await asyncio.to_thread(self._made)
        return self._client

    def _made(self) -> anthropic.AsyncAnthropic:
        if "anthropic" not in sys.modules:
            _import_client()
        import anthropic

        return anthropic.AsyncAnthropic(
            api_key=self._key,
            base_url=self._base_url,
            max_retries=0,
            timeout=anthropic.Timeout(self._timeout_seconds, connect=CONNECT_SECONDS),
        )


def _import_client() -> None:
    """A fifth quicker without the collector, which then leaves out what stays for ever.

    Else each whole collection would stop everybody for a moment to look through it.
    """
    gc.disable()
    try:
        import anthropic  # noqa: F401
    finally:
        gc.enable()
    gc.freeze()


def _cut() -> ModelFailed:
    return ModelFailed("help_cut", "The answer broke off before its end.")


async def _next(
    events: AsyncIterator[RawMessageStreamEvent], deadline: float
) -> RawMessageStreamEvent | None:
    async with asyncio.timeout_at(deadline):
        return await anext(events, None)


def _check_ending(reason: str | None, *, spoke: bool) -> None:
    if reason == "max_tokens":
        raise ModelFailed("help_length", "The answer reached the longest that is allowed.")
    if reason == "refusal" or not spoke:
        raise ModelFailed("help_refusal", "The model did not want to answer this question.")


def _of_status(error: anthropic.APIStatusError, *, spoke: bool) -> ModelFailed | _AgainPossible:
    kind, status = str(error.type or ""), error.status_code
    if spoke:
        return ModelFailed("help_cut", "The model failed in the middle of its answer.")
    if kind == BUDGET_ERROR or (kind == "billing_error" or status == 402):
        return ModelFailed(
            "help_budget", "The money or tokens set aside for help are used up.", is_free=True
        )
    if kind == "rate_limit_error" or status == 429:
        failure = ModelFailed(
            "help_overloaded", "The model is asked too much right now.", is_free=True
        )
        return _AgainPossible(failure, _retry_after(error))
    if kind in ("overloaded_error", "api_error", "timeout_error") or status >= 500:
        failure = ModelFailed(
            "help_overloaded", "The model has a problem of its own right now.", is_free=True
        )
        return _AgainPossible(failure, _retry_after(error))
    log.error("the model refused a question: %s %s", status, kind)
    return ModelFailed(
        "help_refused",
        "The model refused the question. Whoever runs this workshop finds the reason in its log.",
        is_free=True,
    )


def _retry_after(error: anthropic.APIStatusError) -> float:
    try:
        return max(0.0, float(error.response.headers["retry-after"]))
    except (KeyError, ValueError):
        return RETRY_SECONDS

"""The model's client against a server that speaks the real wire format, well and badly."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import aclosing

import pytest

from runtime.services.llm import Model, ModelFailed, Usage
from tests.goss_binary import ROOT
from tests.model_server import ANSWER, ModelServer, model_server


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as serving:
        yield serving


async def ask(
    server: ModelServer, timeout_seconds: float = 20
) -> tuple[str, Usage | None, ModelFailed | None]:
    """The text that came, what it cost, and how it failed."""
    model = Model("test-model", "key", base_url=server.url, timeout_seconds=timeout_seconds)
    text, usage, failure = "", None, None
    try:
        async with aclosing(model.answer("Be kind.", "How?", 500)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Usage):
                    usage = piece
                else:
                    text += piece
    except ModelFailed as error:
        failure = error
    finally:
        await model.close()
    return text, usage, failure


async def test_an_answer_streams_in_and_says_what_it_cost(server: ModelServer) -> None:
    assert await ask(server) == (ANSWER, Usage(321, 42), None)
    (request,) = server.requests
    assert request.path == "/v1/messages"
    assert request.headers["authorization"] == "Bearer key"
    assert request.body == {
        "model": "test-model",
        "max_tokens": 500,
        "system": "Be kind.",
        "messages": [{"role": "user", "content": "How?"}],
        "stream": True,
    }


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        ("cut", "help_cut"),
        ("error", "help_cut"),
        ("garbage", "help_cut"),
        ("no-stop", "help_cut"),
        ("length", "help_length"),
        ("401", "help_refused"),
        ("500", "help_overloaded"),
        ("529", "help_overloaded"),
        ("429", "help_overloaded"),
    ],
)
async def test_every_failure_is_told_from_a_whole_answer(
    server: ModelServer, behaviour: str, code: str
) -> None:
    """Fault 21."""
    server.behaviour = behaviour
    text, _, failure = await ask(server)
    assert failure is not None
    assert failure.code == code
    assert ANSWER.startswith(text)
    assert failure.message.endswith(".")


async def test_a_wish_to_wait_for_a_day_is_not_obeyed(server: ModelServer) -> None:
    """Fault 22."""
    await ask(server)  # the import is not part of it
    server.behaviour = "429"
    started = time.monotonic()
    _, _, failure = await ask(server, timeout_seconds=5)
    assert failure is not None
    assert time.monotonic() - started < 5
    assert len(server.requests) == 2


@pytest.mark.parametrize("behaviour", ["stall", "stall-first"])
async def test_a_stalled_answer_ends_at_our_deadline(server: ModelServer, behaviour: str) -> None:
    """Fault 21."""
    await ask(server)
    server.behaviour = behaviour
    started = time.monotonic()
    _, _, failure = await ask(server, timeout_seconds=1)
    assert failure is not None
    assert failure.code == "help_timeout"
    assert 0.9 < time.monotonic() - started < 3


@pytest.mark.parametrize("first", ["500", "529", "429-soon"])
async def test_it_is_asked_once_more_before_the_first_word(server: ModelServer, first: str) -> None:
    server.after = [first]
    text, _, failure = await ask(server)
    assert (text, failure) == (ANSWER, None)
    assert len(server.requests) == 2


async def test_it_is_asked_at_most_twice(server: ModelServer) -> None:
    server.behaviour = "529"
    await ask(server)
    assert len(server.requests) == 2


async def test_it_is_not_asked_again_after_the_first_word(server: ModelServer) -> None:
    server.after = ["cut"]
    _, _, failure = await ask(server)
    assert failure is not None
    assert len(server.requests) == 1


async def test_nobody_at_the_address_is_a_sentence() -> None:
    with model_server() as gone:
        pass
    _, _, failure = await ask(gone)
    assert failure is not None
    assert failure.code == "help_unreachable"


async def test_who_leaves_ends_the_request_within_a_second(server: ModelServer) -> None:
    """Fault 24."""
    server.behaviour = "slow"
    model = Model("test-model", "key", base_url=server.url)
    async with aclosing(model.answer("", "How?", 500)) as pieces:
        async for piece in pieces:
            if isinstance(piece, str):
                break
    left = time.monotonic()
    while server.requests[0].gone is None and time.monotonic() - left < 5:
        await asyncio.sleep(0.01)
    assert server.requests[0].gone is not None
    assert server.requests[0].gone - left < 1
    await model.close()


def test_the_client_is_not_imported_before_the_first_question() -> None:
    program = (
        "import sys\n"
        "import runtime.app, runtime.services.llm\n"
        "runtime.services.llm.Model('m', 'k')\n"
        "assert 'anthropic' not in sys.modules and 'httpx2' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=60)


def test_no_collection_looks_through_the_client() -> None:
    """A whole one would stop the event loop, and so every terminal, for a tenth of a second."""
    program = (
        "import asyncio, gc, runtime.services.llm as llm\n"
        "model = llm.Model('m', 'k')\n"
        "before = len(gc.get_objects())\n"
        "asyncio.run(model._ready())\n"
        "assert gc.isenabled() and len(gc.get_objects()) < before, len(gc.get_objects())\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=60)

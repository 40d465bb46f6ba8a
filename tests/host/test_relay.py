"""The help relay: the real daemon's client on one side, a model server of ours on the other."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from host.ledger import Ledger, Spent
from host.relay import Relay
from host.relaymeter import Meter
from host.relaypolicy import Policy
from runtime.services.llm import Model, ModelFailed
from tests.model_server import ANSWER, ModelServer, model_server

KEY = "sk-ant-REDACTED"
TOKEN = "token-of-one-session"
POLICY = Policy("demo", "demo", TOKEN, "test-model", 900, 10_000)
ASKED: dict[str, Any] = {
    "model": "test-model",
    "max_tokens": 500,
    "stream": True,
    "system": "Be kind.",
    "messages": [{"role": "user", "content": "How?"}],
}
DOCUMENT = {"type": "document", "source": {"type": "url", "url": "http://127.0.0.1/thick.pdf"}}


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with model_server() as serving:
        yield serving


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "help.json")


@pytest.fixture
def relay(model: ModelServer, ledger: Ledger) -> Iterator[str]:
    """A relay's address."""
    with Relay(POLICY, KEY, ledger, upstream=model.url).serving("127.0.0.1", 0) as port:
        yield f"http://127.0.0.1:{port}"


async def ask(url: str, token: str = TOKEN, name: str = "test-model") -> str:
    """The whole answer as the daemon's client gets it."""
    client = Model(name, token, base_url=url, timeout_seconds=20)
    text = ""
    try:
        async with aclosing(client.answer("Be kind.", "How?", 500)) as pieces:
            async for piece in pieces:
                text += piece if isinstance(piece, str) else ""
    finally:
        await client.close()
    return text


def post(url: str, body: object, token: str = TOKEN, path: str = "/v1/messages") -> httpx2.Response:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return httpx2.post(f"{url}{path}", json=body, headers=headers, timeout=20)


async def test_a_question_goes_through_with_the_key_of_the_host(
    relay: str, model: ModelServer, ledger: Ledger
) -> None:
    assert await ask(relay) == ANSWER
    (request,) = model.requests
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert TOKEN not in str(request.headers)
    assert request.body == ASKED
    await counted(ledger, Spent(321, 42))
    assert ledger.of_workshop("demo") == Spent(321, 42)


async def test_the_words_arrive_one_by_one(relay: str, model: ModelServer) -> None:
    model.pause_seconds = 0.05
    client = Model("test-model", TOKEN, base_url=relay)
    async with aclosing(client.answer("", "How?", 500)) as pieces:
        async for piece in pieces:
            if isinstance(piece, str):
                break
    assert model.requests[0].sent < 10
    await client.close()


async def counted(ledger: Ledger, spent: Spent) -> None:
    """Wait until that is written down, which is a moment after the answer's last byte."""
    for _ in range(250):
        if ledger.of_session("demo") == spent:
            return
        await asyncio.sleep(0.02)
    assert ledger.of_session("demo") == spent


@pytest.mark.parametrize("token", ["", "token-of-one-sessio", "token-of-one-session2", KEY])
def test_another_token_is_refused(relay: str, model: ModelServer, token: str) -> None:
    assert post(relay, ASKED, token).status_code == 401
    assert model.requests == []


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"model": "a-dearer-model"}, 403),
        ({"max_tokens": 901}, 403),
        ({"max_tokens": "500"}, 403),
        ({"stream": False}, 403),
        ({"messages": [{"role": "user", "content": "x" * (1 << 20)}]}, 413),
        ({"max_tokens": True}, 403),
        ({"messages": []}, 403),
        ({"messages": "How?"}, 403),
        ({"messages": [{"role": "user", "content": [DOCUMENT]}]}, 403),
        ({"messages": [{"role": "system", "content": "Obey."}]}, 403),
        ({"system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]}, 403),
    ],
)
def test_only_what_the_workshop_configures_is_passed_on(
    relay: str, model: ModelServer, change: dict[str, Any], status: int
) -> None:
    refused = post(relay, {**ASKED, **change})
    assert refused.status_code == status
    assert refused.json()["error"]["message"].endswith((".", "here."))
    assert model.requests == []


def test_nothing_but_the_fields_of_a_question_is_passed_on(relay: str, model: ModelServer) -> None:
    extra = {"tools": [{"name": "bash"}], "metadata": {"user_id": "x"}, "temperature": 1}
    assert post(relay, {**ASKED, **extra}).status_code == 200
    assert model.requests[0].body == ASKED


@pytest.mark.parametrize("path", ["/", "/v1/models", "/v1/messages/batches", "/v1/messages/../x"])
def test_only_the_messages_endpoint_is_there(relay: str, model: ModelServer, path: str) -> None:
    assert post(relay, ASKED, path=path).status_code == 404
    assert httpx2.get(f"{relay}/v1/messages").status_code in (404, 405)
    assert model.requests == []


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"{", b"[" * 100_000, b"\xff"])
def test_what_is_no_question_is_refused(relay: str, raw: bytes) -> None:
    headers = {"authorization": f"Bearer {TOKEN}"}
    answer = httpx2.post(f"{relay}/v1/messages", content=raw, headers=headers, timeout=20)
    assert answer.status_code == 400


async def test_a_used_up_budget_is_told_as_such(model: ModelServer, ledger: Ledger) -> None:
    ledger.add("demo", "demo", Spent(9_400, 200))
    with Relay(POLICY, KEY, ledger, upstream=model.url).serving("127.0.0.1", 0) as port:
        with pytest.raises(ModelFailed) as failed:
            await ask(f"http://127.0.0.1:{port}")
        assert failed.value.code == "help_budget"
    assert model.requests == []


async def test_the_budget_of_the_workshop_counts_removed_sessions_too(
    model: ModelServer, ledger: Ledger
) -> None:
    policy = Policy("new", "demo", TOKEN, "test-model", 900, 10_000, workshop_tokens=5_000)
    ledger.add("old", "demo", Spent(4_000, 900))
    ledger.forget("old")
    assert ledger.of_session("old") == Spent()
    with Relay(policy, KEY, ledger, upstream=model.url).serving("127.0.0.1", 0) as port:
        with pytest.raises(ModelFailed) as failed:
            await ask(f"http://127.0.0.1:{port}")
        assert failed.value.code == "help_budget"


async def test_what_cannot_be_written_down_is_counted_all_the_same(
    model: ModelServer, ledger: Ledger, tmp_path: Path
) -> None:
    (tmp_path / "help.lock").mkdir()  # in the way of the ledger's own
    heard: list[str] = []
    policy = replace(POLICY, session_tokens=1_200)
    relay = Relay(policy, KEY, ledger, upstream=model.url, say=heard.append)
    with relay.serving("127.0.0.1", 0) as port:
        url = f"http://127.0.0.1:{port}"
        assert [await ask(url), await ask(url)] == [ANSWER, ANSWER]
        with pytest.raises(ModelFailed) as failed:
            await ask(url)
        assert failed.value.code == "help_budget"
    assert len(heard) == 1
    assert heard[0].startswith("What help costs cannot be written down")


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [("500", "help_overloaded"), ("429", "help_overloaded"), ("cut", "help_cut")],
)
async def test_the_models_own_failures_come_through(
    relay: str, model: ModelServer, behaviour: str, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    model.behaviour = behaviour
    with pytest.raises(ModelFailed) as failed:
        await ask(relay)
    assert failed.value.code == code
    assert [each for each in caplog.records if each.name.startswith("uvicorn")] == []


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [("401", "workshop config help.key"), ("404", "knows no model test-model")],
)
async def test_what_a_person_must_mend_is_said_once_on_this_computer(
    model: ModelServer, ledger: Ledger, behaviour: str, sentence: str
) -> None:
    model.behaviour = behaviour
    heard: list[str] = []
    relay = Relay(POLICY, KEY, ledger, upstream=model.url, say=heard.append)
    with relay.serving("127.0.0.1", 0) as port:
        for _ in range(2):
            with pytest.raises(ModelFailed):
                await ask(f"http://127.0.0.1:{port}")
    assert len(heard) == 1
    assert sentence in heard[0]
    assert KEY not in heard[0]


async def test_a_session_that_leaves_ends_the_request_and_pays_what_came(
    relay: str, model: ModelServer, ledger: Ledger
) -> None:
    """Fault 24, through the relay."""
    model.behaviour = "slow"
    client = Model("test-model", TOKEN, base_url=relay)
    async with aclosing(client.answer("", "How?", 500)) as pieces:
        async for piece in pieces:
            if isinstance(piece, str):
                break
    left = time.monotonic()
    while model.requests[0].gone is None and time.monotonic() - left < 5:
        await asyncio.sleep(0.02)
    assert model.requests[0].gone is not None
    assert model.requests[0].gone - left < 1
    await counted(ledger, Spent(321, 1))
    await client.close()
    model.behaviour = "normal"
    assert await ask(relay) == ANSWER, "nothing stays reserved"


async def test_a_session_that_leaves_before_the_first_byte_ends_the_request_too(
    relay: str, model: ModelServer
) -> None:
    """Fault 24, through the relay."""
    model.behaviour = "stall-head"
    for number in range(6):  # more than may be under way at once
        asking = asyncio.create_task(ask(relay))
        while len(model.requests) == number:
            await asyncio.sleep(0.01)
        left = time.monotonic()
        asking.cancel()
        while model.requests[number].gone is None and time.monotonic() - left < 3:
            await asyncio.sleep(0.02)
        assert (model.requests[number].gone or left + 3) - left < 1
    model.behaviour = "normal"
    assert await ask(relay) == ANSWER, "nothing stays reserved"


async def test_a_session_that_leaves_at_once_leaves_nothing_reserved(
    relay: str, model: ModelServer
) -> None:
    """Fault 24, through the relay."""
    for pause in range(24):
        asking = asyncio.create_task(ask(relay))
        while len(model.requests) == pause:
            await asyncio.sleep(0.001)
        await asyncio.sleep(pause / 2000)
        asking.cancel()
        await asyncio.wait([asking])
    assert await ask(relay) == ANSWER


def test_a_header_that_cannot_be_sent_on_leaves_nothing_reserved(
    relay: str, model: ModelServer
) -> None:
    headers = [(b"authorization", f"Bearer {TOKEN}".encode()), (b"anthropic-version", b"\xff")]
    for _ in range(6):
        httpx2.post(f"{relay}/v1/messages", json=ASKED, headers=headers, timeout=20)
    assert post(relay, ASKED).status_code == 200
    assert model.requests[-1].headers["anthropic-version"].isascii()


@pytest.mark.parametrize("behaviour", ["401", "429", "500"])
def test_what_a_careless_server_says_of_the_key_stays_here(
    relay: str, model: ModelServer, behaviour: str
) -> None:
    """Fault 1."""
    model.behaviour = behaviour
    refused = post(relay, ASKED)
    assert refused.status_code == int(behaviour)
    assert KEY not in refused.text + str(refused.headers)
    assert refused.json()["error"]["type"] in refused.text


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_slow_senders_and_many_connections_cannot_take_this_computers_files(
    model: ModelServer, ledger: Ledger
) -> None:
    """Fault 43, at the relay."""
    relay = Relay(POLICY, KEY, ledger, upstream=model.url, patience_seconds=0.5)
    before = open_files() + 200  # ours, too
    head = f"POST /v1/messages HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n"
    with relay.serving("127.0.0.1", 0) as port, ExitStack() as crowd:
        for number in range(200):
            one = crowd.enter_context(socket.create_connection(("127.0.0.1", port)))
            one.sendall(head.encode() + (b"content-length: 9\r\n\r\n{" if number % 2 else b"x"))
        time.sleep(0.2)
        assert open_files() - before < 60
        time.sleep(1)
        assert open_files() - before < 20, "the slow ones were let go"
        assert post(f"http://127.0.0.1:{port}", ASKED).status_code == 200


async def test_a_model_that_is_not_there_is_told(ledger: Ledger) -> None:
    relay = Relay(POLICY, KEY, ledger, upstream="http://127.0.0.1:9")
    with relay.serving("127.0.0.1", 0) as port, pytest.raises(ModelFailed) as failed:
        await ask(f"http://127.0.0.1:{port}")
    assert failed.value.code == "help_overloaded"


def test_a_port_that_is_taken_is_replaced(model: ModelServer, ledger: Ledger) -> None:
    first = Relay(POLICY, KEY, ledger, upstream=model.url)
    second = Relay(POLICY, KEY, ledger, upstream=model.url)
    with first.serving("127.0.0.1", 0) as port, second.serving("127.0.0.1", port) as other:
        assert other != port


def test_an_answer_that_is_left_before_its_end_costs_what_was_written() -> None:
    meter = Meter(99)
    delta = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "x" * 4000}}
    meter.feed(b"data: " + json.dumps(delta).encode() + b"\n\n")
    assert meter.spent == Spent(99, 1000)


def test_the_meter_reads_whatever_way_the_stream_is_cut() -> None:
    stream = (
        b'event: message_start\ndata: {"type":"message_start","message":{"usage":'
        b'{"input_tokens":10,"cache_read_input_tokens":5,"output_tokens":1}}}\n\n'
        b'data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"hello"}}\n\n'
        b'data: {"type":"message_delta","usage":{"output_tokens":7}}\n\n'
        b"data: {broken\n\ndata: []\n\n"
    )
    meter = Meter(99)
    for position in range(len(stream)):
        meter.feed(stream[position : position + 1])
    assert meter.spent == Spent(15, 7)
    assert Meter(99).spent == Spent(99, 0)

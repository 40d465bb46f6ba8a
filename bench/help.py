"""What help costs besides the model itself: the prompt, the first word, memory, the terminal."""

from __future__ import annotations

import http.client
import json
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bench.start import free_port, milliseconds_to, resident_megabytes, started
from bench.table import Row
from runtime.domain.checks import Report, Result
from runtime.domain.commands import Command
from runtime.domain.prompt import Document, Earlier, Material, build_prompt
from runtime.domain.spoilers import Guard
from tests import leaks
from tests.made import make_artifact
from tests.model_server import ModelServer, model_server

ROUNDS = 30
LLM = {"provider": "anthropic", "model": "m", "apiKeyEnv": "MODEL_KEY", "maxTokens": 1000}


def rows() -> list[Row]:
    """All rows; the daemon is a process of its own."""
    return [*_prompt_rows(), *_daemon_rows()]


def _prompt_rows() -> list[Row]:
    build = _milliseconds(lambda: build_prompt(_material(), 16_000))
    tight = _milliseconds(lambda: build_prompt(_material(), 3_000))
    make = _milliseconds(lambda: Guard(leaks.SOLUTION))
    guard = Guard(leaks.SOLUTION)
    answer = "Look at the permissions of the file with ls and tell me what you see. " * 60
    screen = _milliseconds(lambda: guard.find(answer))
    return [
        _under("prompt: build, 50 kB of documents", build, "ms", 5),
        _under("prompt: build, cut to a tight budget", tight, "ms", 5),
        Row("spoiler guard: made for a step", f"{make:.2f} ms"),
        Row("spoiler guard: an answer of 4 kB", f"{screen:.2f} ms"),
    ]


def _daemon_rows() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder, model_server() as model:
        step = {"id": "one", "content": leaks.CONTENT, "solve": leaks.SOLVE}
        root = make_artifact(Path(folder), [step], llm=LLM)
        port = free_port()
        settings = {
            "WORKSHOP_ROOT": str(root),
            "WORKSHOP_HOST": "127.0.0.1",
            "WORKSHOP_PORT": str(port),
            "WORKSHOP_STUDENT_TOKEN": "none",
            "WORKSHOP_LLM_RATE_LIMIT": "1000",
            "WORKSHOP_LLM_SESSION_TOKENS": "10000000",
            "WORKSHOP_LLM_BASE_URL": model.url,
            "MODEL_KEY": "key",
        }
        with started([sys.executable, "-m", "runtime"], settings) as process:
            milliseconds_to(f"http://127.0.0.1:{port}/readyz", process)
            time.sleep(1)
            cold = _first_word(port)
            ours = statistics.median(_first_word(port) for _ in range(ROUNDS))
            bare = statistics.median(_bare_first_word(model) for _ in range(ROUNDS))
            time.sleep(0.5)
            memory = resident_megabytes(process.pid)
    return [
        Row("first word, the very first question", f"{cold:.0f} ms"),
        _under("first word, over the model server's own", ours - bare, "ms", 20),
        _under("memory after the first answer", memory, "MB", 100),
    ]


def _first_word(port: int) -> float:
    """Milliseconds from the question to the first word on the wire."""
    body = json.dumps({"question": "Why is it denied?"})
    origin = {"origin": f"http://127.0.0.1:{port}", "content-type": "application/json"}
    return _until_word(port, "/api/steps/one/llm/help", body, origin, b"event: token")


def _bare_first_word(model: ModelServer) -> float:
    body = json.dumps(
        {"model": "m", "max_tokens": 10, "stream": True, "system": "", "messages": [
            {"role": "user", "content": "Why?"}
        ]}
    )  # fmt: skip
    port = int(model.url.rsplit(":", 1)[1])
    return _until_word(port, "/v1/messages", body, {}, b"text_delta")


def _until_word(port: int, path: str, body: str, headers: dict[str, str], word: bytes) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.connect()
    began = time.perf_counter()
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    while word not in answer.readline():
        pass
    took = (time.perf_counter() - began) * 1000
    answer.read()
    connection.close()
    return took


def _material() -> Material:
    at = datetime.now(UTC)
    return Material(
        mode="hints",
        workshop="Bench",
        title=leaks.TITLE,
        content=leaks.CONTENT * 5,
        question="Why is it denied?",
        context="Students mix up x and r.",
        documents=tuple(Document(f"{n}.md", "words of a document " * 500) for n in range(5)),
        commands=tuple(
            Command(ts=at, cmd=f"grep -c tomato harvest-{n}.txt | sort -rn", exit=1, cwd="/w")
            for n in range(20)
        ),
        report=Report(
            "one",
            "auto",
            "failed",
            tuple(Result(f"check {n}", False, expected="this", found="that") for n in range(20)),
            1,
        ),
        earlier=tuple(Earlier("How?", "Look. " * 100) for _ in range(10)),
    )


def _milliseconds(work: object) -> float:
    assert callable(work)
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def _under(what: str, measured: float, unit: str, limit: float) -> Row:
    return Row(
        what, f"{measured:.3g} {unit}", limit=f"under {limit:g} {unit}", within=measured < limit
    )

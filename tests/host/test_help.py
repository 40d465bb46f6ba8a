"""Help in a whole session: the key on the host, a relay, a machine that knows neither."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from host.engines.processes import daemon_process, machine_processes
from host.sessions import HELP_TOKEN, Session
from tests.host.people import Person
from tests.host.shells import attached
from tests.host.test_confinement import EVERYWHERE
from tests.model_server import ModelServer, model_server

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(240)]

KEY = "sk-ant-REDACTED"
LLM = "  llm: {provider: anthropic, model: test-model, apiKeyEnv: MODEL_KEY, maxTokens: 700}\n"


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with model_server() as serving:
        yield serving


@pytest.fixture
def helped(me: Person, model: ModelServer) -> Person:
    """Whoever runs the tests, with a key and a workshop that asks a model."""
    return with_help(me, model)


@pytest.fixture
def somebody_helped(somebody: Person, model: ModelServer) -> Person:
    """The same for root and an ordinary user."""
    return with_help(somebody, model)


def with_help(one: Person, model: ModelServer) -> Person:
    path = one.workshop / "workshop.yaml"
    path.write_text(path.read_text().replace("  navigation: free\n", f"  navigation: free\n{LLM}"))
    for words in (
        ("help.base-url", model.url),
        ("help.key-command", f"echo {KEY}"),
        ("help.price-input", "3"),
        ("help.price-output", "15"),
    ):
        assert one.cli("config", *words).code == 0
    return one


def ask(session: Session, question: str = "How?") -> str:
    """The stream of one answer."""
    answer = httpx2.post(
        f"http://127.0.0.1:{session.record().port}/api/steps/first/llm/help",
        json={"question": question},
        headers={"authorization": f"Bearer {session.token('student')}"},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    return answer.text


def test_a_question_is_answered_and_the_key_is_nowhere_in_the_machine(
    somebody_helped: Person, model: ModelServer
) -> None:
    """Fault 1: not in the environment, files, memory files, logs or recordings; nor for root."""
    somebody_helped.run()
    session = somebody_helped.session
    assert '"source":"model"' in ask(session)
    assert model.requests[0].headers["authorization"] == f"Bearer {KEY}"
    with attached(session) as shell:
        found = shell.run(EVERYWHERE, seconds=120)
    assert "student" in found
    assert KEY not in found
    assert session.token(HELP_TOKEN) not in found
    for folder in (session.runtime, session.secrets, session.artifact, session.home):
        for path in folder.rglob("*"):
            if path.is_file():
                assert KEY.encode() not in path.read_bytes(), path
    assert KEY not in session.daemon_log.read_text()
    if os.geteuid() == 0:
        init = next(pid for pid, inside in machine_processes(session.runtime) if inside == 1)
        environ = Path(f"/proc/{daemon_process(init)}/environ").read_bytes()
        assert KEY.encode() not in environ
        assert session.token(HELP_TOKEN).encode() not in environ


def test_list_shows_what_help_cost(helped: Person) -> None:
    helped.run()
    ask(helped.session)
    (entry,) = helped.cli("list").document["data"]["sessions"]
    assert entry["help"] == {"inputTokens": 321, "outputTokens": 42, "cost": 0.0016}


def test_the_machine_goes_on_with_the_same_relay_after_a_move_and_a_restart(
    helped: Person, model: ModelServer
) -> None:
    helped.run()
    session = helped.session
    token = session.token(HELP_TOKEN)
    assert helped.cli("go", "second").code == 0
    assert '"source":"model"' in ask(session)
    assert helped.cli("stop").code == 0
    helped.run()
    assert session.token(HELP_TOKEN) == token
    assert '"source":"model"' in ask(session)
    assert len(model.requests) == 2


def test_without_a_key_there_are_no_questions(me: Person) -> None:
    path = me.workshop / "workshop.yaml"
    path.write_text(path.read_text().replace("  navigation: free\n", f"  navigation: free\n{LLM}"))
    me.run()
    session = me.session
    about = httpx2.get(
        f"http://127.0.0.1:{session.record().port}/api/workshop",
        headers={"authorization": f"Bearer {session.token('student')}"},
    )
    assert about.json()["capabilities"]["llm"] is False
    assert "workshop config help.key" in session.host_log.read_text()


def test_the_key_itself_is_put_into_the_machine_only_when_asked(
    somebody_helped: Person, model: ModelServer
) -> None:
    somebody_helped.cli("run", str(somebody_helped.workshop), "--detach", "--help-from-env")
    session = somebody_helped.session
    assert "Root of the machine can read it" in " ".join(session.host_log.read_text().split())
    assert '"source":"model"' in ask(session)
    assert somebody_helped.cli("stop").code == 0
    assert session.token(HELP_TOKEN) == "", "it does not stay behind"


def test_a_key_that_a_killed_run_left_goes_with_the_next_stop(helped: Person) -> None:
    """Fault 1."""
    helped.cli("run", str(helped.workshop), "--detach", "--help-from-env")
    session = helped.session
    os.kill(session.holder() or 0, signal.SIGKILL)
    assert session.token(HELP_TOKEN) == KEY
    assert helped.cli("stop").code == 0
    assert session.token(HELP_TOKEN) == ""

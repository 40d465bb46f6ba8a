"""Help in a container: the relay is reached from inside, and the key is nowhere inside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from host.engines.containers import container_name
from host.sessions import HELP_TOKEN
from tests.containers.engine import Engine, version
from tests.containers.operators import Operator, operator
from tests.host.test_help import KEY, LLM, ask
from tests.model_server import ModelServer, model_server

pytestmark = [pytest.mark.container, pytest.mark.timeout(600)]

# What root of the machine can look at: files, environments, the memory of every process.
EVERYWHERE = r"""
grep -rlF "$KEY" /run /workshop /etc /home /root /tmp /var /workspace /kept 2>/dev/null
for process in /proc/[0-9]*; do
  [ "${process#/proc/}" = $$ ] && continue
  tr '\0' '\n' < $process/environ 2>/dev/null | grep -F "$KEY" | grep -v '^KEY='
  tr '\0' ' ' < $process/cmdline 2>/dev/null | grep -F "$KEY" | grep -v EVERYWHERE=
done
true
"""


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with model_server() as serving:
        yield serving


@pytest.fixture
def helped(
    engine: Engine, platform_images: None, model: ModelServer, tmp_path: Path
) -> Iterator[Operator]:
    """An operator with a key, whose workshop asks a model, with its images built."""
    base = f"localhost/workshop/debian:{version()}"
    with operator(tmp_path, engine.environment, base, name="asked") as one:
        yield prepared(one, model)
        engine.remove("example.org/asked")


def prepared(one: Operator, model: ModelServer) -> Operator:
    """The same operator, their workshop with a model and built."""
    path = one.workshop / "workshop.yaml"
    text = path.read_text().replace("trip", "asked")
    path.write_text(text.replace("  navigation: free\n", f"  navigation: free\n{LLM}"))
    for words in (("help.base-url", model.url), ("help.key-command", f"echo {KEY}")):
        assert one.cli("config", *words).code == 0
    said = one.cli("build", str(one.workshop))
    assert said.code == 0, said
    return one


def test_a_key_that_was_put_in_does_not_stay_in_the_stopped_container(
    helped: Operator,
) -> None:
    """Fault 1."""
    helped.run_folder(helped.workshop, "--help-from-env")
    assert helped.inside("cat /run/workshop/help", user="root") == KEY
    assert '"source":"model"' in ask(helped.session)
    assert helped.cli("stop").code == 0
    kept = helped.podman("cp", f"{container_name(helped.session)}:/run/workshop", "-")
    assert "workshop/help" in kept
    assert KEY not in kept


def test_a_question_in_a_container_is_answered_by_way_of_the_relay(
    helped: Operator, model: ModelServer
) -> None:
    """Fault 1."""
    helped.run_folder(helped.workshop)
    session = helped.session
    assert '"source":"model"' in ask(session)
    assert model.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert helped.inside(f"KEY={KEY}; {EVERYWHERE}", user="root") == ""
    inspected = str(helped.inspected())
    assert KEY not in inspected
    assert session.token(HELP_TOKEN) not in inspected
    assert helped.inside("cat /run/workshop/help 2>&1 || true").endswith("Permission denied")
    assert helped.cli("go", "second").code == 0
    assert '"source":"model"' in ask(session)
    helped.cli("stop")
    helped.run_folder(helped.workshop)
    assert '"source":"model"' in ask(session)

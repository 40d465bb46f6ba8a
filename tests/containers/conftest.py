"""Images and containers of the real container program; nothing is skipped where it is missing."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.containers.engine import Engine, ci, version
from tests.containers.operators import Operator, operator
from tests.made import make_artifact

# Bases besides Debian 12, whose image is built by the project: the next Debian; busybox and bash,
# both static, and nothing else.
THOROUGH = bool(os.environ.get("WORKSHOP_THOROUGH"))  # what `make soak` has the time for
OTHER_BASES = {"trixie": "docker.io/library/debian:trixie-slim", "bare": "localhost/workshop/bare"}
HIDDEN = {"goss.yaml", "hints.md", "explain.md", "solve.md", "llm.json"}
BASES = ["bookworm", "bare", *(["trixie"] if THOROUGH else [])]
MARKS = {
    name: f"mark-of-the-{name}-{uuid.uuid4().hex}"
    for name in ("spec", "hints", "explanation", "solution")
}
PREPARED = """\
FROM {base}
COPY --from=localhost/workshop/platform:{version} /opt/workshop /opt/workshop
RUN ["/opt/workshop/bin/workshop-prepare"]
ENTRYPOINT ["/opt/workshop/bin/tini","-g","--","/opt/workshop/bin/workshop-runtime"]
"""
MEASURED: dict[str, str] = {}


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The container program of this machine."""
    return Engine(tmp_path_factory.mktemp("engine"))


@pytest.fixture(scope="session")
def platform_images(engine: Engine) -> None:
    """The images platform and debian; some seconds when nothing changed."""
    ci("images")


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A compiled workshop of one step with checks, as `workshop compile` leaves it."""
    root = tmp_path_factory.mktemp("context") / "workshop"
    root.mkdir()
    goss = f"# {MARKS['spec']}\nfile: {{/workspace/done: {{exists: true, owner: student}}}}\n"
    step = {
        "id": "one",
        "goss": goss,
        "hints": MARKS["hints"],
        "explain": MARKS["explanation"],
        "solve": MARKS["solution"],
    }
    terminal = {"user": "student", "shell": "/bin/bash", "workdir": "/workspace"}
    make_artifact(root, [step], terminal=terminal)
    for path in root.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o600 if path.name in HIDDEN else 0o644)
    return root


@pytest.fixture(scope="session")
def image_on(
    engine: Engine,
    platform_images: None,
    artifact: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str], str]]:
    """The workshop's image on bookworm or one of OTHER_BASES, made when it is first asked for."""
    made: dict[str, str] = {}
    tag = version()

    def on(base: str) -> str:
        if base not in made:
            name = made[base] = f"localhost/workshop-test/{base}:{uuid.uuid4().hex[:12]}"
            context = tmp_path_factory.mktemp("image")
            shutil.copytree(artifact, context / "workshop")
            if base == "bookworm":
                first = f"FROM localhost/workshop/debian:{tag}\n"
            else:
                ci(*(["bare"] if base == "bare" else ["base", base]))
                first = PREPARED.format(base=OTHER_BASES[base], version=tag)
            engine.build(name, context, f"{first}COPY --chown=0:0 workshop /workshop\n")
        return made[base]

    yield on
    for name in made.values():
        engine.run("rmi", "--force", name)


@pytest.fixture
def measured() -> dict[str, str]:
    """What is put here is printed after the tests."""
    return MEASURED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was measured."""
    if MEASURED:
        terminalreporter.section("containers")
    for name, value in MEASURED.items():
        terminalreporter.line(f"{name}: {value}")


@pytest.fixture(scope="session")
def trip(
    engine: Engine, platform_images: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The images of the workshop of three steps are built; its base."""
    base = f"localhost/workshop/debian:{version()}"
    with operator(tmp_path_factory.mktemp("trip"), engine.environment, base) as builder:
        said = builder.cli("build", str(builder.workshop))
        assert said.code == 0, said
    yield base
    engine.remove("example.org/trip")


@pytest.fixture
def me(engine: Engine, trip: str, tmp_path: Path) -> Iterator[Operator]:
    """Somebody with podman or docker and those images."""
    with operator(tmp_path, engine.environment, trip) as one:
        yield one


@pytest.fixture
def other(
    engine: Engine, trip: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operator]:
    """Somebody else with the same workshop."""
    with operator(tmp_path_factory.mktemp("other"), engine.environment, trip) as one:
        yield one

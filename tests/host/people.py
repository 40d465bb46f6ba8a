"""Who runs the CLI in these tests: root, and an ordinary user, each with folders of their own.

Both are real: as root the ordinary user is another uid, made with setpriv. When the tests
themselves run as an ordinary user there is only that one.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from host.engines.sandbox import Sandbox
from host.sessions import Session
from runtime.domain.errors import WorkshopError

REPOSITORY = Path(__file__).resolve().parents[2]
ORDINARY_UID = 12345
WORKSHOP = """\
version: v1
workshop:
  name: trip
  title: A trip
  image: example.org/trip
  navigation: free
base: {image: debian:12}
steps:
  - id: first
    title: First
    markdown: Say hello.
    commands: ["echo one > one.txt"]
  - id: second
    title: Second
    markdown: Say more.
    env: {ROUTE: scenic}
    files: [{path: /workspace/tools/run.sh, content: "echo $ROUTE", mode: "0755"}]
    commands: ["tools/run.sh > two.txt", "mkdir -p ~/notes"]
  - id: third
    title: Third
    markdown: The end.
"""

Value = TypeVar("Value")


@dataclass(frozen=True)
class Person:
    """Somebody who runs the CLI; `folder` is theirs, with `state`, `cache` and `workshop` in it."""

    name: str
    folder: Path
    before: tuple[str, ...]
    python: str
    paths: tuple[Path, ...]

    @property
    def environment(self) -> dict[str, str]:
        """A clean one, with everything below `folder`."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder / "home"),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "WORKSHOP_ENGINE": "sandbox",
            "PYTHONPATH": os.pathsep.join(map(str, self.paths)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "LANG": "C.UTF-8",
        }

    @property
    def workshop(self) -> Path:
        """The workshop's folder."""
        return self.folder / "workshop"

    @property
    def session(self) -> Session:
        """The session of that workshop, whether it was made or not."""
        return Session(self.folder / "state" / "workshop" / "trip")

    def port(self) -> int:
        """A port that was free a moment ago, the same at every call."""
        given = self.folder / "port"
        if not given.exists():
            with socket.create_server(("127.0.0.1", 0)) as probe:
                given.write_text(str(probe.getsockname()[1]))
        return int(given.read_text())

    def start(
        self, *words: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Run the CLI and do not wait."""
        return subprocess.Popen(
            [*self.before, self.python, "-m", "host", *words],
            cwd="/", env={**self.environment, **(environment or {})}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def cli(self, *words: str) -> Said:
        """Run the CLI with --json to its end."""
        return self.cli_with({}, *words)

    def cli_with(self, environment: Mapping[str, str], *words: str) -> Said:
        """The same, with variables of one's own."""
        process = self.start(*words, "--json", environment=environment)
        out, err = process.communicate(timeout=200)
        return Said(process.returncode, json.loads(out), err)

    def printed(self, *words: str) -> str:
        """What the CLI prints for people when all goes well."""
        process = self.start(*words)
        out, err = process.communicate(timeout=200)
        assert process.returncode == 0, err
        return out

    def run(self, *words: str) -> dict[str, Any]:
        """`run --detach` the workshop; what it says."""
        port = ("--port", str(self.port()))
        said = self.cli("run", str(self.workshop), "--detach", *port, *words)
        assert said.code == 0, said
        data: dict[str, Any] = said.document["data"]
        return data


@dataclass(frozen=True)
class Said:
    """How one CLI call ended."""

    code: int
    document: dict[str, Any]
    err: str


def people() -> list[str]:
    """Who can be had here."""
    return ["root", "ordinary user"] if os.geteuid() == 0 else ["ordinary user"]


@contextmanager
def person(name: str, folder: Path) -> Iterator[Person]:
    """Somebody with a workshop; at the end nothing of theirs runs any more."""
    for part in ("home", "state", "cache", "workshop"):
        (folder / part).mkdir()
    (folder / "workshop" / "workshop.yaml").write_text(WORKSHOP)
    somebody = _make(name, folder)
    try:
        yield somebody
    finally:
        _end_all(somebody)


def until(true: Callable[[], Value | None], seconds: float = 20.0) -> Value:
    """Wait for something to be true; its value."""
    deadline = time.monotonic() + seconds
    while True:
        value = true()
        if value:
            return value
        assert time.monotonic() < deadline, f"not so after {seconds} seconds"
        time.sleep(0.02)


def nowhere(step: str, kind: object) -> Path:
    """The states of an engine that is only looked at."""
    raise AssertionError("no state is needed here")


def engine() -> Sandbox:
    """An engine to look at machines with."""
    return Sandbox(nowhere)


def _make(name: str, folder: Path) -> Person:
    if name == "root" or os.geteuid() != 0:
        return Person(name, folder, (), sys.executable, (REPOSITORY,))
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, ORDINARY_UID, ORDINARY_UID)
    user = str(ORDINARY_UID)
    # `env` starts Python, because setpriv itself may still enter folders the user may not.
    before = ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "env")
    for python, paths in _interpreters():
        trial = [*before, python, "-c", "import pydantic_core, sys; print(sys.version_info[:2])"]
        paths_text = os.pathsep.join(map(str, paths))
        done = subprocess.run(
            trial, env={"PYTHONPATH": paths_text}, capture_output=True, text=True, check=False
        )
        if done.stdout.strip() == str(sys.version_info[:2]):
            return Person(name, folder, before, python, paths)
    pytest.skip("another user may not use this Python")


def _interpreters() -> Iterator[tuple[str, tuple[Path, ...]]]:
    yield sys.executable, (REPOSITORY,)
    found = shutil.which("python3", path="/usr/local/bin:/usr/bin")
    packages = [Path(entry) for entry in sys.path if entry.endswith("site-packages")]
    if found:
        yield found, (REPOSITORY, *packages)


def _end_all(somebody: Person) -> None:
    for session in map(Session, (somebody.folder / "state" / "workshop").glob("*")):
        holder = session.holder()
        if holder:
            os.kill(holder, 9)
        until(lambda session=session: session.holder() is None)  # type: ignore[misc]
        try:
            engine().stop(session, grace_seconds=0.0)
        except WorkshopError as error:  # pragma: no cover  # the test's own machine is broken
            raise AssertionError(error.message) from error

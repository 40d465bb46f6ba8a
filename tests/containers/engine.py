"""The real container program, and one container of it, as the tests use them."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import re
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tests.goss_binary import ROOT
from tests.runtime.daemon import ANSWER_SECONDS, PROTOCOL, START_SECONDS, Page

CALL_SECONDS = 120.0
BUILD_SECONDS = 1500.0  # the first one, with an empty cache
TOKEN = "a-student-token-of-the-tests"
INSTRUCTOR_TOKEN = "an-instructor-token-of-the-tests"
HOST_TOKEN = "a-host-token-of-the-tests"
TOKENS = (TOKEN, INSTRUCTOR_TOKEN, HOST_TOKEN)


def version() -> str:
    """The project's, which is the images' tag."""
    found = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.M)
    assert found is not None
    return found[1]


def ci(*words: str) -> str:
    """What `.ci/containers` prints; fails with what it says is missing."""
    done = subprocess.run(
        [ROOT / ".ci/containers", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Engine:
    """podman, else docker, with the settings this machine needs."""

    def __init__(self, folder: Path) -> None:
        """`folder` is where it runs: conmon leaves a file `oom` there when memory runs out."""
        self._folder = folder
        self.name = ci("program")
        ci("base", "bookworm")
        conf = ci("conf")
        self.environment = os.environ | ({"CONTAINERS_CONF": conf} if conf else {})

    def run(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """One command of it, to its end."""
        return subprocess.run(
            [self.name, *words],
            cwd=self._folder,
            env=self.environment,
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=CALL_SECONDS,
            check=False,
        )

    def call(self, *words: str, stdin: str = "") -> str:
        """What a command that must succeed prints."""
        done = self.run(*words, stdin=stdin)
        assert done.returncode == 0, f"{self.name} {' '.join(words)}: {done.stderr}"
        return done.stdout.strip()

    def build(self, tag: str, context: Path, text: str) -> None:
        """An image from a Containerfile's text."""
        (context / "Containerfile").write_text(text)
        options = ["--format", "docker"] if self.name == "podman" else []
        file = str(context / "Containerfile")
        self.call("build", *options, "--network=host", "--tag", tag, "--file", file, str(context))

    def remove(self, repository: str) -> None:
        """Forget all images of that name, also the states below them."""
        tags = self.run("images", "--format", "{{.Repository}}:{{.Tag}}", repository)
        for tag in reversed(tags.stdout.split()):
            self.run("rmi", "--force", tag)

    def inspect(self, image: str) -> dict[str, Any]:  # Any: a JSON document
        """An image as the program describes it."""
        found: list[dict[str, Any]] = json.loads(self.call("image", "inspect", image))
        return found[0]

    @contextmanager
    def running(
        self, image: str, *options: str, settings: Mapping[str, str] | None = None
    ) -> Iterator[Container]:
        """A container whose daemon is ready, removed with its volumes at the end."""
        name = f"workshop-test-{uuid.uuid4().hex[:12]}"
        given = {"WORKSHOP_STUDENT_TOKEN": TOKEN, **(settings or {})}
        env = [word for key, value in given.items() for word in ("--env", f"{key}={value}")]
        publish = ("--publish", "127.0.0.1::8080")
        try:
            self.call("run", "--detach", "--name", name, *publish, *env, *options, image)
            container = Container(self, name)
            container.wait_until_ready()
            yield container
        finally:
            self.run("rm", "--force", "--volumes", name)


class Container:
    """One that was started."""

    def __init__(self, engine: Engine, name: str) -> None:
        self.name = name
        self._engine = engine
        shown = engine.call("port", name, "8080/tcp").splitlines()[0]
        self.address = f"127.0.0.1:{shown.rpartition(':')[2]}"

    def wait_until_ready(self) -> None:
        """Until /readyz says so."""
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            assert time.monotonic() < deadline, f"it did not become ready: {self.log}"
            time.sleep(0.005)

    def _is_ready(self) -> bool:
        try:
            return self.ask("/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def ask(self, path: str, method: str = "GET") -> tuple[int, bytes]:
        """Status and body of one request with the student's token."""
        with contextlib.closing(http.client.HTTPConnection(self.address, timeout=5)) as connection:
            connection.request(method, path, headers={"Authorization": f"Bearer {TOKEN}"})
            answer = connection.getresponse()
            return answer.status, answer.read()

    def execute(self, *words: str, user: str = "root") -> subprocess.CompletedProcess[str]:
        """Run a program in it beside the daemon."""
        return self._engine.run("exec", "--user", user, self.name, *words)

    def copy_in(self, path: Path, inside: str) -> None:
        """A file of this machine into it."""
        self._engine.call("cp", str(path), f"{self.name}:{inside}")

    def copy_out(self, inside: str, path: Path) -> None:
        """A file or folder of it, running or not, to this machine."""
        self._engine.call("cp", f"{self.name}:{inside}", str(path))

    def stop(self) -> float:
        """Ask it to end as an operator does; the seconds it took."""
        asked = time.monotonic()
        self._engine.call("stop", "--time", "10", self.name)
        return time.monotonic() - asked

    @property
    def state(self) -> dict[str, Any]:  # Any: a JSON document
        """Whether it runs, since when, how it ended."""
        words = ("container", "inspect", "--format", "{{json .State}}", self.name)
        state: dict[str, Any] = json.loads(self._engine.call(*words))
        return state

    @property
    def log(self) -> str:
        """What the daemon printed."""
        done = self._engine.run("logs", self.name)
        return done.stdout + done.stderr

    def checks_its_health(self) -> bool:
        """The image's HEALTHCHECK, run now."""
        if self._engine.name == "podman":
            return self._engine.run("healthcheck", "run", self.name).returncode == 0
        return self.execute("/opt/workshop/bin/workshop-health").returncode == 0

    @asynccontextmanager
    async def page(self) -> AsyncIterator[Page]:
        """A page at the student's shell."""
        connection = await connect(
            f"ws://{self.address}/ws/terminal/main",
            subprotocols=[Subprotocol(PROTOCOL)],
            additional_headers={"Authorization": f"Bearer {TOKEN}"},
            compression=None,
            open_timeout=ANSWER_SECONDS,
            ping_interval=None,
        )
        page = Page(connection, reads=True)
        try:
            yield page
        finally:
            connection.transport.abort()
            await asyncio.gather(page.taking, return_exceptions=True)

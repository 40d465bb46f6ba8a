"""Who runs workshops with podman in these tests: an operator, a workshop and its images."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from host.engines.containers import container_name, volume_name
from host.sessions import Session
from tests.host.people import REPOSITORY, WORKSHOP, Person


@dataclass(frozen=True)
class Operator(Person):
    """Somebody whose engine is podman; `engine_environment` lets it work on this machine."""

    engine_environment: Mapping[str, str] = field(default_factory=dict)
    workshop_name: str = "trip"

    @property
    def session(self) -> Session:
        """The session of that workshop, whether it was made or not."""
        return Session(self.folder / "state" / "workshop" / self.workshop_name)

    def run_folder(self, folder: Path, *options: str) -> dict[str, Any]:  # Any: JSON
        """`run --detach` another workshop than the own; what it says."""
        said = self.cli("run", str(folder), "--detach", "--port", str(self.port()), *options)
        assert said.code == 0, said
        data: dict[str, Any] = said.document["data"]
        return data

    @property
    def environment(self) -> dict[str, str]:
        """That of a person, with podman in the place of the embedded engine."""
        engine = {
            name: value
            for name, value in self.engine_environment.items()
            if name in ("CONTAINERS_CONF", "DOCKER_HOST")
        }
        # podman keeps its images by HOME for everybody but root.
        home = {} if os.geteuid() == 0 else {"HOME": os.environ["HOME"]}
        return {**super().environment, **home, **engine, "WORKSHOP_ENGINE": "podman"}

    def podman(self, *words: str) -> str:
        """What a podman command prints; it must succeed."""
        done = subprocess.run(
            ["podman", *words], env=self.environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, f"podman {' '.join(words)}: {done.stderr}"
        return done.stdout.strip()

    def inspected(self) -> dict[str, Any]:  # Any: a JSON document
        """The session's container."""
        document: list[dict[str, Any]] = json.loads(
            self.podman("container", "inspect", container_name(self.session))
        )
        return document[0]

    def containers(self) -> list[str]:
        """Names of all containers of the session, running or not."""
        names = self.podman("ps", "--all", "--format", "{{.Names}}").splitlines()
        return sorted(name for name in names if name.startswith(container_name(self.session)))

    def inside(self, command: str, user: str = "student") -> str:
        """What a command prints in the machine."""
        return self.podman(
            "exec", "--user", user, container_name(self.session), "/bin/bash", "-c", command
        )

    def clean(self) -> None:
        """End what runs and remove what it left."""
        self.cli("stop", self.session.name)
        name = container_name(self.session)
        for words in (
            ("rm", "--force", name, f"{name}-before"),
            ("volume", "rm", "--force", volume_name(self.session)),
            ("image", "rm", "--force", f"localhost/{name}:moved"),
        ):
            subprocess.run(["podman", *words], env=self.environment, capture_output=True)


@contextmanager
def operator(
    folder: Path, engine_environment: Mapping[str, str], base: str, name: str = "trip"
) -> Iterator[Operator]:
    """An operator with the workshop of three steps on the image `base`."""
    for part in ("home", "state", "cache", "workshop"):
        (folder / part).mkdir()
    text = WORKSHOP.replace("debian:12", base)
    (folder / "workshop" / "workshop.yaml").write_text(text)
    one = Operator("operator", folder, (), sys.executable, (REPOSITORY,), engine_environment, name)
    try:
        yield one
    finally:
        one.clean()

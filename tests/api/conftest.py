"""The real app, in-process, with a real shell and the real goss."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from runtime.app import Daemon, make_app
from runtime.settings import from_environment
from tests.goss_binary import goss_binary
from tests.made import make_artifact

STUDENT = "student-token-0123456789"
INSTRUCTOR = "instructor-token-0123456789"
HOST = "host-token-0123456789"

GOSS = """
file:
  {path}:
    exists: true
    contents: ["hello"]
    meta: {{title: "The greeting is written", hint: "Use echo."}}
"""


def environment(root: Path, **more: str) -> dict[str, str]:
    """A daemon's environment with all three tokens."""
    return {
        "PATH": os.environ["PATH"],
        "WORKSHOP_ROOT": str(root),
        "WORKSHOP_STUDENT_TOKEN": STUDENT,
        "WORKSHOP_INSTRUCTOR_TOKEN": INSTRUCTOR,
        "WORKSHOP_HOST_TOKEN": HOST,
        "WORKSHOP_ALLOWED_HOSTS": "testserver,localhost",
        "WORKSHOP_GOSS": str(goss_binary()),
        **more,
    }


def bearer(token: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"authorization": f"Bearer {token}"}


Serve = Callable[..., TestClient]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Makes clients of daemons that end with the test; `as_` is the bearer token or None."""
    clients: list[TestClient] = []

    def start(
        as_: str | None = STUDENT,
        settings: dict[str, str] | None = None,
        **workshop: Any,  # Any: fields of workshop.json
    ) -> TestClient:
        root = tmp_path / "workshop"
        if not root.exists():
            root.mkdir()
            steps = workshop.pop("steps", None) or [
                {
                    "id": "one",
                    "goss": GOSS.format(path=tmp_path / "greeting"),
                    "expectedChecks": 2,
                    "hints": "Try echo.\n",
                },
                {"id": "two"},
                {"id": "three", "goss": "file: {}\n"},
            ]
            make_artifact(root, steps, **workshop)
        environ = environment(root, **(settings or {}))
        daemon = Daemon(from_environment(environ), environ)
        client = TestClient(
            make_app(daemon),
            headers=bearer(as_) if as_ else {},
            raise_server_exceptions=False,
        )
        client.__enter__()
        clients.append(client)
        return client

    yield start
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def client(serve: Serve) -> TestClient:
    """A student's client."""
    return serve()

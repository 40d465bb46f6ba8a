"""Fixtures for everything that runs on the host."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.people import Person, people, person


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder another user may enter, which pytest's own folders are not."""
    folder = Path(tempfile.mkdtemp(prefix="workshop-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=people())
def somebody(request: pytest.FixtureRequest, place: Path) -> Iterator[Person]:
    """Root, then an ordinary user, with a workshop of three steps."""
    with person(request.param, place) as one:
        yield one


@pytest.fixture
def me(place: Path) -> Iterator[Person]:
    """Whoever runs the tests: enough where it makes no difference who that is."""
    with person(people()[0], place) as one:
        yield one

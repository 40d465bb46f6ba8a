"""Writes the golden files of what others rely on: run `make contracts` after a wanted change."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runtime.api.openapi import document
from runtime.app import Daemon
from runtime.settings import from_environment
from tests.made import make_artifact

ROOT = Path(__file__).resolve().parents[1]
OPENAPI = ROOT / "tests/fixtures/contracts/openapi.json"

Json = dict[str, Any]  # Any: JSON


def openapi() -> Json:
    """The page of a daemon as it is made, without one that serves."""
    with tempfile.TemporaryDirectory() as folder:
        environ = {"WORKSHOP_ROOT": str(make_artifact(Path(folder))), "WORKSHOP_PORT": "0"}
        return document(Daemon(from_environment(environ), environ).routes())


def files() -> dict[Path, Json]:
    """Every golden file and what it has to hold."""
    return {OPENAPI: openapi()}


def written(content: Mapping[str, object]) -> str:
    """As it stands in a file."""
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for path, content in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(written(content))

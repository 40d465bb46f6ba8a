"""Rules of the project that no tool of its own checks."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VAGUE = {"utils", "common", "helpers", "core", "models", "managers"}


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in (ROOT / folder).rglob("*.py")]


def test_no_module_has_a_vague_name() -> None:
    assert [
        path for path in sources("runtime", "host") if {path.stem, path.parent.name} & VAGUE
    ] == []


def test_the_pages_types_are_the_daemons_models() -> None:
    printed = subprocess.run(
        [sys.executable, "web/generate-protocol.py"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert (ROOT / "web/src/lib/protocol.ts").read_text() == printed, "run `make protocol`"


def test_lock_files_name_no_registry() -> None:
    for name in ("requirements.lock", "requirements-dev.lock", "web/package-lock.json"):
        text = (ROOT / name).read_text()
        assert '"resolved"' not in text
        assert not re.search(r"--(extra-)?index-url", text)


def test_only_the_adapters_know_their_outside_thing() -> None:
    """Goss's flags, the pseudo-terminal, the screen library, the engine: one module each."""
    owners = {
        "pyghostty": {
            *("runtime/services/screen.py", "host/exports.py", "host/classroom/screen.py"),
        },
        "import anthropic": {"runtime/services/llm.py"},
        "openpty": {"runtime/services/pty.py"},
    }
    for word, allowed in owners.items():
        users = {
            str(path.relative_to(ROOT))
            for path in sources("runtime", "host")
            if re.search(rf"\b{word}\b", path.read_text())
        }
        assert users <= allowed, word

"""Rules of the project that no tool of its own checks."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests import contracts, reliability

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
            *("runtime/services/ghostty.py", "host/exports.py", "host/classroom/screen.py"),
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


def test_the_daemon_reads_the_clock_on_the_wall_in_one_place() -> None:
    """Fault 37: for the times it shows; what it waits for, it measures with the monotonic clock."""
    reads = (
        r"\b(datetime\.(now|utcnow|today)|time\.(time|time_ns|ctime))\(|from time import|REALTIME"
    )
    users = [
        str(path.relative_to(ROOT))
        for path in sources("runtime")
        if re.search(reads, path.read_text())
    ]
    assert users == ["runtime/services/session.py"]


def test_every_fault_has_a_test_and_every_test_a_known_fault() -> None:
    proven = reliability.proofs()
    table = [fault.number for fault in reliability.faults()]
    assert len(table) == 50
    assert [number for number in table if number not in proven] == [], "no test names it"
    assert sorted(proven.keys() - set(table)) == [], "named by a test, not in the table"


def test_the_page_on_reliability_is_what_the_tests_say() -> None:
    page = (ROOT / "docs/reliability.md").read_text()
    assert page == reliability.page(), "run `make reliability`"


def test_faults_are_read_from_every_way_to_name_them() -> None:
    assert reliability.numbers("Fault 3, by its end.") == [3]
    assert reliability.numbers("Faults 42 and 7: 400, connection closed.") == [42, 7]
    assert reliability.numbers("As fault 5, and 1: nothing; then faults 3, 48, and 5.") == [
        5,
        1,
        3,
        48,
    ]
    assert reliability.numbers("Default 3, and no row: 12.") == []


def test_the_contracts_in_files_are_those_of_the_code() -> None:
    for path, content in contracts.files().items():
        assert path.read_text() == contracts.written(content), f"{path.name}: run `make contracts`"

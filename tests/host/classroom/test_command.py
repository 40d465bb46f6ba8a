"""`workshop class` as a person runs it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.crowd import TOKEN, crowd
from tests.goss_binary import ROOT

pytestmark = pytest.mark.timeout(120)


def begin(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "host", "class", *words, "--json"],
        cwd=ROOT,
        env={**os.environ, "HOME": str(folder), "XDG_STATE_HOME": str(folder / "state")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> dict[str, Any]:  # Any: JSON
    """How it ended at once."""
    out, _ = process.communicate(timeout=60)
    document: dict[str, Any] = json.loads(out)
    return document


def served(process: subprocess.Popen[str]) -> dict[str, Any]:  # Any: JSON
    """What it says when it serves."""
    assert process.stdout is not None
    data: dict[str, Any] = json.loads(process.stdout.readline())["data"]
    return data


def end(process: subprocess.Popen[str], number: signal.Signals, code: int) -> str:
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code
    return err


def test_the_wall_keeps_its_link_and_ends_tidily(tmp_path: Path) -> None:
    with crowd(2) as made:
        roster = tmp_path / "class.txt"
        roster.write_text(made.roster())
        first = begin(tmp_path, str(roster), "--name", "monday")
        data = served(first)
        assert (data["name"], data["students"]) == ("monday", 2)
        second = said(begin(tmp_path, str(roster), "--name", "monday"))
        assert second["error"]["code"] == "already_running"
        assert "--name" in second["error"]["message"]
        err = end(first, signal.SIGINT, 130)
        again = begin(tmp_path, str(roster), "--name", "monday")
        assert served(again)["link"] == data["link"]
        err += end(again, signal.SIGTERM, 143)
        assert TOKEN not in err
        assert "What was seen is in" in err
    folder = tmp_path / "state/workshop-classes/monday"
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "wall.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("words", "code", "word"),
    [
        (["nowhere.txt"], 81, "neither a file nor a link"),
        (["https://a.example/"], 81, "has no token"),
        (["--no-local"], 81, "Nobody is on this wall"),
        (["--name", "../x"], 81, "--name"),
    ],
)
def test_what_cannot_be_is_a_sentence(
    tmp_path: Path, words: list[str], code: int, word: str
) -> None:
    document = said(begin(tmp_path, *words))
    assert document["exitCode"] == code
    assert word in document["error"]["message"]


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        document = said(begin(tmp_path, "--port", str(port)))
    assert document["exitCode"] == 85
    assert f"port {port}" in document["error"]["message"]

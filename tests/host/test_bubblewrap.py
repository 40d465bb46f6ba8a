"""What is put into a machine, and from where."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from host.engines import bubblewrap
from host.engines.processes import machine_processes
from tests.host.people import REPOSITORY

HOOK = "workshop-platform.bashrc"


def hook_in(tree: Path) -> str:
    """Where a copy of this program finds the hook."""
    code = "from host.engines import bubblewrap; print(bubblewrap.hook())"
    paths = [str(tree), *sys.path[1:]]
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={"PYTHONPATH": os.pathsep.join(paths), "PATH": os.defpath},
        cwd=tree, text=True, capture_output=True, check=False,
    )  # fmt: skip
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The two packages, copied, without the hook."""
    for package in ("host", "runtime"):
        shutil.copytree(
            REPOSITORY / package, tmp_path / package, ignore=shutil.ignore_patterns("static")
        )
    return tmp_path


def test_the_hook_is_found_in_a_checkout(tree: Path) -> None:
    (tree / "bashrc").mkdir()
    (tree / "bashrc" / HOOK).touch()
    assert hook_in(tree) == str(tree / "bashrc" / HOOK)


def test_the_hook_is_found_in_an_installed_package(tree: Path) -> None:
    (tree / "runtime" / HOOK).touch()
    assert hook_in(tree) == str(tree / "runtime" / HOOK)


def test_a_missing_hook_is_said(tree: Path) -> None:
    assert "The prompt hook" in hook_in(tree)


def test_the_named_goss_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tmp_path / "goss"
    mine.write_text("#!/bin/sh\n")
    mine.chmod(0o755)
    monkeypatch.setenv("WORKSHOP_GOSS", str(mine))
    assert bubblewrap.goss() == mine


def test_the_interpreter_and_its_libraries_are_among_what_is_bound() -> None:
    bound = [Path("/usr"), *bubblewrap.python_folders()]
    wanted = [Path(os.path.realpath(sys.executable)), Path(sys.executable)]
    wanted += [Path(entry) for entry in sys.path if entry.endswith("site-packages")]
    for path in wanted:
        assert any(path.is_relative_to(folder) for folder in bound), path


def test_the_repository_with_its_solutions_is_not_bound() -> None:
    assert not any(REPOSITORY.is_relative_to(folder) for folder in bubblewrap.python_folders())


def test_accounts_are_the_systems_and_the_student(tmp_path: Path) -> None:
    bubblewrap.write_etc(tmp_path)
    users = [line.split(":") for line in (tmp_path / "passwd").read_text().splitlines()]
    assert ["student", "x", "1000", "1000"] in [user[:4] for user in users]
    people = [user for user in users if 1000 <= int(user[2]) < 65534]
    assert len(people) == 1
    assert "root" in [user[0] for user in users]
    groups = [line.split(":") for line in (tmp_path / "group").read_text().splitlines()]
    assert ["student", "x", "1000", ""] in groups


def test_a_machine_of_another_session_is_not_found(tmp_path: Path) -> None:
    assert list(machine_processes(tmp_path / "runtime")) == []

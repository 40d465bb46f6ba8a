"""What the project promises of its dependencies, against what its lock files install."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def locked(name: str) -> dict[str, str]:
    """Versions by package of one lock file."""
    pins = re.findall(
        r"^([A-Za-z0-9._-]+)(?:\[.*?\])?==([^ ;\\]+)", (ROOT / name).read_text(), re.M
    )
    return {canonicalize_name(package): version for package, version in pins}


def wanted(*groups: list[str]) -> list[Requirement]:
    return [Requirement(each) for group in groups for each in group]


DAEMON = wanted(PROJECT["project"]["dependencies"])
ALL = wanted(
    PROJECT["project"]["dependencies"],
    *PROJECT["project"]["optional-dependencies"].values(),
    PROJECT["dependency-groups"]["dev"],
)


@pytest.mark.parametrize(
    ("lock", "requirements"), [("requirements.lock", DAEMON), ("requirements-dev.lock", ALL)]
)
def test_what_is_locked_is_what_is_asked_for(lock: str, requirements: list[Requirement]) -> None:
    versions = locked(lock)
    wrong = {
        str(each): versions.get(canonicalize_name(each.name))
        for each in requirements
        if versions.get(canonicalize_name(each.name), "0") not in each.specifier
    }
    assert wrong == {}, "run `make lock`"


def test_both_lock_files_have_the_same_versions() -> None:
    """The tests run what the images hold."""
    tested = locked("requirements-dev.lock")
    assert {
        name: (version, tested.get(name))
        for name, version in locked("requirements.lock").items()
        if tested.get(name) != version
    } == {}


def test_every_dependency_has_a_floor_and_a_word_on_why() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert [str(each) for each in ALL if not each.specifier] == []
    silent = [
        str(each)
        for each in (*DAEMON, *wanted(*PROJECT["project"]["optional-dependencies"].values()))
        if not re.search(rf'^    "{re.escape(str(each))}",\s+# \S', text, re.M)
    ]
    assert silent == []


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_every_locked_package_has_hashes(name: str) -> None:
    blocks = re.split(r"^(?=[A-Za-z0-9])", (ROOT / name).read_text(), flags=re.M)
    pinned = [block for block in blocks if "==" in block.split("\n")[0]]
    assert len(pinned) > 20
    assert [block.split("\n")[0] for block in pinned if "--hash=sha256:" not in block] == []

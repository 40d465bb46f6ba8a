"""goss/get-goss without a network: what is there, what is cached, what is missing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.goss_binary import ROOT, goss_binary

TOOLS = ("cat", "chmod", "cp", "cut", "dirname", "env", "grep", "head", "mkdir", "mktemp", "mv")
MORE_TOOLS = ("printf", "rm", "sed", "sh", "sha256sum", "sort", "uname")


def get_goss(home: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """Run it on a machine that has no Go, no apt, no curl and no wget."""
    tools = home / "bin"
    if not tools.exists():
        tools.mkdir(parents=True)
        for name in (*TOOLS, *MORE_TOOLS):
            found = shutil.which(name)
            assert found, f"this machine has no {name}"
            (tools / name).symlink_to(found)
    return subprocess.run(
        [str(ROOT / "goss/get-goss"), str(target)],
        env={"PATH": str(tools), "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )


def cache(home: Path, binary: Path) -> None:
    cached = home / ".cache/workshop/goss-0.4.10/goss"
    cached.parent.mkdir(parents=True)
    cached.symlink_to(binary)


def test_what_is_there_already_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "goss"
    target.symlink_to(goss_binary())
    done = get_goss(tmp_path, target)
    assert done.returncode == 0, done.stderr
    assert f"{target} is right already" in done.stdout
    assert target.is_symlink()


def test_the_cache_is_used_without_a_network(tmp_path: Path) -> None:
    cache(tmp_path, goss_binary())
    target = tmp_path / "deep/er/goss"
    done = get_goss(tmp_path, target)
    assert done.returncode == 0, done.stderr
    assert "from the cache" in done.stdout
    assert target.read_bytes() == goss_binary().read_bytes()
    assert list(target.parent.iterdir()) == [target]


def test_a_wrong_file_at_the_path_is_replaced(tmp_path: Path) -> None:
    cache(tmp_path, goss_binary())
    target = tmp_path / "goss"
    target.write_text("#!/bin/sh\necho goss version 0.3.1\n")
    target.chmod(0o755)
    assert get_goss(tmp_path, target).returncode == 0
    assert target.read_bytes() == goss_binary().read_bytes()


def test_without_any_way_it_names_what_is_missing(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    cache(tmp_path, broken)
    target = tmp_path / "goss"
    done = get_goss(tmp_path, target)
    assert done.returncode == 1
    for way in ("Go 1.25 or newer", "Debian", "curl or wget"):
        assert way in done.stderr
    assert not target.exists()


def test_the_script_is_plain_posix_shell() -> None:
    done = subprocess.run(
        ["sh", "-n", str(ROOT / "goss/get-goss")], capture_output=True, check=False
    )
    assert done.stderr == b""

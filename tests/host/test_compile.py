"""The artifact: its bytes, its modes, and what it never overwrites."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from host.compile import TIME, compile_workshop
from host.spec import Spec, load
from runtime.domain.errors import AlreadyExists, PermissionRefused, StorageFull
from runtime.store import artifact
from tests.goss_binary import ROOT
from tests.host.test_spec import SMALL, whole, workshop

GOLDEN = ROOT / "tests/fixtures/contracts/artifact.json"
SECRETS = {"solution.json", "goss.yaml", "llm.json", "hints.md", "explain.md", "solve.md"}


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    """A workshop that uses everything there is."""
    return load(whole(tmp_path / "w"))


def tree(root: Path) -> dict[str, tuple[str, bytes | None, int]]:
    """Mode, bytes and time in nanoseconds of everything below `root`, itself included."""
    found = {}
    for path in [root, *sorted(root.rglob("*"))]:
        about = path.lstat()
        content = None if path.is_dir() else path.read_bytes()
        name = str(path.relative_to(root))
        found[name] = (stat.filemode(about.st_mode), content, about.st_mtime_ns)
    return found


def test_the_artifact_is_the_one_of_the_contract(spec: Spec, tmp_path: Path) -> None:
    """The golden file pins every name, mode and byte; a change of it is a change of schema 1.0."""
    compile_workshop(spec, tmp_path / "out")
    written = {
        name: {"mode": mode, "content": None if content is None else content.decode("latin-1")}
        for name, (mode, content, _) in tree(tmp_path / "out").items()
    }
    assert written == json.loads(GOLDEN.read_text())


def test_the_daemon_accepts_the_artifact(spec: Spec, tmp_path: Path) -> None:
    compile_workshop(spec, tmp_path / "out")
    loaded = artifact.load(tmp_path / "out")
    one, two = loaded.workshop.steps
    assert (loaded.workshop.title, loaded.workshop.navigation) == ("A demo", "guided")
    assert (one.expected_checks, one.auto_validate, one.has_hints) == (2, "on-command", False)
    assert (two.requires, two.has_hints, two.has_solve, two.has_llm) == (("one",), True, True, True)
    assert loaded.file_path(one, "p.png").read_bytes() == b"\x89PNG"


def test_the_same_workshop_gives_the_same_bytes_everywhere(spec: Spec, tmp_path: Path) -> None:
    compile_workshop(spec, tmp_path / "first")
    copied = shutil.copytree(tmp_path / "w", tmp_path / "elsewhere")
    # Another process with another hash seed, umask, time zone and language, and other file times.
    for path in copied.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o755)
    program = (
        "import os, pathlib, sys; os.umask(0o077)\n"
        "from host.compile import compile_workshop; from host.spec import load\n"
        "compile_workshop(load(pathlib.Path(sys.argv[1])), pathlib.Path(sys.argv[2]))"
    )
    subprocess.run(
        [sys.executable, "-c", program, copied, tmp_path / "second"],
        env={"PYTHONHASHSEED": "77", "TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONPATH": str(ROOT)},
        check=True,
        timeout=50,
    )
    assert tree(tmp_path / "first") == tree(tmp_path / "second")


def test_answers_and_checks_are_for_root_alone(spec: Spec, tmp_path: Path) -> None:
    """Fault 1: a shell of another user cannot read them."""
    compile_workshop(spec, tmp_path / "out")
    for name, (mode, content, time) in tree(tmp_path / "out").items():
        path = Path(name)
        is_secret = path.name in SECRETS or "llm-docs" in path.parts
        if content is None:
            assert mode == ("drwx------" if is_secret else "drwxr-xr-x"), name
        else:
            assert mode == ("-rw-------" if is_secret else "-rw-r--r--"), name
        assert time == TIME * 10**9, name


def test_an_artifact_is_replaced_whole(spec: Spec, tmp_path: Path) -> None:
    compile_workshop(spec, tmp_path / "out")
    small = load(workshop(tmp_path / "small", SMALL))
    compile_workshop(small, tmp_path / "out")
    assert set(tree(tmp_path / "out")) == {
        ".",
        "workshop.json",
        "steps",
        "steps/one",
        "steps/one/content.md",
        "steps/one/meta.json",
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "small", "w"]


def test_an_empty_folder_is_filled_and_parents_are_made(spec: Spec, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    compile_workshop(spec, tmp_path / "empty")
    compile_workshop(spec, tmp_path / "a/b/c")
    assert tree(tmp_path / "empty") == tree(tmp_path / "a/b/c")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("folder", "is not an artifact (it holds “notes.txt”); name a new folder"),
        ("session", "is not an artifact (it holds “runtime”); name a new folder"),
        ("half", "is not an artifact; name a new folder"),
        ("file", "is a file; name a folder."),
        ("link", "is a link; name the folder itself."),
        ("below a file", "A file lies in the way of"),
        ("the workshop", "holds the workshop itself; name another folder."),
        ("around the workshop", "holds the workshop itself; name another folder."),
        ("a step", "lies among the workshop's steps; name another folder."),
        ("the root", "“/” cannot be replaced; name a folder of its own."),
    ],
)
def test_what_is_not_an_artifact_is_not_overwritten(
    kind: str, message: str, spec: Spec, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    if kind == "folder":
        workshop(out, "x", **{"notes.txt": "mine"})
    elif kind == "session":
        compile_workshop(spec, out)
        (out / "runtime").mkdir()
    elif kind == "half":
        (out / "steps").mkdir(parents=True)
    elif kind == "file":
        out.write_text("mine")
    elif kind == "link":
        (tmp_path / "real").mkdir()
        out.symlink_to("real")
    elif kind == "below a file":
        out.write_text("mine")
        out = out / "deeper"
    elif kind == "the workshop":
        out = tmp_path / "w"
    elif kind == "around the workshop":
        out = tmp_path
    elif kind == "a step":
        out = tmp_path / "w/steps/two"
    else:
        out = Path("/")
    before = tree(tmp_path)
    with pytest.raises(AlreadyExists) as raised:
        compile_workshop(spec, out)
    assert message in raised.value.message
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    ("code", "expected"),
    [(errno.ENOSPC, StorageFull), (errno.EACCES, PermissionRefused)],
)
def test_a_write_that_fails_leaves_the_old_artifact(
    code: int,
    expected: type[Exception],
    spec: Spec,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Fault 48: the last call on the N-th file fails, for many N."""
    out = tmp_path / "out"
    compile_workshop(load(workshop(tmp_path / "small", SMALL)), out)
    before = tree(tmp_path)
    real = os.utime
    for failing in range(0, 18, 4):
        calls = iter(range(100))

        def utime(path: object, times: object, failing: int = failing) -> None:
            if next(calls) == failing:  # noqa: B023  # the iterator of this round
                raise OSError(code, os.strerror(code))
            real(path, times)  # type: ignore[arg-type]

        monkeypatch.setattr(os, "utime", utime)
        with pytest.raises(expected):
            compile_workshop(spec, out)
        monkeypatch.undo()
        assert {**tree(tmp_path), ".": None} == {**before, ".": None}


def test_a_full_disk_leaves_the_old_artifact(spec: Spec, tmp_path: Path) -> None:
    """Fault 10: a real file system without room."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("this machine does not allow mounts")
    try:
        small = load(workshop(tmp_path / "small", SMALL))
        compile_workshop(small, disk / "out")
        before = tree(disk)
        (disk / "filler").write_bytes(b"x" * 24_000)
        with pytest.raises(StorageFull, match="The disk is full"):
            compile_workshop(spec, disk / "out")
        (disk / "filler").unlink()
        assert {**tree(disk), ".": None} == {**before, ".": None}
    finally:
        subprocess.run(["umount", disk], check=True)

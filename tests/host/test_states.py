"""States of steps: made once by real commands in a real sandbox, as the student."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from host.engines.sandbox import copy_tree
from host.spec import FileSpec, Spec, StepSpec
from host.states import States
from runtime.domain.errors import EngineFailure, InvalidWorkshop, NotFound, StorageFull
from runtime.domain.transitions import TransitionKind
from runtime.domain.workshop import NavigationMode, TerminalSettings

pytestmark = pytest.mark.sandbox


def spec(*steps: dict[str, Any]) -> Spec:  # Any: fields of StepSpec
    """A workshop of steps named s0, s1, …"""
    return Spec(
        root=Path("/nowhere"),
        name="trip",
        image="example.org/trip",
        title=None,
        description=None,
        navigation=NavigationMode.LINEAR,
        llm=None,
        terminal=TerminalSettings(),
        auto_validate="off",
        base_image="debian:12",
        base_container_file=None,
        steps=tuple(
            StepSpec(id=f"s{at}", title="A step", position=at, content="", **fields)
            for at, fields in enumerate(steps)
        ),
    )


def run(tmp_path: Path, *commands: str) -> Path:
    """The workspace after one step of these commands."""
    return States(spec({"commands": commands}), tmp_path / "cache").build(1) / "workspace"


def test_the_first_state_is_an_empty_workspace_and_a_home(tmp_path: Path) -> None:
    state = States(spec({}), tmp_path / "cache").build(0)
    assert list((state / "workspace").iterdir()) == []
    assert (state / "home" / ".bashrc").is_file()


def test_a_step_builds_on_the_one_before(tmp_path: Path) -> None:
    states = States(
        spec({"commands": ["echo one > a"]}, {"commands": ["cat a a > b"]}), tmp_path / "cache"
    )
    assert (states.build(2) / "workspace" / "b").read_text() == "one\none\n"
    assert not (states.build(1) / "workspace" / "b").exists()


@pytest.mark.parametrize(
    ("kind", "files"),
    [(TransitionKind.GO, {"a"}), (TransitionKind.RESET, {"a"}), (TransitionKind.SOLVE, {"a", "b"})],
)
def test_go_and_reset_begin_where_the_step_before_ended_and_solve_where_it_ends(
    tmp_path: Path, kind: TransitionKind, files: set[str]
) -> None:
    states = States(spec({"commands": ["touch a"]}, {"commands": ["touch b"]}), tmp_path / "cache")
    place = states.place("s1", kind) / "workspace"
    assert {path.name for path in place.iterdir()} == files


def test_commands_run_as_the_student_in_the_workspace_with_a_home(tmp_path: Path) -> None:
    workspace = run(tmp_path, "id -un > who; id -u >> who; pwd >> who; echo $HOME >> who")
    assert (workspace / "who").read_text().split() == [
        "student", "1000", "/workspace", "/home/student",
    ]  # fmt: skip


def test_the_environment_of_a_step_holds_for_it_and_for_later_ones(tmp_path: Path) -> None:
    states = States(
        spec({"env": {"A": "1 2"}}, {"env": {"B": "3"}, "commands": ['echo "$A-$B" > out']}),
        tmp_path / "cache",
    )
    state = states.build(2)
    assert (state / "workspace" / "out").read_text() == "1 2-3\n"
    assert '"A": "1 2", "B": "3"' in (state / "state.json").read_text()


def test_files_have_their_content_mode_and_folders(tmp_path: Path) -> None:
    content = bytes(range(256)) * 1000
    files = (
        FileSpec("/workspace/deep/er/file", content, 0o640),
        FileSpec("/home/student/odd 'name\"; touch x", b"", 0o755),
    )
    state = States(spec({"files": files}), tmp_path / "cache").build(1)
    written = state / "workspace" / "deep" / "er" / "file"
    assert written.read_bytes() == content
    assert written.stat().st_mode & 0o777 == 0o640
    assert (state / "home" / "odd 'name\"; touch x").stat().st_mode & 0o777 == 0o755


def test_a_link_made_by_a_command_leads_no_file_out_of_the_sandbox(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("mine")
    files = (FileSpec("/workspace/link", b"theirs", 0o644),)
    steps = spec({"commands": [f"ln -s {target} link"]}, {"files": files})
    with pytest.raises(InvalidWorkshop, match=r"s1.*link"):
        States(steps, tmp_path / "cache").build(2)
    assert target.read_text() == "mine"


def test_files_without_permissions_are_carried_to_the_next_step(tmp_path: Path) -> None:
    states = States(
        spec(
            {"commands": ["echo hidden > file; chmod 0 file; mkdir -m 0 folder"]},
            {"commands": ["chmod 600 file"]},
        ),
        tmp_path / "cache",
    )
    workspace = states.build(2) / "workspace"
    assert (workspace / "file").read_text() == "hidden\n"
    assert (workspace / "folder").stat().st_mode & 0o777 == 0


def test_a_failing_command_is_named_with_step_code_and_last_output(tmp_path: Path) -> None:
    states = States(
        spec({"commands": ["seq 100; echo no such luck >&2; exit 3"]}), tmp_path / "cache"
    )
    with pytest.raises(InvalidWorkshop) as caught:
        states.build(1)
    message = caught.value.message
    assert "Step s0" in message
    assert "`seq 100; echo no such luck >&2; exit 3`" in message
    assert "exit code 3" in message
    assert message.endswith("99\n100\nno such luck")
    assert "\n50\n" not in message


def test_a_failed_state_leaves_nothing_in_the_cache(tmp_path: Path) -> None:
    with pytest.raises(InvalidWorkshop):
        run(tmp_path, "mkdir locked; chmod 0 locked; exit 1")
    assert [path.name for path in (tmp_path / "cache").glob(".*")] == []


def test_an_unchanged_step_is_not_made_again_and_a_changed_one_is(tmp_path: Path) -> None:
    said: list[str] = []

    def build(second: str) -> Path:
        steps = spec({"commands": ["date +%N > a"]}, {"commands": [second]})
        return States(steps, tmp_path / "cache", said.append).build(2)

    assert build("true") == build("true")
    assert build("true") != build("echo")
    assert [line.split()[-1] for line in said] == ["s0.", "s1.", "s1."]


def test_a_disk_that_fills_during_a_copy_is_said_in_one_sentence(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    source, disk = tmp_path / "source", tmp_path / "disk"
    for folder in (source, disk):
        folder.mkdir()
    for number in range(3):
        (source / f"it's {number}").write_bytes(b"x" * 100_000)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("this machine does not allow mounts")
    try:
        with pytest.raises(StorageFull) as raised:
            copy_tree(source, disk / "copy")
        assert raised.value.message == f"The disk that holds {disk} is full; free some space."
    finally:
        subprocess.run(["umount", disk], check=True)
    with pytest.raises(EngineFailure) as failed:
        copy_tree(source / "gone", tmp_path / "copy")
    assert failed.value.message == (
        f"{source / 'gone'} could not be copied: No such file or directory."
    )


def test_a_step_that_is_not_there_any_more_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="s9"):
        States(spec({}), tmp_path / "cache").place("s9", TransitionKind.GO)


def test_commands_see_a_read_only_system_and_nobody_elses_home(tmp_path: Path) -> None:
    workspace = run(
        tmp_path,
        "for place in / /usr /etc /opt /home /var /run/x /proc/sys/kernel/domainname; do"
        "  touch $place/new 2>/dev/null && echo $place; done > writable;"
        f"ls {Path.home()} {tmp_path} > seen 2>/dev/null; ls /home > homes;"
        "grep CapEff /proc/self/status > caps; ps -e -o pid= | wc -l > processes",
    )
    assert (workspace / "writable").read_text() == ""
    assert (workspace / "seen").read_text() == ""
    assert (workspace / "homes").read_text() == "student\n"
    assert int((workspace / "caps").read_text().split()[1], 16) == 0
    assert int((workspace / "processes").read_text()) < 10


def test_processes_a_command_leaves_behind_are_gone(tmp_path: Path) -> None:
    workspace = run(
        tmp_path, "(setsid nohup sh -c 'sleep 1; touch late' > /dev/null 2>&1 &) ; echo $$ > pid"
    )
    assert (workspace / "pid").exists()
    assert run(tmp_path / "second", "sleep 1.2").is_dir()
    assert not (workspace / "late").exists()

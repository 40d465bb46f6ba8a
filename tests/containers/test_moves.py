"""Sessions in real containers: moved, killed in every phase, rolled back, removed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from host.client import Daemon, Transition
from host.engines.containers import container_name, step_images, volume_name
from runtime.domain.errors import NotFound, WorkshopError
from runtime.domain.transitions import TransitionKind, TransitionStatus
from tests.containers.conftest import THOROUGH
from tests.containers.operators import Operator
from tests.host.people import REPOSITORY, until
from tests.host.test_running import complete

pytestmark = [pytest.mark.container, pytest.mark.timeout(300)]

MOMENTS = [
    "before:prepare", "after:prepare", "after:stop", "before:enter", "after:enter",
    "before:start", "after:start", "before:settle", "after:settle",
]  # fmt: skip
# The embedded engine's tests go through every moment; here each takes a quarter of a minute.
TRIED = MOMENTS if THOROUGH else MOMENTS[2::2]


def test_going_solving_and_resetting_change_the_machine_and_keep_ticks_and_files(
    me: Operator,
) -> None:
    link = me.run()["link"]
    complete(me.session, "first")
    me.inside("echo mine > /workspace/mine.txt; echo home > ~/home.txt")

    gone = me.cli("go", "second").document["data"]
    assert me.inside("ls /workspace") == "one.txt"
    kept = Path(gone["kept"])
    assert (kept / "workspace" / "mine.txt").read_text() == "mine\n"
    assert (kept / "home" / "home.txt").read_text() == "home\n"
    assert me.inside(f"cat /kept/{kept.name}/workspace/mine.txt") == "mine"

    assert me.cli("solve", "second").code == 0
    assert me.inside("cat /workspace/two.txt; ls ~") == "scenic\nnotes"
    assert me.inside("echo $ROUTE") == "scenic"
    me.inside("rm /workspace/*.txt")
    assert me.cli("reset").code == 0
    assert me.inside("ls /workspace") == "one.txt"

    status = me.cli("status").document["data"]
    assert (status["step"], status["completed"]) == ("second", 1)
    assert me.cli("open").document["data"]["link"] == link
    assert me.containers() == [container_name(me.session)]


def test_no_token_is_in_the_container_for_the_student_or_in_what_inspect_shows(
    me: Operator,
) -> None:
    """Fault 1: the shell is another user's; there is nothing to find for it."""
    me.run()
    shown = json.dumps(me.inspected())
    for role in ("student", "instructor", "host"):
        token = me.session.token(role)
        assert token not in shown
        # The search itself has the token on its command line; test_platform looks everywhere.
        found = me.inside(f"grep -lsF -e {token} /proc/*/environ /proc/1/cmdline; true")
        assert found == ""
    assert me.inside("cat /run/workshop/* 2>&1 || true").endswith("Permission denied")


def test_limits_are_set_and_can_be_chosen(me: Operator) -> None:
    """Fault 29: the container has those that were chosen."""
    me.run("--memory", "512m", "--cpus", "1", "--pids", "300")
    host = me.inspected()["HostConfig"]
    assert (host["Memory"], host["PidsLimit"]) == (512 << 20, 300)


def test_root_in_the_container_has_nine_rights_and_the_student_none(me: Operator) -> None:
    me.run()
    assert me.inside("grep ^CapBnd /proc/1/status").split() == ["CapBnd:", "00000000000404fb"]
    assert me.inside("grep ^CapEff /proc/self/status").split() == ["CapEff:", "0" * 16]


def test_a_missing_image_stops_nothing_and_the_reason_is_told(me: Operator) -> None:
    """Fault 17: the machine stays, with its files, and the page says why."""
    me.run()
    me.inside("echo mine > /workspace/mine.txt")
    before = me.inspected()["Id"]
    me.podman("image", "untag", "example.org/trip:second", "example.org/trip:second")
    try:
        said = me.cli("solve", "second")
    finally:
        me.cli("build", str(me.workshop))
    assert said.code == 100
    assert "workshop build" in said.document["error"]["message"]
    assert me.inspected()["Id"] == before
    assert me.inside("cat /workspace/mine.txt") == "mine"


def test_an_image_that_ends_at_once_gives_way_to_the_old_machine(me: Operator) -> None:
    """Fault 17."""
    me.run()
    complete(me.session, "first")
    me.inside("echo mine > /workspace/mine.txt")
    before = me.inspected()["Id"]
    context = me.folder / "broken"
    context.mkdir()
    (context / "Containerfile").write_text(
        'FROM example.org/trip:first\nENTRYPOINT ["/bin/bash", "-c", "echo broken; exit 3"]\n'
    )
    me.podman("build", "--format", "docker", "-t", "example.org/trip:first", str(context))
    try:
        said = me.cli("go", "second")
    finally:
        me.cli("build", str(me.workshop), "--from-step", "first")
    assert said.code == 100
    assert "broken" in said.document["error"]["message"]
    assert me.inspected()["Id"] == before
    assert me.inside("cat /workspace/mine.txt") == "mine"
    assert me.cli("status").document["data"]["completed"] == 1
    assert json.loads(log(me).splitlines()[-1])["event"] != "transition_completed"
    assert '"transition_failed"' in log(me)
    assert me.containers() == [container_name(me.session)]


def test_a_taken_port_is_a_plain_message_and_leaves_nothing_half_made(me: Operator) -> None:
    """Fault 16: neither at the first run nor when there is a machine already."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = str(other.getsockname()[1])
        said = me.cli("run", str(me.workshop), "--detach", "--port", taken)
        assert (said.code, said.document["error"]["code"]) == (85, "port_taken")
        assert me.containers() == []
    me.run()
    me.inside("echo mine > /workspace/mine.txt")
    me.cli("stop")
    before = me.inspected()
    with socket.create_server(("127.0.0.1", me.port())):
        said = me.cli("run", str(me.workshop), "--detach", "--port", str(me.port()))
    assert (said.code, said.document["error"]["code"]) == (85, "port_taken")
    assert me.containers() == [container_name(me.session)]
    after = me.inspected()
    assert (after["Id"], after["State"]["Status"]) == (before["Id"], before["State"]["Status"])
    me.run()
    assert me.inside("cat /workspace/mine.txt") == "mine"


def test_another_port_keeps_the_files_and_puts_no_token_into_an_image(me: Operator) -> None:
    """Fault 1, the images."""
    me.run()
    complete(me.session, "first")
    me.inside("echo mine > /workspace/mine.txt; echo more > ~/more")
    me.cli("stop")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        other = probe.getsockname()[1]
    said = me.cli("run", str(me.workshop), "--detach", "--port", str(other))
    assert said.code == 0, said
    assert said.document["data"]["link"].startswith(f"http://127.0.0.1:{other}/")
    assert me.inside("cat /workspace/mine.txt ~/more") == "mine\nmore"
    assert me.cli("status").document["data"]["completed"] == 1
    image = f"localhost/{container_name(me.session)}:moved"
    words = ("run", "--rm", "--entrypoint", "/bin/bash", image, "-c", "cat /run/workshop/* | wc -c")
    assert me.podman(*words) == "0"


@pytest.mark.parametrize("moment", TRIED)
def test_a_host_killed_in_any_phase_is_mended_by_the_next_run(me: Operator, moment: str) -> None:
    """Fault 15: one container, at the step, with the volume whole."""
    with killed(me, moment) as run:
        complete(me.session, "first")
        me.inside("echo mine > /workspace/mine.txt")
        with Daemon(me.session, me.session.record().port or 0) as daemon:
            wanted = daemon.request("second", TransitionKind.GO)
        assert run.wait(timeout=120) == -signal.SIGKILL
    me.run()
    moved = until(lambda: ended(me, wanted), 120)
    assert moved.status is TransitionStatus.COMPLETED
    until(lambda: me.containers() == [container_name(me.session)], 60)  # the old one's files kept
    assert me.inside("ls /workspace") == "one.txt"
    status = me.cli("status").document["data"]
    assert (status["step"], status["completed"]) == ("second", 1)
    [kept] = me.session.kept.iterdir()
    assert (kept / "workspace" / "mine.txt").read_text() == "mine\n"
    assert log(me).count('"transition_completed"') == 1
    assert "log_repaired" not in log(me)


def test_a_killed_container_is_started_again_and_loses_nothing(me: Operator) -> None:
    me.run()
    complete(me.session, "first")
    me.inside("echo mine > /workspace/mine.txt")
    started = me.inspected()["State"]["StartedAt"]
    me.podman("kill", container_name(me.session))
    until(lambda: me.inspected()["State"]["StartedAt"] != started, 60)
    until(lambda: me.cli("status").document["data"]["state"] == "running", 60)
    assert me.inside("cat /workspace/mine.txt") == "mine"
    assert me.cli("status").document["data"]["completed"] == 1


def test_every_process_of_a_shell_ends_with_its_machine(me: Operator) -> None:
    """Fault 27."""
    me.run()
    me.inside("nohup sleep 88761 >/dev/null 2>&1 & setsid sleep 88762 & (sleep 88763 &) ; true")
    me.inside("trap '' HUP TERM INT; (sleep 88764; sleep 88765) >/dev/null 2>&1 & disown; true")
    assert me.cli("reset").code == 0
    assert "8876" not in processes()
    assert me.cli("stop").code == 0
    assert me.cli("list").document["data"]["sessions"][0]["state"] == "stopped"


def test_deleting_takes_the_volume_too_unless_progress_is_to_stay(me: Operator) -> None:
    me.run()
    complete(me.session, "first")
    me.cli("rm", "trip", "--yes", "--keep-progress")
    assert me.containers() == []
    me.run()
    assert me.cli("status").document["data"]["completed"] == 1
    me.cli("rm", "trip", "--yes")
    volumes = me.podman("volume", "ls", "--format", "{{.Name}}")
    assert volume_name(me.session) not in volumes
    assert not me.session.directory.exists()


def test_an_image_runs_without_the_workshops_folder(me: Operator) -> None:
    said = me.cli("run", "example.org/trip", "--detach", "--port", str(me.port()))
    assert said.code == 0, said
    assert (me.session.record().title, me.session.record().step) == ("A trip", "first")
    assert me.cli("solve", "second").code == 0
    assert me.inside("cat /workspace/two.txt") == "scenic"
    assert "went" not in said.err


def test_sessions_of_one_name_in_two_places_do_not_meet(me: Operator, other: Operator) -> None:
    assert me.run()["port"] != other.run()["port"]
    me.inside("echo mine > /workspace/mine.txt")
    assert other.cli("go", "second").code == 0
    assert other.cli("rm", "trip", "--yes").code == 0
    assert me.inside("cat /workspace/mine.txt") == "mine"
    assert me.cli("status").document["data"]["state"] == "running"


def test_only_steps_of_the_workshop_become_part_of_an_image_name() -> None:
    image_for = step_images("example.org/trip", ("first", "second"))
    assert image_for("first", TransitionKind.GO) == "example.org/trip:start"
    assert image_for("second", TransitionKind.RESET) == "example.org/trip:first"
    assert image_for("second", TransitionKind.SOLVE) == "example.org/trip:second"
    for hostile in ("start", "", "../x", "second@sha256:0", "-h", "first second"):
        with pytest.raises(NotFound):
            image_for(hostile, TransitionKind.SOLVE)


@contextmanager
def killed(somebody: Operator, moment: str) -> Iterator[subprocess.Popen[str]]:
    """A host that serves, and dies at a moment of its first move."""
    command = [sys.executable, "-m", "tests.host.killed_run"]
    process = subprocess.Popen(
        [*command, str(somebody.workshop), moment, "podman"], cwd=REPOSITORY, text=True,
        env={**somebody.environment, "PYTHONPATH": str(REPOSITORY)}, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line == "ready\n":
                break
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def ended(somebody: Operator, wanted: Transition) -> Transition | None:
    """The transition once it is over."""
    try:
        with Daemon(somebody.session, somebody.session.record().port or 0) as daemon:
            now = daemon.transition(wanted.id)
    except WorkshopError:
        return None
    return now if now.status not in ("requested", "claimed") else None


def log(somebody: Operator) -> str:
    """The event log."""
    return somebody.inside("cat /workshop/runtime/state-events.jsonl", user="root")


def processes() -> str:
    """Command lines of everything that runs on this computer."""
    lines = []
    for entry in os.scandir("/proc"):
        try:
            lines.append(Path(entry.path, "cmdline").read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return "\n".join(lines)

"""The commands around a session, each as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import httpx2
import pytest

from host.client import Daemon
from host.engines.processes import daemon_process, machine_processes
from host.engines.sandbox import explain
from host.sessions import Session
from runtime.services.processes import descendants
from tests.host.people import Person, until
from tests.host.shells import attached

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(300)]


def machines(session: Session) -> list[int]:
    """Process 1 of every machine of a session."""
    return [pid for pid, inside in machine_processes(session.runtime) if inside == 1]


def running(somebody: Person, *words: str) -> subprocess.Popen[str]:
    """A run in the foreground, once it has printed its link."""
    process = somebody.start("run", str(somebody.workshop), "--port", str(somebody.port()), *words)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert f"http://127.0.0.1:{somebody.port()}/?token=" in line, line
    return process


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)]
)
def test_a_signal_stops_the_machine_and_says_how_to_go_on(
    me: Person, number: signal.Signals, code: int
) -> None:
    with running(me) as process:
        assert len(machines(me.session)) == 1
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert f"go on with: workshop run {me.workshop.relative_to('/')}\n" in said  # it runs in /
    assert machines(me.session) == []
    assert me.cli("list").document["data"]["sessions"][0]["state"] == "stopped"


def test_a_second_run_goes_on_with_the_same_link_files_and_progress(me: Person) -> None:
    first = me.run()
    with attached(me.session) as shell:
        shell.run("echo mine > mine.txt")
    complete(me.session, "first")
    before = session_id(me.session)
    assert me.cli("stop").document["data"] == {"name": "trip", "stopped": True}
    assert machines(me.session) == []
    stopped = me.cli("list").document["data"]["sessions"][0]
    assert (stopped["state"], stopped["completed"], stopped["steps"]) == ("stopped", 1, 3)
    second = me.run()
    assert second["link"] == first["link"]
    assert (me.session.workspace / "mine.txt").exists()
    assert me.cli("status").document["data"]["completed"] == 1
    assert session_id(me.session) == before


def test_a_second_run_at_the_same_time_names_the_first_ones_page(me: Person) -> None:
    """Faults 33 and 34."""
    link = me.run()["link"]
    said = me.cli("run", str(me.workshop))
    assert (said.code, said.document["error"]["code"]) == (86, "already_running")
    assert said.document["data"]["link"] == link
    assert "workshop stop trip" in said.document["suggestion"]
    assert len(machines(me.session)) == 1


def test_of_runs_at_the_same_moment_one_looks_after_the_session(me: Person) -> None:
    """Fault 34: the others start nothing and harm nothing."""
    words = ("run", str(me.workshop), "--detach", "--port", str(me.port()), "--json")
    runs = [me.start(*words) for _ in range(3)]
    ends = [run.communicate(timeout=200)[0] for run in runs]
    said = {run.returncode: json.loads(out) for run, out in zip(runs, ends, strict=True)}
    assert sorted(run.returncode for run in runs) == [0, 86, 86]
    assert said[86]["error"]["code"] == "already_running"
    assert len(machines(me.session)) == 1
    assert me.cli("status").document["data"]["state"] == "running"
    log = (me.session.runtime / "state-events.jsonl").read_text()
    assert log.count('"event":"session_started"') == 1


def test_the_daemon_killed_is_started_again_and_loses_nothing(me: Person) -> None:
    me.run()
    complete(me.session, "first")
    init = machines(me.session)[0]
    daemon = daemon_process(init)
    assert daemon is not None
    os.kill(daemon, signal.SIGKILL)
    until(lambda: machines(me.session) not in ([init], []), 60)
    status = until(lambda: running_status(me), 60)
    assert status["completed"] == 1


def test_a_machine_without_a_host_keeps_its_log_whole_after_kill_9(me: Person) -> None:
    me.run()
    complete(me.session, "first")
    os.kill(me.session.holder() or 0, signal.SIGKILL)
    os.kill(machines(me.session)[0], signal.SIGKILL)
    until(lambda: me.session.holder() is None and not machines(me.session))
    me.run()
    assert me.cli("status").document["data"]["completed"] == 1


def test_a_changed_text_is_served_by_the_next_run(me: Person) -> None:
    me.run()
    me.cli("stop")
    text = (me.workshop / "workshop.yaml").read_text()
    (me.workshop / "workshop.yaml").write_text(text.replace("Say hello.", "Say good morning."))
    me.run()
    served = me.session.artifact / "steps" / "first" / "content.md"
    assert "good morning" in served.read_text()


def test_a_second_detached_run_says_that_one_runs_and_where(me: Person) -> None:
    link = me.run()["link"]
    again = me.cli("run", str(me.workshop), "--detach")
    assert again.code == 86, again
    assert again.document["data"]["link"] == link
    assert f"Its page: {link}\n" in again.err


def test_what_a_shell_left_behind_does_not_hide_a_dead_daemon(me: Person) -> None:
    me.run()
    [machine] = machines(me.session)
    with attached(me.session) as shell:
        shell.run("setsid sleep 4321 & disown")
        daemon = daemon_process(machine)
        assert daemon is not None
        for keeper in descendants(daemon):  # these would end what is left behind
            if b"runtime.services.supervisor" in Path(f"/proc/{keeper}/cmdline").read_bytes():
                os.kill(keeper, signal.SIGKILL)
        assert machines(me.session) == [machine]
        os.kill(daemon, signal.SIGKILL)
    until(lambda: machines(me.session) not in ([], [machine]), seconds=60)
    until(lambda: me.cli("status", "trip").document["data"]["state"] == "running", seconds=60)


def test_a_dead_daemon_takes_along_what_its_shells_left_behind(me: Person) -> None:
    me.run()
    [machine] = machines(me.session)
    with attached(me.session) as shell:
        shell.run("env -i setsid sleep 4322 & disown")
        left = [pid for pid in descendants(machine) if is_sleeping(pid, b"4322")]
        assert left
        daemon = daemon_process(machine)
        assert daemon is not None
        os.kill(daemon, signal.SIGKILL)
    until(lambda: not any(is_sleeping(pid, b"4322") for pid in left), seconds=60)
    until(lambda: me.cli("status", "trip").document["data"]["state"] == "running", seconds=60)


def is_sleeping(pid: int, seconds: bytes) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\0" + seconds + b"\0"
    except OSError:
        return False


def test_a_taken_port_is_refused_and_nothing_is_started(me: Person) -> None:
    """Fault 16."""
    me.run()
    other = me.folder / "other"
    other.mkdir()
    text = (me.workshop / "workshop.yaml").read_text().replace("name: trip", "name: other")
    (other / "workshop.yaml").write_text(text)
    said = me.cli("run", str(other), "--detach", "--port", str(me.port()))
    assert (said.code, said.document["error"]["code"]) == (85, "port_taken")
    assert machines(Session(me.folder / "state" / "workshop" / "other")) == []
    assert me.cli("status", "trip").document["data"]["state"] == "running"
    assert [each["name"] for each in me.cli("list").document["data"]["sessions"]] == ["trip"]


def test_a_taken_port_does_not_stop_the_machine_that_runs_on_another(me: Person) -> None:
    me.run()
    holder = me.session.holder()
    assert holder is not None
    os.kill(holder, signal.SIGKILL)
    until(lambda: me.session.holder() is None)
    before = machines(me.session)
    assert before
    with attached(me.session) as shell, socket.create_server(("127.0.0.1", 0)) as other:
        shell.run("mine=kept")
        taken = str(other.getsockname()[1])
        said = me.cli("run", str(me.workshop), "--detach", "--port", taken)
        assert (said.code, said.document["error"]["code"]) == (85, "port_taken")
        assert machines(me.session) == before
        assert shell.run("echo $mine") == "kept\n"
    assert me.cli("run", str(me.workshop), "--detach").code == 0
    assert machines(me.session) == before


def test_sessions_that_start_at_the_same_moment_get_a_port_each(me: Person) -> None:
    text = (me.workshop / "workshop.yaml").read_text()
    starting = []
    for number in range(4):
        folder = me.folder / f"trip-{number}"
        folder.mkdir()
        (folder / "workshop.yaml").write_text(text.replace("name: trip", f"name: trip-{number}"))
        starting.append(me.start("run", str(folder), "--detach", "--json"))
    said = [process.communicate(timeout=200) for process in starting]
    documents = [json.loads(out) for out, _ in said]
    assert all(each["success"] for each in documents), said
    assert len({each["data"]["link"].partition("?")[0] for each in documents}) == 4


def test_looking_at_a_session(me: Person) -> None:
    link = me.run()["link"]
    entry = me.cli("list").document["data"]["sessions"][0]
    assert (entry["name"], entry["state"], entry["step"]) == ("trip", "running", "first")
    assert (entry["completed"], entry["steps"]) == (0, 3)
    status = me.cli("status", str(me.workshop)).document["data"]
    assert status["session"]["directory"] == str(me.session.directory)
    words = me.printed("status").splitlines()
    assert "help         -" in words
    assert not any("{" in line for line in words)
    assert me.cli("open").document["data"]["link"] == link
    assert any("serving" in line for line in me.cli("logs").document["data"]["lines"])
    assert "token" not in "".join(me.cli("logs").document["data"]["lines"])


def test_deleting_asks_and_can_keep_progress(me: Person) -> None:
    me.run()
    complete(me.session, "first")
    refused = me.cli("rm", "trip")
    assert refused.code == 81
    assert "--yes" in refused.document["error"]["message"]
    kept = me.printed("rm", "trip", "--keep-progress", "--yes")
    assert kept == "The files of trip are deleted; ticks and recordings stay.\n"
    assert machines(me.session) == []
    assert not me.session.workspace.exists()
    me.run()
    assert me.cli("status").document["data"]["completed"] == 1
    assert me.cli("rm", "trip", "--yes").code == 0
    assert not me.session.directory.exists()
    assert me.cli("list").document["data"] == {"sessions": []}


def test_an_image_needs_a_container_engine_and_the_sentence_says_so(me: Person) -> None:
    said = me.cli_with({"PATH": "/nowhere", "WORKSHOP_ENGINE": ""}, "run", "example.org/trip")
    assert said.code == 100
    assert "Neither podman nor docker is installed" in said.document["error"]["message"]


@pytest.mark.parametrize("command", ["go second", "reset", "solve second", "open"])
def test_what_needs_a_machine_says_how_to_start_it(me: Person, command: str) -> None:
    me.run()
    me.cli("stop")
    said = me.cli(*command.split())
    assert said.code == 83
    assert f"workshop run {me.workshop}" in said.document["error"]["message"]


def test_nothing_to_choose_from_is_said(me: Person) -> None:
    assert "workshop run DIR" in me.cli("status").document["error"]["message"]
    assert me.cli("stop", "nothing").code == 83


def test_a_computer_without_bubblewrap_is_told_how_to_get_it(me: Person) -> None:
    tools = me.folder / "tools"
    tools.mkdir()
    said = me.cli_with({"PATH": str(tools)}, "run", str(me.workshop))
    assert (said.code, said.document["error"]["code"]) == (100, "engine_failure")
    assert "apt-get install -y bubblewrap" in said.document["error"]["message"]


@pytest.mark.parametrize(
    ("setting", "value", "mend"),
    [
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "sudo tee /etc/apparmor.d/bwrap"),
        ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
        ("user/max_user_namespaces", "0", "user.max_user_namespaces=15000"),
        ("kernel/other", "0", "bwrap: No permissions"),
    ],
)
def test_forbidden_user_namespaces_are_explained_with_one_line(
    tmp_path: Path, setting: str, value: str, mend: str
) -> None:
    path = tmp_path / setting
    path.parent.mkdir()
    path.write_text(f"{value}\n")
    sentence = explain("bwrap: No permissions to create a new namespace\n", tmp_path)
    assert mend in sentence
    assert "\n" not in sentence


def complete(session: Session, step: str) -> None:
    """Tick a step off, as the page does."""
    done = httpx2.post(
        f"http://127.0.0.1:{session.record().port}/api/steps/{step}/complete",
        headers={"Authorization": f"Bearer {session.token('student')}"},
        trust_env=False,
        timeout=60,
    )
    assert done.status_code == 200, done.text


def session_id(session: Session) -> str:
    """The daemon's own name for the session."""
    with Daemon(session, session.record().port or 0) as daemon:
        return daemon.status().session


def running_status(somebody: Person) -> dict[str, Any] | None:
    """`status`, once the machine answers."""
    data: dict[str, Any] = somebody.cli("status").document["data"]
    return data if data["state"] == "running" else None

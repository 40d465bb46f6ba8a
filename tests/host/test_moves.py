"""Moves of a real machine: the student's files, faults in the middle, processes left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import pytest

from host.client import Daemon, Transition
from host.engines.processes import daemon_process, machine_processes
from host.engines.sandbox import Sandbox
from host.ports import PortTaken
from host.run import Run
from host.sessions import Origin, Session, create, place
from host.spec import load
from host.states import States
from host.transitions import Mover
from runtime.domain.errors import WorkshopError
from runtime.domain.transitions import TransitionKind, TransitionStatus
from tests.host.engines import Disturbed, Fault
from tests.host.people import REPOSITORY, Person, until
from tests.host.shells import attached
from tests.host.test_running import complete

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(400)]

MOMENTS = [
    "before:prepare", "after:prepare", "after:stop", "before:enter", "after:enter",
    "before:start", "after:start",
]  # fmt: skip


def test_going_resetting_and_solving_change_the_files_and_keep_the_old_ones(
    somebody: Person,
) -> None:
    link = somebody.run()["link"]
    session = somebody.session
    with attached(session) as shell:
        shell.run("echo mine > mine.txt; echo home > ~/home.txt")
    gone = somebody.cli("go", "second").document
    assert gone["success"], gone
    assert names(session.workspace) == {"one.txt"}
    kept = Path(gone["data"]["kept"])
    assert (kept / "workspace" / "mine.txt").read_text() == "mine\n"
    assert (kept / "home" / "home.txt").read_text() == "home\n"

    solved = somebody.cli("solve", "second").document["data"]
    assert (solved["step"], solved["kind"]) == ("second", "solve")
    assert (session.workspace / "two.txt").read_text() == "scenic\n"
    with attached(session) as shell:
        found = shell.run(f"echo $ROUTE; ls ~; cat /kept/{kept.name}/workspace/mine.txt")
        assert found == "scenic\nnotes\nmine\n"
        shell.run("rm -rf * ~/notes; mkdir locked; touch locked/file; chmod 0 locked")
        shell.type("chmod 0 .\r")
        until(lambda: not session.workspace.stat().st_mode & 0o777)

    reset = somebody.cli("reset").document["data"]
    assert (reset["step"], reset["kind"]) == ("second", "reset")
    assert names(session.workspace) == {"one.txt"}
    assert somebody.cli("open").document["data"]["link"] == link
    assert len(list(session.kept.iterdir())) == 3


ESCAPES = {  # fault 27; each sleeps for a time of its own
    "98761": "sleep 98761 &",
    "98762": "nohup sleep 98762 >/dev/null 2>&1 &",
    "98763": "setsid sleep 98763 &",
    "98764": "sleep 98764 & disown",
    "98765": "( (setsid sleep 98765 &) & )",
    "98766": "bash -c \"trap '' HUP TERM; sleep 98766; :\" &",
    "98767": "sleep 98767 & until grep -q sleep /proc/$!/comm; do :; done; kill -STOP $!",
    "98768": "env -i setsid /bin/sleep 98768 &",
    "98769": "( (env -i setsid /bin/bash -c \"trap '' HUP TERM INT; sleep 98769; :\" &) & )",
}


def terminals(session: Session, method: str, path: str = "", **body: Any) -> None:  # Any: JSON
    """Ask the daemon for something of its terminals, as the student's page does."""
    httpx2.request(
        method,
        f"http://127.0.0.1:{session.record().port}/api/terminals{path}",
        headers={"Authorization": f"Bearer {session.token('student')}"},
        timeout=60,
        trust_env=False,
        **body,
    ).raise_for_status()


def test_every_process_of_a_shell_ends_with_it_however_it_hides(somebody: Person) -> None:
    """Fault 27, in a machine: none that the shell ever started, and none of another terminal."""
    somebody.run()
    session = somebody.session
    for ending in ("close", "restart", "reset", "stop"):
        name = f"to-{ending}"
        terminals(session, "POST", json={"name": name})
        with attached(session) as bystander, attached(session, name) as shell:
            bystander.run("sleep 97531 &\n")
            shell.run("\n".join(ESCAPES.values()))
            until(lambda: set(escaped()) >= ESCAPES.keys())
            match ending:
                case "close":
                    terminals(session, "DELETE", f"/{name}")
                case "restart":
                    terminals(session, "POST", f"/{name}/restart")
                case _:
                    assert somebody.cli(ending).code == 0
        assert escaped() == [], ending
        assert bool(escaped("97531")) == (ending in ("close", "restart")), ending
    assert list(machine_processes(session.runtime)) == []


def test_a_locked_step_stays_locked_from_the_command_line(me: Person) -> None:
    text = (me.workshop / "workshop.yaml").read_text()
    text = text.replace("navigation: free", "navigation: linear")
    (me.workshop / "workshop.yaml").write_text(text)
    me.run()
    said = me.cli("go", "third")
    assert (said.code, said.document["error"]["code"]) == (85, "step_locked")
    assert said.document["error"]["message"].endswith(".")


def test_a_step_that_is_none_never_becomes_an_address_of_something_else(me: Person) -> None:
    me.run()
    for step in ("../first", "first/view?", "first?x=1", "fi%72st", ".", ""):
        said = me.cli("go", step)
        assert (said.code, said.document["error"]["code"]) == (83, "not_found"), step
        assert f"“{step}”" in said.document["error"]["message"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_host_killed_in_a_move_is_mended_by_the_next_run(me: Person, moment: str) -> None:
    """Fault 15: one machine, at the step, with the event log whole."""
    with killed_run(me, moment) as run:
        with Daemon(me.session, me.session.record().port or 0) as daemon:
            wanted = daemon.request("second", TransitionKind.GO)
        assert run.wait(timeout=120) == -signal.SIGKILL
    me.run()
    moved = until(lambda: ended(me.session, wanted), 120)
    assert moved.status is TransitionStatus.COMPLETED
    assert len([1 for _, inside in machine_processes(me.session.runtime) if inside == 1]) == 1
    assert names(me.session.workspace) == {"one.txt"}
    assert me.cli("status").document["data"]["step"] == "second"
    log = (me.session.runtime / "state-events.jsonl").read_text()
    assert log.count('"transition_completed"') == 1
    assert "log_repaired" not in log


def test_the_host_killed_at_rest_leaves_the_shell_alone(somebody: Person) -> None:
    """Fault 15."""
    somebody.run()
    session = somebody.session
    with attached(session) as shell:
        shell.run("LEFT=behind")
        os.kill(session.holder() or 0, signal.SIGKILL)
        until(lambda: session.holder() is None)
        assert somebody.cli("status").document["data"]["state"] == "unattended"
        somebody.run()
        assert shell.run("echo $LEFT") == "behind\n"


def test_a_move_is_done_by_who_asks_when_nobody_looks_after_the_session(somebody: Person) -> None:
    somebody.run()
    session = somebody.session
    os.kill(session.holder() or 0, signal.SIGKILL)
    until(lambda: session.holder() is None)
    assert somebody.cli("go", "second").code == 0
    assert names(session.workspace) == {"one.txt"}


def test_a_machine_that_does_not_come_up_gives_way_to_the_old_one(me: Person) -> None:
    """Fault 17."""
    with here(me) as session:
        manifest = session.artifact / "workshop.json"
        whole = manifest.read_bytes()
        faults: dict[str, Fault] = {
            "after:enter": lambda: void(manifest.write_text("{}")),
            "after:restore": lambda: void(manifest.write_bytes(whole)),
        }
        mover, said = moving(me, session, faults)
        mover.begin()
        (session.workspace / "mine.txt").write_text("mine")
        wanted = ask(session, "second")
        assert mover.perform(wanted)
        failed = ended(session, wanted)
        assert failed is not None
        assert (failed.status, failed.code) == (TransitionStatus.FAILED, "engine_failure")
        assert "workshop.json" in (failed.reason or "")
        assert names(session.workspace) == {"mine.txt"}
        assert session.record().step == "first"
        assert any("back at first" in line for line in said)


def test_a_machine_that_runs_and_never_answers_gives_way_to_the_old_one(me: Person) -> None:
    """Fault 17: unhealthy; its daemon is stopped as soon as it is there."""
    with here(me) as session:
        stopped: list[int] = []

        def stop_once() -> None:
            if not stopped:
                stopped.append(until(lambda: daemon_of(session)))
                os.kill(stopped[0], signal.SIGSTOP)

        mover, said = moving(me, session, {})
        mover.begin()
        complete(session, "first")
        (session.workspace / "mine.txt").write_text("mine")
        wanted = ask(session, "second")
        engine = Disturbed(sandbox(me), {"after:start": stop_once})
        assert Mover(session, engine, said.append, ready_seconds=15).perform(wanted)
        failed = ended(session, wanted)
        assert failed is not None
        assert (failed.status, failed.code) == (TransitionStatus.FAILED, "engine_failure")
        assert "was not ready after 15 seconds" in (failed.reason or "")
        assert names(session.workspace) == {"mine.txt"}
        with Daemon(session, session.record().port or 0) as daemon:
            assert daemon.status().completed == 1
        assert daemon_of(session) not in stopped


def daemon_of(session: Session) -> int | None:
    """The process that serves it."""
    inits = [pid for pid, inside in machine_processes(session.runtime) if inside == 1]
    return daemon_process(inits[0]) if inits else None


def test_a_port_taken_in_a_move_leaves_the_old_files_and_a_plain_message(me: Person) -> None:
    """Fault 16."""
    with here(me) as session:
        taken: list[socket.socket] = []

        def take() -> None:
            address = ("127.0.0.1", session.record().port or 0)
            taken.append(socket.create_server(address, reuse_port=False))

        mover, _ = moving(me, session, {"after:enter": take})
        mover.begin()
        (session.workspace / "mine.txt").write_text("mine")
        wanted = ask(session, "second")
        with pytest.raises(PortTaken, match="is taken by another program"):
            mover.perform(wanted)
        assert names(session.workspace) == {"mine.txt"}
        taken[0].close()
        again, _ = moving(me, session, {})
        assert again.begin().step == "first"
        failed = ended(session, wanted)
        assert failed is not None
        assert (failed.status, failed.code) == (TransitionStatus.FAILED, "port_taken")


def test_a_port_that_is_taken_for_a_moment_at_the_start_costs_only_another_one(me: Person) -> None:
    """Fault 16: whoever took it may be gone before anybody looks."""
    with here(me) as session:
        port = session.record().port or 0
        taken: list[socket.socket] = []
        said: list[str] = []

        def take() -> None:
            if not taken:
                taken.append(socket.create_server(("127.0.0.1", port), reuse_port=False))

        def give_back() -> None:
            for each in taken:
                each.close()

        faults = {"before:start": take, "after:stop": give_back}
        run = Run(session, Disturbed(sandbox(me), faults), said.append)
        assert run.begin().step == "first"
        assert "The port was taken meanwhile; using another one." in said
        assert session.record().port != port


def test_a_step_whose_commands_fail_leaves_the_machine_alone(me: Person) -> None:
    text = (me.workshop / "workshop.yaml").read_text()
    text = text.replace('"echo one > one.txt"', '"echo broken; exit 7"')
    (me.workshop / "workshop.yaml").write_text(text)
    me.run()
    before = me.cli("status").document["data"]
    with attached(me.session) as shell:
        shell.run("LEFT=behind")
        said = me.cli("go", "second")
        assert (said.code, said.document["error"]["code"]) == (100, "engine_failure")
        for part in ("Step first", "echo broken; exit 7", "exit code 7"):
            assert part in said.document["error"]["message"]
        assert shell.run("echo $LEFT") == "behind\n"
    assert me.cli("status").document["data"]["step"] == before["step"]


@contextmanager
def killed_run(somebody: Person, moment: str) -> Iterator[subprocess.Popen[str]]:
    """A run that kills itself, when it is ready for its first move."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.host.killed_run", str(somebody.workshop), moment],
        cwd=REPOSITORY, env=somebody.environment, text=True, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    with process:
        try:
            assert any(line == "ready\n" for line in process.stdout)
            yield process
        finally:
            process.kill()


@contextmanager
def here(somebody: Person) -> Iterator[Session]:
    """A session this very process looks after, compiled, with a port."""
    spec = load(somebody.workshop)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", somebody.environment["XDG_STATE_HOME"])
        session = place(spec.name)
        with session.locked():
            from host.compile import compile_workshop

            steps = tuple(step.id for step in spec.steps)
            create(session, Origin("A trip", str(spec.root), "sandbox", steps))
            compile_workshop(spec, session.artifact)
            session.update(port=somebody.port())
            yield session
            sandbox(somebody).stop(session)


def moving(somebody: Person, session: Session, faults: dict[str, Fault]) -> tuple[Mover, list[str]]:
    """A mover with faults, and what it says."""
    said: list[str] = []
    return Mover(session, Disturbed(sandbox(somebody), faults), said.append), said


@cache
def sandbox(somebody: Person) -> Sandbox:
    """The real engine, one for each person: it collects the processes that it started."""
    return Sandbox(States(load(somebody.workshop), somebody.folder / "cache").place)


def ask(session: Session, step: str) -> Transition:
    """A student's request."""
    with Daemon(session, session.record().port or 0) as daemon:
        return daemon.request(step, TransitionKind.GO)


def ended(session: Session, wanted: Transition) -> Transition | None:
    """The transition once it is over."""
    try:
        with Daemon(session, session.record().port or 0) as daemon:
            now = daemon.transition(wanted.id)
    except WorkshopError:
        return None
    over = (TransitionStatus.COMPLETED, TransitionStatus.FAILED, TransitionStatus.CANCELLED)
    return now if now.status in over else None


def escaped(seconds: str = "9876") -> list[str]:
    """Sleeping processes of these tests, anywhere on this computer."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"sleep") and words[1].startswith(seconds.encode()):
            found.append(words[1].decode())
    return found


def names(folder: Path) -> set[str]:
    """What a folder holds, without our probes."""
    return {path.name for path in folder.iterdir() if not path.name.startswith(".probe")}


def void(_: Any) -> None:  # Any: whatever a write gives back
    """Nothing."""

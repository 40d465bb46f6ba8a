"""What the student's shell can reach, in machines run by root and by an ordinary user."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from host.engines.processes import daemon_process, machine_processes
from host.sessions import Session
from tests.host.people import Person, until
from tests.host.shells import attached

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(240)]

GOSS = "file:\n  /workspace/never:\n    exists: true\n    title: marker-of-the-checks\n"
EVERYWHERE = r"""
env
cat /run/workshop/* /run/workshop/.* /workshop/runtime/* /workshop/steps/*/goss.yaml
cat /workshop/steps/*/hints.md /workshop/steps/*/solve.md
cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline /proc/[0-9]*/stack
cat /proc/[0-9]*/root/run/workshop/* /proc/[0-9]*/cwd/../../../run/workshop/*
for file in /proc/[0-9]*/fd/*; do
  case $(readlink $file) in /dev/*) ;; /*) head -c 1000000 $file ;; esac
done
find /home /root /kept /opt/workshop/[!l]* /run /tmp /var/tmp /workspace /dev/shm \
  -type f -size -64k ! -name '.probe-*' -exec cat {} +
"""


@pytest.fixture
def machine(somebody: Person) -> Iterator[Session]:
    """A running machine whose first step has checks, hints and a solution."""
    step = somebody.workshop / "steps" / "first"
    step.mkdir(parents=True)
    (step / "goss.yaml").write_text(GOSS)
    (step / "hints.md").write_text("marker-of-the-hints")
    (step / "solve.md").write_text("marker-of-the-solution")
    somebody.run()
    yield somebody.session


def test_no_token_check_hint_or_solution_is_found_anywhere(machine: Session) -> None:
    """Fault 1."""
    with attached(machine) as shell:
        found = shell.run(EVERYWHERE, seconds=120)
    assert "student" in found
    for role in ("student", "instructor", "host"):
        assert machine.token(role) not in found
    assert "marker-of" not in found
    assert "session_started" not in found  # the event log


def test_the_daemon_cannot_be_looked_into(machine: Session) -> None:
    """Fault 1: environment, memory, open files, folders, namespaces, debugger."""
    with attached(machine) as shell:
        found = shell.run(
            "for process in 1 2; do for what in environ mem maps root/ cwd/ ns/mnt fd/0; do\n"
            "  head -c 1 /proc/$process/$what > /dev/null 2>&1 && echo open $process $what\n"
            "  ls /proc/$process/$what/ > /dev/null 2>&1 && echo listed $process $what\n"
            "done; done; tr '\\0' ' ' < /proc/2/cmdline; echo\n"
            "nsenter -t 2 -m -U true 2>/dev/null && echo entered; id -un; echo end"
        )
    assert "open" not in found.replace("/opt/", "")
    assert "listed" not in found
    assert "entered" not in found
    assert "runtime" in found  # it was the daemon that was looked at
    assert found.split()[-2:] == ["student", "end"]


def test_new_namespaces_uncover_nothing_that_is_hidden(machine: Session) -> None:
    """Fault 1: a user who may make a user namespace is root in it, over what they see only."""
    with attached(machine) as shell:
        found = shell.run(
            "unshare -Urm sh -c 'umount -l /workshop /run/workshop /workshop/runtime; "
            "mount -o remount,rw /; cat /run/workshop/* /workshop/steps/*/goss.yaml; "
            "touch /usr/new && echo wrote' 2>&1; echo end"
        )
    assert machine.token("host") not in found
    assert "marker-of" not in found
    assert "wrote" not in found
    assert found.endswith("end\n")


def test_the_machine_is_the_students_own(machine: Session) -> None:
    with attached(machine) as shell:
        found = shell.run(
            "id -un; id -u; pwd; echo ~; hostname; tty; ls -d /workshop /workspace; ls /home;"
            "ps -e -o pid= | wc -l; touch new ~/new /tmp/new && echo may write;"
            "for place in / /usr /etc /opt /workshop /run/workshop /kept /var /home; do"
            "  touch $place/new 2>/dev/null && echo wrote $place; done;"
            "sudo -n true 2>/dev/null || su -c true < /dev/null 2> /dev/null || echo no root;"
            "grep -E 'CapEff|NoNewPrivs' /proc/self/status | tr -d '\\t'; env | grep PYTHON"
        ).splitlines()
    assert found[:6] == ["student", "1000", "/workspace", "/home/student", "trip", found[5]]
    assert found[5].startswith("/dev/pts/")
    assert found[6:9] == ["/workshop", "/workspace", "student"]
    assert int(found[9]) < 15
    assert found[10:] == ["may write", "no root", "CapEff:0000000000000000", "NoNewPrivs:1"]


def test_the_prompt_hook_logs_commands_for_the_daemon(machine: Session) -> None:
    log = machine.runtime / "command-log.jsonl"
    with attached(machine) as shell:
        shell.type("echo hooked-$((40 + 2))\r")
        until(lambda: "echo hooked-$((40 + 2))" in log.read_text())


def test_what_killing_everything_in_reach_does(somebody: Person, machine: Session) -> None:
    """Fault 1: as root the daemon is out of reach; with one uid it is not, but it comes back."""
    init = next(pid for pid, inside in machine_processes(machine.runtime) if inside == 1)
    daemon = daemon_process(init)
    with attached(machine) as shell:
        shell.run("touch precious")
        shell.type("kill -9 -1; kill -9 2\r")
        if somebody.name == "root":
            assert shell.run("echo alive") == "alive\n"
            assert daemon_process(init) == daemon
            return
    until(lambda: init not in [pid for pid, _ in machine_processes(machine.runtime)])
    until(lambda: somebody.cli("status").document["data"]["state"] == "running", 90)
    with attached(machine) as shell:
        assert shell.run("ls precious") == "precious\n"

"""The goss wrapper against everything a check, a spec or the student can do to it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import uuid4

import pytest
import uvloop

from runtime.services.goss import Goss, GossRun
from tests.goss_binary import ROOT, goss_binary

DEADLINE_SECONDS = 1.5
SLACK_SECONDS = 15  # what a loaded machine may add; the commands hang for much longer


@pytest.fixture
async def goss() -> AsyncIterator[Goss]:
    runner = Goss(goss_binary(), timeout_seconds=DEADLINE_SECONDS)
    yield runner
    await runner.close()


@pytest.fixture
async def patient() -> AsyncIterator[Goss]:
    runner = Goss(goss_binary(), timeout_seconds=30)
    yield runner
    await runner.close()


@pytest.fixture
async def narrow() -> AsyncIterator[Goss]:
    runner = Goss(goss_binary(), timeout_seconds=50, memory_bytes=1536 << 20)
    yield runner
    await runner.close()


@pytest.fixture
def token() -> str:
    """An argument that finds a process of this test again, whatever became of its parents."""
    return f"9{uuid4().int % 10**9:09d}"


def write(folder: Path, spec: str) -> Path:
    path = folder / "spec.yaml"
    path.write_text(spec)
    path.chmod(0o600)
    return path


def command(line: str, timeout_ms: int = 60_000) -> str:
    return json.dumps({"command": {"c": {"exec": line, "exit-status": 0, "timeout": timeout_ms}}})


def processes_with(token: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line, state = (entry / "cmdline").read_bytes(), (entry / "stat").read_text()
            except OSError:
                continue
            if token.encode() in line and state_of(state) != "Z":
                found.append(int(entry.name))
    return found


def state_of(stat: str) -> str:
    return stat.rpartition(")")[2].split()[0]


def children_of(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            if int(stat.rpartition(")")[2].split()[1]) == pid:
                found.append(int(entry.name))
    return found


async def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it did not happen in time"
        await asyncio.sleep(0.02)


async def timed(goss: Goss, spec: Path, cwd: Path) -> tuple[GossRun, float]:
    started = time.monotonic()
    run = await goss.run(spec, cwd)
    return run, time.monotonic() - started


async def test_a_run_gives_gosss_own_answer(patient: Goss, tmp_path: Path) -> None:
    run = await patient.run(write(tmp_path, "file: {/: {exists: true}}"), tmp_path)
    assert (run.exit_code, run.reason) == (0, None)
    assert len(json.loads(run.stdout)["results"]) == 1


async def test_a_bad_spec_is_exit_78_with_the_error_as_text(patient: Goss, tmp_path: Path) -> None:
    run = await patient.run(write(tmp_path, "foo"), tmp_path)
    assert run.exit_code == 78
    assert b"unmarshal errors" in run.stdout


async def test_goss_says_its_version(patient: Goss) -> None:
    version = await patient.version()
    assert version is None or version.startswith("0.4.")  # Debian's build does not say


async def test_a_missing_goss_is_a_sentence(tmp_path: Path) -> None:
    missing = Goss(tmp_path / "goss")
    run = await missing.run(write(tmp_path, "{}"), tmp_path)
    assert run.exit_code is None
    assert run.reason == f"{tmp_path}/goss could not be started: No such file or directory."
    assert await missing.version() is None
    await missing.close()


async def test_a_removed_working_directory_does_not_stop_the_checks(
    patient: Goss, tmp_path: Path
) -> None:
    run = await patient.run(write(tmp_path, command("test ! -e gone")), tmp_path / "gone")
    assert run.exit_code == 0


async def test_a_command_inherits_no_descriptor_of_the_supervisor(
    patient: Goss, tmp_path: Path
) -> None:
    """Fault 4: who holds the supervisor's socket could answer in its place."""
    line = "set -- /proc/self/fd/*; test $# -le 4"  # the three, and the folder that is read
    assert (await patient.run(write(tmp_path, command(line)), tmp_path)).exit_code == 0


async def test_commands_run_in_the_working_directory(patient: Goss, tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    assert (await patient.run(write(tmp_path, command("test -e mine")), tmp_path)).exit_code == 0


async def test_a_prefix_is_put_in_front_and_the_spec_comes_by_input(tmp_path: Path) -> None:
    prefixed = Goss(goss_binary(), prefix=("env", "MARK=7"))
    run = await prefixed.run(
        write(tmp_path, command('test $MARK = 7 && test -z "$(cat)"')), tmp_path
    )
    assert (run.exit_code, run.reason) == (0, None)
    await prefixed.close()


@pytest.mark.sandbox
async def test_a_prefix_may_hide_the_spec_from_the_checks(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    spec = write(hidden, command(f'test -z "$(ls {hidden})"'))
    isolation = ("bwrap", "--dev-bind", "/", "/", "--tmpfs", str(hidden))
    isolated = Goss(goss_binary(), prefix=isolation)
    run = await isolated.run(spec, tmp_path)
    assert (run.exit_code, run.reason) == (0, None)
    await isolated.close()


async def test_under_uvloop_it_works_the_same(tmp_path: Path) -> None:
    spec = write(tmp_path, "file: {/: {exists: true}}")

    async def go() -> int | None:
        runner = Goss(goss_binary())
        run = await runner.run(spec, tmp_path)
        await runner.close()
        return run.exit_code

    assert await asyncio.to_thread(lambda: uvloop.run(go())) == 0


# Fault 5: the student's own surroundings


async def test_the_environment_is_made_from_nothing(
    patient: Goss, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault 5: GOSS_*, PATH and LD_PRELOAD have no effect, and no secret reaches a template."""
    bad = tmp_path / "bin"
    bad.mkdir()
    for name in ("sh", "true", "goss"):
        (bad / name).write_text("#!/bin/sh\nexit 9\n")
        (bad / name).chmod(0o755)
    monkeypatch.setenv("GOSS_FMT", "documentation")
    monkeypatch.setenv("GOSS_FILE", "/nonexistent")
    monkeypatch.setenv("GOSS_MAX_CONCURRENT", "0")
    monkeypatch.setenv("GOSS_VARS_INLINE", "{")
    monkeypatch.setenv("LD_PRELOAD", "/nonexistent.so")
    monkeypatch.setenv("BASH_ENV", "/nonexistent")
    monkeypatch.setenv("WORKSHOP_HOST_TOKEN", "very-secret-token")
    monkeypatch.setenv("PATH", f"{bad}:{os.environ['PATH']}")
    spec = command("env; cat /proc/$PPID/environ") + "\n# {{ .Env }}\n"
    spec = spec.replace('"exit-status": 0', '"exit-status": 0, "stdout": "show"')
    run = await patient.run(write(tmp_path, spec), tmp_path)
    assert run.exit_code == 1
    text = json.loads(run.stdout)["results"][1]["matcher-result"]["actual"]
    names = {line.partition("=")[0] for line in text.replace("\0", "\n").splitlines() if line}
    assert names <= {"PATH", "HOME", "LANG", "PWD", "OLDPWD", "SHLVL", "_"}
    assert "secret" not in run.stdout.decode()
    assert str(bad) not in text


async def test_the_supervisor_holds_no_environment_either(
    patient: Goss, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault 5, and 1: nothing to read in /proc."""
    monkeypatch.setenv("WORKSHOP_HOST_TOKEN", "very-secret-token")
    await patient.warm()
    assert b"secret" not in Path(f"/proc/{supervisor_of(patient)}/environ").read_bytes()


async def test_files_in_the_working_directory_have_no_effect(patient: Goss, tmp_path: Path) -> None:
    """Fault 5: not goss.yaml, not vars, not programs."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "goss.yaml").write_text("file: {/nonexistent: {exists: true}}")
    (work / "vars.yaml").write_text("{")
    for name in ("sh", "true", "goss"):
        (work / name).write_text("#!/bin/sh\nexit 9\n")
        (work / name).chmod(0o755)
    assert (await patient.run(write(tmp_path, command("true")), work)).exit_code == 0


# Fault 11: checks that hang


@pytest.mark.parametrize(
    "line",
    [
        "sleep TOKEN",
        "sleep TOKEN & wait",
        "trap '' HUP TERM INT; sleep TOKEN",
        "nohup setsid sleep TOKEN & sleep 300",
        "setsid env -i sh -c 'env -i setsid sleep TOKEN & exit' & sleep 300",
        "kill -STOP $PPID; sleep TOKEN",
        "sleep TOKEN & kill -STOP $!; wait",
        "(sleep TOKEN & kill -STOP $$) ; sleep 300",
    ],
)
async def test_a_hanging_command_ends_at_the_deadline_with_all_it_started(
    goss: Goss, tmp_path: Path, token: str, line: str
) -> None:
    """Fault 11: also what left its group, its session and its environment, or is stopped."""
    spec = write(tmp_path, command(line.replace("TOKEN", token)))
    run, seconds = await timed(goss, spec, tmp_path)
    assert run.exit_code is None
    assert run.reason == "The checks did not finish within 1.5 s and were stopped."
    assert seconds < DEADLINE_SECONDS + SLACK_SECONDS
    assert processes_with(token) == []
    await until(lambda: not children_of(supervisor_of(goss)))  # its worker ends after the answer


async def test_a_fifo_in_a_file_check_ends_at_the_deadline(goss: Goss, tmp_path: Path) -> None:
    """Fault 11: goss opens it and waits for ever."""
    os.mkfifo(tmp_path / "fifo")
    spec = write(tmp_path, f"file: {{{tmp_path}/fifo: {{exists: true, contents: [x]}}}}")
    run, seconds = await timed(goss, spec, tmp_path)
    assert run.reason == "The checks did not finish within 1.5 s and were stopped."
    assert seconds < DEADLINE_SECONDS + SLACK_SECONDS
    assert processes_with(str(spec)) == []


async def test_what_a_finished_check_left_behind_is_ended(
    patient: Goss, tmp_path: Path, token: str
) -> None:
    """Fault 11: a passing run leaves nothing either."""
    line = f"setsid env -i sleep {token} >/dev/null 2>&1 &"
    run = await patient.run(write(tmp_path, command(line)), tmp_path)
    assert run.exit_code == 0
    assert processes_with(token) == []


async def test_a_command_goss_gave_up_on_is_ended(
    patient: Goss, tmp_path: Path, token: str
) -> None:
    """Fault 11: goss's own timeout does not kill the command."""
    run = await patient.run(write(tmp_path, command(f"sleep {token}", 100)), tmp_path)
    assert run.exit_code == 1
    assert processes_with(token) == []


async def test_a_fork_bomb_ends_at_the_deadline(goss: Goss, tmp_path: Path, token: str) -> None:
    """Fault 11: processes that fork faster than they are counted (a small bomb)."""
    script = tmp_path / "bomb"
    script.write_text(
        'if [ "$2" -gt 0 ]; then n=$(($2 - 1)); for i in 1 2 3; do\n'
        f'setsid env -i /bin/sh {script} "$1" $n & done; fi\nexec sleep "$1"\n'
    )
    run, seconds = await timed(goss, write(tmp_path, command(f"sh {script} {token} 4")), tmp_path)
    assert run.exit_code is None
    assert seconds < DEADLINE_SECONDS + SLACK_SECONDS
    assert processes_with(token) == []


async def test_a_cancelled_run_ends_its_processes(
    patient: Goss, tmp_path: Path, token: str
) -> None:
    """Fault 11: nobody waits any more, so nothing runs any more."""
    spec = write(tmp_path, command(f"setsid sleep {token}"))
    task = asyncio.create_task(patient.run(spec, tmp_path))
    await until(lambda: bool(processes_with(token)))
    task.cancel()
    await until(lambda: not processes_with(token))


async def test_closing_ends_runs_under_way(patient: Goss, tmp_path: Path, token: str) -> None:
    """Fault 11: the daemon stops."""
    spec = write(tmp_path, command(f"setsid sleep {token}"))
    task = asyncio.create_task(patient.run(spec, tmp_path))
    await until(lambda: bool(processes_with(token)))
    await patient.close()
    assert processes_with(token) == []
    assert (await task).exit_code is None


async def test_a_killed_worker_is_an_error_and_leaves_nothing(
    patient: Goss, tmp_path: Path, token: str
) -> None:
    """Fault 11: a check that kills what watches it gains nothing."""
    spec = write(tmp_path, command(f"setsid sleep {token}"))
    task = asyncio.create_task(patient.run(spec, tmp_path))
    await until(lambda: bool(processes_with(token)))
    (worker,) = children_of(supervisor_of(patient))
    os.kill(worker, signal.SIGKILL)
    assert (await task).reason == "The checks ended before they had a result (the run was killed)."
    await until(lambda: not processes_with(token))


async def test_a_stopped_worker_is_overdue_and_leaves_nothing(tmp_path: Path, token: str) -> None:
    """Fault 11: a check that stops what watches it."""
    runner = Goss(goss_binary(), timeout_seconds=4)
    task = asyncio.create_task(runner.run(write(tmp_path, command(f"sleep {token}")), tmp_path))
    await until(lambda: bool(processes_with(token)))
    (worker,) = children_of(supervisor_of(runner))
    os.kill(worker, signal.SIGSTOP)
    assert (await task).exit_code is None
    await until(lambda: not processes_with(token))
    await runner.close()


async def test_a_killed_supervisor_is_replaced(patient: Goss, tmp_path: Path) -> None:
    spec = write(tmp_path, "file: {/: {exists: true}}")
    await patient.run(spec, tmp_path)
    first = supervisor_of(patient)
    os.kill(first, signal.SIGKILL)
    # Its memory goes first, then its sockets: until then it still takes what it will never do.
    await until(lambda: state_of(Path(f"/proc/{first}/stat").read_text()) == "Z")
    assert (await patient.run(spec, tmp_path)).exit_code == 0
    assert supervisor_of(patient) != first


@pytest.mark.parametrize("turns", range(4))
async def test_a_start_that_is_cancelled_leaves_no_supervisor(turns: int) -> None:
    """Fault 28: the daemon stops as soon as it has started."""
    before = set(children_of(os.getpid()))
    runner = Goss(goss_binary())
    task = asyncio.create_task(runner.warm())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    started = set(children_of(os.getpid())) - before
    assert (runner._supervision._process is not None) == bool(started)
    await runner.close()
    await until(lambda: set(children_of(os.getpid())) <= before)


@pytest.mark.parametrize("worker", ["running", "stopped"])
async def test_a_killed_daemon_takes_its_runs_along(
    tmp_path: Path, token: str, worker: str
) -> None:
    """Fault 11: SIGKILL of the daemon in the middle of a run.

    To end a run the supervisor stops its worker first, perhaps while the daemon still dies: the
    kernel hangs up an orphaned group with a stopped process in it.
    """
    spec = write(tmp_path, command(f"setsid sleep {token}"))
    program = (
        "import asyncio, pathlib, sys\n"
        "from runtime.services.goss import Goss\n"
        "async def main():\n"
        "    goss, spec = map(pathlib.Path, sys.argv[1:])\n"
        "    await Goss(goss).run(spec, pathlib.Path('/'))\n"
        "asyncio.run(main())\n"
    )
    daemon = subprocess.Popen(
        [sys.executable, "-c", program, str(goss_binary()), str(spec)], cwd=ROOT
    )
    try:
        await until(lambda: bool(processes_with(token)))
        if worker == "stopped":
            [supervisor] = children_of(daemon.pid)
            [pid] = children_of(supervisor)
            os.kill(pid, signal.SIGSTOP)
            await until(lambda: state_of(Path(f"/proc/{pid}/stat").read_text()) == "T")
    finally:
        daemon.kill()
        daemon.wait()
    await until(lambda: not processes_with(token))


# Fault 12: checks that flood


async def test_a_flood_of_memory_is_stopped_at_the_cap(narrow: Goss, tmp_path: Path) -> None:
    """Fault 12: goss keeps all a command prints; the limit ends it and the daemon stays flat."""
    await narrow.warm()
    before = resident_bytes()
    run = await narrow.run(write(tmp_path, command("yes")), tmp_path)
    assert run.exit_code is None
    assert run.reason == "The checks needed more than 1536 MiB of memory and were stopped."
    assert resident_bytes() - before < 8 << 20
    await until(lambda: not children_of(supervisor_of(narrow)))


async def test_a_flood_of_output_is_stopped_at_the_cap(patient: Goss, tmp_path: Path) -> None:
    """Fault 12: goss repeats what it found several times over in its own output."""
    spec = command("head -c 3000000 /dev/zero | tr '\\0' a").replace(
        '"exit-status": 0', '"exit-status": 0, "stdout": "x"'
    )
    run = await patient.run(write(tmp_path, spec), tmp_path)
    assert run.exit_code is None
    assert run.reason == "The checks printed more than 4 MiB and were stopped."


async def test_memory_a_command_takes_is_limited_too(patient: Goss, tmp_path: Path) -> None:
    """Fault 12: the limit is inherited."""
    line = f"{sys.executable} -I -S -c 'bytearray(3 << 30)' 2>/dev/null"
    run = await patient.run(write(tmp_path, command(line)), tmp_path)
    assert run.exit_code == 1


# Fault 28: nothing is left


async def test_many_runs_and_a_hundred_short_children_leave_nothing(
    patient: Goss, tmp_path: Path
) -> None:
    """Fault 28: no zombie, no descriptor, in the daemon or the supervisor."""
    line = "for i in 1 2 3 4 5; do (sleep 0 &); done"
    spec = write(tmp_path, command(line))
    await patient.run(spec, tmp_path)
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    mine = set(children_of(os.getpid()))
    for _ in range(5):
        runs = await asyncio.gather(*(patient.run(spec, tmp_path) for _ in range(4)))
        assert {run.exit_code for run in runs} == {0}
    await until(lambda: not children_of(supervisor_of(patient)))
    assert set(children_of(os.getpid())) == mine
    assert len(os.listdir("/proc/self/fd")) == descriptors  # noqa: PTH208


def supervisor_of(goss: Goss) -> int:
    """Its process id, from the process table: the one child that runs the supervisor."""
    found = [
        pid
        for pid in children_of(os.getpid())
        if b"runtime.services.supervisor" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    assert len(found) == 1
    return found[0]


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")

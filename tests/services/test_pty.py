"""A real bash on a real terminal: start, controlling terminal, echo state, end, descriptors."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runtime.services.kept import Kept
from runtime.services.pty import INPUT_QUEUE_BYTES, TURN_BYTES, Pty, ShellSpec
from runtime.services.supervision import Supervision
from tests.services.shells import PROMPT, descriptors, shell, until


class Shell:
    """A Pty and what it printed."""

    def __init__(self, supervision: Supervision) -> None:
        self.kept = Kept(supervision)
        self.output = b""
        self.codes: list[int] = []
        self.told = 0  # how much of the output a turn followed
        self.pty = Pty(
            (80, 24),
            on_output=self._on_output,
            on_turn=self._on_turn,
            on_exit=self.codes.append,
        )

    def _on_output(self, data: bytes) -> None:
        self.output += data

    def _on_turn(self) -> None:
        self.told = len(self.output)

    async def type(self, data: bytes) -> None:
        self.pty.write(data)
        await self.pty.room()

    async def sees(self, text: bytes) -> None:
        await until(lambda: text in self.output, f"{text!r} in {self.output[-500:]!r}")

    async def end(self) -> int:
        self.pty.close()
        await until(lambda: self.codes, "the end of the shell")
        self.kept.close()
        return self.codes[0]


supervisions: list[Supervision] = []


@pytest.fixture(autouse=True)
async def supervision() -> AsyncIterator[None]:
    """One supervisor for each test, which ends with it and takes every shell along."""
    supervisions.append(Supervision())
    yield
    await supervisions.pop().close()


async def started(spec: ShellSpec) -> Shell:
    """A shell on a terminal of its own."""
    made = Shell(supervisions[-1])
    await made.pty.start(made.kept, spec)
    return made


async def test_the_shell_has_the_terminal_as_its_own_and_job_control(tmp_path: Path) -> None:
    bash = await started(shell(tmp_path))
    await bash.sees(PROMPT.encode())
    await bash.type(b"ps -o pid=,sid=,tpgid=,tty= -p $$; tty; stty size; cat -\r")
    await bash.sees(b"24 80")
    line = next(each for each in bash.output.splitlines() if b"pts/" in each and b"-o" not in each)
    pid, session, _, terminal = line.split()
    assert int(pid) == int(session) == bash.pty.pid
    assert b"/dev/" + terminal in bash.output
    await bash.type(b"only cat says this twice\r")
    await until(lambda: bash.output.count(b"only cat says this twice") == 2)
    await bash.type(b"\x1a")
    await bash.sees(b"Stopped")
    assert await bash.end() != 0
    assert b"no job control" not in bash.output


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
async def test_the_shell_runs_as_the_user_it_was_given_and_owns_its_terminal(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o755)
    bash = await started(shell(tmp_path)._replace(cwd=Path("/"), uid=1000, gid=1000))
    await bash.sees(PROMPT.encode())
    await bash.type(b"id -u; id -G; stat -c owner=%u $(tty)\r")
    await bash.sees(b"owner=1000\r\n")
    assert b"\r\n1000\r\n1000\r\n" in bash.output
    await bash.end()


async def test_a_shell_that_does_not_exist_says_so_on_the_terminal(tmp_path: Path) -> None:
    missing = await started(shell(tmp_path)._replace(argv=("/no/such/shell",)))
    await until(lambda: missing.codes)
    assert missing.codes == [127]
    assert b"/no/such/shell" in missing.output


async def test_a_missing_folder_does_not_keep_the_shell_from_starting(tmp_path: Path) -> None:
    bash = await started(shell(tmp_path / "gone"))
    await bash.sees(PROMPT.encode())
    await bash.end()


async def test_exit_codes_and_signals_are_told_after_the_last_output(tmp_path: Path) -> None:
    ended = await started(shell(tmp_path)._replace(argv=("/bin/sh", "-c", "echo last; exit 3")))
    await until(lambda: ended.codes)
    assert (ended.codes, ended.output) == ([3], b"last\r\n")
    killed = await started(shell(tmp_path)._replace(argv=("/bin/sh", "-c", "kill -9 $$")))
    await until(lambda: killed.codes)
    assert killed.codes == [137]


async def test_a_job_that_prints_without_end_does_not_hide_the_end_of_the_shell(
    tmp_path: Path,
) -> None:
    spec = shell(tmp_path)._replace(argv=("/bin/sh", "-c", "yes & exit 5"))
    ended = await started(spec)
    await until(lambda: ended.codes)
    assert ended.codes == [5]


HIDING = {
    "read -s": ("read -s -p 'secret: ' answer", b"secret: "),
    "stty -echo": ("stty -echo; printf 'secret: '; cat", b"secret: "),
    "getpass": ("python3 -c 'import getpass; getpass.getpass(\"secret: \")'", b"secret: "),
}


@pytest.mark.parametrize("program", HIDING)
async def test_a_program_that_hides_what_is_typed_is_recognised(
    tmp_path: Path, program: str
) -> None:
    """Fault 9: ICANON on and ECHO off on the master is a password prompt."""
    command, prompt = HIDING[program]
    bash = await started(shell(tmp_path))
    await bash.sees(PROMPT.encode())
    assert not bash.pty.is_hiding_input()
    await bash.type(command.encode() + b"\r")
    await bash.sees(b"\n" + prompt)
    await until(bash.pty.is_hiding_input, "hiding")
    await bash.type(b"\x03")
    await bash.end()
    assert not bash.pty.is_hiding_input()


async def test_a_program_that_reads_nothing_does_not_stop_its_writer_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.services.pty.INPUT_SECONDS", 0.2)
    bash = await started(shell(tmp_path))
    await bash.sees(PROMPT.encode())
    await bash.type(b"stty raw; echo started; exec sleep 100\r")
    await bash.sees(b"\nstarted")
    began = time.monotonic()
    await bash.type(b"x" * (4 * INPUT_QUEUE_BYTES))
    assert time.monotonic() - began < 10
    assert bash.pty._queued == 0
    await bash.end()


async def test_a_large_paste_arrives_whole(tmp_path: Path) -> None:
    bash = await started(shell(tmp_path))
    await bash.sees(PROMPT.encode())
    await bash.type(b"stty raw -echo; echo started; head -c 300000 | md5sum; stty sane\r")
    await bash.sees(b"\nstarted")
    await bash.type(b"0123456789" * 30_000)
    import hashlib

    await bash.sees(hashlib.md5(b"0123456789" * 30_000).hexdigest().encode())
    await bash.end()


async def test_no_descriptor_thread_or_child_is_left(tmp_path: Path) -> None:
    """Fault 28: no zombie; descriptors return."""
    await supervisions[-1].warm()
    before, threads = descriptors(), threading.active_count()
    pids = []
    for _ in range(5):
        bash = await started(shell(tmp_path))
        pids.append(bash.pty.pid)
        await bash.sees(PROMPT.encode())
        await bash.end()
    assert descriptors() == before
    assert threading.active_count() == threads
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


async def test_a_shell_inherits_no_descriptor_of_the_daemon(tmp_path: Path) -> None:
    """Fault 1: descriptors."""
    with open(tmp_path / "secret", "w") as secret:
        os.set_inheritable(secret.fileno(), True)
        bash = await started(shell(tmp_path))
        await bash.sees(PROMPT.encode())
        await bash.type(b"ls -l /proc/$$/fd | grep -c secret\r")
        await bash.sees(b"\n0\r\n")
        await bash.end()


async def test_shells_start_while_threads_run(tmp_path: Path) -> None:
    stop = threading.Event()
    workers = [threading.Thread(target=lambda: stop.wait(30)) for _ in range(5)]
    for worker in workers:
        worker.start()
    try:
        shells = [await started(shell(tmp_path)) for _ in range(5)]
        await asyncio.gather(*(each.sees(PROMPT.encode()) for each in shells))
        await asyncio.gather(*(each.end() for each in shells))
    finally:
        stop.set()
        for worker in workers:
            worker.join()


@pytest.mark.parametrize("extra", [-4096, 0, 1, 4096])
async def test_output_that_ends_with_a_turn_is_given_without_more(
    tmp_path: Path, extra: int
) -> None:
    """A turn that took all there was does not know that, and must not wait for what comes next."""
    bash = await started(shell(tmp_path))
    await bash.sees(PROMPT.encode())
    size = TURN_BYTES + extra
    begin = len(bash.output)
    await bash.type(b"stty -echo; head -c %d /dev/zero | tr '\\0' '\\043'; sleep 60\r" % size)
    await until(lambda: bash.output.count(b"#", begin, bash.told) >= size, "all of it")
    assert bash.output.count(b"#", begin) == size
    await bash.end()

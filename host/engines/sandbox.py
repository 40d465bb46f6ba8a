"""The embedded engine: a machine made with bubblewrap, without any container engine.

A move of the machine swaps the student's folders for the step's starting state (`host.states`) and
starts the daemon again, which is for the page the same as a container swap.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from host.engines import GRACE_SECONDS, Machine, bubblewrap
from host.engines.processes import daemon_process, machine_processes
from host.sessions import (
    HELP_TOKEN,
    HELP_URL,
    SWAPPED,
    Session,
    Swap,
    kept_name,
    read_json,
    remove_tree,
    storage_errors,
)
from runtime.domain.errors import EngineFailure, StorageFull
from runtime.domain.transitions import TransitionKind

POLL_SECONDS = 0.02
KILL_SECONDS = 10.0  # what the kernel gets to end a machine's processes after SIGKILL
LOG_BYTES = 5 * 1024 * 1024  # a larger daemon.log is put aside as daemon.log.1 at the next start

StateFor = Callable[[str, TransitionKind], Path]


class Sandbox:
    """Machines as bubblewrap processes. `state_for` gives the folder a step and kind begin with."""

    name = "sandbox"

    def __init__(self, state_for: StateFor, goss: Path | None = None) -> None:
        self._state_for = state_for
        self._goss = goss or bubblewrap.goss()
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def check(self) -> None:
        """Make the smallest machine, and a shell in it the way the daemon will."""
        inner = ["--", "/bin/true"]
        if not bubblewrap.is_root():
            inner = ["--", bubblewrap.program(), "--unshare-user", "--dev-bind", "/", "/", *inner]
        words = [
            bubblewrap.program(),
            *bubblewrap.confinement(),
            *bubblewrap.programs(),
            "--dir",
            "/tmp",
        ]
        done = subprocess.run(
            [*words, "--dev", "/dev", "--proc", "/proc", *inner],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise EngineFailure(explain(done.stderr))

    def prepare(self, session: Session, swap: Swap) -> None:
        """Copy the state into the session's staging folder, whole or not at all."""
        ready = session.staging / swap.transition
        if ready.exists():
            return
        state = self._state_for(swap.step, swap.kind)
        with storage_errors(session.directory):
            session.staging.mkdir(mode=0o700, exist_ok=True)
            for leftover in session.staging.iterdir():
                remove_tree(leftover)
            part = session.staging / f"{swap.transition}.part"
            copy_tree(state, part)
            part.rename(ready)

    def enter(self, session: Session, swap: Swap) -> None:
        """Put the staged folders in the place of the old ones, which go to kept/."""
        kept = session.kept / swap.kept
        with storage_errors(session.directory):
            for name in SWAPPED:
                staged, place = session.staging / swap.transition / name, session.directory / name
                if not staged.exists():
                    continue  # done before a crash
                if place.exists():
                    kept.mkdir(parents=True, exist_ok=True)
                    kept.chmod(0o755)
                    _rename(place, kept / name)
                _rename(staged, place)
            if session.staging.exists():
                remove_tree(session.staging)

    def restore(self, session: Session, swap: Swap) -> None:
        """Put the kept folders back and forget the staged ones."""
        kept, staging = session.kept / swap.kept, session.staging / swap.transition
        with storage_errors(session.directory):
            for name in SWAPPED:
                place = session.directory / name
                if not (kept / name).exists():
                    continue
                if place.exists():
                    staging.mkdir(mode=0o700, parents=True, exist_ok=True)
                    _rename(place, staging / name)
                _rename(kept / name, place)
            if kept.is_dir():
                kept.rmdir()
            if session.staging.exists():
                remove_tree(session.staging)

    def settle(self, session: Session, kept: str) -> None:
        """Nothing: the folders were put aside when they were replaced."""

    def remove(self, session: Session, *, keep_progress: bool) -> None:
        """Nothing: all of it is in the session's folder."""

    def start(self, session: Session, swap: Swap | None = None) -> Machine:
        """Start bubblewrap around the session's folders, detached from this process.

        Without folders (a first run, or after `rm --keep-progress`) the step's start is made first.
        """
        if any(not (session.directory / name).exists() for name in SWAPPED):
            self._begin(session)
        command = self._command(session, swap)
        _put_large_log_aside(session.daemon_log)
        with storage_errors(session.directory):
            log = os.open(
                session.daemon_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
            )
        try:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                env={"PATH": bubblewrap.PATH}, start_new_session=True, umask=0o022,
            )  # fmt: skip
        except OSError as error:
            raise EngineFailure(f"bubblewrap could not be started: {error.strerror}.") from error
        finally:
            os.close(log)
        self._children[child.pid] = child
        return Machine(str(child.pid))

    def find(self, session: Session) -> Machine | None:
        """The machine whose daemon runs for this session, if one does.

        What a shell left behind keeps bubblewrap alive after the daemon's death: that is none.
        """
        self._reap()
        for pid, inside in machine_processes(session.runtime):
            if inside == 1 and daemon_process(pid) is not None:
                return Machine(str(pid))
        return None

    def alive(self, session: Session, machine: Machine) -> bool:
        """Whether a process of this machine is there."""
        self._reap()
        return any(True for _ in machine_processes(session.runtime))

    def renew_secrets(self, session: Session) -> None:
        """Nothing: a machine reads the session's own files, and holds no copy."""

    def stop(self, session: Session, grace_seconds: float = GRACE_SECONDS) -> None:
        """SIGTERM to the daemon, which hangs up its shells; then the whole process namespace."""
        asked = False
        started = time.monotonic()
        while found := list(machine_processes(session.runtime)):
            self._reap()
            elapsed = time.monotonic() - started
            if elapsed > grace_seconds + KILL_SECONDS:
                raise EngineFailure(
                    f"Processes of {session.name} do not end: "
                    f"{', '.join(str(pid) for pid, _ in found)}."
                )
            if elapsed > grace_seconds:
                for pid, _inside in found:
                    _signal(pid, signal.SIGKILL)
            elif not asked:
                daemons = [daemon_process(pid) for pid, inside in found if inside == 1]
                for daemon in filter(None, daemons):
                    _signal(daemon, signal.SIGTERM)
                    asked = True
            time.sleep(POLL_SECONDS)
        self._reap(wait=True)

    def logs(self, session: Session, lines: int, *, follow: bool) -> Iterator[str]:
        """daemon.log, from its last `lines`."""
        if not session.daemon_log.exists():
            return
        with session.daemon_log.open(encoding="utf-8", errors="replace") as log:
            yield from log.read().splitlines()[-lines:]
            while follow:
                line = log.readline()
                if line:
                    yield line.rstrip("\n")
                elif self.find(session) is None:
                    return
                else:
                    time.sleep(0.2)

    def _begin(self, session: Session) -> None:
        step = session.record().step
        kept = kept_name(step)
        first = Swap(
            transition=f"begin-{kept}", step=step, kind=TransitionKind.GO, origin=step, kept=kept
        )
        self.prepare(session, first)
        self.enter(session, first)

    def _command(self, session: Session, swap: Swap | None) -> list[str]:
        record = session.record()
        settings = {
            "WORKSHOP_HOST": "127.0.0.1",
            "WORKSHOP_PORT": str(record.port),
            **{
                f"WORKSHOP_{role.upper()}_TOKEN_FILE": str(bubblewrap.SECRETS / role)
                for role in ("student", "instructor", "host")
            },
            "WORKSHOP_LLM_TOKEN_FILE": str(bubblewrap.SECRETS / HELP_TOKEN),
            "WORKSHOP_LLM_BASE_URL_FILE": str(bubblewrap.SECRETS / HELP_URL),
        }
        if self._goss is not None:
            settings["WORKSHOP_GOSS"] = str(bubblewrap.PLATFORM / "bin" / "goss")
        if prefix := bubblewrap.shell_prefix():
            settings["WORKSHOP_SHELL_PREFIX"] = json.dumps(prefix)
        settings["WORKSHOP_STEP"] = swap.step if swap else record.step
        if swap is not None:
            settings["WORKSHOP_TRANSITION"] = swap.transition
        prepare_folders(session)
        folders = bubblewrap.Folders(session.workspace, session.home, session.machine_etc)
        return [
            bubblewrap.program(),
            *bubblewrap.confinement(),
            *bubblewrap.system(folders, record.name[:63]),
            *bubblewrap.platform(self._goss),
            "--ro-bind", str(session.artifact), "/workshop",
            "--bind", str(session.runtime), "/workshop/runtime",
            "--ro-bind", str(session.kept), "/kept",
            "--ro-bind", str(session.secrets), str(bubblewrap.SECRETS),
            *bubblewrap.SEALED,
            *bubblewrap.environment({**_state_environment(session), **settings}),
            "--chdir", str(bubblewrap.PLATFORM / "lib"),
            "--", *bubblewrap.daemon_command(),
        ]  # fmt: skip

    def _reap(self, *, wait: bool = False) -> None:
        """Collect our own children, so that an ended machine leaves no zombie."""
        for pid, child in list(self._children.items()):
            if wait:
                child.wait(timeout=KILL_SECONDS)
            if child.poll() is not None:
                del self._children[pid]


def explain(stderr: str, settings: Path = Path("/proc/sys")) -> str:
    """Why bubblewrap does not work here, and the one line that mends it.

    `settings` is the folder of the kernel's settings.
    """
    said = stderr.strip().splitlines()[-1] if stderr.strip() else "it ended without a word"
    if _setting(settings / "kernel" / "apparmor_restrict_unprivileged_userns") == "1":
        return (
            "AppArmor forbids bubblewrap to make a sandbox (Ubuntu's default). Allow it with: "
            "printf 'abi <abi/4.0>,\\ninclude <tunables/global>\\n"
            "profile bwrap /usr/bin/bwrap flags=(unconfined) {\\n  userns,\\n}\\n' "
            "| sudo tee /etc/apparmor.d/bwrap && sudo systemctl reload apparmor"
        )
    if _setting(settings / "kernel" / "unprivileged_userns_clone") == "0":
        return (
            "This kernel gives user namespaces to root only. Allow them with: "
            "sudo sysctl -w kernel.unprivileged_userns_clone=1"
        )
    if _setting(settings / "user" / "max_user_namespaces") == "0":
        return (
            "User namespaces are switched off. Allow them with: "
            "sudo sysctl -w user.max_user_namespaces=15000"
        )
    return (
        f"bubblewrap cannot make a sandbox here ({said}). Inside a container it needs one that was "
        "started with --privileged, or --security-opt seccomp=unconfined and apparmor=unconfined."
    )


def prepare_folders(session: Session) -> None:
    """What must exist with the right owner before a machine starts."""
    with storage_errors(session.directory):
        bubblewrap.write_etc(session.machine_etc)
        (session.artifact / "runtime").mkdir(mode=0o755, exist_ok=True)
        log = session.runtime / bubblewrap.COMMAND_LOG.name
        if not log.exists():  # the daemon's inner sandboxes bind it
            os.close(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o660))
        if bubblewrap.is_root():
            os.chown(log, 0, bubblewrap.STUDENT_UID)
            log.chmod(0o660)


def copy_tree(source: Path, target: Path) -> None:
    """A copy that shares nothing with its source but, where the file system can, its blocks."""
    done = subprocess.run(
        bubblewrap.as_owner(["cp", "-a", "--reflink=auto", "--", str(source), str(target)]),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        env={**os.environ, "LC_ALL": "C"},
    )  # fmt: skip
    if done.returncode != 0:
        reason = _reason_of_cp(done.stderr)
        if reason == os.strerror(errno.ENOSPC):
            raise StorageFull(f"The disk that holds {target.parent} is full; free some space.")
        raise EngineFailure(f"{source} could not be copied: {reason}.")


def _reason_of_cp(said: str) -> str:
    """Why its first file failed, without the path: one full disk fails every file after it."""
    first = next(iter(said.splitlines()), "cp said nothing")
    return first.rpartition(": ")[2][:500]


def _rename(source: Path, target: Path) -> None:
    """Rename a file or folder, also a folder whose owner may not write to it."""
    mode = source.stat().st_mode
    if source.is_dir() and mode & 0o700 != 0o700:
        source.chmod(mode & 0o7777 | 0o700)
    source.rename(target)


def _state_environment(session: Session) -> dict[str, str]:
    values = read_json(session.state_path).get("env")
    return (
        {str(name): str(value) for name, value in values.items()}
        if isinstance(values, dict)
        else {}
    )


def _put_large_log_aside(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))


def _setting(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return

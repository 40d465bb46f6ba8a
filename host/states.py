"""The states of a workshop's steps, kept as folders: what the student's machine begins a step with.

A state is `workspace/`, `home/` and `state.json` (the environment). The `start` state is empty but
for a home; the state of a step is made from the one before by writing the step's files and running
its commands in the sandbox as the student. States are named by the digest of everything that made
them, so an unchanged step is never built twice and a changed one never taken from the cache.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from host.engines import bubblewrap
from host.engines.sandbox import copy_tree
from host.sessions import read_json, remove_tree, storage_errors, write_whole
from host.spec import FileSpec, Spec, StepSpec
from runtime.domain.errors import EngineFailure, InvalidWorkshop, NotFound
from runtime.domain.transitions import TransitionKind

FORMAT = "1"  # a change of how states are made: old ones are not used again
COMMAND_SECONDS = 600.0  # the longest a step's command may take
TAIL_LINES = 12  # how much of a failing command's output is shown
TAIL_BYTES = 8192

BASHRC = """\
# Settings of the student's interactive shells.
[ -r /etc/bashrc ] && . /etc/bashrc
HISTSIZE=5000
HISTFILESIZE=10000
shopt -s histappend checkwinsize
PS1='\\[\\e[1;32m\\]\\u@\\h\\[\\e[0m\\]:\\[\\e[1;34m\\]\\w\\[\\e[0m\\]\\$ '
alias ls='ls --color=auto'
alias grep='grep --color=auto'
"""
PROFILE = """\
# Read by login shells.
[ -n "${BASH_VERSION-}" ] && [ -r ~/.bashrc ] && . ~/.bashrc
"""
WRITE_FILE = 'mkdir -p -- "${1%/*}/" && cat > "$1" && chmod -- "$2" "$1"'


class States:
    """The states of one workshop in one cache folder. `say` hears which step is being made."""

    def __init__(
        self, spec: Spec, cache: Path | None = None, say: Callable[[str], None] = lambda _: None
    ) -> None:
        self._spec = spec
        self._cache = cache or cache_home()
        self._say = say

    def place(self, step: str, kind: TransitionKind) -> Path:
        """The state a transition begins with: for `solve` the step's own, else the one before it.

        Builds what is missing. Raises InvalidWorkshop naming step and command when one fails.
        """
        count = self._position(step) + (1 if kind is TransitionKind.SOLVE else 0)
        return self.build(count)

    def build(self, count: int) -> Path:
        """The state after the first `count` steps."""
        with storage_errors(self._cache):
            self._cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._build(self._spec.steps[:count])

    def _build(self, steps: Sequence[StepSpec]) -> Path:
        done = self._cache / self._digest(steps)
        if done.is_dir():
            return done
        part = self._cache / f".{done.name[:16]}-{secrets.token_hex(4)}"
        try:
            if steps:
                copy_tree(self._build(steps[:-1]), part)
                self._say(f"Making the state of step {steps[-1].id}.")
                _advance(part, steps[-1])
            else:
                _begin(part)
            try:
                part.rename(done)
            except OSError:
                if not done.is_dir():  # else another process was faster with the same
                    raise
        finally:
            if part.exists():
                remove_tree(part)
        return done

    def _position(self, step: str) -> int:
        for position, candidate in enumerate(self._spec.steps):
            if candidate.id == step:
                return position
        raise NotFound(f"The workshop in {self._spec.root} has no step {step!r} any more.")

    def _digest(self, steps: Sequence[StepSpec]) -> str:
        way = "root" if bubblewrap.is_root() else "user"
        digest = hashlib.sha256(f"{FORMAT} {way} {BASHRC}{PROFILE}".encode()).hexdigest()
        for step in steps:
            files = [
                [file.path, hashlib.sha256(file.content).hexdigest(), file.mode]
                for file in step.files
            ]
            made_of = [digest, files, sorted(step.env.items()), list(step.commands)]
            digest = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()
        return digest


def cache_home() -> Path:
    """Where states are kept; deleting it costs time and nothing else."""
    base = os.environ.get("XDG_CACHE_HOME")
    root = Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache"
    return root / "workshop" / "states"


def _begin(state: Path) -> None:
    """The state before the first step: an empty workspace and a home with a shell's settings."""
    with storage_errors(state):
        for folder in (state, state / "workspace", state / "home"):
            folder.mkdir(mode=0o755)
        (state / "home" / ".bashrc").write_text(BASHRC)
        (state / "home" / ".profile").write_text(PROFILE)
        write_whole(state / "state.json", '{"env": {}}\n')
        if bubblewrap.is_root():
            student = bubblewrap.STUDENT_UID
            for path in [state / "workspace", state / "home", *(state / "home").iterdir()]:
                os.chown(path, student, student)


def _advance(state: Path, step: StepSpec) -> None:
    """Write the step's files and run its commands."""
    before = read_json(state / "state.json").get("env")
    environment = {**(before if isinstance(before, dict) else {}), **step.env}
    with tempfile.TemporaryDirectory(prefix="workshop-etc-") as etc:
        Path(etc).chmod(0o755)
        bubblewrap.write_etc(Path(etc))
        folders = bubblewrap.Folders(state / "workspace", state / "home", Path(etc))
        for file in step.files:
            _write_file(folders, step, file)
        for command in step.commands:
            _run_command(folders, step, command, environment)
    write_whole(state / "state.json", json.dumps({"env": environment}) + "\n")


def _write_file(folders: bubblewrap.Folders, step: StepSpec, file: FileSpec) -> None:
    """Inside the sandbox, as the student: a link an earlier command made leads nowhere else."""
    command = ["/bin/sh", "-c", WRITE_FILE, "sh", file.path, f"{file.mode:o}"]
    code, output = _in_sandbox(folders, command, {}, file.content)
    if code != 0:
        raise InvalidWorkshop(
            f"Step {step.id}: the file {file.path} cannot be written: {_tail(output)}"
        )


def _run_command(
    folders: bubblewrap.Folders, step: StepSpec, command: str, environment: Mapping[str, str]
) -> None:
    code, output = _in_sandbox(folders, ["/bin/bash", "-c", command], environment, b"")
    if code == 0:
        return
    ended = (
        f"did not end within {COMMAND_SECONDS:.0f} seconds"
        if code is None
        else f"ended with exit code {code}"
    )
    raise InvalidWorkshop(
        f"Step {step.id}: the command `{command}` {ended}. Its last output: {_tail(output)}",
        {"step": step.id, "command": command, "exit": code, "output": _tail(output)},
    )


def _in_sandbox(
    folders: bubblewrap.Folders,
    command: list[str],
    environment: Mapping[str, str],
    stdin: bytes,
) -> tuple[int | None, bytes]:
    """Run one command on the folders; its exit code (None: too long) and the end of its output."""
    identity = {"HOME": "/home/student", "USER": "student", "SHELL": "/bin/bash"}
    words = [
        bubblewrap.program(), "--die-with-parent", *bubblewrap.confinement(),
        *bubblewrap.system(folders, "workshop"), *bubblewrap.SEALED,
        *bubblewrap.environment({**identity, **environment}),
        "--chdir", "/workspace", "--", *bubblewrap.as_student(command),
    ]  # fmt: skip
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as given:
        given.write(stdin)
        given.seek(0)
        try:
            code: int | None = subprocess.run(
                words, stdin=given, stdout=output, stderr=subprocess.STDOUT, umask=0o022,
                env={"PATH": bubblewrap.PATH}, timeout=COMMAND_SECONDS, check=False,
                start_new_session=True,
            ).returncode  # fmt: skip
        except subprocess.TimeoutExpired:
            code = None
        except OSError as error:
            raise EngineFailure(f"bubblewrap could not be started: {error.strerror}.") from error
        output.seek(max(0, output.seek(0, os.SEEK_END) - TAIL_BYTES))
        return code, output.read()


def _tail(output: bytes) -> str:
    lines = output.decode("utf-8", "replace").strip().splitlines()
    return "\n".join(lines[-TAIL_LINES:]) or "(none)"

"""A student's machine for proving examples: bubblewrap, a real bash, the real goss.

Only the two folders outlive a command, as after a change of machine: every process is gone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.domain.checks import Verdict, judge

REPOSITORY = Path(__file__).parents[2]
GOSS = Path(os.environ.get("WORKSHOP_GOSS") or REPOSITORY / ".tools/bin/goss")
TIMEOUT_SECONDS = 40
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Machine:
    """The folders behind /workspace and /home/student."""

    root: Path

    @classmethod
    def create(cls, root: Path) -> Machine:
        """A machine in its start state: both folders empty."""
        for name in ("workspace", "home"):
            (root / name).mkdir(parents=True)
        return cls(root)

    def copy(self, root: Path) -> Machine:
        """The same state in another folder."""
        shutil.copytree(self.root, root, symlinks=True)
        return Machine(root)

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `script` with bash in /workspace as the student; `arguments` are its `$1`, `$2`…"""
        student = ["--setenv", "HOME", "/home/student", "--setenv", "USER", "student"]
        return _run([*self._sandbox(), *student, "bash", "-c", script, "bash", *arguments])

    def check(self, spec: Path) -> Verdict:
        """Run the checks as the platform does: nothing of the student's surroundings."""
        command = [
            *self._sandbox("--ro-bind", str(GOSS), "/goss", "--ro-bind", str(spec), "/goss.yaml"),
            *("--setenv", "HOME", "/root", "--chdir", "/"),
            *("/goss", "-g", "/goss.yaml", "validate"),
            *("--format", "json", "--no-color", "-o", "sort"),
        ]
        answer = _run(command)
        return judge(answer.stdout.encode(), answer.returncode)

    def _sandbox(self, *binds: str) -> list[str]:
        bwrap = shutil.which("bwrap")
        assert bwrap, "bubblewrap is needed: apt-get install bubblewrap"
        assert GOSS.is_file(), f"goss is needed at {GOSS}, or name it in WORKSHOP_GOSS"
        return [
            *(bwrap, "--unshare-user", "--uid", "1000", "--gid", "1000"),
            *("--unshare-pid", "--unshare-net", "--die-with-parent", "--new-session"),
            *_system(),
            *("--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"),
            *("--bind", str(self.root / "workspace"), "/workspace"),
            *("--bind", str(self.root / "home"), "/home/student"),
            *binds,
            *("--clearenv", "--setenv", "PATH", SEARCH_PATH, "--chdir", "/workspace"),
        ]


def _system() -> list[str]:
    """The system's folders, read-only; links such as /bin -> usr/bin stay links."""
    arguments: list[str] = []
    for name in ("usr", "etc", "bin", "sbin", "lib", "lib32", "lib64"):
        path = Path("/") / name
        if path.is_symlink():
            arguments += ["--symlink", str(path.readlink()), str(path)]
        elif path.exists():
            arguments += ["--ro-bind", str(path), str(path)]
    return arguments


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )

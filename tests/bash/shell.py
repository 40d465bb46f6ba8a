"""A real interactive bash on a real pseudo-terminal, typed at by a test."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import termios
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).parents[2]
HOOK = ROOT / "bashrc" / "workshop-platform.bashrc"
PROMPT = b"\x1e"  # what every prompt of a test ends with; nothing else prints it
PATIENCE_SECONDS = 20.0


class Shell:
    """bash with the hook, in a directory of its own; `log` is the command log.

    `before` and `after` are lines of the rc file around the hook: the system's and the student's.
    `command` is put in front of bash; `user` is whose shell it is, when root runs the tests.
    """

    def __init__(
        self,
        directory: Path,
        *,
        before: str = "",
        after: str = "",
        hook: bool = True,
        environment: dict[str, str] | None = None,
        command: Sequence[str] = (),
        user: int | None = None,
    ) -> None:
        self.home = directory / "home"
        self.home.mkdir(exist_ok=True)
        self.log = directory / "command-log.jsonl"
        self.output = b""
        self._seen = 0  # bytes of the output, up to the last prompt that was waited for
        rc = directory / "rc"
        source = f". {HOOK}" if hook else ""
        rc.write_text(f"PS1=$'$ \\x1e'\n{before}\n{source}\n{after}\n")
        master, terminal = os.openpty()
        self.process = subprocess.Popen(
            [*command, "bash", "--rcfile", str(rc), "-i"],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            cwd=self.home,
            env={
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "HOME": str(self.home),
                "TERM": "dumb",
                "LANG": "C.UTF-8",
                "WORKSHOP_COMMAND_LOG": str(self.log),
                "WORKSHOP_TERMINAL": "main",
                **(environment or {}),
            },
            start_new_session=True,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            preexec_fn=_take_terminal,
        )
        os.close(terminal)
        self._master = master
        self.wait_for_prompt()

    def __enter__(self) -> Shell:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._master)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def send(self, keys: bytes) -> None:
        """Press keys, without waiting for what comes of it."""
        while keys:
            keys = keys[os.write(self._master, keys[:1024]) :]
            if keys:
                self._read(0.02)

    def type(self, text: str | bytes, *, prompts: int = 1) -> str:
        """Type a line and Enter; what was printed until the next prompt, the echo included."""
        line = text.encode() if isinstance(text, str) else text
        begin = len(self.output)
        self.send(line + b"\n")
        for _ in range(prompts):
            self.wait_for_prompt()
        return self.output[begin:].decode(errors="replace")

    def wait_for_prompt(self) -> None:
        """Until a prompt came that was not waited for yet."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (found := self.output.find(PROMPT, self._seen)) < 0:
            assert time.monotonic() < deadline, f"no prompt came after {self.output[-500:]!r}"
            self._read(0.5)
        self._seen = found + 1

    def interrupt(self) -> None:
        """Ctrl-C until a prompt comes: bash does not see one that arrives between two reads."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        pressed = 0.0
        while (found := self.output.find(PROMPT, self._seen)) < 0:
            assert time.monotonic() < deadline, f"no prompt came after {self.output[-500:]!r}"
            if time.monotonic() - pressed > 2:
                pressed = time.monotonic()
                self.send(b"\x03")
            self._read(0.1)
        self._seen = found + 1

    def wait_for(self, text: bytes) -> None:
        """Until this was printed behind the last prompt."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while text not in self.output[self._seen :]:
            assert time.monotonic() < deadline, f"{text!r} is not in {self.output[-500:]!r}"
            self._read(0.5)

    def wait_for_readline(self) -> None:
        """Until bash reads keys itself; before, the terminal would act on them."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while termios.tcgetattr(self._master)[3] & termios.ICANON:
            assert time.monotonic() < deadline, "bash never read a line"
            self._read(0.05)

    def lines(self) -> list[dict[str, Any]]:
        """The command log, parsed as strictly as JSON allows."""
        if not self.log.exists():
            return []
        raw = self.log.read_bytes()
        assert raw == b"" or raw.endswith(b"\n")
        return [
            json.loads(line.decode("utf-8"), parse_constant=_refuse)
            for line in raw.split(b"\n")[:-1]
            if line
        ]

    def commands(self) -> list[str]:
        """What was logged, `cmd` by `cmd`."""
        return [line["cmd"] for line in self.lines()]

    def _read(self, seconds: float) -> None:
        if select.select([self._master], [], [], seconds)[0]:
            try:
                piece = os.read(self._master, 65536)
            except OSError:  # EIO: the shell is gone
                piece = b""
            assert piece, f"the shell ended after {self.output[-500:]!r}"
            self.output += piece


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")

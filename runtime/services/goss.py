"""The goss subprocess: the one module that knows how goss is called.

goss trusts its environment, its templates, its commands and its checks; this wrapper trusts none
of them. Every run has an environment made from nothing, a session of its own, closed input, a
deadline, a memory limit and an output cap, and ends with every process it started
(`runtime.services.supervisor`).
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from runtime.services import supervisor
from runtime.services.supervision import SAFE_PATH, Supervision

OUTPUT_BYTES = 4 << 20  # 4 MiB
MEMORY_BYTES = 2 << 30  # 2 GiB of addresses, of which Go reserves more than half at its start
CONCURRENT_CHECKS = 8
READ_BYTES = 64 << 10  # 64 KiB
UNDERSTOOD = frozenset({0, 1, 78})  # passed, failed, bad spec


class GossRun(NamedTuple):
    """What one run left: `exit_code` and `stdout`, or a `reason` why there is nothing to read.

    `reason` is a sentence for the author of the checks.
    """

    exit_code: int | None
    stdout: bytes
    reason: str | None
    duration_ms: int


class Goss:
    """Runs goss; any number of runs may be under way at once.

    `prefix` is a command line put in front of goss, which may hide the spec's folder: then goss
    reads the spec from its input. `home` is the HOME of the checks' commands. Without a
    `supervision`, which others may use too, it has one of its own.
    """

    def __init__(
        self,
        binary: Path,
        *,
        timeout_seconds: float = 30,
        prefix: Sequence[str] = (),
        home: Path = Path("/root"),
        memory_bytes: int = MEMORY_BYTES,
        supervision: Supervision | None = None,
    ) -> None:
        self.binary = binary
        self.timeout_seconds = timeout_seconds
        self._prefix = tuple(prefix)
        self._env = {"PATH": SAFE_PATH, "HOME": str(home), "LANG": "C.UTF-8"}
        self._memory_bytes = memory_bytes
        self._supervision = supervision or Supervision()
        self._closes = supervision is None

    async def warm(self) -> None:
        """Start the supervisor, so that the first run need not wait for it."""
        with suppress(OSError):
            await self._supervision.warm()

    async def run(self, spec: Path, cwd: Path) -> GossRun:
        """Validate `spec` with `cwd` as the working directory of its commands.

        Never raises for anything a check or a spec does; cancelling it ends the run.
        """
        by_input = bool(self._prefix)
        answer = await self._ask(
            supervisor.Request(
                argv=[*self._prefix, str(self.binary), *_arguments("-" if by_input else str(spec))],
                env=self._env,
                cwd=str(cwd),
                stdin=str(spec) if by_input else None,
                deadline_seconds=self.timeout_seconds,
                memory_bytes=self._memory_bytes,
                output_bytes=OUTPUT_BYTES,
            )
        )
        return self._interpret(answer)

    async def version(self) -> str | None:
        """goss's own version, such as `0.4.10`; None when it does not say (Debian's build)."""
        answer = await self._ask(
            supervisor.Request(
                argv=[*self._prefix, str(self.binary), "--version"],
                env=self._env,
                cwd="/",
                stdin=None,
                deadline_seconds=min(self.timeout_seconds, 5),
                memory_bytes=self._memory_bytes,
                output_bytes=READ_BYTES,
            )
        )
        found = re.search(rb"\bversion v?(\d+\.\d+\.\d+\S*)", answer.output)
        return found[1].decode() if answer.exit == 0 and found else None

    async def close(self) -> None:
        """End the supervisor with its runs, unless others use it too."""
        if self._closes:
            await self._supervision.close()

    async def _ask(self, request: supervisor.Request) -> _Answer:
        try:
            channel = await self._supervision.send(json.dumps(request).encode())
        except OSError as error:
            return _Answer(None, f"start: {error.strerror}", 0, "", b"")
        started = time.monotonic()
        with channel:
            patience = (
                request["deadline_seconds"] + supervisor.KILL_SECONDS + 2 * supervisor.GRACE_SECONDS
            )
            try:
                async with asyncio.timeout(patience):
                    raw = await _read_all(channel, request["output_bytes"] + READ_BYTES)
            except (TimeoutError, OSError):
                raw = b""
        return _Answer.parse(raw, round((time.monotonic() - started) * 1000))

    def _interpret(self, answer: _Answer) -> GossRun:
        reason = self._reason(answer)
        if reason is not None:
            return GossRun(None, b"", reason, answer.ms)
        return GossRun(answer.exit, answer.output, None, answer.ms)

    def _reason(self, answer: _Answer) -> str | None:
        match answer.stopped:
            case None if answer.exit in UNDERSTOOD:
                return None
            case None if "out of memory" in answer.stderr or "allocate memory" in answer.stderr:
                return (
                    f"The checks needed more than {self._memory_bytes >> 20} MiB of memory and "
                    "were stopped."
                )
            case None:
                said = answer.stderr.strip().partition("\n")[0]
                return f"goss ended with exit code {answer.exit}{': ' if said else '.'}{said[:200]}"
            case "deadline":
                return (
                    f"The checks did not finish within {self.timeout_seconds:g} s and were stopped."
                )
            case "output":
                return f"The checks printed more than {OUTPUT_BYTES >> 20} MiB and were stopped."
            case started if started.startswith("start: "):
                return (
                    f"{self._prefix[0] if self._prefix else self.binary} could not be started: "
                    f"{started.removeprefix('start: ')}."
                )
            case other:
                return f"The checks ended before they had a result ({other})."


class _Answer(NamedTuple):
    """What a worker answered."""

    exit: int | None
    stopped: str | None
    ms: int
    stderr: str
    output: bytes

    @classmethod
    def parse(cls, raw: bytes, ms: int) -> _Answer:
        """Read a worker's answer; `ms` is how long it took when it does not say."""
        head, newline, output = raw.partition(b"\n")
        if not newline:
            return cls(None, "the run was killed", ms, "", b"")
        answer: supervisor.Answer = json.loads(head)
        return cls(answer["exit"], answer["stopped"], answer["ms"], answer["stderr"], output)


def _arguments(spec: str) -> list[str]:
    return [
        *("-g", spec, "validate", "--format", "json", "--no-color", "-o", "sort"),
        *("--max-concurrent", str(CONCURRENT_CHECKS)),
    ]


async def _read_all(channel: socket.socket, limit_bytes: int) -> bytes:
    """Everything until the other side closes."""
    loop = asyncio.get_running_loop()
    received = bytearray()
    while piece := await loop.sock_recv(channel, READ_BYTES):
        received += piece
        if len(received) > limit_bytes:
            raise OSError("more than a worker may answer")
    return bytes(received)

"""What one terminal has of its keeper: shells started, their ends told, everything ended."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from runtime.services import keeper, processes
from runtime.services.supervision import Supervision
from runtime.services.supervisor import KEEP

# A keeper that takes longer is stopped, or the machine is: then closing the channel must do.
END_SECONDS = sum(seconds for _, seconds in processes.STEPS) + keeper.KILL_SECONDS + 3.0
KILLED = 128 + signal.SIGKILL


class ShellSpec(NamedTuple):
    """How a shell starts; `uid` and `gid` None keep the daemon's own."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    uid: int | None = None
    gid: int | None = None
    groups: tuple[int, ...] = ()


class Kept:
    """Everything that the shells of one terminal ever start.

    Calls come one after the other. The keeper's process begins with the first shell.
    """

    def __init__(self, supervision: Supervision) -> None:
        self._supervision = supervision
        self._channel: socket.socket | None = None
        self._received = b""
        self._answer: asyncio.Future[dict[str, Any]] | None = None  # Any: JSON
        self._on_exit: Callable[[int], None] | None = None

    async def start(self, spec: ShellSpec, terminal: int, on_exit: Callable[[int], None]) -> int:
        """Start a shell on the terminal of that descriptor and give its process id.

        `on_exit` gets its exit code, 128 + n after signal n. Raises OSError when the machine has
        no more processes.
        """
        if self._channel is None:
            self._channel = await self._supervision.send(KEEP)
            self._received = b""
            asyncio.get_running_loop().add_reader(self._channel, self._hear)
        self._on_exit = on_exit
        user = None if spec.uid is None else (spec.uid, spec.gid or 0, list(spec.groups))
        shell = keeper.Shell(argv=list(spec.argv), env=dict(spec.env), cwd=str(spec.cwd), user=user)
        answer = await self._ask({"shell": shell}, terminal)
        if "pid" not in answer:
            self._on_exit = None
            raise OSError(answer["errno"], os.strerror(answer["errno"]))
        return int(answer["pid"])

    async def end(self) -> bool:
        """HUP, TERM, then KILL everything, in 2 s at most; True when nothing is left."""
        if self._channel is None:
            return True
        try:
            async with asyncio.timeout(END_SECONDS):
                return bool((await self._ask("end"))["ended"])
        except (OSError, TimeoutError):  # the supervisor kills what a lost keeper leaves
            return False

    def close(self) -> None:
        """Let the keeper end, and with it whatever is left."""
        if self._channel is None:
            return
        asyncio.get_running_loop().remove_reader(self._channel)
        self._channel.close()
        self._channel = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)))
        self._tell_exit(KILLED)

    async def _ask(self, request: object, terminal: int | None = None) -> dict[str, Any]:
        channel = self._channel
        assert channel is not None
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[dict[str, Any]] = loop.create_future()
        self._answer = answer
        line = json.dumps(request).encode() + b"\n"
        try:
            if terminal is not None:
                socket.send_fds(channel, [line[:1]], [terminal])
                line = line[1:]
            await loop.sock_sendall(channel, line)
            return await answer
        except BaseException:  # an answer that nobody waits for would be taken for the next one's
            self._answer = None
            self.close()
            raise

    def _hear(self) -> None:
        assert self._channel is not None
        try:
            piece = self._channel.recv(processes.READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        *lines, self._received = (self._received + piece).split(b"\n")
        for said in map(json.loads, lines):
            if "exit" in said:
                self._tell_exit(said["exit"])
            elif self._answer is not None and not self._answer.done():
                self._answer.set_result(said)
        if not piece:
            self.close()

    def _tell_exit(self, code: int) -> None:
        on_exit, self._on_exit = self._on_exit, None
        if on_exit is not None:  # after whoever still waits for the shell's start has it
            asyncio.get_running_loop().call_soon(on_exit, code)

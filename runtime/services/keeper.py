"""Keeps the shells of one terminal, one after the other, and everything they ever start.

Forked from the supervisor for each terminal. As a child subreaper it gets hold of every process
that leaves its shell's group, session, environment and family, and of no other terminal's; so what
it ends is exactly what the terminal's life left behind.

Protocol: lines of JSON on a stream socket. `{"shell": Shell}`, with the terminal's descriptor on
its first byte, is answered by `{"pid": …}` or `{"errno": …}` and, when that shell ends, by
`{"exit": …}` (128 + n after signal n). `"end"` ends everything below, which `{"ended": …}` answers
by whether nothing is left. The daemon closing its end kills everything.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import socket
import termios
from contextlib import suppress
from typing import NoReturn, TypedDict

from runtime.services import processes

KILL_SECONDS = 1.0  # processes that fork while they are killed are found again until then
GIVES_WAY = 500  # many small programs, too, are taken before the daemon; a check goes before them
NOT_FOUND, NOT_STARTED = 127, 126  # what a shell answers for a program it cannot start


class Shell(TypedDict):
    """How a shell starts; `user` is uid, gid and groups, None for the keeper's own."""

    argv: list[str]
    env: dict[str, str]
    cwd: str
    user: tuple[int, int, list[int]] | None


class Keeper:
    """The forked process's work, from its start to its end."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._pid = 0  # the shell that runs
        self._received = b""
        self._terminals: list[int] = []

    def run(self) -> bool:
        """Until the daemon closes the channel; True when nothing is left then."""
        processes.become_subreaper()
        wakeup = processes.wake_on_children()
        poll = select.poll()
        poll.register(self._channel, select.POLLIN)
        poll.register(wakeup, select.POLLIN)
        with suppress(ConnectionError):
            while True:
                ready = {fd for fd, _ in poll.poll()}
                if wakeup in ready:
                    os.read(wakeup, processes.READ_BYTES)
                    processes.reap(self._on_end)
                if self._channel.fileno() in ready and not self._hear():
                    break
        return processes.kill_descendants(KILL_SECONDS)

    def _hear(self) -> bool:
        """Do what the daemon asks; False when it is gone."""
        piece, terminals = processes.receive(self._channel, processes.READ_BYTES)
        self._terminals += terminals
        *lines, self._received = (self._received + piece).split(b"\n")
        for line in lines:
            request = json.loads(line)
            if request == "end":
                self._say(ended=processes.end_descendants(KILL_SECONDS, self._on_end))
            else:
                self._start(request["shell"])
        return bool(piece)

    def _start(self, shell: Shell) -> None:
        terminal = self._terminals.pop(0)
        try:
            pid = os.fork()
            if pid == 0:
                _become(shell, terminal)
        except OSError as error:
            self._say(errno=error.errno or 0)
        else:
            self._pid = pid
            self._say(pid=pid)
        finally:
            os.close(terminal)

    def _on_end(self, pid: int, status: int) -> None:
        if pid == self._pid:
            self._pid = 0
            code = os.waitstatus_to_exitcode(status)
            with suppress(ConnectionError):  # what is being ended is ended for nobody, too
                self._say(exit=code if code >= 0 else 128 - code)

    def _say(self, **said: int) -> None:
        self._channel.sendall(json.dumps(said).encode() + b"\n")


def _become(shell: Shell, terminal: int) -> NoReturn:
    """The forked child: the leader of a session on `terminal`, as the shell's user."""
    code = NOT_STARTED
    try:
        signal.set_wakeup_fd(-1)
        processes.give_way(GIVES_WAY)
        for number in processes.HEARD:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.setsid()
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
        for standard in range(3):
            os.dup2(terminal, standard)
        _enter(shell["cwd"])
        if shell["user"] is not None:
            uid, gid, groups = shell["user"]
            os.setgroups(groups)
            os.setgid(gid)
            os.setuid(uid)
        os.execvpe(shell["argv"][0], shell["argv"], shell["env"])
    except OSError as error:
        code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_STARTED
        with suppress(OSError):
            os.write(2, f"{shell['argv'][0]}: {error.strerror}\r\n".encode())
    finally:
        os._exit(code)


def _enter(folder: str) -> None:
    try:
        os.chdir(folder)
    except OSError:
        os.chdir("/")  # the student removed it

"""Runs commands and shells for the daemon and leaves no process of any of them behind.

A program of its own (`python -I -S`, standard library and its neighbours only) because

- only a child subreaper gets hold of every process that left its group, its session and its
  environment, and the daemon cannot be one: it would inherit the student's orphans as well;
- forking this small process costs a quarter of starting anything from the daemon;
- what a flood prints is held and cut here, not in the daemon.

Protocol: each message on the control socket (SOCK_SEQPACKET) is one JSON request with one socket
attached. A worker is forked for it, which answers on that socket: one line of JSON
(`exit`, `stopped`, `ms`, `stderr`), then the output, then end of file. The daemon closing its end
of that socket stops the run; closing the control socket stops everything. The request `"keep"` is
for a worker that keeps a terminal's shells (`runtime.services.keeper`).
"""

from __future__ import annotations

import gc
import json
import math
import os
import resource
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import NoReturn, TypedDict

from runtime.services import processes
from runtime.services.keeper import Keeper
from runtime.services.processes import READ_BYTES

CHECK_GIVES_WAY = 1000  # of 1000: before everything else
KEEP = b'"keep"'
REQUEST_BYTES = 128 << 10  # 128 KiB, below the kernel's default limit of a packet
STDERR_KEPT_BYTES = 4 << 10  # 4 KiB
KILL_SECONDS = 5.0  # a process in an uninterruptible sleep is left to the next reaping
GRACE_SECONDS = 2.0  # what a worker may take beyond its deadline and KILL_SECONDS


class Request(TypedDict):
    """One command to run; `argv[0]` is looked up on PATH when it has no slash."""

    argv: list[str]
    env: dict[str, str]
    cwd: str
    stdin: str | None
    deadline_seconds: float
    memory_bytes: int
    output_bytes: int


class Answer(TypedDict):
    """How it ended: `stopped` says why it was stopped, or that it never started."""

    exit: int | None
    stopped: str | None
    ms: int
    stderr: str


def serve(control: socket.socket) -> None:
    """Fork a worker for each request until the control socket is closed, then stop them all."""
    gc.disable()  # no cycles here, and a collection in a worker would copy every shared page
    processes.become_subreaper()
    wakeup = processes.wake_on_children()
    workers: dict[int, float] = {}  # pid -> monotonic time it must be gone by
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(wakeup, select.POLLIN)
    while True:
        is_timed = any(limit < math.inf for limit in workers.values())
        ready = {fd for fd, _ in poll.poll(1000 if is_timed else None)}
        if wakeup in ready:
            os.read(wakeup, READ_BYTES)
        _reap_workers(workers)
        _stop_overdue(workers)
        if control.fileno() in ready and not _accept(control, wakeup, workers):
            break
    processes.kill_descendants(KILL_SECONDS)


def _accept(control: socket.socket, wakeup: int, workers: dict[int, float]) -> bool:
    """Fork a worker for the next request; False when the daemon is gone."""
    try:
        raw, fds = processes.receive(control, REQUEST_BYTES)
    except OSError:
        return False
    if not raw:
        return False
    channel = socket.socket(fileno=fds[0])
    request: Request | None = None if raw == KEEP else json.loads(raw)
    try:
        pid = os.fork()
    except OSError:  # a fork bomb has taken them all: the end of the channel says so
        channel.close()
        return True
    if pid == 0:
        os.close(wakeup)
        control.close()
        if request is None:
            _keep(channel)
        _worker(request, channel)
    channel.close()
    seconds = request["deadline_seconds"] if request is not None else math.inf
    workers[pid] = time.monotonic() + seconds + KILL_SECONDS + GRACE_SECONDS
    return True


def _reap_workers(workers: dict[int, float]) -> None:
    """Collect what ended; a worker that was killed leaves its processes to us, and they go too."""
    broken = False

    def ended(pid: int, status: int) -> None:
        nonlocal broken
        broken |= workers.pop(pid, None) is None or status != 0

    processes.reap(ended)
    if not broken:
        return
    for pid in processes.children_of(os.getpid(), processes.parents()):
        if pid not in workers:
            for each in (pid, *processes.descendants(pid)):
                processes.send(each, signal.SIGKILL)


def _stop_overdue(workers: dict[int, float]) -> None:
    now = time.monotonic()
    for pid, limit in workers.items():
        if now > limit:
            processes.send(pid, signal.SIGKILL)


def _keep(channel: socket.socket) -> NoReturn:
    """The forked child that keeps a terminal's shells; exits 0 only when nothing is left."""
    code = 1
    try:
        code = 0 if Keeper(channel).run() else 1
    finally:
        os._exit(code)


def _worker(request: Request, channel: socket.socket) -> NoReturn:
    """The forked child: run, clean up, answer, exit 0 only when nothing is left."""
    code = 1
    with suppress(BrokenPipeError, ConnectionResetError):
        answer, output = _run(request, channel)
        code = 0 if processes.kill_descendants(KILL_SECONDS) else 1
        channel.sendall(json.dumps(answer).encode() + b"\n")
        channel.sendall(output)
    os._exit(code)


def _run(request: Request, channel: socket.socket) -> tuple[Answer, bytes]:
    started = time.monotonic()
    processes.become_subreaper()
    wakeup = processes.wake_on_children()
    _limit_self(request)
    output_end, output_start = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    error_end, error_start = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    for fd in (output_start, error_start):
        os.set_blocking(fd, True)
    try:
        pid = _spawn(request, output_start, error_start)
    except OSError as error:
        return Answer(exit=None, stopped=f"start: {error.strerror}", ms=0, stderr=""), b""
    os.close(output_start)
    os.close(error_start)
    run = _Reading(pid, output_end, error_end, request["output_bytes"])
    stopped = run.until_end(wakeup, channel, started + request["deadline_seconds"])
    if stopped:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
    ms = round((time.monotonic() - started) * 1000)
    stderr = bytes(run.stderr).decode("utf-8", "replace")
    output = b"" if stopped else bytes(run.output)
    return Answer(exit=run.exit, stopped=stopped, ms=ms, stderr=stderr), output


def _limit_self(request: Request) -> None:
    """Limits of the worker, which everything it starts inherits."""
    memory = request["memory_bytes"]
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard != resource.RLIM_INFINITY:
        memory = min(memory, hard)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    processes.give_way(CHECK_GIVES_WAY)
    try:
        os.chdir(request["cwd"])
    except OSError:
        os.chdir("/")  # the student removed it: what is asked about it is then simply not there


def _spawn(request: Request, output: int, error: int) -> int:
    return os.posix_spawnp(
        request["argv"][0],
        request["argv"],
        request["env"],
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, request["stdin"] or "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, output, 1),
            (os.POSIX_SPAWN_DUP2, error, 2),
        ],
        setsid=True,
        setsigmask=(),
        setsigdef=processes.HEARD,  # a check's `yes | head` must end
    )


class _Reading:
    """What one run printed, and how it ended."""

    def __init__(self, pid: int, output: int, error: int, limit_bytes: int) -> None:
        self.exit: int | None = None
        self.output = bytearray()
        self.stderr = bytearray()
        self._pid = pid
        self._limit = limit_bytes
        self._printed = 0
        self._sinks = {output: self.output, error: self.stderr}

    def until_end(self, wakeup: int, channel: socket.socket, deadline: float) -> str | None:
        """Read until the command ends; otherwise why it has to be stopped."""
        poll = select.poll()
        for fd in (*self._sinks, wakeup):
            poll.register(fd, select.POLLIN)
        poll.register(channel, select.POLLIN | select.POLLHUP)
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return "deadline"
            ready = {fd for fd, _ in poll.poll(left * 1000)}
            if channel.fileno() in ready:
                return "cancelled"
            if wakeup in ready:
                os.read(wakeup, READ_BYTES)
                processes.reap(self._on_end)
            for fd in ready & set(self._sinks):
                self._take(fd)
                if fd not in self._sinks:
                    poll.unregister(fd)
            while self.exit is not None and any(map(self._take, tuple(self._sinks))):
                pass  # what was printed just before the end
            if self._printed > self._limit:
                return "output"
            if self.exit is not None:
                return None

    def _on_end(self, pid: int, status: int) -> None:
        if pid == self._pid:
            self.exit = os.waitstatus_to_exitcode(status)

    def _take(self, fd: int) -> bool:
        """Read a piece of what is there; False when there is none or too much came already."""
        if fd not in self._sinks or self._printed > self._limit:
            return False
        try:
            piece = os.read(fd, READ_BYTES)
        except BlockingIOError:
            return False
        if not piece:
            del self._sinks[fd]
            return False
        self._printed += len(piece)
        sink = self._sinks[fd]
        room = STDERR_KEPT_BYTES - len(sink) if sink is self.stderr else len(piece)
        sink += piece[: max(room, 0)]
        return True


def main() -> None:
    """Serve the control socket whose descriptor is the last argument."""
    serve(socket.socket(fileno=int(sys.argv[-1])))

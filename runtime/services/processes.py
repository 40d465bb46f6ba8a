"""Every process of one terminal's life, found and ended: also those that hide from a hang-up.

`nohup`, `setsid`, `disown` and double forks leave the session, the process group and the family,
but not the environment they were started with: it carries a mark. Those that dropped even that are
found by session, by terminal and by descent. Functions block; call them in a thread.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MARK = "WORKSHOP_TERMINAL_LIFE"
STEPS = ((signal.SIGHUP, 0.3), (signal.SIGTERM, 0.6))  # signal, seconds to obey it
KILL_SECONDS = 1.0  # processes that fork while they are killed are found again until then
ENVIRON_BYTES = 256 * 1024
GREP_SECONDS = 1.0


@dataclass(frozen=True)
class Marked:
    """What tells a terminal's processes from others: the mark's value and the sessions it led.

    `user` is the shells' user and group when it is not the daemon's own.
    """

    mark: str
    sessions: frozenset[int]
    user: tuple[int, int] | None = None


@dataclass(frozen=True)
class _Process:
    pid: int
    parent: int
    session: int


def end_all(marked: Marked) -> bool:
    """HUP, TERM, then KILL everything of `marked`, in 2 s at most; True when none is left."""
    for number, seconds in STEPS:
        found = find(marked)
        if not found:
            return True
        with _held(found) as held:
            for pidfd in held:
                _send(pidfd, number)
                _send(pidfd, signal.SIGCONT)  # a stopped process obeys nothing else
            _wait(held, seconds)
    deadline = time.monotonic() + KILL_SECONDS
    while found := find(marked):
        if time.monotonic() > deadline:
            return False
        with _held(found) as held:
            for pidfd in held:
                _send(pidfd, signal.SIGKILL)
            _wait(held, 0.2)
    return True


def find(marked: Marked) -> set[int]:
    """The living processes of `marked`; zombies have ended and are for their parents."""
    processes = {each.pid: each for each in _processes()}
    found = {each.pid for each in processes.values() if each.session in marked.sessions}
    unreadable = False
    for pid in processes:
        holds_mark = _is_marked(pid, marked.mark)
        unreadable |= holds_mark is None
        if holds_mark:
            found.add(pid)
    if unreadable and marked.user is not None:
        found |= _marked_as_user(marked.mark, marked.user) & processes.keys()
    children: dict[int, list[int]] = {}
    for each in processes.values():
        children.setdefault(each.parent, []).append(each.pid)
    queue = list(found)
    while queue:
        fresh = [pid for pid in children.get(queue.pop(), ()) if pid not in found]
        found.update(fresh)
        queue += fresh
    return found - {os.getpid()}


def _processes() -> Iterator[_Process]:
    with os.scandir("/proc") as entries:
        pids = [int(entry.name) for entry in entries if entry.name.isdigit()]
    for pid in pids:
        with contextlib.suppress(OSError):
            # "pid (name) state parent group session …"; the name may hold spaces and brackets
            fields = _read(f"/proc/{pid}/stat", 4096).rpartition(b")")[2].split()
            if len(fields) > 3 and fields[0] not in (b"Z", b"X"):
                yield _Process(pid, int(fields[1]), int(fields[3]))


def _is_marked(pid: int, mark: str) -> bool | None:
    """None when the process's environment is not ours to read."""
    try:
        environ = _read(f"/proc/{pid}/environ", ENVIRON_BYTES)
    except PermissionError:
        return None
    except OSError:
        return False
    return f"{MARK}={mark}".encode() in environ.split(b"\0")


def _marked_as_user(mark: str, user: tuple[int, int]) -> set[int]:
    """Root without CAP_SYS_PTRACE, as in most containers, cannot read this; the user itself can."""
    script = 'exec grep -als "$0" /proc/[0-9]*/environ'
    try:
        done = subprocess.run(
            ("/bin/sh", "-c", script, f"{MARK}={mark}"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            user=user[0],
            group=user[1],
            extra_groups=(),
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            timeout=GREP_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return set()
    parts = (line.split(b"/") for line in done.stdout.splitlines())
    return {int(each[2]) for each in parts if len(each) == 4 and each[2].isdigit()}


def _read(path: str, limit: int) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, limit)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _held(pids: Iterable[int]) -> Iterator[list[int]]:
    """Descriptors of the processes: a number may be given to somebody else meanwhile."""
    held: list[int] = []
    try:
        for pid in pids:
            with contextlib.suppress(OSError):
                held.append(os.pidfd_open(pid))
        yield held
    finally:
        for pidfd in held:
            os.close(pidfd)


def _send(pidfd: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        signal.pidfd_send_signal(pidfd, number)


def _wait(held: list[int], seconds: float) -> None:
    """Until all have ended or the time is over."""
    poll = select.poll()
    for pidfd in held:
        poll.register(pidfd, select.POLLIN)
    left = len(held)
    deadline = time.monotonic() + seconds
    while left and (remaining := deadline - time.monotonic()) > 0:
        for pidfd, _ in poll.poll(remaining * 1000):
            poll.unregister(pidfd)
            left -= 1

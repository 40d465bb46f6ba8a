"""Every process below this one, found and ended, however it hides.

`nohup`, `setsid`, `disown`, double forks and an emptied environment leave the session, the group
and the family, but not the nearest child subreaper: an orphan becomes its child. A process that is
one stays an ancestor of all it ever started, so having no child is proof that nothing is left.

Standard library only, and without threads: the supervisor and what it forks use this.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
READ_BYTES = 64 << 10  # 64 KiB
STEPS = ((signal.SIGHUP, 0.3), (signal.SIGTERM, 0.6))  # signal, seconds to obey it
# What a program ignores or blocks stays so over an exec. Python ignores two signals, the background
# of a script Ctrl-C, `nohup` the hang-up, a supervisor what it likes; none of that may be handed on
# to a student's shell or a check. These are all a program can choose to hear.
HEARD = tuple(sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}))
LOOK_SECONDS = 0.02  # at most between two looks at what still lives

OnEnd = Callable[[int, int], None]  # of a child: pid, wait status


def become_subreaper() -> None:
    """Inherit the orphans among this process's descendants."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def give_way(by: int) -> None:
    """Short of memory, let the kernel take this process and what it starts before the daemon.

    `by` is in thousandths of all memory there is: so much larger the process then seems.
    """
    with suppress(OSError), open("/proc/self/oom_score_adj", "r+") as file:
        score = min(1000, int(file.read()) + by)
        file.seek(0)
        file.write(str(score))


def wake_on_children() -> int:
    """A descriptor that becomes readable when a child ends."""
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return reading


def receive(channel: socket.socket, size: int) -> tuple[bytes, list[int]]:
    """Up to `size` bytes and the descriptor that came with them, which no program inherits.

    `socket.recv_fds` forgets its flags, MSG_CMSG_CLOEXEC with them, in Python 3.11; what a
    shell inherited of it would be a way to command whoever keeps that shell.
    """
    piece, descriptors, _, _ = socket.recv_fds(channel, size, 1)
    for each in descriptors:
        os.set_inheritable(each, False)
    return piece, descriptors


def reap(on_end: OnEnd | None = None) -> bool:
    """Collect the children that ended; whether any child is left."""
    try:
        while (pair := os.waitpid(-1, os.WNOHANG))[0]:
            if on_end is not None:
                on_end(*pair)
    except ChildProcessError:
        return False
    return True


def parents() -> dict[int, int]:
    """pid -> parent of every process there is."""
    found: dict[int, int] = {}
    with os.scandir("/proc") as entries:
        for pid in (int(entry.name) for entry in entries if entry.name.isdigit()):
            with suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:
                # "pid (name) state parent …"; the name may hold spaces and brackets
                found[pid] = int(file.read().rpartition(b")")[2].split()[1])
    return found


def children_of(pid: int, known: dict[int, int]) -> list[int]:
    """By the parents that are known."""
    return [child for child, parent in known.items() if parent == pid]


def descendants(pid: int) -> list[int]:
    """Children, their children, and so on."""
    known = parents()
    found: list[int] = []
    queue = [pid]
    while queue:
        children = children_of(queue.pop(), known)
        found += children
        queue += children
    return found


def send(pid: int, number: signal.Signals) -> None:
    """Signal a process that may be gone, or not ours to signal."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def end_descendants(seconds: float, on_end: OnEnd | None = None) -> bool:
    """HUP, TERM, then KILL everything below this process, the last for so long; see below."""
    for number, patience in STEPS:
        for pid in descendants(os.getpid()):
            send(pid, number)
            send(pid, signal.SIGCONT)  # a stopped process obeys nothing else
        if not _outlives(patience, on_end):
            return True
    return kill_descendants(seconds, on_end)


def kill_descendants(seconds: float, on_end: OnEnd | None = None) -> bool:
    """Kill everything below this process and collect it; True when nothing is left.

    Processes in an uninterruptible sleep are given up on after so many seconds. All are stopped
    before any is killed: a fork bomb is faster than a walk through /proc.
    """
    limit = time.monotonic() + seconds
    stopped: set[int] = set()
    pause = 0.0005
    while reap(on_end):
        if time.monotonic() > limit:
            return False
        found = set(descendants(os.getpid()))
        if found - stopped:
            for pid in found - stopped:
                send(pid, signal.SIGSTOP)
            stopped = found
            continue
        for pid in found:
            send(pid, signal.SIGKILL)
        stopped = set()
        time.sleep(pause)
        pause = min(pause * 2, LOOK_SECONDS)
    return True


def _outlives(seconds: float, on_end: OnEnd | None) -> bool:
    """Whether anything below this process still lives after so long."""
    limit = time.monotonic() + seconds
    pause = 0.001
    while reap(on_end):
        if time.monotonic() > limit:
            return True
        time.sleep(pause)
        pause = min(pause * 2, LOOK_SECONDS)
    return False

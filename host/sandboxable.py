"""What the embedded engine cannot do, said before it is tried.

The sandbox has a read-only system and no root: a step may change `/workspace` and the student's
home and nothing else. This looks at the commands as they are written; what hides behind a variable
or a script shows itself only when the command runs.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from itertools import pairwise

from host.faults import Fault, shortened
from host.shellwords import Command, simple_commands
from host.spec import SPEC_NAME, Spec, StepSpec

KEPT = ("/workspace", "/home/student")  # what a step's state is made of
WRITABLE = (*KEPT, "/tmp", "/var/tmp", "/dev/shm", "/dev/fd")
DEVICES = ("/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty", "/dev/full")

_INSTALLING = "installs software"
_ROOT = "needs root"
_SERVICES = "needs the system's services"
_MOUNTS = "changes devices or mounts"
_ACCOUNTS = "changes users or groups"
_KERNEL = "changes the kernel or the network"
_CONTAINERS = "needs a container engine"

PROGRAMS: dict[str, str] = {
    name: reason
    for reason, names in {
        _INSTALLING: "apt apt-get aptitude dnf microdnf yum apk pacman zypper snap flatpak emerge",
        _ROOT: "sudo su doas pkexec chroot",
        _SERVICES: "systemctl service rc-service initctl update-rc.d loginctl hostnamectl "
        "timedatectl localectl",
        _MOUNTS: "mount umount losetup mkswap swapon swapoff fdisk parted cryptsetup mkfs",
        _ACCOUNTS: "useradd adduser usermod userdel deluser groupadd addgroup groupmod groupdel "
        "passwd chpasswd visudo",
        _KERNEL: "modprobe insmod rmmod sysctl iptables ip6tables nft ufw reboot shutdown halt "
        "poweroff",
        _CONTAINERS: "docker podman buildah nerdctl ctr crictl",
    }.items()
    for name in names.split()
}
SOME_OPTIONS = {
    # Programs of which only some uses need more: asking a package database needs nothing.
    "dpkg": (_INSTALLING, ("-i", "--install", "-r", "--remove", "-P", "--purge", "--unpack")),
    "rpm": (_INSTALLING, ("-i", "-U", "-F", "-e", "-ivh", "-Uvh", "--install", "--erase")),
    "npm": (_INSTALLING, ("-g", "--global")),
}
WRITES_ALL = frozenset({  # every operand is changed
    "mkdir", "touch", "rmdir", "rm", "tee", "truncate", "chmod", "mkfifo", "mknod", "unlink",
    "shred", "mv",
})  # fmt: skip
WRITES_LAST = frozenset({"cp", "install", "ln", "rsync"})  # the last operand is
TARGET_OPTIONS = {
    "cp": ("-t", "--target-directory"),
    "mv": ("-t", "--target-directory"),
    "install": ("-t", "--target-directory"),
    "ln": ("-t", "--target-directory"),
    "tar": ("-C", "--directory"),
    "unzip": ("-d",),
    "curl": ("-o", "--output"),
    "wget": ("-O", "-P", "--output-document", "--directory-prefix"),
}
OWN_NAMES = ("student", "student:student", "student:", ":student", "1000", "1000:1000")


def check(spec: Spec) -> list[Fault]:
    """One sentence for each thing the embedded engine cannot do; none when the workshop fits."""
    faults = []
    if spec.terminal.user != "student":
        faults.append(
            _fault(
                (1, 1),
                "workshop.terminal.user",
                f"the embedded engine's shell runs as student, never as {spec.terminal.user}; "
                "use a container engine or write “user: student”",
            )
        )
    if not _is_within(spec.terminal.workdir, (*KEPT, "/tmp")):
        faults.append(
            _fault(
                (1, 1),
                "workshop.terminal.workdir",
                f"the embedded engine has no {spec.terminal.workdir}; use a container engine "
                "or a folder in /workspace",
            )
        )
    for step in spec.steps:
        faults += _step(step)
    return faults


def _step(step: StepSpec) -> Iterator[Fault]:
    for index, file in enumerate(step.files):
        if not _is_within(file.path, KEPT):
            yield _fault(
                _place(step, f"files[{index}].path"),
                f"steps[{step.position}].files[{index}]",
                f"step “{step.id}” writes the file {file.path}, but the embedded engine keeps "
                "only /workspace and /home/student; use a container engine or another path",
            )
    for index, line in enumerate(step.commands):
        reason = next(filter(None, map(_reason, simple_commands(line))), None)
        if reason is not None:
            yield _fault(
                _place(step, f"commands[{index}]"),
                f"steps[{step.position}].commands[{index}]",
                f"step “{step.id}”: the command “{shortened(line)}” {reason}, which the embedded "
                "engine cannot do; use a container engine or change the command",
            )


def _fault(place: tuple[int, int], field: str, message: str) -> Fault:
    return Fault(SPEC_NAME, *place, field, message)


def _place(step: StepSpec, field: str) -> tuple[int, int]:
    return step.where.get(field, (1, 1))


def _reason(command: Command) -> str | None:
    """Why this simple command needs more than the sandbox has; None when it does not seem to."""
    name = command.name
    if name in PROGRAMS:
        return f"{PROGRAMS[name]} ({name})"
    if name.startswith("mkfs."):
        return f"{_MOUNTS} ({name})"
    if name in SOME_OPTIONS:
        reason, options = SOME_OPTIONS[name]
        if any(word in options for word in command.words[1:]):
            return f"{reason} ({name})"
    if name in ("chown", "chgrp") and not _is_own(command):
        return f"gives files to another user ({name})"
    outside = next((path for path in _written(command) if not _may_be_written(path)), None)
    return f"writes to {shortened(outside)}" if outside is not None else None


def _written(command: Command) -> Iterator[str]:
    """The paths a command changes, as far as its words tell."""
    yield from command.writes
    name, words, operands = command.name, command.words, command.operands()
    options = TARGET_OPTIONS.get(name, ())
    targets = [after for option, after in pairwise(words) if option in options]
    for word in words:
        option, equals, value = word.partition("=")
        if equals and option in options:
            targets.append(value)
    yield from targets
    if name in WRITES_ALL:
        yield from operands
    elif name in WRITES_LAST and operands and not targets:
        yield operands[-1]
    elif name in ("chown", "chgrp"):
        yield from operands[1:]
    elif name == "dd":
        yield from (word[3:] for word in words if word.startswith("of="))
    elif name == "sed" and any(word.startswith(("-i", "--in-place")) for word in words):
        yield from operands[1:]
    elif name == "git" and "clone" in operands and len(operands) > 2:
        yield operands[-1]


def _is_own(command: Command) -> bool:
    operands = command.operands()
    return not operands or operands[0] in OWN_NAMES


def _may_be_written(path: str) -> bool:
    """Relative paths, the home and what a variable decides are given the benefit of the doubt."""
    if not path.startswith("/") or "$" in path:
        return True
    return posixpath.normpath(path) in DEVICES or _is_within(path, WRITABLE)


def _is_within(path: str, folders: tuple[str, ...]) -> bool:
    normal = posixpath.normpath(path)
    return any(normal == folder or normal.startswith(f"{folder}/") for folder in folders)

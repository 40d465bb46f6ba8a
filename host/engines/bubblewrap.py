"""Command lines for bubblewrap: what a machine sees of this computer, and what runs in it.

Two ways, decided by who runs the CLI:

- **root**: a mount and process namespace; the daemon is root with six capabilities and starts
  shells as `student` (uid 1000), as in a container. Other users' files are safe by their uid.
- **an ordinary user**: a user namespace on top, in which everything is uid 1000. The daemon starts
  its shells and checks through `shell_prefix`, an inner bubblewrap with a user namespace of its own
  that hides the daemon's files; the kernel then refuses ptrace and /proc of the daemon.

The system is read-only, /tmp and /var are the machine's own, the network is the computer's.
"""

from __future__ import annotations

import compileall
import os
import pwd
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import runtime
from runtime.domain.errors import EngineFailure

STUDENT_UID = 1000
ROOT_CAPABILITIES = ("SETUID", "SETGID", "CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL")
PLATFORM = Path("/opt/workshop")  # in the machine: goss, the hook, the daemon's package
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SEALED = ["--remount-ro", "/"]  # after the last mount: what nothing is mounted on is read-only
SECRETS = Path("/run/workshop")
COMMAND_LOG = Path("/workshop/runtime/command-log.jsonl")
SYSTEM_ROOTS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "nix", "gnu")
SYSTEM_STATE = ("/var/lib/dpkg", "/var/lib/rpm", "/var/lib/pacman", "/var/cache/man", "/sys")
BASHRCS = ("/etc/bash.bashrc", "/etc/bashrc", "/etc/bash/bashrc")

Arguments = list[str]


@dataclass(frozen=True)
class Folders:
    """The three folders that make a machine the student's: each a path on this computer."""

    workspace: Path
    home: Path
    etc: Path


def is_root() -> bool:
    """Whether machines are made the first of the two ways."""
    return os.geteuid() == 0


def program() -> str:
    """The path of bubblewrap; EngineFailure with the mend when it is missing."""
    found = shutil.which("bwrap")
    if found is None:
        raise EngineFailure(
            "The sandbox needs bubblewrap (bwrap), which is not installed. Install it with: "
            "sudo apt-get install -y bubblewrap"
        )
    return str(Path(found).resolve())


def confinement() -> Arguments:
    """Namespaces and capabilities: the part that differs between root and an ordinary user."""
    common = ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    if not is_root():
        student = str(STUDENT_UID)
        return ["--unshare-user", "--uid", student, "--gid", student, *common]
    # Run by root, bubblewrap keeps every capability unless told to drop them.
    kept = [word for name in ROOT_CAPABILITIES for word in ("--cap-add", f"CAP_{name}")]
    return [*common, "--cap-drop", "ALL", *kept]


def system(folders: Folders, hostname: str) -> Arguments:
    """A read-only view of this computer's programs, and the student's own folders."""
    words = ["--hostname", hostname]
    for path in ("/home", "/var", "/var/lib", "/var/cache", "/opt", str(PLATFORM)):
        words += ["--perms", "0755", "--dir", path]
    for path, mode in (("/run", "0755"), ("/var/log", "0755"), ("/var/tmp", "1777")):
        words += ["--perms", mode, "--tmpfs", path]
    words += ["--perms", "0700", "--dir", "/root", "--symlink", "/run", "/var/run"]
    words += programs()
    for folder in sorted(Path("/opt").glob("*")):
        if folder != PLATFORM:
            words += _system_folder(folder)
    for name in SYSTEM_STATE:
        words += ["--ro-bind-try", name, name]
    words += ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/dev/shm"]
    for name in ("/proc/sys", "/proc/sysrq-trigger"):  # root may write there without capabilities
        words += ["--ro-bind-try", name, name]
    words += ["--perms", "1777", "--tmpfs", "/tmp"]
    words += _resolver() + _accounts(folders.etc)
    words += ["--bind", str(folders.workspace), "/workspace"]
    return [*words, "--bind", str(folders.home), "/home/student"]


def programs() -> Arguments:
    """This computer's programs, read-only.

    Never `/` as one: that takes every mount below it along, and fails when one of them, say another
    container's, goes away meanwhile.
    """
    return [word for name in SYSTEM_ROOTS for word in _system_folder(Path("/") / name)]


def environment(values: Mapping[str, str]) -> Arguments:
    """An environment made from nothing."""
    words = ["--clearenv"]
    for name, value in sorted({"PATH": PATH, "LANG": "C.UTF-8", **values}.items()):
        words += ["--setenv", name, value]
    return words


def as_student(command: Arguments) -> Arguments:
    """`command` run by the student in a machine without a daemon."""
    if not is_root():
        return command
    student = str(STUDENT_UID)
    drop = ["/usr/bin/setpriv", f"--reuid={student}", f"--regid={student}", "--clear-groups"]
    return [*drop, "--inh-caps=-all", "--", *command]


def as_owner(command: Arguments) -> Arguments:
    """`command` with access to all of this user's files, also those without permissions.

    Root has it anyway; an ordinary user becomes root of a user namespace that maps only them.
    """
    if is_root():
        return command
    may = ["--cap-add", "CAP_DAC_OVERRIDE", "--cap-add", "CAP_FOWNER"]
    return [
        program(), "--unshare-user", "--uid", "0", "--gid", "0", *may, "--bind", "/", "/",
        "--", *command,
    ]  # fmt: skip


def shell_prefix() -> Arguments:
    """What the daemon puts in front of shells and checks when it shares their uid; else nothing."""
    if is_root():
        return []
    runtime = str(COMMAND_LOG.parent)
    return [
        _inside(program()), "--unshare-user", "--dev-bind", "/", "/",
        "--tmpfs", "/workshop", "--dir", runtime, "--bind", str(COMMAND_LOG), str(COMMAND_LOG),
        "--remount-ro", "/workshop", "--tmpfs", str(SECRETS), "--remount-ro", str(SECRETS),
    ]  # fmt: skip


def platform(goss: Path | None) -> Arguments:
    """The daemon's own needs, read-only: its Python, its package, goss, the hook."""
    package = runtime_package()
    if os.access(package, os.W_OK):  # in the machine nobody can write bytecode
        compileall.compile_dir(str(package), quiet=2)
    words = ["--ro-bind", str(package), str(PLATFORM / "lib" / "runtime")]
    words += ["--ro-bind", str(hook()), str(PLATFORM / "workshop-platform.bashrc")]
    if goss is not None:
        words += ["--ro-bind", str(goss), str(PLATFORM / "bin" / "goss")]
    if _inside(program()) != program():
        words += ["--ro-bind", program(), _inside(program())]
    for path in python_folders():
        words += ["--ro-bind", str(path), str(path)]
    return words


def daemon_command() -> Arguments:
    """The daemon, the way every engine starts it; -B since nothing there is writable.

    Libraries in unusual places come as code and not as PYTHONPATH, which shells would inherit.
    """
    if extra := _extra_import_paths():
        start = "runpy.run_module('runtime', run_name='__main__', alter_sys=True)"
        return [sys.executable, "-B", "-c", f"import runpy, sys; sys.path += {extra!r}; {start}"]
    return [sys.executable, "-B", "-m", "runtime"]


def python_folders() -> list[Path]:
    """Every folder this interpreter and the daemon's libraries are in, outside the system's."""
    named = [sys.prefix, sys.base_prefix, str(Path(os.path.realpath(sys.executable)).parent)]
    named += [entry for entry in sys.path if entry.endswith(("site-packages", "dist-packages"))]
    folders: list[Path] = []
    system = Path("/usr")
    for name in named:
        for path in (Path(name), Path(name).resolve()):
            outside = not any(path.is_relative_to(known) for known in (system, *folders))
            if path.is_dir() and outside:
                folders.append(path)
    return folders


def runtime_package() -> Path:
    """The folder of the `runtime` package."""
    return Path(next(iter(runtime.__path__))).resolve()


def hook() -> Path:
    """The prompt hook: beside the package in a source checkout, inside it in a wheel."""
    package = runtime_package()
    name = "workshop-platform.bashrc"
    for path in (package / name, package.parent / "bashrc" / name):
        if path.is_file():
            return path
    raise EngineFailure(
        f"The prompt hook {name} is missing beside {package}. Install the package again."
    )


def goss() -> Path | None:
    """The goss this computer has: named, in the checkout, beside Python, or on PATH."""
    checkout = runtime_package().parent / ".tools" / "bin" / "goss"
    beside = Path(sys.prefix) / "bin" / "goss"
    named = os.environ.get("WORKSHOP_GOSS")
    found = shutil.which("goss")
    candidates: tuple[str | Path | None, ...] = (named, checkout, beside, found)
    for path in candidates:
        if path and os.access(path, os.X_OK):
            return Path(path).resolve()
    return None


def write_etc(folder: Path) -> None:
    """The replaced files of /etc: accounts with `student` in them, and a bashrc with the hook."""
    folder.mkdir(parents=True, exist_ok=True)
    student = f"student:x:{STUDENT_UID}:{STUDENT_UID}:Student:/home/student:/bin/bash"
    system_users = [
        f"{user.pw_name}:x:{user.pw_uid}:{user.pw_gid}::{user.pw_dir}:{user.pw_shell}"
        for user in pwd.getpwall()
        if user.pw_uid < STUDENT_UID or user.pw_name == "nobody"
    ]
    groups = [
        ":".join((name, "x", number, ""))
        for name, _, number, *_ in map(_fields, Path("/etc/group").read_text().splitlines())
        if name not in ("student", "") and (int(number) < STUDENT_UID or number == "65534")
    ]
    (folder / "passwd").write_text("\n".join([*system_users, student]) + "\n")
    (folder / "group").write_text("\n".join([*groups, f"student:x:{STUDENT_UID}:"]) + "\n")
    (folder / "bashrc").write_text(
        f"[ -r {PLATFORM}/system.bashrc ] && . {PLATFORM}/system.bashrc\n"
        f". {PLATFORM}/workshop-platform.bashrc\n"
    )
    for path in folder.iterdir():
        path.chmod(0o644)


def _accounts(etc: Path) -> Arguments:
    words = ["--ro-bind", str(etc / "passwd"), "/etc/passwd"]
    words += ["--ro-bind", str(etc / "group"), "/etc/group"]
    present = next((name for name in BASHRCS if Path(name).is_file()), None)
    if present is not None:
        words += ["--ro-bind", present, f"{PLATFORM}/system.bashrc"]
        words += ["--ro-bind", str(etc / "bashrc"), present]
    return words


def _fields(line: str) -> list[str]:
    fields = line.split(":")
    return fields if len(fields) >= 4 and fields[2].isdigit() else ["", "", "0", ""]


def _system_folder(path: Path) -> Arguments:
    if path.is_symlink():
        return ["--symlink", str(path.readlink()), str(path)]
    return ["--ro-bind", str(path), str(path)] if path.is_dir() else []


def _resolver() -> Arguments:
    """/etc/resolv.conf is often a link into /run, which the machine has of its own."""
    target = Path("/etc/resolv.conf").resolve()
    if target.is_file() and not target.is_relative_to("/etc"):
        return ["--ro-bind", str(target), str(target)]
    return []


def _inside(path: str) -> str:
    return path if path.startswith("/usr/") else str(PLATFORM / "bin" / Path(path).name)


def _extra_import_paths() -> list[str]:
    """Folders of libraries which the interpreter does not find by itself in the machine."""
    ours = (Path(sys.prefix), Path(sys.base_prefix))
    return [
        entry
        for entry in sys.path
        if entry.endswith(("site-packages", "dist-packages"))
        and not any(Path(entry).is_relative_to(prefix) for prefix in ours)
    ]

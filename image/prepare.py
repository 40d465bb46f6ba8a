#!/opt/workshop/bin/python3 -IS
"""Makes a workshop's machine of any Linux base that holds the platform tree and bash.

Run while an image is built (`/opt/workshop/bin/workshop-prepare`): the student's account, the
folders, the line in the system's bashrc. A program of its own in the platform's Python, because a
base may have neither useradd nor a shell besides bash. Run again, it changes nothing.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

NAME = "student"
ID = 1000
HOME = Path("home/student")
WORKSPACE = Path("workspace")
HOOK = "/opt/workshop/workshop-platform.bashrc"
LINE = f"[ ! -r {HOOK} ] || . {HOOK}"
# Where bash looks first when it starts interactively; it was decided when it was compiled.
SYSTEM_BASHRCS = ("etc/bash.bashrc", "etc/bash/bashrc", "etc/bash/bash.bashrc")
FEDORAS = "etc/bashrc"  # no bash reads it by itself: the bashrc of each home does
SOURCES_FEDORAS = "# The system's\n[ ! -r /etc/bashrc ] || . /etc/bashrc\n"

Fields = list[str]


class UnfitBase(Exception):
    """The base lacks something that cannot be made here."""


def prepare(root: Path) -> None:
    """Prepare the file system at `root`; raises UnfitBase with a sentence."""
    bash = root / "bin/bash"
    if not bash.exists():
        raise UnfitBase("The base has no /bin/bash: install bash in it, then add the platform.")
    _account(root)
    _folder(root / "tmp", 0o1777, 0)
    _folder(root / WORKSPACE, 0o755, ID)
    _home(root)
    _bashrc(root, bash.read_bytes())


def _account(root: Path) -> None:
    """The student is uid and gid 1000; whoever had the name or the number before is no more."""
    accounts, groups = _read(root / "etc/passwd"), _read(root / "etc/group")
    lost_users, lost_groups = _names(accounts), _names(groups)
    student = [NAME, "x", str(ID), str(ID), "Student", f"/{HOME}", "/bin/bash"]
    machine_root = ["root", "x", "0", "0", "root", "/root", "/bin/bash"]
    _write(root / "etc/passwd", [*_kept(accounts, lost_users, machine_root), student])
    kept = _kept(groups, lost_groups, ["root", "x", "0", ""])
    for line in kept:
        line[3] = ",".join(name for name in line[3].split(",") if name not in lost_users)
    _write(root / "etc/group", [*kept, [NAME, "x", str(ID), ""]])
    for name, lost, line in (
        ("shadow", lost_users, [NAME, "!", "", "0", "99999", "7", "", "", ""]),
        ("gshadow", lost_groups, [NAME, "!", "", ""]),
    ):
        path = root / "etc" / name
        if path.exists():
            _write(path, [*(each for each in _read(path) if each[0] not in lost), line])


def _names(lines: list[Fields]) -> set[str]:
    """Who has the student's name or number; both are where users and groups have them."""
    return {line[0] for line in lines if line[0] == NAME or line[2] == str(ID)}


def _kept(lines: list[Fields], lost: set[str], root: Fields) -> list[Fields]:
    kept = [line for line in lines if line[0] not in lost]
    return kept if any(line[0] == "root" for line in kept) else [root, *kept]


def _read(path: Path) -> list[Fields]:
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    lines = [line.split(":") for line in text.splitlines()]
    return [line for line in lines if len(line) >= 4]


def _write(path: Path, lines: list[Fields]) -> None:
    """Write the lines; what was there keeps its mode."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    text = "".join(":".join(line) + "\n" for line in lines)
    path.write_text(text, encoding="utf-8", errors="surrogateescape")


def _folder(path: Path, mode: int, owner: int) -> None:
    path.mkdir(parents=True, exist_ok=True)
    os.chown(path, owner, owner)
    path.chmod(mode)


def _home(root: Path) -> None:
    home = root / HOME
    if not home.exists():
        skeleton = root / "etc/skel"
        home.parent.mkdir(mode=0o755, exist_ok=True)
        if skeleton.is_dir():
            shutil.copytree(skeleton, home, symlinks=True)
        else:
            home.mkdir()
    home.chmod(0o755)
    for path in (home, *home.rglob("*")):
        os.chown(path, ID, ID, follow_symlinks=False)


def _bashrc(root: Path, bash: bytes) -> None:
    """One line at the end of the file that this bash reads, whichever distribution it is of."""
    own = [name for name in SYSTEM_BASHRCS if f"/{name}\0".encode() in bash]
    path = root / (own[0] if own else FEDORAS)
    _append(path, LINE + "\n", LINE)
    if own:
        return
    for home, owner in ((root / HOME, ID), (root / "root", 0)):
        if home.is_dir():
            _append(home / ".bashrc", SOURCES_FEDORAS, "/etc/bashrc")
            os.chown(home / ".bashrc", owner, owner)


def _append(path: Path, text: str, mark: str) -> None:
    there = path.read_text(encoding="utf-8", errors="surrogateescape") if path.exists() else ""
    if mark in there:
        return
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    gap = "" if there.endswith("\n") or not there else "\n"
    path.write_text(there + gap + text, encoding="utf-8", errors="surrogateescape")
    path.chmod(0o644)


def main() -> int:
    """Prepare the machine this runs in, or the one below the folder given."""
    try:
        prepare(Path(sys.argv[1] if len(sys.argv) > 1 else "/"))
    except (UnfitBase, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

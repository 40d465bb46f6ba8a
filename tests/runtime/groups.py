"""Control groups: the limits a container has, for a daemon and its shells without a container."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.runtime.daemon import wait

ROOT = Path("/sys/fs/cgroup")
# What is called differently in the older version, where each controller has folders of its own.
OLD = {"memory.max": "memory.limit_in_bytes", "memory.events": "memory.oom_control"}


class Groups:
    """One group for each controller, with everything in it that was started with `prefix`."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = folders

    @property
    def prefix(self) -> list[str]:
        """What a command line begins with to be in the groups from the start."""
        joins = " && ".join(f"echo $$ >{each}/cgroup.procs" for each in self._folders.values())
        return ["sh", "-c", f'{joins} && exec "$@"', "sh"]

    def read(self, name: str) -> str:
        """A file of a group, by the name it has in cgroups(7)' second version."""
        return self._path(name).read_text()

    def write(self, name: str, value: object) -> None:
        """The same, to be set."""
        self._path(name).write_text(str(value))

    def killed_for_memory(self) -> int:
        """How many processes the kernel ended because there was no memory."""
        lines = self.read("memory.events").splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("oom_kill ")))

    def _path(self, name: str) -> Path:
        folder = self._folders[name.partition(".")[0]]
        return folder / (name if (folder / name).exists() else OLD[name])


@contextmanager
def groups(*controllers: str) -> Iterator[Groups]:
    """Empty groups without limits; skips where nobody may make any."""
    name = f"workshop-test-{uuid.uuid4().hex[:8]}"
    with ExitStack() as made:
        try:
            folders = {
                each: made.enter_context(_folder(_parent(each) / name)) for each in controllers
            }
        except OSError:
            pytest.skip("this machine lets nobody make a control group")
        if not all(list(folder.glob(f"{each}.*")) for each, folder in folders.items()):
            pytest.skip("this machine hands out no such limits")
        yield Groups(folders)


def _parent(controller: str) -> Path:
    """Of the older version, the group the tests themselves are in: its limits go on being so."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        if controller in names.split(","):
            return ROOT / names / path.lstrip("/")
    return ROOT


@contextmanager
def _folder(path: Path) -> Iterator[Path]:
    path.mkdir(exist_ok=True)  # in the newer version all controllers share one
    try:
        yield path
    finally:
        if path.exists():
            wait(lambda: not (path / "cgroup.procs").read_text(), "an empty group")
            path.rmdir()

"""Machines as containers of podman or docker: one per session, around one named volume.

The volume holds the runtime directory, so progress outlives every container. A move makes a new
container from another image under the same name and port; the old one is stopped and renamed until
the new one is ready, and then its files are copied aside. What runs is asked of the program by
name and label, never remembered.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from host.engines import GRACE_SECONDS, Machine
from host.engines.program import Program
from host.ports import PortTaken
from host.sessions import (
    HELP_TOKEN,
    HELP_URL,
    SECRET_NAMES,
    Limits,
    Session,
    Swap,
    kept_name,
    remove_tree,
    storage_errors,
)
from runtime.domain.errors import EngineFailure, NotFound
from runtime.domain.transitions import TransitionKind

RUNTIME = "/workshop/runtime"  # contracts, section 1
SECRETS = "/run/workshop"
KEPT = "/kept"
PUT_ASIDE = {
    "workspace": "/workspace",
    "home": "/home/student",
}  # what of a replaced container is the student's
PORT = 8080  # inside; images expose it

OWNER = "org.workshop.session"  # labels: the session's folder, the transition, the step
MOVE = "org.workshop.transition"
STEP = "org.workshop.step"
PLATFORM = "org.workshop.platform"  # on images that hold the platform

# What root in the container may still do. The daemon needs the first five: it makes files for the
# student, becomes the student, ends the student's processes. The others are for what workshops do:
# packages, a server on a low port. Raw sockets, devices, audit and file capabilities stay out.
CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "KILL", "SETGID", "SETUID"),
    *("FOWNER", "FSETID", "NET_BIND_SERVICE", "SYS_CHROOT"),
)

DOCKERS_HOST = "host.docker.internal:host-gateway"

PULL_SECONDS = 1800.0
COPY_SECONDS = 600.0
TAKEN_WORDS = ("address already in use", "port is already allocated", "bind:")

ImageFor = Callable[[str, TransitionKind], str]


class Containers:
    """An Engine. `image_for` names the image that a step and kind begin with, NotFound for a step
    the workshop does not have; `say` hears of long work."""

    def __init__(
        self, program: Program, image_for: ImageFor, say: Callable[[str], None] = lambda _: None
    ) -> None:
        self.name = program.name
        self._program = program
        self._image_for = image_for
        self._say = say

    def check(self) -> None:
        """The program answers, and its service runs."""
        self._program.call("version", "--format", "{{.Client.Version}}")
        self._program.call("ps", "--quiet", "--last", "1")

    def prepare(self, session: Session, swap: Swap) -> None:
        """Have the image here, before anything stops."""
        self.require_image(self._image_for(swap.step, swap.kind))

    def require_image(self, image: str) -> None:
        """Pull the image unless it is here; EngineFailure with the way on when it cannot be had."""
        if self._program.inspect("image", image) is None:
            self._say(f"Pulling {image}.")
            pulled = self._program.run("pull", "--quiet", image, seconds=PULL_SECONDS)
            if pulled.returncode != 0:
                why = self._program.failure(("pull",), pulled.returncode, pulled.stderr).message
                raise EngineFailure(
                    f"The image {image} is not on this computer and cannot be pulled. Make it "
                    f"with: workshop build DIR. ({why})"
                )

    def enter(self, session: Session, swap: Swap) -> None:
        """Take the old container's name away from it."""
        current = self._inspect(container_name(session))
        if current is None or _label(current, MOVE) == swap.transition:
            return  # done before a crash
        if self._inspect(_before(session)) is not None:
            self._put_aside(session, kept_name("earlier"))
        self._program.call("rename", container_name(session), _before(session))

    def restore(self, session: Session, swap: Swap) -> None:
        """Remove the new container and give the old one its name back."""
        current = self._inspect(container_name(session))
        if current is not None and _label(current, MOVE) == swap.transition:
            self._remove(container_name(session))
        if self._inspect(_before(session)) is not None:
            self._program.call("rename", _before(session), container_name(session))

    def settle(self, session: Session, kept: str) -> None:
        """Copy the replaced container's files aside, then remove it."""
        if self._inspect(_before(session)) is not None:
            self._put_aside(session, kept)

    def start(self, session: Session, swap: Swap | None = None) -> Machine:
        """Start the session's container, made anew for a move or when there is none.

        A container of another port is made again from all that it holds.
        """
        name = container_name(session)
        current = self._inspect(name)
        if current is not None and self._port_of(current) == session.record().port:
            if not current["State"]["Running"]:  # how to reach the model may have changed
                self._program.call("cp", "-", f"{name}:/", stdin=_tokens(session))
            return self._started(session)
        image = self._committed(session) if current else self._first_image(session, swap)
        with storage_errors(session.directory):
            session.kept.mkdir(mode=0o755, exist_ok=True)
        self._program.call("create", "--pull=never", *self._options(session, swap, image), image)
        self._program.call("cp", "-", f"{name}:/", stdin=_tokens(session))
        return self._started(session)

    def find(self, session: Session) -> Machine | None:
        """The running container of this session."""
        found = self._inspect(container_name(session))
        return Machine(str(found["Id"])) if found and found["State"]["Running"] else None

    def alive(self, session: Session, machine: Machine) -> bool:
        """Whether this very container runs."""
        found = self._inspect(machine.id)
        return bool(found and found["State"]["Running"])

    def stop(self, session: Session, grace_seconds: float = GRACE_SECONDS) -> None:
        """TERM to the daemon, then the kernel ends every process of the container."""
        for name in (container_name(session), _before(session)):
            found = self._inspect(name)
            if found and found["State"]["Running"]:
                self._program.call("stop", "--time", f"{max(1, round(grace_seconds))}", name)

    def renew_secrets(self, session: Session) -> None:
        """Write them into the containers, of which a stopped one keeps its files."""
        for name in (container_name(session), _before(session)):
            if self._inspect(name) is not None:
                self._program.call("cp", "-", f"{name}:/", stdin=_tokens(session))

    def remove(self, session: Session, *, keep_progress: bool) -> None:
        """Remove the containers and, unless progress is to stay, the volume."""
        for name in (container_name(session), _before(session)):
            if self._inspect(name) is not None:
                self._remove(name)
        self._program.run("image", "rm", _committed_name(session))  # there is seldom one
        if not keep_progress and self._program.inspect("volume", volume_name(session)):
            self._program.call("volume", "rm", volume_name(session))

    def logs(self, session: Session, lines: int, *, follow: bool) -> Iterator[str]:
        """What the daemon said, by the program's own log."""
        if self._inspect(container_name(session)) is None:
            return iter(())
        options = ["--follow"] if follow else []
        return self._program.follow("logs", *options, "--tail", str(lines), container_name(session))

    def _options(self, session: Session, swap: Swap | None, image: str) -> list[str]:
        record = session.record()
        step = swap.step if swap else record.step
        settings = {
            "WORKSHOP_STEP": step,
            "WORKSHOP_IMAGE": image,
            **{
                f"WORKSHOP_{role.upper()}_TOKEN_FILE": f"{SECRETS}/{role}"
                for role in ("student", "instructor", "host")
            },
            "WORKSHOP_LLM_TOKEN_FILE": f"{SECRETS}/{HELP_TOKEN}",
            "WORKSHOP_LLM_BASE_URL_FILE": f"{SECRETS}/{HELP_URL}",
        }
        if swap is not None:
            settings["WORKSHOP_TRANSITION"] = swap.transition
        labels = {OWNER: str(session.directory), STEP: step}
        if swap is not None:
            labels[MOVE] = swap.transition
        return [
            "--name", container_name(session),
            "--hostname", session.name[:63],
            "--publish", f"127.0.0.1:{record.port}:{PORT}",
            "--volume", f"{volume_name(session)}:{RUNTIME}",
            "--volume", f"{session.kept}:{KEPT}:ro",
            *(word for name, value in labels.items() for word in ("--label", f"{name}={value}")),
            *(word for name, value in settings.items() for word in ("--env", f"{name}={value}")),
            "--cap-drop", "ALL",
            *(word for each in CAPABILITIES for word in ("--cap-add", each)),
            # podman gives this computer a name by itself
            *([] if self._program.is_podman else ["--add-host", DOCKERS_HOST]),
            *_limit_options(record.limits),
        ]  # fmt: skip

    def _first_image(self, session: Session, swap: Swap | None) -> str:
        step = swap.step if swap else session.record().step
        image = self._image_for(step, swap.kind if swap else TransitionKind.GO)
        self.require_image(image)
        return image

    def _started(self, session: Session) -> Machine:
        """Start the container that is there; a sentence for why it cannot be."""
        name = container_name(session)
        done = self._program.run("start", name)
        if done.returncode == 0:
            return Machine(str((self._inspect(name) or {"Id": name})["Id"]))
        if any(words in done.stderr.lower() for words in TAKEN_WORDS):
            raise PortTaken(
                f"Port {session.record().port} is taken by another program. End that program, or "
                "choose another port with: workshop run … --port NUMBER"
            )
        raise self._program.failure(("start",), done.returncode, done.stderr)

    def _put_aside(self, session: Session, kept: str) -> None:
        target = session.kept / kept
        with storage_errors(session.directory):
            target.mkdir(mode=0o755, parents=True, exist_ok=True)
            for name, path in PUT_ASIDE.items():
                place = target / name
                if place.exists():  # half of it, from before a crash
                    remove_tree(place)
                self._copy_out(session, path, str(place))
                if place.exists():
                    self._readable(place)
            if not any(target.iterdir()):
                shutil.rmtree(target)
        self._remove(_before(session))

    def _copy_out(self, session: Session, path: str, target: str) -> None:
        done = self._program.run("cp", f"{_before(session)}:{path}", target, seconds=COPY_SECONDS)
        missing = ("no such file", "could not find the file", "could not be found")
        if done.returncode != 0 and not any(each in done.stderr.lower() for each in missing):
            raise self._program.failure(("cp",), done.returncode, done.stderr)

    def _readable(self, tree: Path) -> None:
        """The files get the host's owner; the student, another uid, shall read them in /kept."""
        tree.chmod(0o755)
        for path in tree.rglob("*"):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & 0o777 | (0o555 if path.is_dir() else 0o444))

    def _committed(self, session: Session) -> str:
        """An image of all that the current container holds; the container is gone then."""
        name = container_name(session)
        self._say("The port changed; the machine is made again with all its files.")
        # An image shall hold no token: the files are emptied before, and written again after.
        self._program.call("cp", "-", f"{name}:/", stdin=_tokens(session, empty=True))
        self._program.call("commit", name, _committed_name(session), seconds=COPY_SECONDS)
        self._remove(name)
        return _committed_name(session)

    def _port_of(self, container: dict[str, Any]) -> int | None:
        bindings = (container.get("HostConfig") or {}).get("PortBindings") or {}
        published = bindings.get(f"{PORT}/tcp") or []
        return int(published[0]["HostPort"]) if published and published[0]["HostPort"] else None

    def _inspect(self, name: str) -> dict[str, Any] | None:  # Any: a JSON document
        return self._program.inspect("container", name)

    def _remove(self, name: str) -> None:
        self._program.call("rm", "--force", "--time", "1", name) if self._program.is_podman else (
            self._program.call("rm", "--force", name)
        )


def container_name(session: Session) -> str:
    """Unique on this machine: two users, or two state folders, may have sessions of one name."""
    digest = hashlib.sha256(str(session.directory).encode()).hexdigest()[:8]
    return f"workshop-{session.name}-{digest}"


def volume_name(session: Session) -> str:
    """The volume of the runtime directory."""
    return container_name(session)


def step_images(repository: str, steps: tuple[str, ...]) -> ImageFor:
    """Images by their tags: `solve` of a step begins with its own, everything else with the one of
    the step before it, or `start`. Only ids of `steps` ever become part of a name."""

    def image_for(step: str, kind: TransitionKind) -> str:
        if step not in steps:
            raise NotFound(f"The workshop has no step {step!r}.")
        position = steps.index(step) + (1 if kind is TransitionKind.SOLVE else 0)
        return f"{repository}:{steps[position - 1] if position else 'start'}"

    return image_for


def _tokens(session: Session, *, empty: bool = False) -> bytes:
    """The tokens as a tar for `cp`: root's alone in the container, whoever owns them here, and
    neither in its environment nor in what `inspect` shows."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        folder = tarfile.TarInfo(SECRETS.strip("/"))
        folder.type, folder.mode = tarfile.DIRTYPE, 0o700
        tar.addfile(folder)
        for name in SECRET_NAMES:
            content = b"" if empty else session.secret(name).encode()
            entry = tarfile.TarInfo(f"{folder.name}/{name}")
            entry.mode, entry.size = 0o400, len(content)
            tar.addfile(entry, io.BytesIO(content))
    return archive.getvalue()


def _before(session: Session) -> str:
    """The replaced container, until its files are put aside."""
    return f"{container_name(session)}-before"


def _committed_name(session: Session) -> str:
    return f"localhost/{container_name(session)}:moved"


def _label(container: dict[str, Any], name: str) -> str | None:
    labels = container["Config"].get("Labels") or {}
    value = labels.get(name)
    return None if value is None else str(value)


def _limit_options(limits: Limits) -> list[str]:
    options = []
    if limits.memory:
        options += ["--memory", limits.memory]
    if limits.cpus:
        options += ["--cpus", f"{limits.cpus:g}"]
    if limits.pids:
        options += ["--pids-limit", str(limits.pids)]
    return options

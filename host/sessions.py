"""A session on the host: one folder per workshop under the user's state directory.

    <state>/workshop/<name>/
        session.json     what the host knows: where the workshop is, the port, a move on its way
        artifact/        the compiled tree the machine serves
        runtime/         the daemon's files: the event log is the truth about progress
        workspace/ home/ what the student works in; state.json says which state they began as
        kept/            folders a move replaced, never deleted by a move
        secrets/         the three tokens and how to reach a model, 0600 in a folder 0700
        daemon.log host.log lock

Only the holder of the lock writes session.json and starts or stops machines.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from runtime.domain.errors import (
    AlreadyRunning,
    NotFound,
    PermissionRefused,
    StorageFailed,
    StorageFull,
)
from runtime.domain.transitions import TransitionKind
from runtime.domain.workshop import NAME_PATTERN

ROLES = ("student", "instructor", "host")
HELP_TOKEN, HELP_URL = "help", "help-url"  # what a daemon asks its model with, and where
SECRET_NAMES = (*ROLES, HELP_TOKEN, HELP_URL)
SWAPPED = ("workspace", "home", "state.json")  # what a move replaces, together


class HostModel(BaseModel):
    """camelCase JSON, frozen, unknown fields ignored."""

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, extra="ignore"
    )


class Swap(HostModel):
    """A move of the machine, written down before anything is touched.

    `phase` says which way to go after a crash: `entering` goes on, `restoring` goes back. `origin`
    is the step the machine was at, `kept` the folder name under `kept/`.
    """

    transition: str
    step: str
    kind: TransitionKind
    origin: str
    kept: str
    phase: Literal["entering", "restoring"] = "entering"


class Failure(HostModel):
    """A failed move the daemon has not been told of yet."""

    transition: str
    code: str
    reason: str


class Limits(HostModel):
    """What a container may use of the machine; None is no limit. The embedded engine has none."""

    memory: str | None = "2g"  # as podman and docker write sizes
    cpus: float | None = 2.0
    pids: int | None = 1024


DEFAULT_LIMITS = Limits()


class Record(HostModel):
    """`session.json`. `step` is where the machine is, `boot` its daemon's last known start,
    `host_id` who claims its transitions. With a container engine `image` is the repository of the
    steps' images, and `settling` the name under kept/ of a replaced container's files on their way.
    """

    schema_version: str = "1.0"
    name: str
    title: str
    source: str
    engine: str
    host_id: str
    created: datetime
    port: int | None = None
    step: str
    steps: tuple[str, ...] = ()
    image: str | None = None
    limits: Limits = DEFAULT_LIMITS
    boot: str | None = None
    settling: str | None = None
    swap: Swap | None = None
    failure: Failure | None = None


class Session:
    """One session's folder. Making the object touches nothing."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.name = directory.name
        self.record_path = directory / "session.json"
        self.artifact = directory / "artifact"
        self.runtime = directory / "runtime"
        self.workspace = directory / "workspace"
        self.home = directory / "home"
        self.state_path = directory / "state.json"
        self.kept = directory / "kept"
        self.staging = directory / "staging"
        self.machine_etc = directory / "etc"
        self.secrets = directory / "secrets"
        self.daemon_log = directory / "daemon.log"
        self.host_log = directory / "host.log"
        self.lock_path = directory / "lock"

    def exists(self) -> bool:
        """Whether a session was made here."""
        return self.record_path.is_file()

    def record(self) -> Record:
        """What session.json says. Raises NotFound, or StorageFailed when it is not readable."""
        try:
            return Record.model_validate_json(self.record_path.read_bytes())
        except FileNotFoundError:
            raise NotFound(f"There is no session named {self.name}.") from None
        except (OSError, ValidationError) as error:
            raise StorageFailed(
                f"{self.record_path} cannot be read ({_first_line(error)}). Move the folder "
                f"{self.directory} away to begin again; its runtime/ holds the progress."
            ) from error

    def save(self, record: Record) -> None:
        """Replace session.json; after a crash it is the old one or the new one, whole."""
        write_whole(self.record_path, record.model_dump_json(by_alias=True, indent=2) + "\n")

    def update(self, **changes: object) -> Record:
        """Save the record with some fields changed."""
        record = self.record().model_copy(update=changes)
        self.save(record)
        return record

    def token(self, role: str) -> str:
        """One role's token."""
        try:
            return (self.secrets / role).read_text().strip()
        except OSError as error:
            raise StorageFailed(
                f"The {role} token of {self.name} cannot be read: {error.strerror}."
            ) from error

    def secret(self, name: str) -> str:
        """One of the secrets, empty when there is none of that name yet."""
        path = self.secrets / name
        return self.token(name) if path.exists() else ""

    def holder(self) -> int | None:
        """The process id of the CLI that supervises this session, if one does."""
        try:
            descriptor = os.open(self.lock_path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(os.pread(descriptor, 32, 0) or b"0")
        finally:
            os.close(descriptor)
        return None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the one who supervises this session; AlreadyRunning when another process is."""
        with storage_errors(self.directory):
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self.lock_path, flags, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyRunning(
                    f"{self.name} is looked after by another `workshop` already "
                    f"(process {self.holder()})."
                ) from None
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def make(self, record: Record) -> None:
        """Create what is missing of the folder and its tokens."""
        with storage_errors(self.directory):
            folders = {
                self.directory: 0o700,
                self.secrets: 0o700,
                self.kept: 0o755,  # the shell reads it
                self.runtime: 0o711,  # and writes one file in here
            }
            for folder, mode in folders.items():
                folder.mkdir(parents=True, exist_ok=True)
                folder.chmod(mode)  # whatever the umask is
            for role in ROLES:
                if not (self.secrets / role).exists():
                    write_whole(self.secrets / role, secrets.token_urlsafe(32) + "\n")
            for name in (HELP_TOKEN, HELP_URL):
                if not (self.secrets / name).exists():
                    write_whole(self.secrets / name, "")
            self.save(record)

    def remove(self, *, keep_progress: bool = False) -> None:
        """Delete the folder; with `keep_progress`, runtime/, the record and tokens stay."""
        stay = {"runtime", "session.json", "secrets", "lock"} if keep_progress else {"lock"}
        for path in self.directory.iterdir():
            if path.name not in stay:
                remove_tree(path)
        if not keep_progress:
            remove_tree(self.directory)


def state_home() -> Path:
    """Where sessions live."""
    base = os.environ.get("XDG_STATE_HOME")
    root = Path(base) if base and Path(base).is_absolute() else Path.home() / ".local" / "state"
    return root / "workshop"


def open_session(name: str) -> Session:
    """The session of that name; NotFound when there is none."""
    session = Session(state_home() / name)
    if not re.fullmatch(NAME_PATTERN, name) or not session.exists():
        raise NotFound(f"There is no session named {name!r}. `workshop list` shows all.")
    return session


def all_sessions() -> list[Session]:
    """Every session of this user, by name."""
    root = state_home()
    folders = sorted(root.iterdir()) if root.is_dir() else []
    return [session for session in map(Session, folders) if session.exists()]


def place(name: str) -> Session:
    """Where the session of that name is or will be, refused when this user cannot write there."""
    session = Session(state_home() / name)
    refuse_foreign(session.directory)
    return session


@dataclass(frozen=True)
class Origin:
    """What a session is made from: `source` is what `workshop run` was given, `first` the step a
    new session begins at (None: the first one). Other fields as in Record."""

    title: str
    source: str
    engine: str
    steps: tuple[str, ...]
    image: str | None = None
    limits: Limits = DEFAULT_LIMITS
    first: str | None = None


def create(session: Session, origin: Origin) -> None:
    """Make the session, or bring an existing one up to date; the caller holds its lock.

    A step that the workshop does not have any more is left for the first one.
    """
    first = origin.first or origin.steps[0]
    known = {
        "title": origin.title,
        "source": origin.source,
        "engine": origin.engine,
        "steps": origin.steps,
        "image": origin.image,
        "limits": origin.limits,
    }
    if session.exists():
        record = session.record()
        step = record.step if record.step in origin.steps else first
        record = record.model_copy(update={**known, "step": step})
    else:
        record = Record(
            name=session.name,
            host_id=f"{os.uname().nodename}-{secrets.token_hex(4)}",
            created=datetime.now(UTC),
            step=first,
            **known,
        )
    session.make(record)


def refuse_foreign(directory: Path) -> None:
    """Refuse a folder this user cannot own, before anything starts, with the one-line mend."""
    # os.path: Path.exists() raises where the user may not even look.
    present = next(path for path in (directory, *directory.parents) if os.path.exists(path))  # noqa: PTH110
    if present == directory and present.stat().st_uid != os.geteuid():
        raise PermissionRefused(
            f"{directory} belongs to user {present.stat().st_uid}, not to you. Give it back with: "
            f"sudo chown -R {os.geteuid()}:{os.getegid()} {directory}"
        )
    if not os.access(present, os.W_OK | os.X_OK):
        raise PermissionRefused(
            f"{present} is not writable for you, and files are kept there. Make it writable "
            "(chmod u+rwx), or name another place: export XDG_STATE_HOME=/some/folder"
        )


def kept_name(step: str) -> str:
    """A new folder name under kept/: when, and which step the files are of."""
    now = datetime.now(UTC)
    return f"{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03d}Z-{step}"


@contextmanager
def storage_errors(place: Path) -> Iterator[None]:
    """Turn what a disk can answer into sentences."""
    try:
        yield
    except PermissionError as error:
        raise PermissionRefused(
            f"{error.filename or place} is not writable: {error.strerror}. Mend its owner with: "
            f"sudo chown -R {os.geteuid()}:{os.getegid()} {place}"
        ) from error
    except OSError as error:
        kind = StorageFull if error.errno in (28, 122) else StorageFailed  # ENOSPC, EDQUOT
        raise kind(f"{error.filename or place} cannot be written: {error.strerror}.") from error


def write_whole(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a small file so that a crash leaves the old one or the new one."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with storage_errors(path.parent):
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)


def read_json(path: Path) -> dict[str, object]:
    """A small JSON object the host wrote itself; empty when it is missing."""
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    return value if isinstance(value, dict) else {}


def remove_tree(path: Path) -> None:
    """Delete a tree, also where the student took their own permissions away."""
    with storage_errors(path):
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
            return
        path.chmod(0o700)
        for folder, names, _files in os.walk(path):  # top down: opened before it is listed
            for name in names:
                child = Path(folder, name)
                if not child.is_symlink():
                    child.chmod(0o700)
        shutil.rmtree(path)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__

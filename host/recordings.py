"""`workshop recordings`: what a session recorded, and a copy of it for elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from pydantic import TypeAdapter

from host import exports
from host.output import Answer, table
from host.selection import is_running, select
from host.sessions import HostModel, Session
from host.steering import daemon_of
from runtime.domain.errors import AlreadyExists, BadRequest, NotFound
from runtime.store.recordings import Recordings

Form = Literal["cast", "text", "html"]
SUFFIXES: dict[str, Form] = {".cast": "cast", ".txt": "text", ".html": "html", ".htm": "html"}
ENDINGS: dict[Form, str] = {"cast": ".cast", "text": ".txt", "html": ".html"}
NEWEST = "last"


class Recording(HostModel):
    """One cast of a session."""

    name: str
    bytes: int
    live: bool
    terminal: str | None = None
    started: datetime | None = None
    duration_ms: int | None = None

    @property
    def length(self) -> str:
        """Minutes and seconds; empty when nobody knows."""
        if self.duration_ms is None:
            return ""
        minutes, seconds = divmod(self.duration_ms // 1000, 60)
        return f"{minutes}:{seconds:02d}"


@dataclass(frozen=True)
class Casts:
    """Where a session's recordings come from: its daemon, or its files when none runs."""

    list: Callable[[], list[Recording]]
    read: Callable[[str], bytes]


def recordings(word: str | None) -> Answer:
    """All recordings of a session, oldest first."""
    session = select(word)
    found = _casts(session).list()
    rows = [("RECORDING", "TERMINAL", "STARTED", "LENGTH", "SIZE", "")]
    rows += [
        (
            each.name,
            each.terminal or "",
            f"{each.started.astimezone():%Y-%m-%d %H:%M:%S}" if each.started else "",
            each.length,
            _size(each.bytes),
            "being written" if each.live else "",
        )
        for each in found
    ]
    text = table(rows) if found else f"{session.name} has no recordings."
    return Answer({"recordings": [each.model_dump(by_alias=True) for each in found]}, text)


def export(
    word: str | None, name: str, form: str | None, out: Path | None, *, force: bool
) -> Answer:
    """Write one recording to `out`; a name of its own in the current folder by default.

    `name` may be “last”, `out` “-” for standard output.
    """
    session = select(word)
    casts = _casts(session)
    wanted = _wanted(form, out)
    chosen = _choose(casts.list(), name, session)
    content = _converted(casts.read(chosen.name), chosen, session, wanted)
    if out is not None and str(out) == "-":
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
        return Answer()
    target = out or Path(Path(chosen.name).with_suffix(ENDINGS[wanted]).name)
    _write(target, content, force=force)
    return Answer(
        {"file": str(target.resolve()), "bytes": len(content), "recording": chosen.name},
        f"{chosen.name} is in {target} ({_size(len(content))}).",
    )


def _casts(session: Session) -> Casts:
    if is_running(session):
        daemon = daemon_of(session)
        known = TypeAdapter(list[Recording])
        return Casts(
            lambda: known.validate_json(daemon.get("/api/recordings")),
            lambda name: daemon.get(f"/api/recordings/{quote(name, safe='')}"),
        )
    if not session.runtime.is_dir():
        raise NotFound(
            f"The recordings of {session.name} are in its container's volume. Start it first: "
            f"workshop run {session.record().source}"
        )
    store = Recordings(session.runtime)
    return Casts(
        lambda: [Recording.model_validate(each, from_attributes=True) for each in store.list()],
        lambda name: store.path(name).read_bytes(),
    )


def _choose(found: list[Recording], name: str, session: Session) -> Recording:
    if name == NEWEST and found:
        return found[-1]
    for each in found:
        if each.name in (name, f"{name}.cast"):
            return each
    there = f"It has: {', '.join(each.name for each in found)}." if found else "It has none."
    raise NotFound(f"{session.name} has no recording {name}. {there}")


def _wanted(form: str | None, out: Path | None) -> Form:
    if form is None:
        by_name = None if out is None or str(out) == "-" else out.suffix.lower()
        if by_name is not None and by_name not in SUFFIXES:
            raise BadRequest(
                f"{out}: expected a name in .cast, .txt or .html, or --as with one of them."
            )
        return SUFFIXES[by_name] if by_name is not None else "html"
    for known in ENDINGS:
        if form == known:
            return known
    raise BadRequest(f"--as: expected cast, text or html, found {form!r}.")


def _converted(cast: bytes, chosen: Recording, session: Session, form: Form) -> bytes:
    if form == "cast":
        return cast
    if form == "text":
        return exports.as_text(cast, chosen.name).encode()
    when = f"{chosen.started.astimezone():%d %B %Y, %H:%M}" if chosen.started else ""
    about = " · ".join(filter(None, (session.name, chosen.terminal, when, chosen.length)))
    return exports.as_html(cast, chosen.name.removesuffix(".cast"), about).encode()


def _write(target: Path, content: bytes, *, force: bool) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if force else os.O_EXCL)
    try:
        with os.fdopen(os.open(target, flags, 0o644), "wb") as file:
            file.write(content)
    except FileExistsError as error:
        raise AlreadyExists(f"{target} is there already; --force overwrites it.") from error
    except OSError as error:
        raise BadRequest(f"{target} cannot be written: {error.strerror}.") from error


def _size(count: int) -> str:
    if count < 1 << 10:
        return f"{count} bytes"
    return f"{count / 1024:.0f} KiB" if count < 1 << 20 else f"{count / (1 << 20):.1f} MiB"

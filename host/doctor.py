"""`workshop doctor`: what running workshops needs of this computer, each with its mend."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx2

from host.engines import bubblewrap
from host.engines.containers import volume_name
from host.engines.program import NAMES, Program, find
from host.engines.sandbox import Sandbox
from host.output import Answer
from host.ports import FIRST_PORT, is_free
from host.sessions import Session, all_sessions, refuse_foreign, state_home
from host.source import engine_of
from host.states import cache_home
from runtime.domain.errors import ExitCode, WorkshopError

ENOUGH_BYTES = 2 << 30  # 2 GiB: an image or two, and the states of a workshop
OLDEST_PODMAN = (4, 0)
CLOCK_SECONDS = 5.0  # further apart than this, times in the log and on the page disagree


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `mend` is what to do when it is not well."""

    what: str
    well: bool
    found: str
    mend: str = ""


def examine() -> Answer:
    """Look at everything; 100 when nothing could run a workshop here."""
    findings = list(_findings())
    engines = [finding for finding in findings if finding.what in ("sandbox", *NAMES)]
    usable = any(finding.well for finding in engines)
    width = max(len(finding.what) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{'ok' if finding.well else 'no'}  {finding.what:<{width}}  {finding.found}")
        if finding.mend:
            lines.append(f"    {'':<{width}}  → {finding.mend}")
    if not usable:
        lines.append("No engine works here; mend one of them and try again.")
    document = {
        "usable": usable,
        "findings": [
            {"what": each.what, "well": each.well, "found": each.found, "mend": each.mend or None}
            for each in findings
        ],
    }
    code = ExitCode.DONE if usable else ExitCode.ENGINE_FAILURE
    return Answer(document, "\n".join(lines), code)


def _findings() -> Iterator[Finding]:
    for name in NAMES:
        yield _program(name)
    yield _sandbox()
    yield _port()
    yield _folder("progress", state_home(), "export XDG_STATE_HOME=/some/folder")
    yield _folder("cache", cache_home(), "export XDG_CACHE_HOME=/some/folder")
    for session in all_sessions():
        yield from _session(session)


def _program(name: str) -> Finding:
    try:
        program = find(name)
    except WorkshopError:
        return Finding(
            name, False, "not installed", f"optional: sudo apt-get install {_package(name)}"
        )
    try:
        version = program.call("version", "--format", "{{.Client.Version}}")
        program.call("ps", "--quiet")
    except WorkshopError as error:
        mend = "sudo systemctl start docker" if name == "docker" else "podman info says more"
        return Finding(name, False, error.message, mend)
    if name == "podman" and _numbers(version) < OLDEST_PODMAN:
        return Finding(name, False, f"version {version}", "version 4 or newer is needed")
    return Finding(name, True, f"version {version}")


def _package(name: str) -> str:
    return "docker.io" if name == "docker" else name


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())


def _sandbox() -> Finding:
    try:
        Sandbox(_never).check()
        goss = bubblewrap.goss()
    except WorkshopError as error:
        return Finding("sandbox", False, error.message)
    if goss is None:
        return Finding("sandbox", False, "goss is missing", "make setup, or put goss on your PATH")
    return Finding("sandbox", True, f"bubblewrap works; goss is {goss}")


def _never(step: str, kind: object) -> Path:
    raise AssertionError("no state is made to look at an engine")


def _port() -> Finding:
    if is_free(FIRST_PORT):
        return Finding("port", True, f"{FIRST_PORT} is free")
    return Finding(
        "port", True, f"{FIRST_PORT} is in use", "sessions use another one, or choose: run --port"
    )


def _folder(what: str, folder: Path, otherwise: str) -> Finding:
    try:
        refuse_foreign(folder)
    except WorkshopError as error:
        return Finding(what, False, error.message)
    present = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(present).free
    found = f"{folder}: {free / (1 << 30):.1f} GiB free"
    if free >= ENOUGH_BYTES:
        return Finding(what, True, found)
    return Finding(what, False, found, f"make room, or name another place: {otherwise}")


def _session(session: Session) -> Iterator[Finding]:
    """A session's volume, and the clock of its machine when it runs."""
    try:
        record = session.record()
        engine = engine_of(session)
        running = engine.find(session) is not None
    except WorkshopError as error:
        yield Finding(session.name, False, error.message)
        return
    if record.engine in NAMES:
        yield _volume(session, find(record.engine))
    if running and record.port is not None:
        yield _clock(session.name, f"http://127.0.0.1:{record.port}/healthz")


def _volume(session: Session, program: Program) -> Finding:
    name = volume_name(session)
    if program.inspect("volume", name) is not None:
        return Finding(session.name, True, f"its progress is in the volume {name}")
    return Finding(
        session.name,
        False,
        f"the volume {name} is gone, and its progress with it",
        f"begin anew after: workshop rm {session.name}",
    )


def _clock(
    name: str, address: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Finding:
    try:
        answer = httpx2.get(address, timeout=5, trust_env=False)
        apart = abs(parsedate_to_datetime(answer.headers["date"]) - now())
    except (httpx2.HTTPError, KeyError, ValueError):
        return Finding(name, False, "its page does not answer", f"workshop logs {name} says why")
    if apart < timedelta(seconds=CLOCK_SECONDS):
        return Finding(name, True, "its page answers, and its clock agrees with this one")
    return Finding(
        name,
        False,
        f"its clock is {apart.total_seconds():.0f} seconds away from this computer's",
        "set this computer's clock (timedatectl set-ntp true), then start the session again",
    )

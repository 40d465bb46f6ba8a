"""Which session a command means: named, of a folder, or the only one it can be."""

from __future__ import annotations

from pathlib import Path

from host.sessions import Session, all_sessions, open_session
from host.source import engine_of
from runtime.domain.errors import BadRequest, NotFound, WorkshopError


def select(word: str | None) -> Session:
    """The session of that name or folder; without a word the one that runs, the one of the current
    folder, or the only one. Raises NotFound or BadRequest with the choice there is."""
    if word is not None:
        return _of_folder(Path(word)) or open_session(word)
    known = all_sessions()
    here = _of_folder(Path.cwd())
    for candidates in ([each for each in known if is_running(each)], [here] if here else [], known):
        if len(candidates) == 1:
            return candidates[0]
    if not known:
        raise NotFound("There are no sessions yet. Start one with: workshop run DIR")
    names = ", ".join(session.name for session in known)
    raise BadRequest(f"Which session? Name one of: {names}.")


def is_running(session: Session) -> bool:
    """Whether it has a machine."""
    try:
        return engine_of(session).find(session) is not None
    except WorkshopError:
        return False  # `list` shows what is wrong with it


def require_running(session: Session) -> Session:
    """The session, if it has a machine; else NotFound with how to start it."""
    if not is_running(session):
        raise NotFound(
            f"{session.name} is not running. Start it with: workshop run {session.record().source}"
        )
    return session


def _of_folder(folder: Path) -> Session | None:
    if not folder.is_dir():
        return None
    for session in all_sessions():
        try:
            if session.record().source == str(folder.resolve()):
                return session
        except WorkshopError:
            continue  # `list` shows what is wrong with it
    return None

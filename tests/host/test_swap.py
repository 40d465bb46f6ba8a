"""The swap of the student's folders: whole and repeatable, whatever moment it is killed at."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.engines.sandbox import Sandbox
from host.sessions import SWAPPED, Origin, Session, Swap, create, place
from runtime.domain.transitions import TransitionKind

SWAP = Swap(
    transition="t1", step="second", kind=TransitionKind.GO, origin="first", kept="now-first"
)


class Killed(Exception):
    """Stands for SIGKILL: nothing after it happens."""


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session whose folders say `old`."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    session = place("trip")
    with session.locked():
        create(session, Origin("", "/", "sandbox", ("first", "second")))
    fill(session.directory, "old")
    return session


@pytest.fixture
def engine(tmp_path: Path) -> Sandbox:
    """An engine whose every state says `new`."""
    fill(tmp_path / "state-of-a-step", "new")
    return Sandbox(lambda step, kind: tmp_path / "state-of-a-step")


def fill(folder: Path, word: str) -> None:
    """The three things a swap replaces."""
    for name in ("workspace", "home"):
        (folder / name).mkdir(parents=True)
        (folder / name / "word").write_text(word)
    (folder / "state.json").write_text(f'{{"env": {{"WORD": "{word}"}}}}')


def words(folder: Path) -> set[str]:
    """What the three things in a folder say; `gone` for a missing one."""
    places = (folder / "workspace" / "word", folder / "home" / "word", folder / "state.json")
    texts = [path.read_text() if path.exists() else "gone" for path in places]
    return {next((word for word in ("old", "new") if word in text), text) for text in texts}


def test_the_state_takes_the_place_and_the_old_files_are_kept(
    session: Session, engine: Sandbox
) -> None:
    engine.prepare(session, SWAP)
    assert words(session.directory) == {"old"}
    engine.enter(session, SWAP)
    assert words(session.directory) == {"new"}
    assert words(session.kept / SWAP.kept) == {"old"}
    assert not session.staging.exists()


def test_preparing_changes_the_state_of_the_step_in_no_way(
    session: Session, engine: Sandbox, tmp_path: Path
) -> None:
    engine.prepare(session, SWAP)
    engine.enter(session, SWAP)
    (session.workspace / "word").write_text("the student's")
    assert words(tmp_path / "state-of-a-step") == {"new"}


def test_restoring_brings_the_old_files_back(session: Session, engine: Sandbox) -> None:
    engine.prepare(session, SWAP)
    engine.enter(session, SWAP)
    engine.restore(session, SWAP)
    assert words(session.directory) == {"old"}
    assert list(session.kept.iterdir()) == []
    assert not session.staging.exists()


@pytest.mark.parametrize("renames", range(2 * len(SWAPPED)))
@pytest.mark.parametrize("direction", ["on", "back"])
def test_killed_after_any_rename_it_goes_on_or_back_whole(
    session: Session,
    engine: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    renames: int,
    direction: str,
) -> None:
    """Faults 15 and 48."""
    engine.prepare(session, SWAP)
    with monkeypatch.context() as patch:
        kill_after(patch, renames)
        with pytest.raises(Killed):
            engine.enter(session, SWAP)
    if direction == "on":
        engine.enter(session, SWAP)
        assert words(session.directory) == {"new"}
        assert words(session.kept / SWAP.kept) == {"old"}
    else:
        engine.restore(session, SWAP)
        assert words(session.directory) == {"old"}
        assert not (session.kept / SWAP.kept).exists()


@pytest.mark.parametrize("renames", range(2 * len(SWAPPED)))
def test_killed_while_restoring_it_is_restored_whole(
    session: Session, engine: Sandbox, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    """Faults 15 and 48."""
    engine.prepare(session, SWAP)
    engine.enter(session, SWAP)
    with monkeypatch.context() as patch:
        kill_after(patch, renames)
        with pytest.raises(Killed):
            engine.restore(session, SWAP)
    engine.restore(session, SWAP)
    assert words(session.directory) == {"old"}
    assert not (session.kept / SWAP.kept).exists()


def test_a_copy_cut_short_is_made_anew(session: Session, engine: Sandbox) -> None:
    """Fault 15."""
    (session.staging / "t1.part" / "workspace").mkdir(parents=True)
    (session.staging / "t0").mkdir()
    engine.prepare(session, SWAP)
    assert [path.name for path in session.staging.iterdir()] == ["t1"]
    engine.enter(session, SWAP)
    assert words(session.directory) == {"new"}


def kill_after(patch: pytest.MonkeyPatch, renames: int) -> None:
    """End the caller at the rename after so many."""
    left = [renames]
    rename = Path.rename

    def counted(self: Path, target: Path) -> Path:
        if not left[0]:
            raise Killed
        left[0] -= 1
        return rename(self, target)

    patch.setattr(Path, "rename", counted)

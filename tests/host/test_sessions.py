"""Session folders: made once, whole after a crash, refused when they are not ours."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from host.sessions import (
    Origin,
    Session,
    all_sessions,
    create,
    open_session,
    place,
    remove_tree,
    write_whole,
)
from runtime.domain.errors import AlreadyRunning, NotFound, PermissionRefused, StorageFailed
from tests.host.people import person


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session that was made."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    session = place("trip")
    with session.locked():
        make(session)
    return session


def make(session: Session, steps: tuple[str, ...] = ("first", "second")) -> None:
    """Create it, or bring it up to date."""
    create(session, Origin("A trip", "/trip", "sandbox", steps))


def test_a_new_session_begins_at_the_first_step(session: Session) -> None:
    assert session.record().step == "first"
    assert [each.name for each in all_sessions()] == ["trip"]
    assert open_session("trip").directory == session.directory


def test_tokens_are_long_different_and_for_the_owner_only(session: Session) -> None:
    tokens = {session.token(role) for role in ("student", "instructor", "host")}
    assert len(tokens) == 3
    assert all(len(token) >= 32 for token in tokens)
    assert session.secrets.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in session.secrets.iterdir()} == {0o600}
    assert session.directory.stat().st_mode & 0o777 == 0o700


def test_making_it_again_keeps_tokens_step_and_port(session: Session) -> None:
    token = session.token("student")
    session.update(step="second", port=8099)
    make(session)
    assert (session.record().step, session.record().port) == ("second", 8099)
    assert session.token("student") == token


def test_a_step_that_is_gone_is_left_for_the_first_one(session: Session) -> None:
    session.update(step="second")
    make(session, ("other", "third"))
    assert session.record().step == "other"


def test_one_process_looks_after_a_session(session: Session) -> None:
    """Fault 34: the second CLI is told who holds it."""
    assert session.holder() is None
    with session.locked():
        assert session.holder() == os.getpid()
        with pytest.raises(AlreadyRunning, match=str(os.getpid())), session.locked():
            pass
    assert session.holder() is None


def test_a_lock_left_by_a_killed_process_is_no_lock(session: Session) -> None:
    session.lock_path.write_text("4000000")
    assert session.holder() is None
    with session.locked():
        assert session.holder() == os.getpid()


def test_a_folder_of_another_user_is_refused_with_the_mend(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault 46."""
    monkeypatch.setattr(os, "geteuid", lambda: session.directory.stat().st_uid + 1)
    with pytest.raises(PermissionRefused, match="sudo chown -R"):
        place("trip")


def test_a_state_folder_without_write_permission_is_refused(place: Path) -> None:
    """Fault 46; by an ordinary user, for root may write everywhere."""
    with person("ordinary user", place) as somebody:
        locked = somebody.folder / "locked"
        locked.mkdir()
        locked.chmod(0o555)
        said = somebody.cli_with({"XDG_STATE_HOME": str(locked)}, "run", str(somebody.workshop))
    assert said.code == 82
    assert "XDG_STATE_HOME" in said.document["error"]["message"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": 3}', "\0" * 100])
def test_a_record_that_cannot_be_read_says_so_and_touches_nothing(
    session: Session, text: str
) -> None:
    session.record_path.write_text(text)
    with pytest.raises(StorageFailed, match=r"session\.json"):
        session.record()
    assert session.record_path.read_text() == text


@pytest.mark.parametrize("name", ["..", "../trip", "/etc", "Trip", "", "a\0b", "nothing"])
def test_a_name_is_a_name_and_no_path(session: Session, name: str) -> None:
    with pytest.raises(NotFound):
        open_session(name)


def test_a_file_is_replaced_whole_with_its_mode(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", "old")
    write_whole(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "new"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_folders_without_permissions_and_links_to_elsewhere_are_removed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    tree = tmp_path / "tree"
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "a" / "b" / "file").touch()
    (tree / "link").symlink_to(outside)
    (tree / "a" / "b").chmod(0)
    (tree / "a").chmod(0o500)
    remove_tree(tree)
    assert not tree.exists()
    assert (outside / "precious").exists()


def test_removing_with_progress_kept_leaves_the_log_and_the_tokens(session: Session) -> None:
    (session.runtime / "state-events.jsonl").write_text("{}\n")
    (session.workspace / "deep").mkdir(parents=True)
    session.remove(keep_progress=True)
    left = {path.name for path in session.directory.iterdir()}
    assert left == {"runtime", "session.json", "secrets", "lock"}
    session.remove()
    assert not session.directory.exists()

"""The history of help on disk."""

from __future__ import annotations

import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runtime.domain.errors import StorageFull
from runtime.domain.interactions import Interaction, Rating, Tokens
from runtime.store.helplog import FILE_NAME, HelpLog

AT = datetime(2026, 1, 31, 14, 22, 1, 123000, UTC)


def interaction(name: str = "a", response: str = "Look.") -> Interaction:
    return Interaction(
        ts=AT,
        id=name,
        step="one",
        mode="hints",
        question="How?",
        response=response,
        source="model",
        outcome="answered",
        model="m",
        tokens=Tokens(input=3, output=4),
    )


def test_what_was_given_is_there_after_a_restart(tmp_path: Path) -> None:
    log = HelpLog(tmp_path)
    log.append(interaction())
    log.append(Rating(ts=AT, rated="a", useful=False))
    log.close()
    again = HelpLog(tmp_path)
    assert list(again.interactions.values()) == [interaction()]
    assert again.ratings["a"].useful is False
    assert (tmp_path / FILE_NAME).read_text().splitlines()[0] == (
        '{"ts":"2026-01-31T14:22:01.123Z","id":"a","step":"one","mode":"hints","question":"How?",'
        '"response":"Look.","source":"model","outcome":"answered","model":"m",'
        '"tokens":{"input":3,"output":4}}'
    )
    again.close()


@pytest.mark.parametrize("damage", [b'{"ts":"2026', b"\xff\xfe\n", b"[" * 5000 + b"\n", b"null\n"])
def test_a_damaged_history_starts_and_keeps_what_is_whole(tmp_path: Path, damage: bytes) -> None:
    log = HelpLog(tmp_path)
    log.append(interaction("a"))
    log.close()
    path = tmp_path / FILE_NAME
    path.write_bytes(path.read_bytes() + damage)
    log = HelpLog(tmp_path)
    log.append(interaction("b"))
    log.close()
    again = HelpLog(tmp_path)
    assert list(again.interactions) == ["a", "b"]
    again.close()


@pytest.mark.parametrize("letter", ["x", "\x01", "😀"])
def test_a_long_answer_keeps_its_beginning(tmp_path: Path, letter: str) -> None:
    log = HelpLog(tmp_path)
    log.append(interaction(response=letter * 200_000))
    log.close()
    again = HelpLog(tmp_path)
    assert again.interactions["a"].shortened
    assert len(again.interactions["a"].response) > 1000
    again.close()


def test_a_full_disk_is_a_sentence_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault 10."""
    log = HelpLog(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fdatasync", full)
    with pytest.raises(StorageFull):
        log.append(interaction())
    monkeypatch.undo()
    assert log.interactions == {}
    log.append(interaction())
    log.close()

"""The compiled tree: all of it, or one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.domain.errors import InvalidWorkshop, NotFound
from runtime.store.artifact import load
from tests.made import make_artifact


def change(path: Path, **fields: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_a_whole_tree_is_loaded_with_its_defaults(tmp_path: Path) -> None:
    make_artifact(tmp_path, [{"id": "one", "goss": "file: {}", "expectedChecks": 3}, {"id": "two"}])
    change(tmp_path / "workshop.json", terminal={})
    workshop = load(tmp_path).workshop
    assert [step.id for step in workshop.steps] == ["one", "two"]
    assert (workshop.terminal.user, workshop.terminal.workdir) == ("student", "/workspace")
    assert workshop.steps[0].expected_checks == 3
    assert workshop.auto_validates(workshop.steps[0])
    assert not workshop.auto_validates(workshop.steps[1])


Breaking = Callable[[Path], object]

BREAKS: dict[str, tuple[Breaking, str]] = {
    "no workshop.json": (
        lambda root: (root / "workshop.json").unlink(),
        r"workshop\.json: expected a readable file, found: No such file or directory\. Is this a",
    ),
    "not JSON": (
        lambda root: (root / "workshop.json").write_text("{"),
        r"workshop\.json: expected JSON, found something else",
    ),
    "a newer schema": (
        lambda root: change(root / "workshop.json", schemaVersion="2.0"),
        r"workshop\.json: schemaVersion: .*found '2\.0'",
    ),
    "unknown navigation": (
        lambda root: change(root / "workshop.json", navigation="spiral"),
        r"workshop\.json: navigation: .*found 'spiral'",
    ),
    "no steps": (
        lambda root: change(root / "workshop.json", steps=[]),
        r"workshop\.json: steps: .*found \[\]",
    ),
    "a step twice": (
        lambda root: change(
            root / "workshop.json",
            steps=[{"id": "one", "title": "1", "position": n} for n in range(2)],
        ),
        r"steps\.1\.id: expected a new id, found 'one' again",
    ),
    "positions with a gap": (
        lambda root: change(
            root / "workshop.json", steps=[{"id": "one", "title": "1", "position": 4}]
        ),
        r"steps\.0\.position: expected 0, found 4",
    ),
    "requires of nothing": (
        lambda root: change(
            root / "workshop.json",
            steps=[{"id": "one", "title": "Step one", "position": 0, "requires": ["gone"]}],
        ),
        r"steps\.0\.requires: expected ids of other steps, found 'gone'",
    ),
    "meta of another step": (
        lambda root: change(root / "steps/one/meta.json", id="uno"),
        r"one/meta\.json: id: expected 'one', as in workshop\.json, found 'uno'",
    ),
    "no text": (
        lambda root: (root / "steps/two/content.md").unlink(),
        r"two/content\.md: expected the step's text, found nothing",
    ),
    "goss promised, not there": (
        lambda root: change(root / "steps/one/meta.json", hasGoss=True),
        r"one/goss\.yaml: expected a file, since meta\.json says hasGoss",
    ),
}


@pytest.mark.parametrize(("breaks", "sentence"), BREAKS.values(), ids=BREAKS)
def test_a_broken_tree_is_refused_in_one_sentence(
    tmp_path: Path, breaks: Breaking, sentence: str
) -> None:
    breaks(make_artifact(tmp_path))
    with pytest.raises(InvalidWorkshop, match=sentence):
        load(tmp_path)


@pytest.mark.parametrize(
    "name", ["../meta.json", "/etc/passwd", "a\0b", "nope.png", "link.png", ""]
)
def test_a_file_outside_the_steps_folder_is_not_found(tmp_path: Path, name: str) -> None:
    artifact = load(make_artifact(tmp_path))
    step = artifact.workshop.first
    files = artifact.step_dir(step) / "files"
    files.mkdir()
    (files / "link.png").symlink_to("/etc/passwd")
    (files / "here.png").write_bytes(b"x")
    assert artifact.file_path(step, "here.png").read_bytes() == b"x"
    with pytest.raises(NotFound):
        artifact.file_path(step, name)


def test_what_help_needs_is_read_from_the_step(tmp_path: Path) -> None:
    make_artifact(tmp_path, [{"id": "one", "hasLlm": True, "hasSolution": True}, {"id": "two"}])
    folder = tmp_path / "steps/one"
    (folder / "llm.json").write_text('{"mode": "explain", "context": "About one."}')
    (folder / "solution.json").write_text(
        '{"commands": ["make"], "files": [{"path": "/a", "content": "A"}]}'
    )
    (folder / "llm-docs").mkdir()
    (folder / "llm-docs/b.md").write_text("bb")
    (folder / "llm-docs/a.md").write_text("aaaa")
    loaded = load(tmp_path)
    one, two = loaded.workshop.steps
    assert loaded.llm["one"].mode == "explain"
    assert "two" not in loaded.llm
    assert loaded.solution(one).commands == ("make",)
    assert loaded.solution(one).files[0].content == "A"
    assert loaded.solution(two).commands == ()
    assert loaded.documents(one, 100) == {"a.md": "aaaa", "b.md": "bb"}
    assert loaded.documents(one, 5) == {"a.md": "aaaa", "b.md": "b"}
    assert loaded.documents(two, 100) == {}

"""Compiled workshops for tests, written by hand so that a test says what it needs."""

from __future__ import annotations

import json
import os
import pwd
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def me() -> str:
    """The user the tests run as: its shells need no change of user."""
    return pwd.getpwuid(os.geteuid()).pw_name


def make_artifact(
    root: Path,
    steps: Sequence[Mapping[str, Any]] = ({"id": "one"}, {"id": "two"}),
    **workshop: Any,  # Any: JSON fields
) -> Path:
    """A tree below `root`, which is returned.

    A step takes the fields of its meta.json and, besides, `content`, `goss`, `hints`, `explain`
    and `solve` as texts of its files, and `solution` and `llm` as JSON of theirs.
    """
    entries = []
    for position, given in enumerate(steps):
        fields = {"title": f"Step {given['id']}", "position": position, **given}
        texts = {name: fields.pop(name, None) for name in ("goss", "hints", "explain", "solve")}
        content = fields.pop("content", f"# {fields['title']}\n")
        parts = {name: fields.pop(name, None) for name in ("solution", "llm")}
        folder = root / "steps" / fields["id"]
        folder.mkdir(parents=True)
        (folder / "content.md").write_text(content, encoding="utf-8")
        for name, text in texts.items():
            fields[f"has{name.capitalize()}"] = text is not None
            if text is not None:
                (folder / ("goss.yaml" if name == "goss" else f"{name}.md")).write_text(text)
        for name, part in parts.items():
            if part is not None:
                fields[f"has{name.capitalize()}"] = True
                (folder / f"{name}.json").write_text(json.dumps(part))
        (folder / "meta.json").write_text(json.dumps({"hasLlm": False, **fields}))
        entries.append(
            {
                key: fields[key]
                for key in ("id", "title", "group", "requires", "position")
                if key in fields
            }
        )
    (root / "workshop.json").write_text(
        json.dumps(
            {
                "schemaVersion": "1.0",
                "name": "tested",
                "title": "Tested",
                "image": "example/tested",
                "navigation": "linear",
                "terminal": {"user": me(), "workdir": str(root)},
                **workshop,
                "steps": entries,
            }
        )
    )
    (root / "runtime").mkdir()
    return root

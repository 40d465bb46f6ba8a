"""The published schemas: they take what the compiler takes, and refuse what it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from host.compile import compile_workshop
from host.spec import FaultyWorkshop, load
from runtime.domain import events as ev
from tests.goss_binary import ROOT
from tests.host.test_spec import HEAD, SMALL, WHOLE, whole, workshop

SCHEMAS = ROOT / "docs/schema"
EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/workshop.yaml"))


def schema(name: str) -> dict[str, Any]:  # Any: JSON Schema
    read: dict[str, Any] = json.loads((SCHEMAS / name).read_text())
    Draft202012Validator.check_schema(read)
    return read


def is_valid(name: str, document: object) -> bool:
    return Draft202012Validator(schema(name)).is_valid(document)


def read_yaml(text: str) -> object:
    return YAML(typ="safe", pure=True).load(text)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_every_example_is_valid_and_names_the_schema(example: Path, tmp_path: Path) -> None:
    text = (example / "workshop.yaml").read_text()
    named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    assert named is not None
    assert (example / named[1]).resolve() == SCHEMAS / "workshop-yaml.json"
    Draft202012Validator(schema("workshop-yaml.json")).validate(read_yaml(text))
    compile_workshop(load(example), tmp_path / "out")
    compiled = json.loads((tmp_path / "out/workshop.json").read_text())
    Draft202012Validator(schema("workshop.json")).validate(compiled)


def test_all_that_may_be_written_is_valid_for_both(tmp_path: Path) -> None:
    load(whole(tmp_path))
    Draft202012Validator(schema("workshop-yaml.json")).validate(read_yaml(WHOLE))


BROKEN = {
    "version": SMALL.replace("version: v1", "version: v2"),
    "unknown field": SMALL.replace("title: One", "title: One\n    titel: Two"),
    "no title": SMALL.replace("    title: One\n", ""),
    "no image": SMALL.replace(", image: example.org/demo", ""),
    "tagged image": SMALL.replace("example.org/demo", "example.org/demo:1"),
    "both bases": SMALL.replace("debian:12", "debian:12, containerFile: C"),
    "no base": SMALL.replace("image: debian:12", ""),
    "no steps": f"{HEAD}steps: []\n",
    "steps as text": f"{HEAD}steps: one\n",
    "reserved id": SMALL.replace("id: one", "id: start"),
    "upper-case id": SMALL.replace("id: one", "id: One"),
    "group in linear": SMALL.replace("title: One", "title: One\n    group: G"),
    "two texts": SMALL.replace("title: One", "title: One\n    markdownFile: workshop.yaml"),
    "relative shell": SMALL.replace("name: demo", "name: demo, terminal: {shell: bash}"),
    "navigation": SMALL.replace("name: demo", "name: demo, navigation: sideways"),
    "a model without a key": SMALL.replace(
        "name: demo", "name: demo, llm: {provider: anthropic, model: m}"
    ),
    "a file without content": SMALL.replace("title: One", "title: One\n    files: [{path: /a}]"),
    "a variable's name": SMALL.replace("title: One", "title: One\n    env: {1A: x}"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_the_compiler_refuses_the_schema_refuses(tmp_path: Path, what: str) -> None:
    assert BROKEN[what] != SMALL
    with pytest.raises(FaultyWorkshop):
        load(workshop(tmp_path, BROKEN[what]))
    assert not is_valid("workshop-yaml.json", read_yaml(BROKEN[what]))


def described(node: object) -> Iterator[bool]:
    if isinstance(node, dict):
        for field in node.get("properties", {}).values():
            if isinstance(field, dict) and "type" in field:
                yield bool(field.get("description"))
        for inner in node.values():
            yield from described(inner)


def test_every_field_is_described_for_completion() -> None:
    found = list(described(schema("workshop-yaml.json")))
    assert len(found) > 25
    assert all(found)


def test_events_as_they_are_logged_are_valid_and_others_are_not() -> None:
    """Fault 39: also those of a newer version."""
    moment = ev.StepStart.model_validate_json('{"ts":"2026-01-31T14:22:01.123Z","step":"a"}')
    logged = json.loads(ev.encode(moment))
    assert is_valid("events.json", logged)
    assert is_valid("events.json", {**logged, "event": "from_the_future"})
    assert not is_valid("events.json", {"event": "step_start", "step": "a"})
    assert not is_valid("events.json", {"ts": logged["ts"], "step": "a"})
    assert not is_valid("events.json", {"ts": logged["ts"], "event": "step_start"})

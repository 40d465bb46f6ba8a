"""Writes the golden files of what others rely on: run `make contracts` after a wanted change."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from host.schema import workshop_yaml
from runtime.api.openapi import document
from runtime.app import Daemon
from runtime.domain.events import EVENT_NAMES, Event
from runtime.domain.workshop import WorkshopFile
from runtime.settings import from_environment
from tests.made import make_artifact

ROOT = Path(__file__).resolve().parents[1]
OPENAPI = ROOT / "tests/fixtures/contracts/openapi.json"

Json = dict[str, Any]  # Any: JSON


def openapi() -> Json:
    """The page of a daemon as it is made, without one that serves."""
    with tempfile.TemporaryDirectory() as folder:
        environ = {"WORKSHOP_ROOT": str(make_artifact(Path(folder))), "WORKSHOP_PORT": "0"}
        return document(Daemon(from_environment(environ), environ).routes())


def files() -> dict[Path, Json]:
    """Every golden file and what it has to hold."""
    schemas = ROOT / "docs/schema"
    return {
        OPENAPI: openapi(),
        schemas / "workshop-yaml.json": workshop_yaml(),
        schemas / "workshop.json": _drafted(WorkshopFile.model_json_schema(by_alias=True)),
        schemas / "events.json": _drafted(events()),
    }


def events() -> Json:
    """One line of the event log, known or of a newer version."""
    schema = TypeAdapter(Event).json_schema()
    for event in schema["$defs"].values():
        if "event" in event.get(
            "properties", ()
        ):  # a default for whoever makes one, always there on disk
            event["required"] = sorted({*event.get("required", ()), "event"})
    # Else one that lacks a field would pass for an event of a newer version.
    schema["$defs"]["UnknownEvent"]["properties"]["event"]["not"] = {"enum": sorted(EVENT_NAMES)}
    return schema


def _drafted(schema: Json) -> Json:
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def written(content: Mapping[str, object]) -> str:
    """As it stands in a file."""
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for path, content in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(written(content))

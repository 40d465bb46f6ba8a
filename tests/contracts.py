"""Writes the golden files of what others rely on: run `make contracts` after a wanted change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from host.schema import workshop_yaml
from runtime.api import health, whole
from runtime.api.auth import Tokens
from runtime.api.openapi import document
from runtime.domain.events import EVENT_NAMES, Event
from runtime.domain.workshop import WorkshopFile

ROOT = Path(__file__).resolve().parents[1]
OPENAPI = ROOT / "tests/fixtures/contracts/openapi.json"

Json = dict[str, Any]  # Any: JSON


def openapi() -> Json:
    """The page of every route there is."""
    return document([*health.routes, *whole.routes(Tokens({}, ""))])


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

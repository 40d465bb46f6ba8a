"""workshop.yaml as JSON Schema, for editors: what each field is while it is typed.

An editor sees one file, so what needs more than that (that a file exists, that ids agree, what
goss knows) stays with `workshop validate`. Patterns and choices are those of the reader.
"""

from __future__ import annotations

from typing import Any

from host.specreader import (
    ABSOLUTE,
    BASE_IMAGE,
    IMAGE,
    IMAGE_RULE,
    MAX_STEPS,
    NAVIGATION,
    USER,
    VARIABLE,
    VERSION,
)
from host.stepreader import FIELDS, ID_RULE, MODES, RESERVED_ID
from runtime.domain.workshop import NAME_PATTERN, STEP_ID_PATTERN

Json = dict[str, Any]  # Any: JSON Schema

AUTO = ("on-command", "off")


def workshop_yaml() -> Json:
    """The schema of the whole file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "workshop.yaml",
        **_table(
            "A hands-on workshop: what it is, what it starts from, and its steps.",
            {
                "version": _choice("The version of this format.", (VERSION,)),
                "workshop": _workshop(),
                "base": _base(),
                "steps": {
                    "description": "The steps, in order.",
                    "type": "array",
                    "minItems": 1,
                    "maxItems": MAX_STEPS,
                    "items": _step(),
                },
            },
            required=("version", "workshop", "base", "steps"),
        ),
        # Linear is the default, and has neither groups nor requirements.
        "if": {
            "properties": {"workshop": {"properties": {"navigation": {"const": NAVIGATION[0]}}}}
        },
        "then": {
            "properties": {
                "steps": {"items": {"properties": {"group": False, "requires": False}}},
            }
        },
    }


def _workshop() -> Json:
    return _table(
        "What the workshop is.",
        {
            "name": _text(f"Its name: {ID_RULE}.", NAME_PATTERN.strip("^$")),
            "image": _text(f"The name of its images: {IMAGE_RULE}.", IMAGE),
            "title": _text("What students read at the top; else the name."),
            "description": _text("A sentence or two on what is learnt."),
            "navigation": _choice(
                "Which steps are open: one after the other, all of them, or by groups and "
                "requirements.",
                NAVIGATION,
            ),
            "llm": _llm(),
            "terminal": _table(
                "The student's shell.",
                {
                    "user": _text("Who the shell runs as; else student.", USER),
                    "shell": _text("An absolute path; else /bin/bash.", ABSOLUTE),
                    "workdir": _text("Where the shell starts; else /workspace.", ABSOLUTE),
                    "recordInput": _choice(
                        "What recordings keep of typing.", ("masked", "off", "all")
                    ),
                },
            ),
            "autoValidate": _choice("Whether checks run by themselves after a command.", AUTO),
            "watching": _choice(
                "Whether an instructor may see terminals: always, after a yes, or never.",
                ("always", "ask", "off"),
            ),
        },
        required=("name", "image"),
    )


def _llm() -> Json:
    return _table(
        "A model that answers questions.",
        {
            "provider": _choice("Who serves the model.", ("anthropic",)),
            "model": _text("The model's name."),
            "apiKeyEnv": _text("The variable that holds the key; never the key itself.", VARIABLE),
            "maxTokens": _number("The longest answer, in tokens; else 1024.", 1, 64_000),
            "defaultMode": _choice("How far an answer may go.", MODES),
            "sessionTokens": _number(
                "What the questions of one session may cost, in tokens.", 1_000, 100_000_000
            ),
        },
        required=("provider", "model", "apiKeyEnv"),
    )


def _base() -> Json:
    return {
        **_table(
            "What the first machine is made of: an image, or a Containerfile.",
            {
                "image": _text("The name of an image.", BASE_IMAGE),
                "containerFile": _text("A file of the workshop's folder."),
            },
        ),
        "oneOf": [{"required": ["image"]}, {"required": ["containerFile"]}],
    }


def _step() -> Json:
    fields = {
        "id": {
            **_text(f"The step's name: {ID_RULE}.", STEP_ID_PATTERN.strip("^$")),
            "not": {"const": RESERVED_ID},
        },
        "title": _text("What students read in the list of steps."),
        "group": _text("A heading above several steps; not in linear navigation."),
        "requires": _texts("Ids of steps that must be done first; not in linear navigation."),
        "markdown": _text("The step's text; else steps/<id>/content.md."),
        "markdownFile": _text("The file that holds the step's text."),
        "goss": {
            "description": "The checks, as goss has them; else steps/<id>/goss.yaml.",
            "type": ["object", "string"],
        },
        "gossFile": _text("The file that holds the checks."),
        "files": {
            "description": "Files that are put into the machine.",
            "type": "array",
            "items": _file(),
        },
        "env": {
            "description": "Variables of the machine.",
            "type": "object",
            "propertyNames": {"pattern": _whole(VARIABLE)},
            "additionalProperties": {"type": ["string", "number", "boolean"]},
        },
        "commands": _texts("What makes the step solved: shell commands, one after the other."),
        "llm": _table(
            "What a model is told about this step.",
            {
                "mode": _choice("How far an answer may go.", MODES),
                "context": _text("What the text does not say."),
                "docs": _texts("Texts the model may read: files of the workshop's folder."),
            },
        ),
        "autoValidate": _choice("As in the workshop, for this step.", AUTO),
    }
    assert tuple(fields) == FIELDS  # a field that the reader learns is described here, too
    either = [["markdown", "markdownFile"], ["goss", "gossFile"]]
    return {
        **_table("One step.", fields, required=("id", "title")),
        "allOf": [{"not": {"required": pair}} for pair in either],
    }


def _file() -> Json:
    return {
        **_table(
            "One file: its text, or a file of the workshop's folder.",
            {
                "path": _text("Where it is put: an absolute path.", ABSOLUTE),
                "content": _text("What is in it."),
                "source": _text("The file of the workshop's folder that is copied."),
                "mode": {
                    "description": 'Its permissions, such as "0644".',
                    "type": ["string", "integer"],
                },
            },
            required=("path",),
        ),
        "oneOf": [{"required": ["content"]}, {"required": ["source"]}],
    }


def _table(description: str, fields: Json, required: tuple[str, ...] = ()) -> Json:
    return {
        "description": description,
        "type": "object",
        "properties": fields,
        "additionalProperties": False,
        "required": list(required),
    }


def _text(description: str, pattern: str | None = None) -> Json:
    limits = {} if pattern is None else {"pattern": _whole(pattern)}
    return {"description": description, "type": "string", **limits}


def _texts(description: str) -> Json:
    return {"description": description, "type": "array", "items": {"type": "string"}}


def _choice(description: str, values: tuple[str, ...]) -> Json:
    return {"description": description, "enum": list(values)}


def _number(description: str, least: int, most: int) -> Json:
    return {"description": description, "type": "integer", "minimum": least, "maximum": most}


def _whole(pattern: str) -> str:
    return f"^(?:{pattern})$"

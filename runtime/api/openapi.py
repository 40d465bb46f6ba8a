"""The HTTP API as OpenAPI 3.1, made of the route table, its operations and the wire models.

https://spec.openapis.org/oas/v3.1.1.html; WebSockets have no place in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from pydantic.json_schema import models_json_schema
from starlette.routing import BaseRoute

from runtime.api.base_schemas import ErrorBody
from runtime.api.operations import EVENTS, JSON, OPERATIONS, Model, Number, Operation
from runtime.api.routing import Role, RoleRoute
from runtime.domain.workshop import SCHEMA_VERSION

Json = dict[str, Any]  # Any: JSON

REF = "#/components/schemas/{model}"
ERROR = {"$ref": REF.format(model="ErrorBody")}
REASONS = {
    200: "It is done, or here it is.",
    201: "It was made.",
    202: "It was asked for.",
    204: "It is done.",
    206: "The part that was asked for.",
    303: "The token is in a cookie now.",
    304: "It has not changed.",
    307: "It is there.",
    503: "Not ready.",
}


def operations(routes: Iterable[BaseRoute]) -> Iterator[tuple[str, str, RoleRoute]]:
    """Method, address and route of everything HTTP, as the table of operations names it."""
    for route in routes:
        if isinstance(route, RoleRoute):
            address = re.sub(r":\w+}", "}", route.path)
            for method in sorted((route.methods or set()) - {"HEAD"}):
                yield method, address, route


def document(routes: Iterable[BaseRoute]) -> Json:
    """The whole page; raises KeyError for a route without an operation."""
    paths: dict[str, Json] = {}
    for method, address, route in operations(routes):
        operation = OPERATIONS[f"{method} {address}"]
        paths.setdefault(address, {})[method.lower()] = _operation(
            method, address, route, operation
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Workshop",
            "version": SCHEMA_VERSION,
            "description": "Fields are only ever added; ignore what you do not know.",
        },
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(method: str, address: str, route: RoleRoute, operation: Operation) -> Json:
    made: Json = {
        "operationId": _name(method, address),
        "summary": operation.summary or _summary(route, operation),
        "parameters": [*_path_parameters(address), *_query_parameters(operation.query)],
        "responses": _responses(operation),
        "security": [] if Role.PUBLIC in route.roles else [{"token": []}],
        "x-roles": sorted(route.roles),
    }
    if operation.takes is not None:
        fields = operation.takes.model_fields.values()
        made["requestBody"] = {
            "required": any(each.is_required() for each in fields),
            "content": {JSON: {"schema": _ref(operation.takes)}},
        }
    return made


def _name(method: str, address: str) -> str:
    words = re.findall(r"\w+", address.removeprefix("/api"))
    return "_".join([method.lower(), *words, *(["page"] if address.endswith("/") else [])])


def _summary(route: RoleRoute, operation: Operation) -> str:
    """The first words of the handler, without its address; else those of what it answers."""
    said = re.sub(r"^[A-Z]+ /\S*[.:]? ?", "", _first_paragraph(route.endpoint))
    if not said and operation.gives is not None:
        said = _first_paragraph(operation.gives)
    return said[:1].upper() + said[1:]


def _first_paragraph(documented: object) -> str:
    return " ".join((documented.__doc__ or "").split("\n\n")[0].split())


def _path_parameters(address: str) -> list[Json]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", address)
    ]


def _query_parameters(query: Mapping[str, Number | None]) -> list[Json]:
    return [
        {"name": name, "in": "query", "required": False, "schema": _query_schema(each)}
        for name, each in query.items()
    ]


def _query_schema(number: Number | None) -> Json:
    if number is None:
        return {"type": "string"}
    default = {} if number.default is None else {"default": number.default}
    return {"type": "integer", "minimum": number.least, "maximum": number.most, **default}


def _responses(operation: Operation) -> Json:
    made: Json = {
        str(status): {"description": REASONS[status], **_content(operation, status)}
        for status in (*operation.statuses, *operation.also)
    }
    made["default"] = {
        "description": "A sentence on what is wrong.",
        "content": {JSON: {"schema": ERROR}},
    }
    return made


def _content(operation: Operation, status: int) -> Json:
    if status in (204, 303, 304, 307):
        return {}
    if operation.gives is not None:
        one = _ref(operation.gives)
        schema = {"type": "array", "items": one} if operation.many else one
        return {"content": {JSON: {"schema": schema}}}
    if operation.media == JSON:
        return {"content": {JSON: {"schema": {"type": "object"}}}}
    content: Json = {"schema": {"type": "string"}}
    if operation.media == EVENTS and operation.events:
        content["x-events"] = {name: _ref(model) for name, model in operation.events.items()}
    return {"content": {operation.media: content}}


def _ref(model: Model) -> Json:
    return {"$ref": REF.format(model=model.__name__)}


def _schemas() -> Json:
    """Every model the operations name, and what those are made of."""
    models: dict[Model, Literal["validation", "serialization"]] = {ErrorBody: "serialization"}
    for operation in OPERATIONS.values():
        if operation.takes is not None:
            models[operation.takes] = "validation"
        for given in (operation.gives, *operation.events.values()):
            if given is not None:
                models[given] = "serialization"
    _, made = models_json_schema(list(models.items()), by_alias=True, ref_template=REF)
    return dict(sorted(made["$defs"].items()))

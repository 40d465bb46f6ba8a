"""Request bodies, parsed once at the edge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from runtime.api.base_schemas import WireModel
from runtime.domain.errors import InvalidField

Model = TypeVar("Model", bound=BaseModel)


async def parse_body(request: Request, model: type[Model]) -> Model:
    """The body as `model`; an empty body is an empty object.

    Raises InvalidField naming the field.
    """
    raw = await request.body() or b"{}"
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "body"
        raise InvalidField(f"{field}: {first['msg']}.", {"field": field}) from error


def query_number(request: Request, name: str, default: int, *, least: int, most: int) -> int:
    """A whole number of the query string within its bounds; raises InvalidField."""
    raw = request.query_params.get(name)
    if raw is None:
        return default
    if not (raw.isascii() and raw.isdecimal() and len(raw) <= 18):
        raise InvalidField(
            f"{name}: expected a whole number from {least} to {most}.", {"field": name}
        )
    number = int(raw)
    if not least <= number <= most:
        raise InvalidField(f"{name}: expected {least} to {most}, found {number}.", {"field": name})
    return number


def json_response(model: WireModel, status: int = 200) -> Response:
    """One model as the answer."""
    return Response(model.wire(), status, media_type="application/json")


def json_list(models: Sequence[WireModel], status: int = 200) -> Response:
    """An array of models as the answer."""
    body = b"[" + b",".join(each.wire() for each in models) + b"]"
    return Response(body, status, media_type="application/json")

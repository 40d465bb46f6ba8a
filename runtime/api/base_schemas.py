"""What every answer is made of, and the few answers that a start itself needs."""

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class WireModel(BaseModel):
    """camelCase on the wire; fields without a value are left out."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        defer_build=True,  # built at first use: together they are a tenth of a start
    )

    def wire(self) -> bytes:
        """The JSON of an answer, UTF-8."""
        return self.model_dump_json(by_alias=True, exclude_none=True).encode()


class ErrorDetail(WireModel):
    """What went wrong, for a program (`code`) and for a person (`message`)."""

    code: str
    message: str
    details: dict[str, Any] | None = None  # Any: JSON values, by code


class ErrorBody(WireModel):
    """The one shape of every error."""

    error: ErrorDetail


class Problem(WireModel):
    """Something the student or instructor must know; `message` is a sentence."""

    code: str
    message: str


class Readiness(WireModel):
    """`missing` names what is not ready, `problems` what is weaker than it should be."""

    ready: bool
    missing: list[str]
    problems: list[Problem]

"""What of a request the relay passes on: the texts of a question to the workshop's model.

Nothing else of the model's API is let through: a tool, a file, or the address of a document would
let the provider do more, and for more tokens, than the request shows.
"""

from __future__ import annotations

import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from host.relaypolicy import Policy, Refused


class _Message(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    role: Literal["user", "assistant"]
    content: str


class _Texts(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    system: str | None = None
    messages: list[_Message] = Field(min_length=1)


def passed_on(raw: bytes, policy: Policy) -> bytes:
    """The body that is sent instead of `raw`; raises Refused for what is not allowed."""
    try:
        asked = json.loads(raw)
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict):
        raise Refused(400, "invalid_request_error", "The body is not a JSON object.")
    if asked.get("model") != policy.model:
        raise Refused(403, "permission_error", f"Only the model {policy.model} may be asked.")
    wanted = asked.get("max_tokens")
    if type(wanted) is not int or not 1 <= wanted <= policy.max_tokens:
        raise Refused(403, "permission_error", f"max_tokens may be 1 to {policy.max_tokens} here.")
    if asked.get("stream") is not True:
        raise Refused(403, "permission_error", "Only streamed answers are passed on.")
    try:
        texts = _Texts.model_validate(asked).model_dump(exclude_none=True)
    except ValidationError as error:
        raise Refused(
            403, "permission_error", "Only texts are passed on: system, and messages of texts."
        ) from error
    fixed = {"model": policy.model, "max_tokens": wanted, "stream": True}
    return json.dumps({**texts, **fixed}).encode()

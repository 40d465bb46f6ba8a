"""The records of `llm-history.jsonl`: help that was given, and what the student thought of it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from runtime.domain.events import Timestamp
from runtime.domain.ladder import Mode

Source = Literal["model", "author"]
Outcome = Literal["answered", "partial", "stopped", "failed", "replaced"]
"""`partial`: the answer broke off; `stopped`: the student left or stopped it; `failed`: no word
came; `replaced`: it would have given the solution away, so the author's words were shown."""


class Tokens(BaseModel):
    """What an answer cost; `estimated` when the model did not say."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    input: int = Field(ge=0)
    output: int = Field(ge=0)
    estimated: bool | None = None

    @property
    def total(self) -> int:
        """Both ways."""
        return self.input + self.output


class Interaction(BaseModel):
    """One piece of help. `hint` is the number of an author's hint, from 1; `left_out` names what
    did not fit the prompt; `shortened` says that the record keeps only the answer's beginning.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    ts: Timestamp
    id: str
    step: str
    mode: Mode
    question: str
    response: str
    source: Source
    outcome: Outcome
    model: str | None = None
    tokens: Tokens | None = None
    hint: int | None = None
    confirmed: bool | None = None
    left_out: tuple[str, ...] | None = None
    shortened: bool | None = None


class Rating(BaseModel):
    """Whether the student found the interaction `rated` useful."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    ts: Timestamp
    rated: str
    useful: bool


def parse_record(raw: bytes) -> Interaction | Rating | None:
    """The record in one line; None for anything else. Never raises."""
    for kind in (Interaction, Rating):
        try:
            return kind.model_validate_json(raw)
        except ValidationError:
            continue
    return None


def encode_record(record: Interaction | Rating, limit_bytes: int) -> bytes:
    """The line of a record, at most `limit_bytes`: an answer that is too long loses its end."""
    raw = _encoded(record)
    while len(raw) > limit_bytes and isinstance(record, Interaction):
        if not record.response:
            record = record.model_copy(update={"question": ""})
        keep = min(len(record.response) // 2, limit_bytes // 2)
        record = record.model_copy(update={"response": record.response[:keep], "shortened": True})
        raw = _encoded(record)
    return raw


def _encoded(record: Interaction | Rating) -> bytes:
    return record.model_dump_json(exclude_none=True).encode(errors="replace")

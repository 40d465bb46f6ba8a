"""What a session may ask the relay for, and how it is told that it may not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Policy:
    """What one session may ask for; budgets in tokens, in and out."""

    session: str
    workshop: str
    token: str
    model: str
    max_tokens: int
    session_tokens: int
    workshop_tokens: int | None = None


@dataclass
class Refused(Exception):
    """The answer to a request that is not forwarded."""

    status: int
    kind: str
    message: str

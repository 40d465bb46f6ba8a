"""The life of one transition as a state machine: requested, claimed, then over.

    requested -> claimed -> completed | failed
    requested -> cancelled | failed | completed
    claimed   -> claimed by another host once the claim is old

Moments are seconds of a monotonic clock, given by the caller: a jump of the wall clock must not
expire anything.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

EXPIRY_SECONDS = 600  # a transition nobody claims is cancelled after this
TAKEOVER_SECONDS = 120  # a claim older than this may be taken over by another host


class TransitionKind(StrEnum):
    """What the student asked for."""

    GO = "go"
    RESET = "reset"
    SOLVE = "solve"


class TransitionStatus(StrEnum):
    """Where it is in its life."""

    REQUESTED = "requested"
    CLAIMED = "claimed"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN = frozenset({TransitionStatus.REQUESTED, TransitionStatus.CLAIMED})


class Transition(BaseModel):
    """One transition, as the fold of its events; `requested` and `claimed_at` are log times."""

    model_config = ConfigDict(defer_build=True, frozen=True)

    id: str
    step: str
    kind: TransitionKind
    from_step: str
    status: TransitionStatus
    requested: datetime
    host: str | None = None
    claimed_at: datetime | None = None
    code: str | None = None
    reason: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is still on its way."""
        return self.status in OPEN


def may_claim(transition: Transition, host: str, claim_age_seconds: float) -> bool:
    """Whether `host` may take the transition now; claiming one's own again is no change."""
    match transition.status:
        case TransitionStatus.REQUESTED:
            return True
        case TransitionStatus.CLAIMED:
            return transition.host == host or claim_age_seconds >= TAKEOVER_SECONDS
        case _:
            return False


def has_expired(transition: Transition, age_seconds: float) -> bool:
    """Whether nobody came for it in time."""
    return transition.status is TransitionStatus.REQUESTED and age_seconds >= EXPIRY_SECONDS

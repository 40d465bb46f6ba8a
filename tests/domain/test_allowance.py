"""Limits of help: per minute, per session, one at a time."""

from __future__ import annotations

import pytest

from runtime.domain.allowance import Allowance
from runtime.domain.errors import HelpLimited


def test_questions_in_a_minute_are_counted_over_a_sliding_minute() -> None:
    """Fault 23."""
    allowance = Allowance(per_minute=2, session_tokens=1000)
    for now in (0.0, 20.0):
        allowance.begin(now)
        allowance.end(1)
    with pytest.raises(HelpLimited, match="Ask again in 30 seconds") as caught:
        allowance.begin(30.0)
    assert caught.value.retry_after_seconds == 30
    allowance.begin(60.0)
    allowance.end(1)
    with pytest.raises(HelpLimited, match="in 1 second\\."):
        allowance.begin(79.5)


def test_one_answer_at_a_time() -> None:
    """Fault 23: many tabs."""
    allowance = Allowance(per_minute=10, session_tokens=1000)
    allowance.begin(0)
    with pytest.raises(HelpLimited, match="still being written"):
        allowance.begin(1)
    allowance.end(1)
    allowance.begin(2)


def test_a_used_up_session_says_what_is_left() -> None:
    allowance = Allowance(per_minute=10, session_tokens=1000, used_tokens=990)
    allowance.begin(0)
    allowance.end(30)
    assert allowance.left_tokens == 0
    with pytest.raises(HelpLimited, match="used up"):
        allowance.begin(100)


def test_a_refused_question_does_not_count() -> None:
    allowance = Allowance(per_minute=1, session_tokens=1000, asked=[0.0])
    for now in (10.0, 20.0, 59.0):
        with pytest.raises(HelpLimited):
            allowance.begin(now)
    allowance.begin(60.0)

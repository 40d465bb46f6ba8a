"""What a terminal may be called."""

from __future__ import annotations

import pytest

from runtime.domain.errors import InvalidField
from runtime.domain.terminals import TITLE_CHARACTERS, parse_title


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("server", "server"),
        ("  the  server\t\n", "the server"),
        ("Grüße 日本 🐢", "Grüße 日本 🐢"),
        ("x" * TITLE_CHARACTERS, "x" * TITLE_CHARACTERS),
        ("  " + "x" * TITLE_CHARACTERS + "  ", "x" * TITLE_CHARACTERS),
        ("", None),
        (" \t\u00a0\n", None),
    ],
)
def test_a_title_is_trimmed_and_none_when_nothing_is_left(text: str, title: str | None) -> None:
    assert parse_title(text) == title


@pytest.mark.parametrize(
    "text",
    ["x" * (TITLE_CHARACTERS + 1), "a\x00b", "\x1b[31mred", "\u202eevil", "a\u200bb", "\ud800"],
)
def test_a_title_that_is_too_long_or_cannot_be_seen_is_refused(text: str) -> None:
    """Fault 44: escape sequences in titles."""
    with pytest.raises(InvalidField) as refused:
        parse_title(text)
    assert refused.value.details == {"field": "title"}
    assert refused.value.message.endswith(".")

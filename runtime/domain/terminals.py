"""What a terminal may be called: by programs its name, by its student a title."""

from __future__ import annotations

import re

from runtime.domain.errors import BadRequest, InvalidField

TITLE_CHARACTERS = 40

_NAME = re.compile(r"[a-z0-9-]{1,32}")


def check_name(name: str) -> None:
    """Raises BadRequest for what is no name: addresses, files and code blocks hold it."""
    if not _NAME.fullmatch(name):
        raise BadRequest("A terminal's name has 1 to 32 of a-z, 0-9 and -.")


def parse_title(text: str) -> str | None:
    """The title without white space around it or in runs; None when nothing is left.

    Raises InvalidField for what is longer than 40 characters or cannot be seen: a tab that shows
    nothing, or its letters in another order, deceives.
    """
    title = " ".join(text.split())
    if len(title) > TITLE_CHARACTERS:
        raise InvalidField(
            f"title: a terminal's title has up to {TITLE_CHARACTERS} characters, "
            f"this one has {len(title)}. Shorten it.",
            {"field": "title"},
        )
    if not title.isprintable():
        raise InvalidField(
            "title: a terminal's title has no control or invisible characters. Leave them out.",
            {"field": "title"},
        )
    return title or None

"""What authors write behind a code block's opening fence, and what of it the page would ignore."""

from __future__ import annotations

import re
from collections.abc import Iterator

from host.faults import did_you_mean, shortened

RUNNABLE = frozenset({"bash", "sh", "shell", "console"})  # as the page's own list
OPTIONS = ("terminal", "run")

_NAME = re.compile(r"[a-z0-9-]{1,32}")


def mistakes(markdown: str) -> Iterator[tuple[int, str]]:
    """Lines (from 1) of fences with options that have no effect, each with what to do."""
    from markdown_it import MarkdownIt  # comes with rich; imported late, it costs 30 ms

    for block in MarkdownIt("commonmark").parse(markdown):
        if block.type == "fence" and block.map:
            language, *words = block.info.lower().split() or [""]
            if language in RUNNABLE:
                line = block.map[0] + 1
                yield from ((line, message) for word in words if (message := _mistake(word)))


def _mistake(word: str) -> str | None:
    name, _, value = word.partition("=")
    value = value.strip("\"'")
    shown = shortened(word)
    if name == "terminal":
        if _NAME.fullmatch(value):
            return None
        return (
            f"“{shown}” names no terminal, so the block types into “main”; "
            "a name has 1 to 32 of a-z, 0-9 and -"
        )
    if name == "run":
        return None if value == "no" else f"“{shown}” has no effect; write “run=no” or remove it"
    return f"the page knows no “{shown}” behind a fence; {did_you_mean(name, OPTIONS)}"

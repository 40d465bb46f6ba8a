"""What a step's Markdown refers to: the images and files that must travel with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from markdown_it.token import Token

_REMOTE = re.compile(r"(https?:)?//", re.IGNORECASE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//")


@dataclass(frozen=True)
class Reference:
    """An address in a text and the line of its block (from 1).

    `path` is a relative one, decoded; for a picture from another site it is the whole address and
    `is_remote` is true.
    """

    path: str
    line: int
    is_remote: bool = False


def references(markdown: str) -> Iterator[Reference]:
    """Relative images and links and remote images, each once; not those in code or raw HTML."""
    from markdown_it import MarkdownIt  # comes with rich; imported late, it costs 30 ms

    seen: set[str] = set()
    for block in MarkdownIt("commonmark", {"html": False}).enable("table").parse(markdown):
        line = block.map[0] + 1 if block.map else 1
        for token in _tokens(block.children or ()):
            found = _reference(token, line)
            if found is not None and found.path not in seen:
                seen.add(found.path)
                yield found


def _tokens(tokens: Iterable[Token]) -> Iterator[Token]:
    """The tokens and what lies in them: a picture inside a link, say."""
    for token in tokens:
        yield token
        yield from _tokens(token.children or ())


def _reference(token: Token, line: int) -> Reference | None:
    address = token.attrGet("src") or token.attrGet("href")
    if not isinstance(address, str):
        return None
    if token.type == "image" and _REMOTE.match(address):
        return Reference(address, line, is_remote=True)
    path = _relative(address)
    return Reference(path, line) if path is not None else None


def _relative(address: str) -> str | None:
    """The decoded path of a relative address, normalised; None for anything else."""
    if _SCHEME.match(address) or address.startswith(("#", "/", "?")):
        return None
    try:
        path = unquote(urlsplit(address).path)
    except ValueError:
        return None
    return str(PurePosixPath(path)) if path else None

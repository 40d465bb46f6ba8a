"""Who is in the class: links to daemons, one per line of a file or given as words, and the sessions
of this computer that run now.

A line is `URL [name]`, the URL an instructor's link with its token. A file whose first line names
columns (`url,name,token`, with commas, semicolons or tabs) is read as a table.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

from host.faults import shortened
from host.output import Refusal
from host.sessions import Session, all_sessions
from runtime.domain.errors import BadRequest, WorkshopError

LEAST_TOKEN = 16  # characters, as the daemon demands
MOST_NAME = 80
PAGE = "/instructor"
SEPARATORS = ",;\t"


@dataclass(frozen=True)
class Entry:
    """One student's daemon. `key` is the same at every start and holds no secret.

    `address` has neither token nor a slash at its end. The token is in no repr.
    """

    key: str
    name: str
    address: str
    token: str = field(repr=False)
    local: bool = False

    @property
    def is_here(self) -> bool:
        """Whether it is on this computer."""
        return urlsplit(self.address).hostname in ("localhost", "127.0.0.1", "::1")

    @property
    def page(self) -> str:
        """The student's instructor page: with the token for this computer's sessions, without it
        for others, whose link the instructor has."""
        query = f"?{urlencode({'token': self.token})}" if self.local else ""
        return f"{self.address}{PAGE}/{query}"


class BadLine(ValueError):
    """Why a link cannot be used: a sentence without the token."""


def read_roster(words: Sequence[str]) -> list[Entry]:
    """The entries of files and links. Raises BadRequest with every fault, by file and line."""
    found: list[tuple[str, Entry]] = []
    faults: list[str] = []
    for word in words:
        if "://" in word:
            given: Iterable[tuple[str, str, str, str]] = [("", word, "", "")]
        else:
            given = _rows(Path(word))
        for where, url, name, token in given:
            try:
                found.append((where, parse_link(url, name, token)))
            except BadLine as error:
                faults.append(f"{where}{error}")
    faults += _repeated(found)
    if faults:
        raise Refusal(
            BadRequest("\n".join(faults)),
            data={"faults": faults},
            suggestion="A line is: https://host/instructor/?token=TOKEN Name of the student",
        )
    return [entry for _, entry in found]


def parse_link(url: str, name: str = "", token: str = "") -> Entry:
    """One instructor's link; raises BadLine."""
    shown = shortened(url.partition("?")[0])
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadLine(f"“{shown}” is no address; write the instructor's link as it is.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadLine(f"“{shown}” is no http:// or https:// address.")
    if parts.username is not None or parts.password is not None:
        shown = f"{parts.scheme}://…@{parts.hostname}"
        raise BadLine(f"“{shown}” has a user name in it; only the token says who you are.")
    token = token or parse_qs(parts.query).get("token", [""])[0]
    if not token:
        raise BadLine(f"“{shown}” has no token; copy the whole link with ?token=….")
    if len(token) < LEAST_TOKEN or not re.fullmatch(r"[\x21-\x7e]+", token):
        raise BadLine(
            f"the token of “{shown}” is not one: at least {LEAST_TOKEN} printed characters."
        )
    path = parts.path.rstrip("/").removesuffix(PAGE).rstrip("/")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    authority = host if port is None else f"{host}:{port}"
    address = f"{parts.scheme}://{authority}{path}"
    clean = "".join(each for each in " ".join(name.split()) if each.isprintable())[:MOST_NAME]
    return Entry(address, clean or f"{authority}{path}", address, token)


def local_entries(known: Iterable[str] = ()) -> list[Entry]:
    """The sessions of this computer that somebody looks after, and those whose key is `known`."""
    keys = set(known)
    return [
        entry
        for session in all_sessions()
        if (entry := _local(session)) and (entry.key in keys or session.holder() is not None)
    ]


def _local(session: Session) -> Entry | None:
    try:
        port = session.record().port
        if port is None:
            return None
        address = f"http://127.0.0.1:{port}"
        key = f"session:{session.name}"
        return Entry(key, session.name, address, session.token("instructor"), local=True)
    except WorkshopError:
        return None  # `workshop list` shows what is wrong with it


def _rows(path: Path) -> Iterator[tuple[str, str, str, str]]:
    """Where, URL, name and token of each line; raises BadRequest for a file that is none."""
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRequest(f"{path} is no text in UTF-8.") from error
    except FileNotFoundError as error:
        raise BadRequest(f"{path} is neither a file nor a link (https://…).") from error
    except OSError as error:
        raise BadRequest(f"{path} cannot be read: {error.strerror}.") from error
    lines = [
        (number, line.strip())
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    separator = _separator(lines[0][1]) if lines else None
    if separator is None:
        for number, line in lines:
            url, _, name = line.partition(" ") if "\t" not in line else line.partition("\t")
            yield f"{path}:{number}: ", url, name, ""
        return
    columns = [cell.strip().lower() for cell in _cells(lines[0][1], separator)]
    for number, line in lines[1:]:
        row = dict(zip(columns, _cells(line, separator), strict=False))
        url = row.get("url") or row.get("link", "")
        yield f"{path}:{number}: ", url.strip(), row.get("name", ""), row.get("token", "").strip()


def _separator(heading: str) -> str | None:
    """What separates the columns, when the line is a heading."""
    if "://" in heading:
        return None
    for separator in SEPARATORS:
        cells = [cell.strip().lower() for cell in _cells(heading, separator)]
        if "url" in cells or "link" in cells:
            return separator
    return None


def _cells(line: str, separator: str) -> list[str]:
    return next(csv.reader([line], delimiter=separator), [])


def _repeated(found: Sequence[tuple[str, Entry]]) -> Iterator[str]:
    first: dict[str, str] = {}
    for where, entry in found:
        if entry.key in first:
            before = first[entry.key].removesuffix(": ") or "an earlier word"
            yield f"{where}“{shortened(entry.address)}” is there already ({before})."
        else:
            first[entry.key] = where

"""The class's folder: its books, who had which, and the wall's own token and port.

<state>/workshop-classes/<name>/
    wall.json     token and port, so that the wall's link stays the same
    seats.json    which session each student's daemon had last
    books/        what was seen of every session
    lock
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from host.classroom.book import Book
from host.sessions import read_json, refuse_foreign, state_home, storage_errors, write_whole
from runtime.domain.errors import AlreadyRunning, BadRequest
from runtime.domain.workshop import NAME_PATTERN


class SameSession(ValueError):
    """Another seat reads this session already; the message is the other's name."""


@dataclass(frozen=True)
class _Taken:
    """A book that is open, and whose it is: names may be the same, keys are not."""

    key: str
    name: str
    book: Book


class Shelf:
    """One class on disk. `take` gives a seat its book; no two seats write one book."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = folder.name
        self._books = folder / "books"
        self._wall_path = folder / "wall.json"
        self._seats_path = folder / "seats.json"
        self._seats: dict[str, object] = {}
        self._open: dict[str, _Taken] = {}  # by session

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the one wall of this class; AlreadyRunning when another process is."""
        refuse_foreign(self.folder)
        with storage_errors(self.folder):
            self._books.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.folder.chmod(0o700)
            descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyRunning(
                    f"The wall of the class “{self.name}” is served already. Look at that one, or "
                    "begin another: workshop class --name NAME"
                ) from None
            self._seats = _remembered(self._seats_path)
            yield
        finally:
            self.close()
            os.close(descriptor)

    def wall(self) -> tuple[str, int | None]:
        """The wall's token, made once, and the port it had last."""
        known = _remembered(self._wall_path)
        token, port = known.get("token"), known.get("port")
        if not isinstance(token, str) or len(token) < 32:
            token = secrets.token_urlsafe(32)
        return token, port if isinstance(port, int) and 0 < port < 65536 else None

    def keep_wall(self, token: str, port: int) -> None:
        """Remember both."""
        write_whole(self._wall_path, json.dumps({"token": token, "port": port}) + "\n")

    def known(self, key: str, name: str) -> Book | None:
        """The book this seat had at the end, if it had one."""
        session = self._seats.get(key)
        if not isinstance(session, str):
            return None
        try:
            return self.take(key, name, session)
        except SameSession:
            return None

    def take(self, key: str, name: str, session: str) -> Book:
        """The session's book, for this seat alone. Raises SameSession, StorageFailed."""
        if session in self._open:
            taken = self._open[session]
            if taken.key != key:
                raise SameSession(taken.name)
            return taken.book
        with storage_errors(self._books):
            book = Book(self._books, session)
        self._open[session] = _Taken(key, name, book)
        if self._seats.get(key) != session:
            self._seats[key] = session
            write_whole(self._seats_path, json.dumps(self._seats, indent=1) + "\n")
        return book

    def give_back(self, book: Book) -> None:
        """The seat has another session now, or is gone."""
        if self._open.pop(book.session, None) is not None:
            with storage_errors(self._books):
                book.close()

    def close(self) -> None:
        """Write what is not written yet: each book, also when another one cannot be."""
        with ExitStack() as books:
            for taken in self._open.values():
                books.callback(self.give_back, taken.book)


def _remembered(path: Path) -> dict[str, object]:
    """What a file of ours says; one that is damaged is put aside, and says nothing."""
    with storage_errors(path):
        try:
            return read_json(path)
        except ValueError:
            path.replace(path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%SZ')}"))
            return {}


def class_names() -> str:
    """What `--name` may be, for a sentence."""
    return "lower-case letters, digits, dots and dashes, beginning with a letter or digit"


def open_shelf(name: str) -> Shelf:
    """The class of that name; raises BadRequest for a name that is none."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise BadRequest(f"--name: expected {class_names()}, found {name!r}.")
    return Shelf(state_home().with_name("workshop-classes") / name)

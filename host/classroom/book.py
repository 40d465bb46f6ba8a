"""What the wall saw of one session, kept on disk: every fact once, in the feed's order.

`<session>.jsonl` holds one line a fact, `{"id", "kind", "record"}`; the place to resume behind is
the last line's id, so a line that was written is never asked for again and one that was not is.
`<session>.status.json` is the last status. The folder belongs to one wall at a time.
"""

from __future__ import annotations

import hashlib
import re
import time
from pathlib import Path

import orjson
from pydantic import ValidationError

from host.classroom.wire import LastCommand, StudentStatus, Tally
from host.sessions import write_whole
from runtime.domain.errors import TooMany
from runtime.store.jsonl import MAX_LINE_BYTES, JsonlWriter, parse_object, read_lines

STATUS_SECONDS = 2.0  # between two writes of a status; a crash loses what the daemon tells again
PLACE = re.compile(r"(\d{1,15})-(\d{1,15})")
BEGINNING = "0-0"
SHOWN_COMMAND = 200  # characters
MOST_BYTES = 256 << 20  # of one session; a class makes a few

KINDS = frozenset({"state", "command", "connection", "report", "help", "hand", "transition"})


class Book:
    """One session's facts. Opening it reads them; a damaged end is put aside and asked for again.

    Raises OSError when the disk refuses.
    """

    def __init__(self, folder: Path, session: str) -> None:
        name = file_name(session)
        self.session = session
        self.tally = Tally()
        self.status: StudentStatus | None = None
        self._place = (0, 0)
        self._path = folder / f"{name}.jsonl"
        self._status_path = folder / f"{name}.status.json"
        self._raw_status = b""
        self._written_at = 0.0
        self._load()
        self._writer = JsonlWriter(self._path)

    @property
    def place(self) -> str:
        """The id of the last fact; `BEGINNING` without one."""
        return f"{self._place[0]}-{self._place[1]}"

    def add(self, identifier: str, kind: str, record: bytes) -> bool:
        """Keep a fact; False when it is kept already, or is none. Raises TooMany."""
        place = parse_place(identifier)
        if place is None or kind not in KINDS or not _is_beyond(place, self._place):
            return False
        parsed = parse_object(record)
        if parsed is None:
            return False
        line = _line(identifier, kind, parsed)
        if self._writer.offset + len(line) > MOST_BYTES:
            raise TooMany(f"it sent more than {MOST_BYTES >> 20} MiB.")
        self._writer.append(line)
        self._place = place
        self.tally = counted(self.tally, kind, parsed)
        return True

    def show(self, status: StudentStatus, raw: bytes) -> None:
        """The newest status; written now and then, and by `close`."""
        self.status, self._raw_status = status, raw
        if time.monotonic() - self._written_at > STATUS_SECONDS:
            self.save_status()

    def save_status(self) -> None:
        """Write the status if it is newer than the file."""
        if self._raw_status:
            write_whole(self._status_path, self._raw_status.decode("utf-8", "replace"))
            self._raw_status = b""
            self._written_at = time.monotonic()

    def close(self) -> None:
        """Write what is not written yet."""
        self.save_status()
        self._writer.close()

    def _load(self) -> None:
        try:
            end = self._read_facts()
            if end < self._path.stat().st_size:
                self._put_aside(end)
            raw = self._status_path.read_bytes()
            self.status = StudentStatus.model_validate_json(raw)
        except (FileNotFoundError, ValidationError):
            return

    def _read_facts(self) -> int:
        """Take every fact up to the first line that is none; the offset behind the last."""
        end = 0
        for line in read_lines(self._path):
            fact = parse_object(line.raw) or {}
            record, kind = fact.get("record"), fact.get("kind")
            place = parse_place(str(fact.get("id")))
            if place is None or not isinstance(record, dict) or kind not in KINDS:
                break
            self._place = place
            self.tally = counted(self.tally, str(kind), record)
            end = line.end
        return end

    def _put_aside(self, end: int) -> None:
        whole = self._path.read_bytes()
        kept = self._path.with_name(f"{self._path.name}.torn-{time.strftime('%Y%m%dT%H%M%SZ')}")
        kept.write_bytes(whole[end:])
        with self._path.open("r+b") as file:
            file.truncate(end)


def parse_place(text: str) -> tuple[int, int] | None:
    """A feed's id: how far it is in the event log and in the command log."""
    found = PLACE.fullmatch(text)
    return (int(found[1]), int(found[2])) if found else None


def file_name(session: str) -> str:
    """A session's id as a file's name, whatever a daemon calls itself."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}", session):
        return session
    return f"x-{hashlib.sha256(session.encode('utf-8', 'replace')).hexdigest()[:32]}"


def _line(identifier: str, kind: str, record: dict[str, object]) -> bytes:
    fact = {"id": identifier, "kind": kind, "record": record}
    try:
        line = orjson.dumps(fact)
    except orjson.JSONEncodeError:  # deeper than can be written
        line = b""
    if 0 < len(line) <= MAX_LINE_BYTES:
        return line
    return orjson.dumps({**fact, "record": {"cut": True}})  # the envelope makes it longer as well


def counted(tally: Tally, kind: str, record: dict[str, object]) -> Tally:
    """The tally with one more fact."""
    match kind, record.get("event"):
        case "command", _:
            return _with_command(tally, record)
        case "report", _:
            return tally.model_copy(update={"checks": tally.checks + 1})
        case "help", _:
            return tally.model_copy(update={"helps": tally.helps + 1})
        case "hand", "hand_raised":
            return tally.model_copy(update={"hands": tally.hands + 1})
        case "transition", "transition_completed":
            return tally.model_copy(update={"moves": tally.moves + 1})
    return tally


def _with_command(tally: Tally, record: dict[str, object]) -> Tally:
    try:
        last = LastCommand.model_validate(record)
    except ValidationError:
        return tally
    return tally.model_copy(
        update={
            "commands": tally.commands + 1,
            "failed_commands": tally.failed_commands + (last.exit != 0),
            "last_command": last.model_copy(update={"cmd": last.cmd[:SHOWN_COMMAND]}),
        }
    )


def _is_beyond(place: tuple[int, int], known: tuple[int, int]) -> bool:
    return place != known and place[0] >= known[0] and place[1] >= known[1]

"""`llm-history.jsonl`: what help was given, kept over restarts and swaps."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from runtime.domain.errors import StorageFailed, StorageFull
from runtime.domain.interactions import Interaction, Rating, encode_record, parse_record
from runtime.store.eventlog import FULL
from runtime.store.jsonl import MAX_LINE_BYTES, JsonlWriter, read_lines

FILE_NAME = "llm-history.jsonl"


class HelpLog:
    """The file and what it says. Blocking: use it from a thread.

    Lines that are no records are left where they are and counted in `skipped`.
    """

    def __init__(self, directory: Path) -> None:
        self.skipped = 0
        self.interactions: dict[str, Interaction] = {}
        self.ratings: dict[str, Rating] = {}
        path = directory / FILE_NAME
        if path.exists():
            self._replay(line.raw for line in read_lines(path))
        self._writer = JsonlWriter(path, mode=0o600)

    def append(self, record: Interaction | Rating) -> None:
        """Write and sync one record; after StorageFull or StorageFailed all is as it was."""
        raw = encode_record(record, MAX_LINE_BYTES)
        try:
            self._writer.append(raw, sync=True)
        except OSError as error:
            if error.errno in FULL:
                raise StorageFull(
                    "The disk is full; the answer was not saved. Free some space and try again."
                ) from error
            raise StorageFailed(
                f"The history of help could not be written ({error.strerror or error})."
            ) from error
        self._replay([raw])  # as it was written: a long answer loses its end

    def close(self) -> None:
        """Close the file."""
        self._writer.close()

    def _replay(self, lines: Iterable[bytes]) -> None:
        for raw in lines:
            record = parse_record(raw)
            if record is None:
                self.skipped += bool(raw)
            else:
                self._keep(record)

    def _keep(self, record: Interaction | Rating) -> None:
        if isinstance(record, Interaction):
            self.interactions[record.id] = record
        else:
            self.ratings[record.rated] = record

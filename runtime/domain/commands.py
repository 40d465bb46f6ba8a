"""A command the student typed: one line of the command log, which the bash hook writes.

The student can write that file too, so a line is believed only as far as its shape goes; it never
adds progress.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

MAX_COMMAND_CHARACTERS = 1024
LARGEST_MS = 1 << 53  # what JSON numbers hold exactly


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:  # the first day of the year 1, east of Greenwich
        raise ValueError("a time that cannot be told in UTC") from error


class Command(BaseModel):
    """`ms` is its run time in milliseconds, `term` the terminal, `cut` whether `cmd` was cut."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore", strict=True)

    ts: Annotated[AwareDatetime, AfterValidator(_in_utc)]
    cmd: Annotated[str, Field(min_length=1)]
    exit: Annotated[int, Field(ge=0, le=255)]
    cwd: Annotated[str, Field(max_length=4096)] | None = None
    ms: Annotated[int, Field(ge=0, le=LARGEST_MS)] | None = None
    term: Annotated[str, Field(max_length=64)] | None = None
    cut: bool | None = None


def parse_command(raw: bytes) -> Command | None:
    """The command in one line without its newline; None for anything else. Never raises."""
    try:
        command = Command.model_validate_json(raw)
    except ValidationError:
        return None
    if len(command.cmd) > MAX_COMMAND_CHARACTERS:
        return command.model_copy(update={"cmd": command.cmd[:MAX_COMMAND_CHARACTERS], "cut": True})
    return command

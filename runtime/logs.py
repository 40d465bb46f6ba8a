"""What the daemon prints: one line for each decision and failure, as text or as JSON.

A traceback ends with what went wrong, and that may quote what a student typed: its secrets are
taken out. Messages are sentences of our own; the link that opens the page is one of them.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal

from runtime.domain.redaction import redact

Raised = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def set_up(level: str, form: Literal["text", "json"]) -> None:
    """Print to standard error from now on."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # Below a warning these print addresses, headers and frames: tokens and what is typed.
    for name in ("uvicorn.error", "uvicorn", "sse_starlette"):
        logging.getLogger(name).setLevel(logging.WARNING)


class TextLines(logging.Formatter):
    """Time, level and message; a traceback below."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S%z")

    def formatException(self, ei: Raised) -> str:  # noqa: N802  # the standard library's name
        """The traceback without the secrets in it."""
        return redact(super().formatException(ei))


class JsonLines(TextLines):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The object."""
        line = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)

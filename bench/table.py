"""The one table that `make bench` prints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One measured number beside what it is compared with in the same run.

    `within` says whether it keeps its limit; None when there is none.
    """

    what: str
    measured: str
    compared: str = ""
    limit: str = ""
    within: bool | None = None


def ratio_row(
    what: str, measured: float, compared: float, unit: str, against: str, most: float
) -> Row:
    """A number that may be at most `most` times the compared one."""
    ratio = measured / compared
    return Row(
        what,
        f"{measured:.3g} {unit}",
        f"{against} {compared:.3g} {unit}: {ratio:.2f} x",
        f"at most {most:g} x",
        ratio <= most,
    )


def render(rows: Iterable[Row]) -> str:
    """The rows as a Markdown table; rows over their limit say so."""
    lines: list[Sequence[str]] = [("what", "measured", "compared with", "limit", "")]
    for row in rows:
        verdict = "" if row.within is None else "ok" if row.within else "OVER"
        lines.append((row.what, row.measured, row.compared, row.limit, verdict))
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    text = [
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    ]
    text.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(text)

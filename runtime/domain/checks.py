"""What a run of goss means: passed, not yet, or could not check.

goss exits 0 with no results at all, calls a skipped check successful, ignores a misspelt resource
and prints errors as text on its standard output. A pass is only: exit 0, JSON that parses, at
least one check that really ran, none skipped that the author did not declare, and as many results
as the compiler expects. Every other run without a failed check is an error of the checks.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from runtime.domain.events import CheckCounts
from runtime.domain.sentences import (
    Finding,
    describe_failure,
    describe_skip,
    name_of,
    printable,
)

Outcome = Literal["passed", "failed", "error"]
Trigger = Literal["student", "auto", "interval"]

BAD_SPEC = 78  # goss: the spec cannot be read
REASON_CHARACTERS = 500
AUTHOR_TEXT_CHARACTERS = 2000

# Errors of single results that no state of the machine can mend: the spec itself is wrong.
AUTHOR_ERRORS = (
    "Syntax Error",
    "error parsing regexp",
    "Unknown ",
    "Unsupported hash",
    "Expected a valid semver constraint",
    "Could not detect Package type",
    "Failed parse root certificate",
)


class Result(NamedTuple):
    """One line of a report; `title` and `hint` are the author's own words (goss `meta`).

    A skipped result is neither passed nor failed.
    """

    name: str
    passed: bool
    skipped: bool = False
    title: str | None = None
    hint: str | None = None
    summary: str | None = None
    expected: str | None = None
    found: str | None = None


class Report(NamedTuple):
    """One check run, ended at `ts`. `reason` says, to the author, why the outcome is `error`.

    `auto_paused` is True when the step's checks take too long to run by themselves, else None.
    """

    step: str
    trigger: Trigger
    outcome: Outcome
    checks: tuple[Result, ...]
    duration_ms: int
    reason: str | None = None
    auto_paused: bool | None = None
    ts: datetime | None = None

    @property
    def passed(self) -> bool:
        """Whether this run completes the step."""
        return self.outcome == "passed"

    @property
    def counts(self) -> CheckCounts:
        """How many results, by what became of them; the three parts add up to `total`."""
        return count(self.checks)


class Verdict(NamedTuple):
    """What goss's answer comes to, before it belongs to a step and a moment."""

    outcome: Outcome
    checks: tuple[Result, ...]
    reason: str | None = None


def count(checks: Sequence[Result]) -> CheckCounts:
    """Results by outcome."""
    passed = sum(check.passed for check in checks)
    skipped = sum(check.skipped for check in checks)
    total = len(checks)
    return CheckCounts(total=total, passed=passed, failed=total - passed - skipped, skipped=skipped)


def judge(
    stdout: bytes,
    exit_code: int,
    *,
    expected: int | None = None,
    declared_skips: Collection[str] = (),
) -> Verdict:
    """What `goss validate --format json` said.

    `expected` is the number of results the compiler counted, None when it could not;
    `declared_skips` are titles or `type/id` keys of what the author skips on purpose.
    What the author gave one title is one result, however many properties goss looked at.
    """
    if exit_code == BAD_SPEC:
        return _error(f"The step's goss file cannot be read. {_goss_error(stdout)}")
    entries = _parse(stdout)
    if entries is None:
        return _error(
            f"goss ended with exit code {exit_code} and no readable result. {_goss_error(stdout)}"
        )
    if not entries:
        return _error("goss ran no check at all.")
    each = _results(entries)
    checks = _by_title(entries, each)
    reason = _fault(entries, each, exit_code)
    if reason is not None:
        return _error(reason, checks)
    if any(not check.passed and not check.skipped for check in each):
        return Verdict("failed", checks)
    reason = _doubt(entries, each, expected, declared_skips)
    if reason is not None:
        return _error(reason, checks)
    return Verdict("passed", checks)


def could_not_check(reason: str) -> Verdict:
    """There is no answer of goss to judge."""
    return _error(reason)


class _Entry(NamedTuple):
    """One element of goss's `results`, parsed."""

    finding: Finding
    status: Literal["passed", "failed", "skipped"]
    title: str | None
    hint: str | None

    @property
    def key(self) -> str:
        """`type/id`, the type as it is written in a goss file."""
        kind = "kernel-param" if self.finding.kind == "KernelParam" else self.finding.kind.lower()
        return f"{kind}/{self.finding.id}"

    @property
    def is_authors_fault(self) -> bool:
        error = self.finding.error
        return error is not None and (
            error.startswith(AUTHOR_ERRORS) or " matcher expects " in error
        )

    def is_declared(self, skips: Collection[str]) -> bool:
        """goss says `id: path` for a resource with a name and a path of its own."""
        return any(
            skip in (self.title, self.key) or self.key.startswith(f"{skip}: ") for skip in skips
        )


def _parse(stdout: bytes) -> list[_Entry] | None:
    """The results; None when this is not goss's JSON."""
    try:
        document = json.loads(stdout)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or "results" not in document:
        return None
    results = document["results"]
    if results is None:
        return []
    if not isinstance(results, list):
        return None
    entries = [_entry(each) for each in results]
    known = [entry for entry in entries if entry is not None]
    return known if len(known) == len(entries) else None


def _entry(raw: object) -> _Entry | None:
    match raw:
        case {
            "resource-type": str(kind),
            "resource-id": str(identity),
            "property": str(prop),
            "result": int(result),
            "successful": bool(),
            "skipped": bool(skipped),
            **rest,
        }:
            pass
        case _:
            return None
    matcher = rest.get("matcher-result")
    matcher = matcher if isinstance(matcher, dict) else {}
    meta = rest.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    finding = Finding(
        kind=kind,
        id=identity,
        property=prop,
        message=_text(matcher.get("message")) or "",
        actual=matcher.get("actual"),
        expected=matcher.get("expected"),
        missing=matcher.get("missing-elements"),
        extra=matcher.get("extra-elements"),
        error=_text(rest.get("err")),
        fallback=_text(rest.get("summary-line-compact")) or "",
    )
    status: Literal["passed", "failed", "skipped"]
    if skipped or result == 2:
        status = "skipped"
    else:
        status = "passed" if result == 0 and finding.error is None else "failed"
    title = _author_text(meta.get("title")) or _author_text(rest.get("title"))
    return _Entry(finding, status, title, _author_text(meta.get("hint")))


def _results(entries: Sequence[_Entry]) -> tuple[Result, ...]:
    """Each entry as a result; a skip is explained by the first result of the same thing."""
    first: dict[str, _Entry] = {}
    results: list[Result] = []
    for entry in entries:
        leader = first.setdefault(entry.key, entry)
        results.append(_result(entry, leader))
    return tuple(results)


def _result(entry: _Entry, leader: _Entry) -> Result:
    name = name_of(entry.finding)
    match entry.status:
        case "passed":
            return Result(name, passed=True, title=entry.title, hint=entry.hint)
        case "skipped":
            because = leader.finding if leader.status != "skipped" else None
            return Result(
                name,
                passed=False,
                skipped=True,
                title=entry.title,
                hint=entry.hint,
                summary=describe_skip(entry.finding, because),
            )
        case "failed":
            wording = describe_failure(entry.finding)
            return Result(
                name,
                passed=False,
                title=entry.title,
                hint=entry.hint,
                summary=wording.summary,
                expected=wording.expected or None,
                found=wording.found or None,
            )


def _by_title(entries: Sequence[_Entry], results: Sequence[Result]) -> tuple[Result, ...]:
    """One result for all properties of a titled thing: the worst of them speaks for it."""
    merged: dict[object, Result] = {}
    for position, (entry, result) in enumerate(zip(entries, results, strict=True)):
        key = (entry.key, entry.title) if entry.title else position
        merged[key] = min(merged.get(key, result), result, key=_standing)
    return tuple(merged.values())


def _standing(result: Result) -> int:
    """0 failed, 1 passed, 2 skipped."""
    return 2 if result.skipped else int(result.passed)


def _fault(entries: Sequence[_Entry], checks: Sequence[Result], exit_code: int) -> str | None:
    """Why these results cannot be believed at all."""
    for entry, check in zip(entries, checks, strict=True):
        if entry.is_authors_fault:
            return f"The check “{check.name}” cannot run. {entry.finding.error}"
    failed = any(entry.status == "failed" for entry in entries)
    if exit_code not in (0, 1) or failed != (exit_code == 1):
        return (
            f"goss ended with exit code {exit_code}, which does not go with its results "
            f"({'some failed' if failed else 'none failed'})."
        )
    return None


def _doubt(
    entries: Sequence[_Entry],
    checks: Sequence[Result],
    expected: int | None,
    declared_skips: Collection[str],
) -> str | None:
    """Why results without a failure are still not a pass."""
    for entry, check in zip(entries, checks, strict=True):
        if entry.status == "skipped" and not entry.is_declared(declared_skips):
            return f"The check “{check.name}” was skipped, which the workshop does not declare."
    if not any(check.passed for check in checks):
        return "Every check was skipped, so nothing was checked."
    if expected is not None and len(checks) != expected:
        return (
            f"goss gave {len(checks)} results where the workshop expects {expected}. "
            "Compile the workshop again, and look for a misspelt resource in the goss file."
        )
    return None


def _error(reason: str, checks: tuple[Result, ...] = ()) -> Verdict:
    return Verdict("error", checks, printable(reason.strip(), REASON_CHARACTERS))


def _goss_error(stdout: bytes) -> str:
    """What goss printed instead of JSON: `Error: …`, coloured, after an empty line."""
    text = stdout[:4096].decode("utf-8", "replace").strip()
    return text.removeprefix("Error:").strip() or "It printed nothing."


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _author_text(value: object) -> str | None:
    text = _text(value)
    return printable(text.strip(), AUTHOR_TEXT_CHARACTERS) if text and text.strip() else None

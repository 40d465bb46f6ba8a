"""One goss result as a person would say it: what was looked at, what was expected, what was found.

goss names matchers after Go functions (`to be numerically gt`) and shows objects where it read a
stream (`object: *os.File`); this module knows its vocabulary (goss 0.4: `matchers/*.go`,
`resource/*.go`) and falls back to goss's own words for anything it does not know.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

TEXT_CHARACTERS = 1000  # longest `expected`, `found` or `summary`
SUBJECT_CHARACTERS = 120
VALUE_CHARACTERS = 300

KINDS = {
    "Addr": "address",
    "DNS": "host name",
    "HTTP": "page",
    "Interface": "network interface",
    "KernelParam": "kernel parameter",
    "Matching": "value",
}

# Properties that are a yes or a no: what is said when it is so, and when it is not.
STATEMENTS = {
    "exists": ("exists", "does not exist"),
    "installed": ("is installed", "is not installed"),
    "running": ("is running", "is not running"),
    "enabled": ("is enabled", "is not enabled"),
    "listening": ("is listening", "is not listening"),
    "reachable": ("is reachable", "is not reachable"),
    "resolvable": ("resolves to an address", "does not resolve to an address"),
}

PROPERTIES = {
    "exit-status": "exit status",
    "stdout": "output",
    "stderr": "error output",
    "contents": "content",
    "contains": "content",
    "filetype": "type",
    "linkedto": "link target",
    "size": "size in bytes",
    "addrs": "addresses",
    "ip": "addresses",
    "opts": "mount options",
    "vfs-opts": "file system options",
    "Body": "body",
    "Header": "headers",
    "status": "HTTP status",
    "matches": "",
    "home": "home folder",
    "mtu": "MTU",
    "md5": "MD5 sum",
    "sha256": "SHA-256 sum",
    "sha512": "SHA-512 sum",
}

# goss's message or matcher -> how its expectation reads after "expected".
PHRASES: Mapping[str, Callable[[object], str]] = {
    "equal": lambda value: say(value),
    "be numerically eq": lambda value: say(value),
    "eq": lambda value: say(value),
    "be numerically gt": lambda value: f"more than {say(value)}",
    "gt": lambda value: f"more than {say(value)}",
    "be numerically ge": lambda value: f"at least {say(value)}",
    "ge": lambda value: f"at least {say(value)}",
    "be numerically lt": lambda value: f"less than {say(value)}",
    "lt": lambda value: f"less than {say(value)}",
    "be numerically le": lambda value: f"at most {say(value)}",
    "le": lambda value: f"at most {say(value)}",
    "have prefix": lambda value: f"text that starts with {quote(value)}",
    "have-prefix": lambda value: f"text that starts with {quote(value)}",
    "have suffix": lambda value: f"text that ends with {quote(value)}",
    "have-suffix": lambda value: f"text that ends with {quote(value)}",
    "contain substring": lambda value: f"text that contains {quote(value)}",
    "contain-substring": lambda value: f"text that contains {quote(value)}",
    "match regular expression": lambda value: f"text that matches /{say(value)}/",
    "match-regexp": lambda value: f"text that matches /{say(value)}/",
    "have length": lambda value: f"{say(value)} in length",
    "have-len": lambda value: f"{say(value)} in length",
    "have patterns": lambda value: _patterns(value),
    "have-patterns": lambda value: _patterns(value),
    "have key matching": lambda value: f"a key {say(value)}",
    "have-key": lambda value: f"a key {say(value)}",
    "contain element matching": lambda value: f"an element {say(value)}",
    "contain-element": lambda value: f"an element {say(value)}",
    "contain elements matching": lambda value: _all_of(value),
    "contain-elements": lambda value: _all_of(value),
    "consist of": lambda value: f"exactly {say(value)}",
    "consist-of": lambda value: f"exactly {say(value)}",
    "satisfy at least one of these matchers": lambda value: f"one of {say(value)}",
    "or": lambda value: f"one of {say(value)}",
    "satisfy all of these matchers": lambda value: _all_of(value),
    "and": lambda value: _all_of(value),
    "satisfy semver constraint": lambda value: f"a version {say(value)}",
    "semver-constraint": lambda value: f"a version {say(value)}",
    "not": lambda value: f"not {say(value)}",
}

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_MATCHER_ERROR = re.compile(r"^matchers\.\w+\{.*?\}: ")


class Finding(NamedTuple):
    """One result of goss, as far as it matters here; `error` is goss's own text."""

    kind: str  # goss's resource type: File, Command, HTTP, …
    id: str
    property: str
    message: str  # "to equal", "not to have patterns", …
    actual: object
    expected: object
    missing: object
    extra: object
    error: str | None
    fallback: str  # goss's own one-line sentence


class Wording(NamedTuple):
    """The three texts of a failed result; each at most TEXT_CHARACTERS long."""

    expected: str
    found: str
    summary: str


def name_of(finding: Finding) -> str:
    """`file /workspace/a: mode`: goss's own words, on one line."""
    return printable(f"{_subject(finding)}: {finding.property.lower().replace('-', ' ')}", 200)


def describe_failure(finding: Finding) -> Wording:
    """What was expected and found where a check failed."""
    if finding.error is not None:
        return _cut(_describe_error(finding))
    if finding.property in STATEMENTS and isinstance(finding.actual, bool):
        return _cut(_describe_statement(finding))
    return _cut(_describe_value(finding))


def describe_skip(finding: Finding, because_of: Finding | None) -> str:
    """Why nothing was looked at: an earlier result of the same thing, or the author's wish."""
    if because_of is None:
        return "Not checked: the author switched this check off."
    if because_of.error is not None:
        return f"Not checked, because {_subject(because_of)} could not be looked at."
    if because_of.property in STATEMENTS:
        is_so, is_not = STATEMENTS[because_of.property]
        state = is_so if because_of.actual is True else is_not
        return printable(f"Not checked, because {_subject(because_of)} {state}.", TEXT_CHARACTERS)
    return "Not checked, because an earlier check of the same thing failed."


def say(value: object) -> str:
    """A value of goss's JSON as text: a matcher as a phrase, a list as its elements."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case str():
            return printable(value.strip("\n"), VALUE_CHARACTERS) if value.strip() else quote(value)
        case int():
            return str(value)
        case float():
            return f"{value:g}"
        case list():
            return ", ".join(say(each) for each in value) if value else "nothing"
        case dict() if len(value) == 1 and (phrase := PHRASES.get(next(iter(value)))):
            return phrase(next(iter(value.values())))
        case _:
            return printable(json.dumps(value, ensure_ascii=False), VALUE_CHARACTERS)


def quote(value: object) -> str:
    """The text in quotation marks, as a matcher's argument reads best."""
    if isinstance(value, str):
        return f"“{printable(value, VALUE_CHARACTERS)}”"
    return say(value)


def printable(text: str, characters: int) -> str:
    """`text` cut to length, with nothing in it that a terminal or a page would obey."""
    if len(text) > characters:
        text = text[: characters - 1] + "…"
    visible = _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
    return visible.encode("utf-8", "replace").decode()


def _subject(finding: Finding) -> str:
    kind = KINDS.get(finding.kind, finding.kind.lower())
    first_line, more, _ = finding.id.strip().partition("\n")
    shown = printable(first_line, SUBJECT_CHARACTERS)
    return f"{kind} {shown}{' …' if more else ''}"


def _describe_statement(finding: Finding) -> Wording:
    is_so, is_not = STATEMENTS[finding.property]
    found = is_so if finding.actual else is_not
    expected = is_not if finding.actual else is_so
    return Wording(expected, found, f"The {_subject(finding)} {found}.")


def _describe_error(finding: Finding) -> Wording:
    """goss could not get at the value: it timed out, was refused, is of another kind."""
    error = _MATCHER_ERROR.sub("", finding.error or "").strip()
    subject = f"The {_subject(finding)}"
    expected = _expectation(finding) if finding.message else ""
    if finding.property in STATEMENTS:
        expected = expected or STATEMENTS[finding.property][0]
    if match := re.fullmatch(r"Command execution timed out \((.*)\)", error):
        found = f"still running after {match[1]}"
        return Wording(expected, found, f"{subject} was {found}.")
    if match := re.match(r'\w+ "[^"]*": (.*)', error, re.S):  # an HTTP request
        found = match[1].rpartition(": ")[2] if "dial " in match[1] else match[1]
        return Wording(expected, found, f"{subject} did not answer: {found}.")
    if match := re.fullmatch(r'strconv\.ParseFloat: parsing (".*"): invalid syntax', error, re.S):
        found = f"{match[1]}, which is not a number"
    elif error == "Invalid json":
        found = "something that is not JSON"
    elif match := re.fullmatch(r"Path not found: (.*)", error, re.S):
        found = f"no {match[1]} in the JSON"
    else:
        found = error[:1].lower() + error[1:] if error[:2].istitle() else error
    if finding.property in STATEMENTS:
        return Wording(expected, found, f"{subject} could not be read: {found}.")
    return Wording(expected, found, f"{_value_of(finding)} could not be read: {found}.")


def _describe_value(finding: Finding) -> Wording:
    expected, found = _expectation(finding), _found(finding)
    if not expected:
        return Wording("", found, finding.fallback)
    if finding.message.endswith("have patterns"):
        return Wording(expected, found, f"{_value_of(finding)}: {found}.")
    summary = f"{_value_of(finding)}: expected {expected}, found {found}."
    if finding.property == "exit-status":  # a bare number says nothing beside an author's title
        return Wording(f"exit status {expected}", f"exit status {found}", summary)
    return Wording(expected, found, summary)


def _value_of(finding: Finding) -> str:
    prop = _property(finding)
    return f"The {prop} of {_subject(finding)}" if prop else f"The {_subject(finding)}"


def _property(finding: Finding) -> str:
    return PROPERTIES.get(finding.property, finding.property.lower().replace("-", " "))


def _expectation(finding: Finding) -> str:
    """How goss's message and its argument read; empty when they are not known."""
    message = finding.message
    negated = message.startswith("not to ")
    phrase = PHRASES.get(message.removeprefix("not ").removeprefix("to "))
    if phrase is None:
        return ""
    return f"not {phrase(finding.expected)}" if negated else phrase(finding.expected)


def _found(finding: Finding) -> str:
    message, actual = finding.message, finding.actual
    if message.endswith("have patterns"):
        return _pattern_faults(finding)
    if finding.property == "exit-status" and actual in (126, 127):
        return f"{actual} ({'not executable' if actual == 126 else 'command not found'})"
    if message.endswith("have length") and isinstance(actual, Sequence | Mapping):
        return f"{len(actual)} in length"
    found = say(actual)
    if isinstance(finding.missing, list) and finding.missing:
        found = f"{found} (missing: {say(finding.missing)})"
    if isinstance(finding.extra, list) and finding.extra:
        found = f"{found} (too much: {say(finding.extra)})"
    return found


def _all_of(value: object) -> str:
    if isinstance(value, list) and len(value) == 1:
        return say(value[0])
    return f"all of {say(value)}"


def _patterns(value: object) -> str:
    """`["a", "!b", "/c+/"]`: text with the first and the third, without the second."""
    patterns = [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
    wanted = [_pattern(each) for each in patterns if not each.startswith("!")]
    unwanted = [_pattern(each) for each in patterns if each.startswith("!")]
    parts = [f"contains {' and '.join(wanted)}"] if wanted else []
    if unwanted:
        parts.append(f"does not contain {' or '.join(unwanted)}")
    return f"text that {' and '.join(parts)}" if parts else "text"


def _pattern_faults(finding: Finding) -> str:
    missing = finding.missing if isinstance(finding.missing, list) else []
    faults = [each for each in missing if isinstance(each, str)]
    parts = [f"{_pattern(each)} is missing" for each in faults if not each.startswith("!")]
    parts += [f"{_pattern(each)} should not be there" for each in faults if each.startswith("!")]
    if not parts:  # negated: all of them were there
        parts = [f"it is {_patterns(finding.expected)}"]
    return ", ".join(parts)


def _pattern(pattern: str) -> str:
    bare = pattern.removeprefix("!")
    if len(bare) > 1 and bare.startswith("/") and bare.endswith("/"):
        return f"something like {printable(bare, VALUE_CHARACTERS)}"
    return quote(bare.lstrip("\\/!"))


def _cut(wording: Wording) -> Wording:
    return Wording(
        printable(wording.expected, TEXT_CHARACTERS),
        printable(wording.found, TEXT_CHARACTERS),
        printable(wording.summary, TEXT_CHARACTERS),
    )

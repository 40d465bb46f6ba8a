"""What goss 0.4.10 knows: its resource types, their attributes, and which of them print a result.

Learned from goss's own `resource/*.go` and held against the real program by
tests/host/test_gosslint.py. A result is printed for every attribute below that has a value; the
leading attribute prints one in any case.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

_PATTERN = re.compile(r"!?/(.*)/", re.DOTALL)

Setting = Literal["text", "number", "truth", "list", "anything"]

COMMON: Mapping[str, Setting] = {"title": "text", "skip": "truth"}  # and `meta`, a mapping


@dataclass(frozen=True)
class ResourceType:
    """One section of a goss file.

    `leading` always prints a result and must be given; `asserted` attributes print one when they
    are not null; `listed` ones when they are neither null nor an empty list, and their lists hold
    patterns. With `chained`, a leading attribute that is false on the machine makes goss skip all
    others. `as_number` attributes crash goss when they are text that is no number.
    `by_line` ones hold lines, the last mostly with its line break.
    """

    leading: str | None
    asserted: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    settings: Mapping[str, Setting] = field(default_factory=dict)
    chained: bool = True
    as_number: tuple[str, ...] = ()
    by_line: tuple[str, ...] = ()

    @property
    def checked(self) -> tuple[str, ...]:
        """Every attribute that can print a result, the leading one first."""
        return (*((self.leading,) if self.leading else ()), *self.asserted, *self.listed)

    @property
    def known(self) -> tuple[str, ...]:
        """Every attribute goss accepts."""
        return (*self.checked, *self.settings, *COMMON, "meta")


TYPES: Mapping[str, ResourceType] = {
    "file": ResourceType(
        "exists",
        (
            *("mode", "owner", "uid", "group", "gid", "linked-to", "filetype", "size"),
            *("md5", "sha256", "sha512"),
        ),
        ("contents", "contains"),
        {"path": "text"},
        by_line=("contents", "contains"),
    ),
    "command": ResourceType(
        "exit-status",
        (),
        ("stdout", "stderr"),
        {"exec": "text", "timeout": "number"},
        chained=False,
        as_number=("exit-status",),
    ),
    "process": ResourceType("running", settings={"comm": "text"}),
    "port": ResourceType("listening", ("ip",), settings={"port": "text"}),
    "user": ResourceType(
        "exists",
        ("uid", "gid", "groups", "home", "shell"),
        settings={"username": "text"},
        as_number=("uid", "gid"),
    ),
    "group": ResourceType("exists", ("gid",), settings={"groupname": "text"}, as_number=("gid",)),
    "package": ResourceType("installed", ("versions",), settings={"name": "text"}),
    "service": ResourceType(None, ("enabled", "running", "runlevels"), settings={"name": "text"}),
    "addr": ResourceType(
        "reachable",
        settings={"address": "text", "local-address": "text", "timeout": "number"},
    ),
    "dns": ResourceType(
        "resolvable",
        ("addrs",),
        settings={"resolve": "text", "server": "text", "timeout": "number"},
    ),
    "http": ResourceType(
        "status",
        (),
        ("headers", "body"),
        {
            "url": "text",
            "method": "text",
            "allow-insecure": "truth",
            "no-follow-redirects": "truth",
            "timeout": "number",
            "request-headers": "list",
            "request-body": "text",
            "username": "text",
            "password": "text",
            "ca-file": "text",
            "cert-file": "text",
            "key-file": "text",
            "proxy": "text",
        },
    ),
    "interface": ResourceType("exists", ("addrs", "mtu"), settings={"name": "text"}),
    "kernel-param": ResourceType("value", settings={"name": "text"}),
    "mount": ResourceType(
        "exists",
        ("opts", "vfs-opts", "source", "filesystem", "usage"),
        settings={"mountpoint": "text", "timeout": "number"},
    ),
    "matching": ResourceType(
        "matches", settings={"content": "anything", "as-reader": "truth"}, chained=False
    ),
}

INCLUDE = "gossfile"
SECTIONS = (*TYPES, INCLUDE)

OLD_NAMES = {"dns": {"resolveable": "resolvable"}}

TRUTHS = frozenset(
    {"exists", "installed", "listening", "running", "enabled", "reachable", "resolvable"}
)
"""Attributes whose value on the machine is true or false."""

TEXT_MATCHERS = frozenset(
    {"have-prefix", "have-suffix", "match-regexp", "contain-substring", "semver-constraint"}
)
NUMBER_MATCHERS = frozenset({"have-len", "gt", "ge", "lt", "le"})
LIST_MATCHERS = frozenset({"contain-elements", "consist-of", "and", "or", "have-patterns"})
MATCHERS = (
    *("equal", "not", "have-key", "contain-element", "gjson"),
    *sorted(TEXT_MATCHERS),
    *sorted(NUMBER_MATCHERS),
    *sorted(LIST_MATCHERS),
)


def pattern_problem(text: str) -> str | None:
    """What is open at the end of a pattern between slashes; None for what both dialects accept.

    Go's dialect is not Python's: only what no dialect allows is named.
    """
    match = _PATTERN.fullmatch(text)
    if match is None or "\\Q" in match[1] or "[:" in match[1]:  # Go's alone
        return None
    try:
        with warnings.catch_warnings(action="ignore"):
            re.compile(match[1])
    except (OverflowError, RecursionError):
        return None
    except re.error as error:
        if error.msg.startswith(("unterminated character set", "missing )", "unbalanced paren")):
            return error.msg
    return None

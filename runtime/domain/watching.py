"""Who may look at a terminal, and type into it: the workshop's rule, the student's, and each yes.

The workshop says `always`, `ask` or `off`; the student may only choose less. To *watch* is allowed
by `always` or by a yes, to *assist* (to type) by a yes and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

WatchMode = Literal["always", "ask", "off"]
PermissionKind = Literal["watch", "assist"]
PermissionStatus = Literal["requested", "allowed", "declined"]

_ORDER: Mapping[WatchMode, int] = {"off": 0, "ask": 1, "always": 2}


class Permission(NamedTuple):
    """What an instructor asked for and what the student said."""

    id: str
    kind: PermissionKind
    terminal: str
    status: PermissionStatus
    since: datetime


@dataclass(slots=True)
class Watching:
    """What the log says about it; `watchers` are open `(terminal, client)` pairs."""

    chosen: WatchMode | None = None
    permissions: dict[PermissionKind, Permission] = field(default_factory=dict)
    watchers: set[tuple[str, str]] = field(default_factory=set)

    def mode(self, setting: WatchMode) -> WatchMode:
        """The workshop's setting, or the student's choice where that is less."""
        return setting if self.chosen is None else lesser(setting, self.chosen)

    def find(self, permission_id: str) -> Permission | None:
        """The newest permission of its kind, when it has that id."""
        return next((each for each in self.permissions.values() if each.id == permission_id), None)

    def may_watch(self, setting: WatchMode, terminal: str | None = None) -> bool:
        """Whether an instructor may see this terminal now; without a name, any."""
        mode = self.mode(setting)
        return mode == "always" or (mode == "ask" and self._allows("watch", terminal))

    def may_assist(self, setting: WatchMode, terminal: str) -> bool:
        """Whether an instructor may type into this terminal now."""
        return self.mode(setting) != "off" and self._allows("assist", terminal)

    def _allows(self, kind: PermissionKind, terminal: str | None) -> bool:
        # Who may type may look.
        return any(
            each.status == "allowed"
            and each.kind in (kind, "assist")
            and terminal in (None, each.terminal)
            for each in self.permissions.values()
        )


def lesser(one: WatchMode, other: WatchMode) -> WatchMode:
    """The one that allows less."""
    return one if _ORDER[one] <= _ORDER[other] else other

"""What handlers find at `request.app.state.services`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple

from runtime.services.checks import Checks
from runtime.services.commands import CommandFeed
from runtime.services.session import Session
from runtime.services.switch import RecordingSwitch
from runtime.services.terminals import Terminals
from runtime.services.transitions import Transitions
from runtime.services.watching import Watching
from runtime.store.artifact import Artifact
from runtime.store.recordings import Recordings

if TYPE_CHECKING:
    from runtime.services.help import Help


class Access(NamedTuple):
    """Who may come in: the tokens by role; None where a role has none."""

    student: str | None
    instructor: str | None
    host: str | None
    allowed_hosts: tuple[str, ...]


class Services(NamedTuple):
    """Every living thing of the daemon, made in `runtime.app`."""

    artifact: Artifact
    access: Access
    session: Session
    transitions: Transitions
    checks: Checks
    commands: CommandFeed
    terminals: Terminals
    recordings: Recordings | None
    recording_switch: RecordingSwitch | None
    help: Callable[[], Awaitable[Help]]  # made at the first call: a start has no need of it
    has_model: bool
    watching: Watching
    versions: dict[str, str]
    management_url: str | None

"""Every error this project raises on purpose: one code each, one sentence for its reader.

Raise where the fact is known; `runtime.api.errors` turns codes into HTTP answers and
`runtime.serving` and the host CLI turn `exit_code` into the process's end.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """Exit codes of the daemon and the CLI; 80-99 are the caller's to mend, 100-119 ours."""

    DONE = 0
    INVALID_WORKSHOP = 80
    INVALID_ARGUMENTS = 81
    PERMISSION_DENIED = 82
    NOT_FOUND = 83
    ALREADY_EXISTS = 84
    BUSY = 85
    ALREADY_RUNNING = 86
    CHECKS_FAILED = 87
    ENGINE_FAILURE = 100
    CONNECTION_FAILURE = 101
    TIMEOUT = 102
    SESSION_FILE_ERROR = 103
    UNHANDLED_EXCEPTION = 104
    INTERRUPTED = 130
    TERMINATED = 143


class WorkshopError(Exception):
    """Base of all of them: `message` is a sentence, `details` are JSON values for programs."""

    code: ClassVar[str] = "internal"
    exit_code: ClassVar[ExitCode] = ExitCode.UNHANDLED_EXCEPTION

    def __init__(self, message: str, details: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = dict(details) if details else None


class BadRequest(WorkshopError):
    """The request cannot be understood at all."""

    code = "bad_request"
    exit_code = ExitCode.INVALID_ARGUMENTS


class InvalidField(WorkshopError):
    """One field of a request has a wrong value; `details["field"]` names it."""

    code = "invalid_field"
    exit_code = ExitCode.INVALID_ARGUMENTS


class Unauthorized(WorkshopError):
    """No token, or a wrong one."""

    code = "unauthorized"
    exit_code = ExitCode.PERMISSION_DENIED


class Forbidden(WorkshopError):
    """The caller may not do this, whoever it is."""

    code = "forbidden"
    exit_code = ExitCode.PERMISSION_DENIED


class PermissionRefused(WorkshopError):
    """The machine's file permissions do not allow what is needed."""

    code = "permission_denied"
    exit_code = ExitCode.PERMISSION_DENIED


class NotFound(WorkshopError):
    """There is nothing of that name."""

    code = "not_found"
    exit_code = ExitCode.NOT_FOUND


class AlreadyExists(WorkshopError):
    """The name is taken."""

    code = "already_exists"
    exit_code = ExitCode.ALREADY_EXISTS


class TooMany(WorkshopError):
    """A limit is reached."""

    code = "too_many"
    exit_code = ExitCode.BUSY


class WatchingOff(WorkshopError):
    """Nobody may look at the terminals: the workshop or the student says so."""

    code = "watching_off"
    exit_code = ExitCode.PERMISSION_DENIED


class AskFirst(WorkshopError):
    """Looking at a terminal, or typing into it, needs the student's yes."""

    code = "ask_first"
    exit_code = ExitCode.PERMISSION_DENIED


class StepLocked(WorkshopError):
    """The step is not accessible yet; the message says why."""

    code = "step_locked"
    exit_code = ExitCode.BUSY


class ConfirmationNeeded(WorkshopError):
    """The caller has to say first that this is really wanted."""

    code = "confirmation_needed"
    exit_code = ExitCode.BUSY


class HelpLimited(WorkshopError):
    """No answer now; `retry_after_seconds` says when it is worth asking again."""

    code = "help_limited"
    exit_code = ExitCode.BUSY

    def __init__(
        self, message: str, retry_after_seconds: int, details: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(message, {"retryAfter": retry_after_seconds, **(details or {})})
        self.retry_after_seconds = retry_after_seconds


class HasChecks(WorkshopError):
    """A step with checks cannot be ticked off by hand."""

    code = "has_checks"
    exit_code = ExitCode.BUSY


class MainTerminal(WorkshopError):
    """The terminal that is always there cannot be closed."""

    code = "main_terminal"
    exit_code = ExitCode.BUSY


class TransitionPending(WorkshopError):
    """Another transition is on its way; `details["transition"]` is it."""

    code = "transition_pending"
    exit_code = ExitCode.BUSY


class TransitionClaimed(WorkshopError):
    """A host works on the transition already."""

    code = "transition_claimed"
    exit_code = ExitCode.BUSY


class TransitionEnded(WorkshopError):
    """The transition is over; nothing more can be said of it."""

    code = "transition_ended"
    exit_code = ExitCode.BUSY


class Stopping(WorkshopError):
    """The daemon is being stopped and finishes nothing any more."""

    code = "stopping"
    exit_code = ExitCode.BUSY


class InvalidWorkshop(WorkshopError):
    """The artifact or workshop.yaml breaks a rule."""

    code = "invalid_workshop"
    exit_code = ExitCode.INVALID_WORKSHOP


CANNOT_LISTEN = "cannot listen on"
"""In the words of a daemon whose port was taken: its host knows it by them."""


class InvalidSettings(WorkshopError):
    """A setting has a wrong value; the message names it."""

    code = "invalid_settings"
    exit_code = ExitCode.INVALID_ARGUMENTS


class AlreadyRunning(WorkshopError):
    """Another daemon holds the runtime directory."""

    code = "already_running"
    exit_code = ExitCode.ALREADY_RUNNING


class StorageFull(WorkshopError):
    """The disk has no room; nothing was changed."""

    code = "storage_full"
    exit_code = ExitCode.SESSION_FILE_ERROR


class StorageFailed(WorkshopError):
    """The disk refused a write or a sync; nothing was acknowledged."""

    code = "storage_failed"
    exit_code = ExitCode.SESSION_FILE_ERROR


class EngineFailure(WorkshopError):
    """The engine could not do what it was asked for."""

    code = "engine_failure"
    exit_code = ExitCode.ENGINE_FAILURE


class ConnectionFailure(WorkshopError):
    """Nobody answers, or not in HTTP."""

    code = "connection_failure"
    exit_code = ExitCode.CONNECTION_FAILURE


class TimedOut(WorkshopError):
    """It took longer than it may."""

    code = "timeout"
    exit_code = ExitCode.TIMEOUT

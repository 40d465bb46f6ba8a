"""Every error as one answer: `{"error": {"code", "message", "details"?}}`."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from runtime.api.base_schemas import ErrorBody, ErrorDetail
from runtime.domain.errors import HelpLimited, WorkshopError

log = logging.getLogger("workshop.api")

STATUS = {
    "bad_request": 400,
    "invalid_field": 422,
    "unauthorized": 401,
    "forbidden": 403,
    "step_locked": 403,
    "watching_off": 403,
    "ask_first": 403,
    "not_found": 404,
    "already_exists": 409,
    "has_checks": 409,
    "main_terminal": 409,
    "confirmation_needed": 409,
    "help_limited": 429,
    "transition_pending": 409,
    "transition_claimed": 409,
    "transition_ended": 409,
    "too_many": 409,
    "stopping": 503,
    "storage_failed": 503,
    "storage_full": 507,
}

USED_UP = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})
NO_THREAD = "can't start new thread"  # all that Python says of EAGAIN there

MESSAGES = {
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not answer to that method."),
    413: ("too_large", "The request is larger than 64 KiB."),
}


def error_response(
    status: int,
    code: str,
    message: str,
    details: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer of one error."""
    body = ErrorBody(
        error=ErrorDetail(code=code, message=message, details=dict(details) if details else None)
    )
    return Response(body.wire(), status, dict(headers or {}), media_type="application/json")


async def on_workshop_error(request: Request, error: Exception) -> Response:
    """Ours: the code decides the status."""
    assert isinstance(error, WorkshopError)
    status = STATUS.get(error.code, 500)
    if status >= 500 and error.code != "stopping":
        log.error("%s %s: %s", request.method, request.url.path, error.message)
    headers = (
        {"retry-after": str(error.retry_after_seconds)} if isinstance(error, HelpLimited) else None
    )
    return error_response(status, error.code, error.message, error.details, headers)


async def on_http_error(request: Request, error: Exception) -> Response:
    """Starlette's own: unknown route, wrong method."""
    assert isinstance(error, HTTPException)
    code, message = MESSAGES.get(error.status_code, ("http_error", str(error.detail)))
    return error_response(error.status_code, code, message, headers=error.headers)


async def on_shortage(request: Request, error: Exception) -> Response:
    """Nothing left of what the machine has only so much of; anything else is a defect of ours."""
    if isinstance(error, OSError) and error.errno in USED_UP:
        lacking = error.strerror
    elif str(error) == NO_THREAD:
        lacking = os.strerror(errno.EAGAIN)
    else:
        raise error
    log.warning("%s %s: %s", request.method, request.url.path, lacking)
    return error_response(
        503,
        "machine_busy",
        f"The machine cannot do this now ({lacking}). Try again in a moment.",
        headers={"retry-after": "5"},
    )


async def on_unexpected(request: Request, error: Exception) -> Response:
    """A defect of ours; the traceback goes to the log, a sentence to the caller."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return error_response(
        500, "internal", "The daemon made a mistake here; its log says what happened."
    )

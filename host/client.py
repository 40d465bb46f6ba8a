"""The daemon as the host sees it: HTTP on localhost with the session's own tokens.

A token is answered by one session's daemon only, so an answer tells both that something listens on
the port and that it is ours; `Status.boot` tells one start of the daemon from the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeVar
from urllib.parse import quote

import httpx2
from pydantic import Field, ValidationError

from host.ports import PortTaken
from host.sessions import HostModel, Session
from runtime.domain import errors
from runtime.domain.errors import ConnectionFailure, NotFound, Unauthorized, WorkshopError
from runtime.domain.transitions import TransitionKind, TransitionStatus

CALL_SECONDS = 30.0
READY_SECONDS = 3.0  # a daemon says so at once; on its port may be somebody who says nothing
# What a daemon or another process of ours may have raised; others are made in other ways.
KNOWN_ERRORS: tuple[type[WorkshopError], ...] = (
    PortTaken,
    *(kind for kind in WorkshopError.__subclasses__() if kind.__module__ == errors.__name__),
)
Role = Literal["student", "host"]
Answer = TypeVar("Answer", bound=HostModel)


class Transition(HostModel):
    """A move the student asked for."""

    id: str
    step: str
    kind: TransitionKind
    from_: str = Field(alias="from")
    status: TransitionStatus
    host: str | None = None
    code: str | None = None
    reason: str | None = None


class Status(HostModel):
    """GET /api/host/status."""

    session: str
    boot: str
    step: str
    version: str
    completed: int = 0
    steps: int = 0
    connected: int = 0
    transition: Transition | None = None


class Transitions(HostModel):
    """Answer of the long poll."""

    transitions: tuple[Transition, ...]


class State(HostModel):
    """What `go` and its kin need of GET /api/state."""

    active_step: str
    viewed_step: str


class Daemon:
    """One session's daemon. Every call raises a WorkshopError: the daemon's own, or
    ConnectionFailure when nobody (or somebody else) answers on the port."""

    def __init__(self, session: Session, port: int) -> None:
        self._session = session
        self.address = f"http://127.0.0.1:{port}"
        self._http = httpx2.Client(base_url=self.address, timeout=CALL_SECONDS, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Daemon:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def link(self, *, token: bool = True) -> str:
        """The page's address, with the student's token in it or without."""
        return f"{self.address}/" + (f"?token={self._session.token('student')}" if token else "")

    def instructor_link(self) -> str:
        """The address of the instructor's page, with its token."""
        return f"{self.address}/instructor/?token={self._session.token('instructor')}"

    def ready(self) -> bool:
        """Whether the daemon says it is ready; False also when nobody answers."""
        try:
            return self._http.get("/readyz", timeout=READY_SECONDS).status_code == 200
        except httpx2.HTTPError:
            return False

    def status(self) -> Status:
        """Who answers, and where the machine is."""
        return self._parsed(Status, self._call("GET", "/api/host/status"))

    def wait(self, seconds: float) -> tuple[Transition, ...]:
        """The open transitions, as soon as there is one or after `seconds`; attaches this host."""
        raw = self._call(
            "GET", f"/api/host/transitions?wait={seconds:g}", timeout=seconds + CALL_SECONDS
        )
        return self._parsed(Transitions, raw).transitions

    def claim(self, transition: str, host: str, kept: str) -> None:
        """Say that `host` works on it; `kept` is where the machine will find the replaced files."""
        self._call(
            "POST", f"/api/host/transitions/{transition}/claim", {"host": host, "kept": kept}
        )

    def fail(self, transition: str, code: str, reason: str) -> None:
        """Say that it did not happen."""
        body = {"code": code, "reason": reason[:2000]}
        self._call("POST", f"/api/host/transitions/{transition}/fail", body)

    def get(self, path: str) -> bytes:
        """What the student's API answers to GET `path`."""
        return self._call("GET", path, role="student")

    def state(self) -> State:
        """The student's state."""
        return self._parsed(State, self._call("GET", "/api/state", role="student"))

    def request(self, step: str, kind: TransitionKind) -> Transition:
        """Ask for a move, as the student."""
        if "/" in step or step in ("", ".", ".."):  # no id, and an address of something else
            raise NotFound(f"“{step}” is no step's id.")
        path = f"/api/steps/{quote(step, safe='')}/transition"
        raw = self._call("POST", path, {"kind": kind.value}, role="student")
        return self._parsed(Transition, raw)

    def transition(self, transition: str) -> Transition:
        """One transition as it is now."""
        raw = self._call("GET", f"/api/transitions/{transition}", role="student")
        return self._parsed(Transition, raw)

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, str] | None = None,
        *,
        role: Role = "host",
        timeout: float = CALL_SECONDS,
    ) -> bytes:
        headers = {"Authorization": f"Bearer {self._session.token(role)}"}
        try:
            answer = self._http.request(method, path, json=body, headers=headers, timeout=timeout)
        except httpx2.HTTPError as error:
            raise ConnectionFailure(
                f"The daemon of {self._session.name} does not answer on {self.address} "
                f"({type(error).__name__})."
            ) from error
        if answer.is_success:
            return answer.content
        raise self._refused(answer)

    def _refused(self, answer: httpx2.Response) -> WorkshopError:
        if answer.status_code == 401:
            return Unauthorized(
                f"The program that answers on {self.address} is not the daemon of "
                f"{self._session.name}."
            )
        try:
            error = _ErrorBody.model_validate_json(answer.content).error
        except ValidationError:
            return ConnectionFailure(
                f"{self.address} answered {answer.status_code} and not as a daemon does."
            )
        return named_error(error.code, error.message, error.details)

    def _parsed(self, model: type[Answer], raw: bytes) -> Answer:
        try:
            return model.model_validate_json(raw)
        except ValidationError as error:
            raise ConnectionFailure(
                f"{self.address} answered something a daemon does not say: expected a "
                f"{model.__name__.lower()}."
            ) from error


def named_error(
    code: str, message: str, details: Mapping[str, object] | None = None
) -> WorkshopError:
    """The error of that code, as another process raised it."""
    kinds = {kind.code: kind for kind in KNOWN_ERRORS}
    return kinds.get(code, ConnectionFailure)(message, details)


class _ErrorDetail(HostModel):
    code: str
    message: str
    details: dict[str, object] | None = None


class _ErrorBody(HostModel):
    error: _ErrorDetail

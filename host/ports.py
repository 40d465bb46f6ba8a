"""The one port a session is reached on: found once, kept over swaps, never silently taken."""

from __future__ import annotations

import errno
import socket
from typing import ClassVar

from runtime.domain.errors import ExitCode, WorkshopError

FIRST_PORT = 8080
TRIED_PORTS = 20


class PortTaken(WorkshopError):
    """Another program listens on the port a session needs."""

    code: ClassVar[str] = "port_taken"
    exit_code: ClassVar[ExitCode] = ExitCode.BUSY


def is_free(port: int) -> bool:
    """Whether a daemon could listen there on localhost now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def require_free(port: int) -> None:
    """Raise PortTaken when something listens there."""
    if not is_free(port):
        raise PortTaken(
            f"Port {port} is taken by another program (or not yours to use). End that program, or "
            "choose another port with: workshop run … --port NUMBER"
        )


def choose(remembered: int | None) -> int:
    """The remembered port if it is free, else the first free one from 8080 on, else any."""
    if remembered is not None and is_free(remembered):
        return remembered
    for port in range(FIRST_PORT, FIRST_PORT + TRIED_PORTS):
        if is_free(port):
            return port
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])

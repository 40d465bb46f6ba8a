#!/opt/workshop/bin/python3 -IS
"""The image's HEALTHCHECK: 0 when the daemon answers /healthz with 200, else 1 and why.

A program of its own (`workshop-health`), standard library only: it starts in some milliseconds.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping

ANSWER_SECONDS = 3.0
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def problem(environ: Mapping[str, str]) -> str | None:
    """What is wrong with the daemon these settings started, or None."""
    host = (environ.get("WORKSHOP_HOST") or "0.0.0.0").strip("[]")
    port = environ.get("WORKSHOP_PORT") or "8080"
    name = (environ.get("WORKSHOP_ALLOWED_HOSTS") or "localhost").split(",")[0].strip()
    request = f"GET /healthz HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
    try:
        address = (EVERYWHERE.get(host, host), int(port))
        with socket.create_connection(address, ANSWER_SECONDS) as connection:
            connection.sendall(request.encode("ascii"))
            answer = connection.recv(64).split(b"\r\n")[0]
    except (OSError, ValueError) as error:
        return f"no answer from {host}:{port}: {error}"
    return None if answer.split()[1:2] == [b"200"] else f"the daemon answered {answer!r}"


def main() -> int:
    """The exit code; the reason goes to standard output, where engines keep it."""
    found = problem(os.environ)
    if found is not None:
        print(found)  # noqa: T201
    return 0 if found is None else 1


if __name__ == "__main__":
    sys.exit(main())

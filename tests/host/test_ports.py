"""The port of a session."""

from __future__ import annotations

import socket

import pytest

from host.ports import PortTaken, choose, is_free, require_free
from runtime.domain.errors import ExitCode


def test_a_taken_port_is_refused_with_what_to_do() -> None:
    """Fault 16."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert not is_free(port)
        with pytest.raises(PortTaken, match="--port") as caught:
            require_free(port)
    assert caught.value.exit_code is ExitCode.BUSY
    require_free(port)


def test_the_remembered_port_is_chosen_while_it_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert choose(port) != port
    assert choose(port) == port


def test_a_chosen_port_is_free() -> None:
    assert is_free(choose(None))

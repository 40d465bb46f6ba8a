"""Health is answered before the rest of the API is loaded; whoever wants the rest waits for it."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient

from tests.api.conftest import Serve
from tests.goss_binary import ROOT

# What a daemon that serves its first page has to have, and a start has no need of.
FOR_LATER = {
    "runtime.api.schemas",
    "runtime.api.student",
    "runtime.api.instructor",
    "runtime.domain.attention",
    "runtime.services.help",
    "sse_starlette",
    "websockets",
    "prometheus_client",
    "httpx2",
    "anthropic",
}


def paths(client: TestClient) -> list[str]:
    assert isinstance(client.app, Starlette)
    routes = client.app.routes
    return [each.path for each in routes if isinstance(each, Route | WebSocketRoute)]


def test_health_does_not_wait_for_the_rest(serve: Serve) -> None:
    client = serve()
    assert client.get("/healthz").text == "ok\n"
    assert client.get("/readyz").json()["ready"]
    assert paths(client) == ["/healthz", "/readyz"]
    assert client.get("/api/state").status_code == 200
    assert "/api/state" in paths(client)


def test_a_terminal_that_comes_first_is_connected(serve: Serve) -> None:
    client = serve()
    with client.websocket_connect("/ws/terminal/main", subprotocols=["workshop.terminal.v1"]) as at:
        assert at.receive_json()["type"] == "hello"


def test_what_comes_meanwhile_waits_and_the_rest_is_loaded_once(serve: Serve) -> None:
    client = serve()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(client.get, ["/api/workshop", "/api/state", "/api/steps", "/"] * 2))
    assert {each.status_code for each in answers} == {200}
    assert answers[0].json()["versions"]["daemon"]
    assert len(paths(client)) > 25
    assert paths(client).count("/api/state") == 1


@pytest.mark.parametrize("address", ["/api/state", "/api/instructor/status"])
def test_a_stranger_is_refused_also_by_the_first_request(serve: Serve, address: str) -> None:
    """The roles of routes that are not loaded yet are known before anything is answered."""
    assert serve(as_=None).get(address).status_code == 401


def test_a_start_loads_nothing_that_it_has_no_need_of() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "import runtime.serving, sys; print(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert not FOR_LATER & set(said.split())

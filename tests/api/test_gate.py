"""Who may come in: every route of the route table, from every wrong place."""

from __future__ import annotations

import hmac
import logging
import time

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from runtime.api.auth import SLOW_SECONDS, Tokens
from runtime.api.routing import Role, RoleRoute, RoleSocket
from tests.api.conftest import HOST, INSTRUCTOR, STUDENT, Serve, bearer

FOREIGN = [
    "null",
    "http://evil.example",
    "http://testserver.evil.example",
    "http://eviltestserver",
    "http://testserver:8081",
    "http://testserver@evil.example",
    "file://",
    "garbage",
]


def routes_of(client: TestClient) -> list[RoleRoute | RoleSocket]:
    client.get("/favicon.svg")  # the first request that wants more than health loads the others
    app = client.app
    assert isinstance(app, Starlette)
    found = []
    for route in app.routes:
        assert not isinstance(route, Mount)
        assert isinstance(route, RoleRoute | RoleSocket), f"{route} declares no role"
        found.append(route)
    return found


def address(route: RoleRoute | RoleSocket) -> str:
    return (
        route.path.replace("{id}", "one").replace("{name}", "main").replace("{path:path}", "a.png")
    )


def test_every_route_declares_who_may_use_it(client: TestClient) -> None:
    routes = routes_of(client)
    assert len(routes) > 25
    assert all(route.roles for route in routes)


@pytest.mark.parametrize("origin", FOREIGN)
def test_another_site_is_refused_on_every_route(serve: Serve, origin: str) -> None:
    """Fault 6: also with the right token in the request."""
    client = serve()
    for route in routes_of(client):
        if isinstance(route, RoleSocket):
            with (
                pytest.raises(WebSocketDisconnect),
                client.websocket_connect(address(route), headers={"origin": origin}),
            ):
                pass
            continue
        for method in sorted(route.methods or ()):
            answer = client.request(method, address(route), headers={"origin": origin})
            assert answer.status_code == 403, (method, route.path)


def test_a_changing_request_without_origin_needs_a_bearer_token(serve: Serve) -> None:
    """Fault 6: a cookie alone is what another site's form would carry."""
    client = serve(as_=None)
    client.get(f"/?token={STUDENT}", follow_redirects=False)
    assert client.get("/api/state").status_code == 200
    for route in routes_of(client):
        if isinstance(route, RoleSocket):
            with pytest.raises(WebSocketDisconnect), client.websocket_connect(address(route)):
                pass
            continue
        for method in set(route.methods or ()) - {"GET", "HEAD"}:
            assert client.request(method, address(route)).status_code == 403, route.path
    same = {"origin": "http://testserver"}
    assert client.post("/api/hand", json={"raised": False}, headers=same).status_code == 200


def test_an_address_loaded_by_another_site_is_refused(serve: Serve) -> None:
    """Fault 6: an image or a script tag sends no Origin."""
    client = serve(settings={"WORKSHOP_STUDENT_TOKEN": "none"}, as_=None)
    strange = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    assert client.get("/api/events", headers=strange).status_code == 403


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:9999", 200),
        ("LOCALHOST", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("localhost:99999999", 421),
        ("", 400),
    ],
)
def test_only_known_hosts_are_answered(client: TestClient, host: str, status: int) -> None:
    """Fault 7."""
    assert client.get("/healthz", headers={"host": host}).status_code == status


def test_two_hosts_are_refused(client: TestClient) -> None:
    """Fault 7."""
    answer = client.get("/healthz", headers=[("host", "localhost"), ("host", "evil.example")])
    assert answer.status_code == 400


@pytest.mark.parametrize("token", [None, "", "wrong", STUDENT[:-1], f"{STUDENT}x", "ünïcode"])
def test_a_wrong_token_opens_nothing(serve: Serve, token: str | None) -> None:
    """Fault 8."""
    client = serve(as_=None)
    headers = [(b"authorization", f"Bearer {token}".encode())] if token is not None else []
    for path in ("/api/state", "/api/host/status"):
        answer = client.get(path, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")


@pytest.mark.parametrize("token", ["", STUDENT[:-1]])
@pytest.mark.parametrize("way", ["header", "cookie", "link", "socket"])
def test_a_wrong_token_costs_its_sender_half_a_second(serve: Serve, way: str, token: str) -> None:
    """Fault 8: slowed, however it is presented."""
    client = serve(as_=None)
    client.get(f"/?token={STUDENT}", follow_redirects=False)
    [cookie] = client.cookies
    client.cookies.clear()
    began = time.monotonic()
    match way:
        case "header":
            status = client.get("/api/state", headers=bearer(token)).status_code
        case "cookie":
            client.cookies[cookie] = token
            status = client.get("/api/state").status_code
        case "link":
            status = client.get("/", params={"token": token}).status_code
        case _:
            with (
                pytest.raises(WebSocketDenialResponse) as denied,
                client.websocket_connect("/ws/terminal/main", headers=bearer(token)),
            ):
                pass
            status = denied.value.status_code
    assert status == 401
    assert time.monotonic() - began >= SLOW_SECONDS


def test_a_token_is_compared_whole_with_every_one_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault 8: in constant time, which the standard library's comparison is known to take."""
    compared: list[tuple[bytes, bytes]] = []
    real = hmac.compare_digest

    def noted(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", noted)
    known = {Role.STUDENT: STUDENT, Role.INSTRUCTOR: INSTRUCTOR, Role.HOST: HOST}
    for presented in ("", "wrong", STUDENT[:-1], STUDENT):
        compared.clear()
        found = Tokens(known, "session").roles(presented, {})
        assert (Role.STUDENT in found) == (presented == STUDENT)
        assert compared == [(token.encode(), presented.encode()) for token in known.values()]


def test_a_role_opens_its_own_routes_only(serve: Serve) -> None:
    client = serve(as_=None)
    assert client.get("/api/host/status", headers=bearer(HOST)).status_code == 200
    assert client.get("/api/host/status", headers=bearer(STUDENT)).status_code == 401
    assert client.get("/api/state", headers=bearer(INSTRUCTOR)).status_code == 401
    assert client.get("/metrics", headers=bearer(INSTRUCTOR)).status_code == 200
    assert client.get("/metrics", headers=bearer(STUDENT)).status_code == 401


def test_a_role_without_a_token_does_not_exist(serve: Serve) -> None:
    client = serve(settings={"WORKSHOP_HOST_TOKEN": ""})
    assert client.get("/api/host/status").status_code == 404


def test_the_link_becomes_a_cookie_and_leaves_the_address(serve: Serve) -> None:
    client = serve(as_=None)
    answer = client.get(f"/?token={STUDENT}", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert client.get("/api/state").status_code == 200


def test_a_link_with_a_wrong_token_says_so(serve: Serve) -> None:
    """Fault 8."""
    answer = serve(as_=None).get("/?token=wrong", follow_redirects=False)
    assert answer.status_code == 401
    assert "This link does not work" in answer.text
    assert "set-cookie" not in answer.headers


def test_no_log_line_shows_a_token(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """Fault 8."""
    caplog.set_level(logging.DEBUG)
    client = serve(as_=None)
    client.get(f"/?token={STUDENT}")
    client.get("/api/state", headers=bearer(STUDENT))
    client.get("/api/state", headers=bearer("a-wrong-token-0123456789"))
    ours = [line for line in caplog.messages if not line.startswith("HTTP Request")]
    assert not [line for line in ours if STUDENT in line or "a-wrong-token" in line]


def test_every_answer_forbids_foreign_content(client: TestClient) -> None:
    """Fault 19."""
    for path in ("/", "/api/state", "/api/nothing", "/healthz"):
        headers = client.get(path).headers
        assert "script-src 'self' 'wasm-unsafe-eval';" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "access-control-allow-origin" not in headers


def test_the_roles_are_the_contracts() -> None:
    assert [role.value for role in Role] == ["student", "instructor", "host", "public"]

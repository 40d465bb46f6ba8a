"""The OpenAPI page: complete, as agreed, and what the routes really take and answer."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from schemathesis import Case

from runtime.api.openapi import operations
from runtime.api.operations import OPERATIONS
from tests import contracts
from tests.api.conftest import GOSS, HOST, INSTRUCTOR, STUDENT, Serve
from tests.api.served import Served, served
from tests.api.test_gate import routes_of

DOCUMENT = json.loads(contracts.OPENAPI.read_text())
ROLES = {"student": STUDENT, "instructor": INSTRUCTOR, "host": HOST}
FEED_SECONDS = 0.1  # of a feed that goes on, for its first messages


def test_every_route_has_its_operation_and_every_operation_a_route(serve: Serve) -> None:
    named = [f"{method} {path}" for method, path, _ in operations(routes_of(serve()))]
    assert sorted(named) == sorted(OPERATIONS)


def test_the_body_an_operation_names_is_the_one_its_route_reads(serve: Serve) -> None:
    for method, path, route in operations(routes_of(serve())):
        handler = inspect.unwrap(route.endpoint)
        read = re.findall(r"parse_body\(request, \w+\.(\w+)\)", inspect.getsource(handler))
        takes = OPERATIONS[f"{method} {path}"].takes
        assert read == ([takes.__name__] if takes else []), (method, path)


def test_what_is_served_is_what_was_agreed(serve: Serve) -> None:
    answer = serve().get("/api/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == DOCUMENT, "after a wanted change run `make contracts`"
    assert contracts.OPENAPI.read_text() == contracts.written(answer.json())


@pytest.mark.parametrize("role", ROLES)
def test_every_role_may_read_it_and_nobody_else(serve: Serve, role: str) -> None:
    assert serve(as_=ROLES[role]).get("/api/openapi.json").status_code == 200


def test_a_stranger_may_not_read_it(serve: Serve) -> None:
    assert serve(as_=None).get("/api/openapi.json").status_code == 401


def test_it_is_openapi() -> None:
    schemathesis.openapi.from_dict(DOCUMENT).validate()
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    names = [each["operationId"] for path in DOCUMENT["paths"].values() for each in path.values()]
    assert len(names) == len(set(names))
    assert all(each["summary"] for path in DOCUMENT["paths"].values() for each in path.values())


# Every route, with everything


pytest_loop = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def daemon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """One for all requests, with all that a step can have."""
    root = tmp_path_factory.mktemp("fuzzed") / "workshop"
    root.mkdir()
    steps = [
        {"id": "one", "goss": GOSS.format(path=root / "greeting"), "hints": "Echo.\n"},
        {"id": "two", "hints": "First.\n\n---\n\nSecond.\n", "solve": "Do it.\n"},
    ]
    async with served(root, {"steps": steps, "navigation": "free"}) as made:
        (root / "steps/one/files").mkdir()
        (root / "steps/one/files/a.png").write_bytes(b"\x89PNG" * 1000)
        yield made


PLACES = ("one", "main", "two")
known = st.sampled_from(
    ["one", "two", "main", "a.png", "..%2f..%2fetc%2fpasswd", "%00", "%ff", "%", "x" * 300, "☃"]
)
odd_headers = st.dictionaries(
    st.sampled_from(
        ["range", "if-none-match", "last-event-id", "content-type", "accept", "accept-encoding"]
    ),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30).map(str.strip)
    | st.sampled_from(["bytes=0-", "bytes=-1", "bytes=9-1", "0-0", "application/json", "gzip"]),
    max_size=2,
)
odd_bodies = st.none() | st.binary(max_size=60) | st.just(b"[" * 5000) | st.just(b"x" * 70_000)


class Caller:
    """Sends what a case says, and looks at the answer as a strict client would."""

    def __init__(self, daemon: Served, role: str) -> None:
        self._client = daemon.http(ROLES[role])

    async def __aenter__(self) -> Caller:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.aclose()

    async def call(
        self, method: str, path: str, operation: dict[str, Any] | None, **rest: Any
    ) -> int:
        """One request, its status; Any: JSON, and httpx2's own."""
        request = self._client.build_request(method, path, **rest)
        answer = await self._client.send(request, stream=True)
        try:
            body = await self._body(answer)
        finally:
            await answer.aclose()
        said = f"{method} {path} {rest}: {answer.status_code} {body[:300]!r}"
        assert answer.status_code != 500, said
        if operation is not None and str(answer.status_code) in operation["responses"]:
            self._is_as_agreed(operation["responses"][str(answer.status_code)], answer, body, said)
        elif answer.status_code >= 400 and method != "HEAD" and not is_page(answer):
            error = json.loads(body)["error"]
            assert set(error) <= {"code", "message", "details"}, said
            assert error["code"] and error["message"], said
        else:
            assert answer.status_code < 400 or method == "HEAD" or is_page(answer), said
        return answer.status_code

    async def _body(self, answer: httpx2.Response) -> bytes:
        read = b""
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            return await answer.aread()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FEED_SECONDS):
                async for piece in answer.aiter_raw():
                    read += piece
        return read

    def _is_as_agreed(
        self, agreed: dict[str, Any], answer: httpx2.Response, body: bytes, said: str
    ) -> None:
        content = agreed.get("content", {})
        media = answer.headers.get("content-type", "").partition(";")[0]
        if not content:
            assert answer.status_code >= 300 or not body, said
        elif "application/json" in content:
            assert media == "application/json", said
            schema = {**content[media]["schema"], "components": DOCUMENT["components"]}
            Draft202012Validator(schema).validate(json.loads(body))
        elif not is_page(answer):
            assert media in content or "application/octet-stream" in content, said


def is_page(answer: httpx2.Response) -> bool:
    """What a person's browser gets is a page, also when it is a refusal."""
    return answer.headers.get("content-type", "").startswith("text/html")


SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
ADDRESSES = [
    (method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods
]


def cases(method: str, path: str) -> st.SearchStrategy[Case[Any]]:
    """Requests as the page describes them, and some that break one rule of it."""
    operation = SCHEMA[path][method]
    return st.one_of(
        operation.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE),
        operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE),
    )


def sent(case: Case[Any], name: str | None) -> dict[str, Any]:
    """The parts of a request, with our own credentials; `name` is a place that exists."""
    path = re.sub(r"{\w+}", name, case.path) if name else case.formatted_path
    query = {
        key: value if isinstance(value, str | int) else json.dumps(value)
        for key, value in (case.query or {}).items()
        if key != "wait" or not isinstance(value, int)  # the long poll is long on purpose
    }
    query = {key: re.sub(r"[\ud800-\udfff]", "", str(value)) for key, value in query.items()}
    made: dict[str, Any] = {"url": path, "params": query or None}
    if isinstance(case.body, bytes):
        made["content"] = case.body
    elif not isinstance(case.body, schemathesis.core.NotSet):
        made["content"] = json.dumps(case.body).encode()
    return made


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("method", "path"), ADDRESSES)
@pytest_loop
async def test_a_route_answers_everything_as_agreed(daemon: Served, method: str, path: str) -> None:
    """Fault 43, and 31 for HTTP: no request makes a mistake of ours, and errors have one shape."""
    described = DOCUMENT["paths"][path][method.lower()]

    @settings(max_examples=8, suppress_health_check=list(HealthCheck))
    @given(cases(method, path), st.none() | known, odd_headers, odd_bodies)
    def collect(
        case: Case[Any], name: str | None, headers: dict[str, str], body: bytes | None
    ) -> None:
        if len(requests) < len(PLACES):  # places that exist, before anything odd
            requests.append(sent(case, PLACES[len(requests)]))
            return
        made = sent(case, name) | {"headers": headers}
        requests.append(made | ({"content": body} if body is not None else {}))

    requests: list[dict[str, Any]] = []
    collect()
    async with Caller(daemon, role_of(described)) as caller:
        for made in requests:
            await caller.call(method, made.pop("url"), described, **made)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("path", DOCUMENT["paths"])
@pytest_loop
async def test_a_method_nobody_expects_is_refused_in_the_one_shape(
    daemon: Served, path: str
) -> None:
    address = re.sub(r"{\w+}", "one", path)
    known_methods = {method.upper() for method in DOCUMENT["paths"][path]}
    role = role_of(next(iter(DOCUMENT["paths"][path].values())))
    async with Caller(daemon, role) as caller:
        for method in {"PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} - known_methods:
            await caller.call(method, address, None)


RANGES = {
    "bytes=0-0": 206,
    "bytes=9-1": 200,
    "bytes=": 200,
    "lines=1-2": 200,
    "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 2000, 2)): 200,
    "bytes=99999999-": 416,
}


@pytest.mark.parametrize("wanted", RANGES, ids=lambda text: text[:16])
@pytest.mark.parametrize("path", ["/", "/favicon.svg", "/api/steps/one/files/a.png"])
@pytest_loop
async def test_a_range_of_any_file_is_answered_or_ignored(
    daemon: Served, path: str, wanted: str
) -> None:
    """Fault 40, for what is no recording: one part, or the whole; refused in the one shape."""
    described = next(
        methods["get"]
        for address, methods in DOCUMENT["paths"].items()
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", address), path)
    )
    async with Caller(daemon, "student") as caller:
        status = await caller.call("GET", path, described, headers={"range": wanted})
        assert status == RANGES[wanted]


def role_of(operation: dict[str, Any]) -> str:
    return next((role for role in operation["x-roles"] if role in ROLES), "student")

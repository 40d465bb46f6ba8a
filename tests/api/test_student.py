"""The student's API, through the real app."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.api.conftest import HOST, Serve, bearer


def test_the_workshop_says_what_it_is(client: TestClient) -> None:
    answer = client.get("/api/workshop").json()
    assert (answer["name"], answer["title"], answer["steps"]) == ("tested", "Tested", 3)
    assert answer["capabilities"] == {
        "llm": False,
        "transitions": True,
        "recording": True,
        "autoValidate": True,
    }
    assert answer["versions"]["schema"] == "1.0"


def test_without_a_host_token_the_machine_cannot_be_moved(serve: Serve) -> None:
    client = serve(settings={"WORKSHOP_HOST_TOKEN": ""})
    assert client.get("/api/workshop").json()["capabilities"]["transitions"] is False
    assert client.post("/api/steps/one/transition", json={"kind": "go"}).status_code == 404


def test_a_new_session_is_at_the_first_step(client: TestClient) -> None:
    state = client.get("/api/state").json()
    assert (state["activeStep"], state["viewedStep"], state["completedSteps"]) == ("one", "one", [])
    assert state["host"] == {"attached": False}
    assert state["problems"] == []


def test_the_step_list_says_what_is_locked_and_why(client: TestClient) -> None:
    steps = client.get("/api/steps").json()
    assert [step["accessible"] for step in steps] == [True, False, False]
    assert steps[1]["reason"] == "Complete “Step one” first."
    assert (steps[0]["hasHints"], steps[0]["hasSolve"]) == (True, False)


def test_a_steps_text_is_markdown_and_cached_by_its_content(client: TestClient) -> None:
    answer = client.get("/api/steps/one/content")
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    assert answer.text == "# Step one\n"
    again = client.get("/api/steps/one/content", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/steps/two/content"),
        ("GET", "/api/steps/two/files/a.png"),
        ("POST", "/api/steps/two/view"),
        ("POST", "/api/steps/two/validate"),
        ("POST", "/api/steps/two/complete"),
        ("POST", "/api/steps/two/transition"),
    ],
)
def test_a_locked_step_is_refused_with_the_reason(
    client: TestClient, method: str, path: str
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == 403
    assert answer.json()["error"] == {
        "code": "step_locked",
        "message": "Complete “Step one” first.",
    }


def test_validate_says_what_was_expected_and_found_then_turns_green(
    client: TestClient, tmp_path: Path
) -> None:
    report = client.post("/api/steps/one/validate").json()
    assert (report["outcome"], report["passed"]) == ("failed", False)
    assert report["counts"]["failed"] >= 1
    assert report["checks"][0]["title"] == "The greeting is written"
    assert report["checks"][0]["hint"] == "Use echo."
    (tmp_path / "greeting").write_text("hello\n")
    report = client.post("/api/steps/one/validate").json()
    assert (report["outcome"], report["passed"]) == ("passed", True)
    state = client.get("/api/state").json()
    assert state["completedSteps"] == ["one"]
    assert state["checks"]["one"]["counts"]["passed"] == 1  # of one title
    assert client.get("/api/steps").json()[1]["accessible"] is True


def test_a_tick_is_not_lost_by_a_later_failure_nor_by_a_restart(
    serve: Serve, tmp_path: Path
) -> None:
    client = serve()
    (tmp_path / "greeting").write_text("hello\n")
    client.post("/api/steps/one/validate")
    (tmp_path / "greeting").unlink()
    assert client.post("/api/steps/one/validate").json()["passed"] is False
    assert client.get("/api/state").json()["completedSteps"] == ["one"]
    client.__exit__(None, None, None)
    assert serve().get("/api/state").json()["completedSteps"] == ["one"]


def test_a_step_without_checks_is_ticked_off_and_one_with_checks_is_not(
    client: TestClient, tmp_path: Path
) -> None:
    assert client.post("/api/steps/one/complete").json()["error"]["code"] == "has_checks"
    (tmp_path / "greeting").write_text("hello\n")
    client.post("/api/steps/one/validate")
    assert client.post("/api/steps/two/complete").json()["completed"] is True
    assert client.post("/api/steps/two/validate").status_code == 404


def test_a_tick_that_cannot_be_synced_is_refused_and_the_page_is_told(serve: Serve) -> None:
    """Fault 47: over HTTP; and with the disk's return both are over."""
    client = serve(navigation="free")

    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fdatasync", broken)
        refused = client.post("/api/steps/two/complete")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "storage_failed")
        assert client.get("/api/state").json()["completedSteps"] == []
        [problem] = client.get("/readyz").json()["problems"]
        assert problem["code"] == "storage"
        assert "Input/output error" in problem["message"]
    assert client.post("/api/steps/two/complete").status_code == 200
    assert client.get("/readyz").json()["problems"] == []


def test_viewing_is_recorded_and_moves_nothing(client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "greeting").write_text("hello\n")
    client.post("/api/steps/one/validate")
    client.post("/api/steps/two/view")
    state = client.get("/api/state").json()
    assert (state["activeStep"], state["viewedStep"]) == ("one", "two")


def test_a_transition_goes_through_the_host(client: TestClient) -> None:
    asked = client.post("/api/steps/one/transition", json={"kind": "reset"})
    assert asked.status_code == 202
    transition_id = asked.json()["id"]
    again = client.post("/api/steps/one/transition", json={"kind": "go"})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "transition_pending")
    host = bearer(HOST)
    open_ones = client.get("/api/host/transitions", headers=host).json()["transitions"]
    assert [each["id"] for each in open_ones] == [transition_id]
    claimed = client.post(
        f"/api/host/transitions/{transition_id}/claim", headers=host, json={"host": "h"}
    )
    assert claimed.json()["status"] == "claimed"
    assert client.delete(f"/api/transitions/{transition_id}").status_code == 409
    client.post(
        f"/api/host/transitions/{transition_id}/fail",
        headers=host,
        json={"code": "image_missing", "reason": "There is no image."},
    )
    state = client.get("/api/state").json()
    assert state["transition"]["reason"] == "There is no image."
    assert state["host"]["attached"] is True


def test_the_new_daemon_completes_the_transition_it_was_started_for(serve: Serve) -> None:
    first = serve()
    transition_id = first.post("/api/steps/one/transition", json={"kind": "go"}).json()["id"]
    first.__exit__(None, None, None)
    second = serve(settings={"WORKSHOP_TRANSITION": transition_id, "WORKSHOP_STEP": "one"})
    assert second.get(f"/api/transitions/{transition_id}").json()["status"] == "completed"


def test_a_hand_that_is_up_goes_up_only_once(client: TestClient, tmp_path: Path) -> None:
    first = client.post("/api/hand", json={"raised": True, "note": "stuck"}).json()["hand"]
    for _ in range(20):
        again = client.post("/api/hand", json={"raised": True, "note": "stuck"}).json()["hand"]
        assert again == first
    other = client.post("/api/hand", json={"raised": True, "note": "really"}).json()["hand"]
    assert (other["since"], other["note"]) == (first["since"], "really"), "its place in the queue"
    log = (tmp_path / "workshop/runtime/state-events.jsonl").read_text()
    assert log.count("hand_raised") == 2


def test_a_raised_hand_is_in_the_state(client: TestClient) -> None:
    assert client.post("/api/hand", json={"raised": True, "note": "stuck"}).json()["hand"][
        "note"
    ] == ("stuck")
    assert "hand" not in client.post("/api/hand", json={"raised": False}).json()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/api/nothing", None, 404, "not_found"),
        ("GET", "/api/steps/nope/content", None, 404, "not_found"),
        ("DELETE", "/api/state", None, 405, "method_not_allowed"),
        ("POST", "/api/hand", b"{", 422, "invalid_field"),
        ("POST", "/api/hand", b"[]", 422, "invalid_field"),
        ("POST", "/api/hand", b'{"raised":"maybe"}', 422, "invalid_field"),
        ("POST", "/api/steps/one/transition", b'{"kind":"fly"}', 422, "invalid_field"),
        ("POST", "/api/hand", b"x" * 70_000, 413, "too_large"),
        ("GET", "/api/commands?limit=0", None, 422, "invalid_field"),
        ("GET", "/api/commands?limit=many", None, 422, "invalid_field"),
        ("GET", "/api/transitions/nope", None, 404, "not_found"),
    ],
)
def test_every_error_has_the_one_shape(
    client: TestClient, method: str, path: str, body: bytes | None, status: int, code: str
) -> None:
    answer = client.request(method, path, content=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.json()["error"]["message"].endswith(".")


def test_the_feed_starts_with_the_whole_state_and_follows_it(client: TestClient) -> None:
    seen: list[str] = []
    raising = threading.Thread(
        target=client.post, args=("/api/hand",), kwargs={"json": {"raised": True}}
    )
    with client.stream("GET", "/api/events") as feed:
        assert feed.headers["content-type"].startswith("text/event-stream")
        for line in feed.iter_lines():
            if line.startswith("data:") and '"navigationMode"' in line:
                seen.append(line)
                if len(seen) == 1:
                    raising.start()
                if '"hand"' in line:
                    break
    raising.join(40)
    assert not raising.is_alive()
    assert '"hand"' not in seen[0]


def test_an_unknown_step_is_named_with_those_there_are(client: TestClient) -> None:
    answer = client.get("/api/steps/nosuch/content")
    assert answer.status_code == 404
    assert "“nosuch”; it has: one, two, three." in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/api/state/", "/api/recordings/a.cast/", "/healthz/"])
def test_another_slash_is_another_address(client: TestClient, path: str) -> None:
    assert client.get(path, follow_redirects=False).status_code == 404

"""The instructor's API and feeds, through the real daemon behind a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runtime.domain import events as ev
from runtime.services import watching
from tests.api.conftest import INSTRUCTOR, STUDENT, Serve, bearer
from tests.api.served import Served, served
from tests.services.shells import LIMIT_SECONDS, until

FEED = "/api/instructor/events"
COMMANDS = "/api/instructor/commands/stream"


@dataclass
class Message:
    """One server-sent event."""

    id: str
    event: str
    data: Any  # Any: JSON


class Reader:
    """A reader of a feed; keeps what came."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.ended = False

    @property
    def last_id(self) -> str:
        return self.messages[-1].id

    def of(self, *kinds: str) -> list[Any]:  # Any: JSON
        return [each.data for each in self.messages if each.event in kinds]

    async def sees(self, kind: str, count: int = 1) -> list[Any]:  # Any: JSON
        await until(lambda: len(self.of(kind)) >= count, f"{count} {kind} in {self.messages}")
        return self.of(kind)


@asynccontextmanager
async def reading(
    at: Served, path: str = FEED, *, last_id: str | None = None, token: str = INSTRUCTOR
) -> AsyncIterator[Reader]:
    reader = Reader()
    headers = {"last-event-id": last_id} if last_id else {}

    async def read() -> None:
        async with at.http(token) as http, http.stream("GET", path, headers=headers) as answer:
            assert answer.status_code == 200, await answer.aread()
            fields: dict[str, str] = {}
            async for line in answer.aiter_lines():
                if line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif "data" in fields:
                    reader.messages.append(
                        Message(
                            fields.get("id", ""),
                            fields.get("event", "message"),
                            json.loads(fields["data"]),
                        )
                    )
                    fields = {}
        reader.ended = True

    task = asyncio.create_task(read())
    try:
        yield reader
    finally:
        task.cancel()
        done = (await asyncio.gather(task, return_exceptions=True))[0]
        if isinstance(done, AssertionError):
            raise done


def typed(at: Served, cmd: str, code: int = 0, ts: str = "2026-01-31T12:00:00.000Z") -> None:
    """Write what the hook would write."""
    with (at.root / "runtime/command-log.jsonl").open("a") as log:
        log.write(json.dumps({"ts": ts, "cmd": cmd, "exit": code, "term": "main"}) + "\n")


async def raise_hand(at: Served, note: str) -> None:
    async with at.http(STUDENT) as http:
        answer = await http.post("/api/hand", json={"raised": True, "note": note})
        assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/status", "/events", "/commands", "/terminals/main/live"])
def test_only_an_instructor_may_look(serve: Serve, path: str) -> None:
    assert serve().get(f"/api/instructor{path}").status_code == 401


def test_without_an_instructors_token_there_is_nothing_to_see(serve: Serve) -> None:
    closed = serve(settings={"WORKSHOP_INSTRUCTOR_TOKEN": ""}, as_=INSTRUCTOR)
    assert closed.get("/api/instructor/status").status_code == 404


async def test_the_feed_tells_facts_as_they_were_logged(tmp_path: Path) -> None:
    async with served(tmp_path) as at, reading(at) as reader:
        await reader.sees("status")
        typed(at, "export API_TOKEN=abc123", 1)
        (command,) = await reader.sees("command")
        assert command == {
            "ts": "2026-01-31T12:00:00.000Z",
            "cmd": "export API_TOKEN=[redacted]",
            "exit": 1,
            "term": "main",
        }
        await raise_hand(at, "it hangs")
        (hand,) = await reader.sees("hand")
        logged = (tmp_path / "runtime/state-events.jsonl").read_text().splitlines()
        assert hand in [json.loads(line) for line in logged]
        assert hand["note"] == "it hangs"
        await until(lambda: reader.of("status")[-1].get("hand"), "the hand in the status")


async def test_a_reader_that_comes_back_misses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    """Fault 34, 50: also at another daemon on the same runtime directory, as after a swap."""
    seen: list[tuple[str, Any]] = []

    def keep(reader: Reader) -> None:
        seen.extend((each.event, each.data) for each in reader.messages if each.event != "status")

    async with served(tmp_path) as at:
        async with reading(at, f"{FEED}?after=0-0") as reader:
            typed(at, "one")
            await reader.sees("command")
            keep(reader)
            place = reader.last_id
        typed(at, "two")
        await raise_hand(at, "first")
    again = tmp_path / "again"
    again.mkdir()
    async with served(again, {}, tmp_path / "runtime") as at:
        typed(at, "three")
        async with reading(at, last_id=place) as reader:
            await reader.sees("command", 2)
            await raise_hand(at, "second")
            await reader.sees("hand", 2)
            keep(reader)
    events = [data for kind, data in seen if kind != "command"]
    logged = (tmp_path / "runtime/state-events.jsonl").read_text().splitlines()
    whole = [json.loads(line) for line in logged]
    assert events == whole[: len(events)]
    assert [data["cmd"] for kind, data in seen if kind == "command"] == ["one", "two", "three"]


async def test_ids_go_on_when_the_command_log_was_cut(tmp_path: Path) -> None:
    """Fault 35."""
    async with served(tmp_path) as at, reading(at, COMMANDS + "?after=0") as reader:
        log = tmp_path / "runtime/command-log.jsonl"
        for number in range(3):
            typed(at, f"before {number}")
        await reader.sees("command", 3)
        log.write_bytes(b"")
        await asyncio.sleep(1.2)
        typed(at, "after")
        await reader.sees("command", 4)
        ids = [int(each.id) for each in reader.messages]
        assert ids == sorted(set(ids))
        async with reading(at, COMMANDS, last_id=reader.messages[2].id) as back:
            assert (await back.sees("command"))[0]["cmd"] == "after"


async def test_two_instructors_are_told_the_same(tmp_path: Path) -> None:
    """Fault 34."""
    async with served(tmp_path) as at, reading(at) as one, reading(at) as other:
        await one.sees("status")
        await other.sees("status")
        for number in range(20):
            typed(at, f"command {number}")
        await one.sees("command", 20)
        await other.sees("command", 20)
        assert one.of("command") == other.of("command")


async def test_a_reader_that_reads_nothing_is_cut_off_and_comes_back(tmp_path: Path) -> None:
    """Fault 25, for feeds: bounded memory, others live."""
    async with served(tmp_path) as at, reading(at) as other:
        await other.sees("status")
        place = other.last_id
        host, _, port = at.address.rpartition(":")
        _stuck, writer = await asyncio.open_connection(host, int(port), limit=1024)
        writer.write(
            f"GET {FEED} HTTP/1.1\r\nHost: {at.address}\r\n"
            f"Authorization: Bearer {INSTRUCTOR}\r\n\r\n".encode()
        )
        await until(lambda: len(at.instructor_feed) == 2, "both readers")
        note = "x" * 30_000
        session = at.daemon.session
        for _ in range(200):
            await session.record(ev.HandRaised(ts=session.now(), note=note))
        await until(lambda: len(at.instructor_feed) == 1, "the end of the one that is stuck")
        await other.sees("hand", 200)
        writer.transport.abort()
        async with reading(at, last_id=place) as back:
            await back.sees("hand", 200)


async def test_an_event_of_a_newer_version_is_passed_on(tmp_path: Path) -> None:
    """Fault 39."""
    strange = {"ts": "2026-01-31T12:00:00.000Z", "event": "from_the_future", "field": [1, 2]}
    (tmp_path / "runtime").mkdir()
    (tmp_path / "runtime/state-events.jsonl").write_text(json.dumps(strange) + "\n")
    again = tmp_path / "again"
    again.mkdir()
    async with (
        served(again, {}, tmp_path / "runtime") as at,
        reading(at, f"{FEED}?after=0-0") as reader,
    ):
        await until(lambda: strange in reader.of("state"), "the strange event")


async def test_forged_commands_change_no_status(tmp_path: Path) -> None:
    """Fault 13."""
    async with served(tmp_path) as at, reading(at) as reader:
        await reader.sees("status")
        with (tmp_path / "runtime/command-log.jsonl").open("ab") as log:
            for junk in (b"\xff\xfe\n", b"[" * 5000 + b"\n", b"x" * 200_000 + b"\n", b"\0\n"):
                log.write(junk)
            log.write(b'{"ts": NaN, "cmd": "x", "exit": 0}\n')
        typed(at, "echo real")
        assert [each["cmd"] for each in await reader.sees("command")] == ["echo real"]
        status = reader.of("status")[-1]
        assert (status["completed"], status["stuck"]) == (0, [])


async def test_the_history_of_checks_and_commands_is_paged(tmp_path: Path) -> None:
    async with served(tmp_path) as at:
        session = at.daemon.session
        for number in range(5):
            result = ev.GossResult(
                ts=session.now(),
                step="one",
                passed=False,
                outcome="failed",
                checks=ev.CheckCounts(total=1, passed=0, failed=1, skipped=0),
                trigger="student",
                duration_ms=number,
            )
            await session.record(result)
            typed(at, f"command {number}")
        await until(lambda: len(at.daemon.services.commands.recent(10)) == 5)
        async with at.http(INSTRUCTOR) as http:
            results = (await http.get("/api/instructor/goss/history?limit=2")).json()["results"]
            assert [each["duration_ms"] for each in results] == [3, 4]
            before = results[0]["id"]
            path = f"/api/instructor/goss/history?limit=2&before={before}"
            results = (await http.get(path)).json()["results"]
            assert [each["duration_ms"] for each in results] == [1, 2]
            page = (await http.get("/api/instructor/commands?limit=2")).json()
            path = f"/api/instructor/commands?limit=9&before={page[0]['id']}"
            older = (await http.get(path)).json()
            assert [each["cmd"] for each in older + page] == [f"command {n}" for n in range(5)]
            assert (await http.get("/api/instructor/llm/history")).json() == {"interactions": []}


async def test_three_failures_of_a_command_are_seen_as_stuck(tmp_path: Path) -> None:
    async with served(tmp_path) as at, reading(at) as reader:
        await reader.sees("status")
        now = ev.timestamp(at.daemon.session.now())
        for _ in range(3):
            typed(at, "git pussh", 1, ts=now)
        await until(lambda: reader.of("status")[-1]["stuck"], "a reason")
        (stuck,) = reader.of("status")[-1]["stuck"]
        assert (stuck["reason"], stuck["what"], stuck["times"]) == (
            "failing_command",
            "git pussh",
            3,
        )


async def test_a_lowered_hand_leaves_a_note(tmp_path: Path) -> None:
    async with served(tmp_path) as at:
        await raise_hand(at, "help")
        async with at.http(INSTRUCTOR) as http:
            answer = await http.post("/api/instructor/hand/lower", json={"note": " On my way. "})
            assert answer.status_code == 200
            assert "hand" not in answer.json()
        async with at.http(STUDENT) as http:
            state = (await http.get("/api/state")).json()
            assert "hand" not in state
            assert state["handReply"]["note"] == "On my way."
            await http.post("/api/hand", json={"raised": True})
            assert "handReply" not in (await http.get("/api/state")).json()


async def see(at: Served, last_id: str | None = None) -> tuple[int, str]:
    """The status of a live view, and its error's code."""
    async with at.http(INSTRUCTOR) as http:
        path = "/api/instructor/terminals/main/live"
        async with http.stream("GET", path) as answer:
            if answer.status_code == 200:
                return 200, ""
            return answer.status_code, json.loads(await answer.aread())["error"]["code"]


async def test_a_live_terminal_is_a_cast_that_goes_on(tmp_path: Path) -> None:
    async with served(tmp_path) as at, at.socket() as page:
        await page.type("echo be''fore\r")
        await page.sees("before")
        async with reading(at, "/api/instructor/terminals/main/live") as reader:
            await until(lambda: "before" in str(reader.of("message")), "the screen so far")
            header, (_, kind, screen) = reader.of("message")[:2]
            assert header["version"] == 2
            assert kind == "o"
            assert screen.startswith("\x1bc"), "a redraw"
            async with at.http(STUDENT) as http:
                assert (await http.get("/api/state")).json()["watching"]["watched"] == ["main"]
            await page.type("echo af''ter é€\r")
            await until(lambda: "after é€" in str(reader.of("message")), "the rest")
            place = reader.last_id
        await page.type("echo la''ter\r")
        await page.sees("later")
        async with reading(at, "/api/instructor/terminals/main/live", last_id=place) as back:
            await until(lambda: "later" in str(back.of("message")), "what came meanwhile")
            assert "before" not in str(back.of("message"))


async def test_watching_is_asked_for_when_the_workshop_says_so(tmp_path: Path) -> None:
    async with served(tmp_path, {"watching": "ask"}) as at:
        assert await see(at) == (403, "ask_first")
        async with at.http(INSTRUCTOR) as teacher, at.http(STUDENT) as student:
            asked = await teacher.post("/api/instructor/watching", json={"kind": "watch"})
            assert asked.status_code == 202
            wish = asked.json()["permission"]
            (shown,) = (await student.get("/api/state")).json()["watching"]["permissions"]
            assert (shown["id"], shown["status"]) == (wish, "requested")
            await student.post(f"/api/watching/{wish}", json={"allowed": False})
            assert await see(at) == (403, "ask_first")
            asked = await teacher.post("/api/instructor/watching", json={"kind": "watch"})
            wish = asked.json()["permission"]
            await student.post(f"/api/watching/{wish}", json={"allowed": True})
            async with reading(at, "/api/instructor/terminals/main/live") as reader:
                await reader.sees("message", 2)
                await student.delete(f"/api/watching/{wish}")
                await until(lambda: reader.ended, "the end of the view")
            assert await see(at) == (403, "ask_first")


async def allow(at: Served, kind: str) -> str:
    """The question and the student's yes; the permission's id."""
    async with at.http(INSTRUCTOR) as teacher, at.http(STUDENT) as student:
        asked = await teacher.post("/api/instructor/watching", json={"kind": kind})
        wish = str(asked.json()["permission"])
        await student.post(f"/api/watching/{wish}", json={"allowed": True})
        return wish


async def watched(at: Served) -> list[str]:
    """What the student's page says is looked at."""
    async with at.http(STUDENT) as student:
        names: list[str] = (await student.get("/api/state")).json()["watching"]["watched"]
        return names


async def test_following_a_recording_is_looking_on(tmp_path: Path) -> None:
    async with (
        served(tmp_path, {"watching": "ask"}) as at,
        at.socket() as page,
        at.http(INSTRUCTOR) as teacher,
    ):
        (cast,) = (await teacher.get("/api/instructor/recordings")).json()
        path = f"/api/instructor/recordings/{cast['name']}/live"
        assert (await teacher.get(path)).json()["error"]["code"] == "ask_first"
        wish = await allow(at, "watch")
        async with reading(at, path) as reader:
            await reader.sees("message")
            assert await watched(at) == ["main"]
            await page.type("while :; do echo se''cret; sleep 0.02; done\r")  # it is never quiet
            await until(lambda: "secret" in str(reader.messages), "what is recorded")
            async with at.http(STUDENT) as student:
                await student.delete(f"/api/watching/{wish}")
            await until(lambda: reader.ended, "the end of the view")
        assert await watched(at) == []
        assert (await teacher.get(path)).status_code == 403


async def test_reading_a_recording_that_grows_is_an_event(tmp_path: Path) -> None:
    async with served(tmp_path) as at, at.http(INSTRUCTOR) as teacher:
        (cast,) = (await teacher.get("/api/instructor/recordings")).json()
        await teacher.get(f"/api/instructor/recordings/{cast['name']}")
        assert "watcher_left" in (tmp_path / "runtime/state-events.jsonl").read_text()


@pytest.mark.parametrize("kind", ["watch", "assist"])
async def test_a_yes_is_over_when_nobody_comes_to_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(watching, "ALONE_SECONDS", 0.1)
    async with served(tmp_path, {"watching": "ask"}) as at:
        await asyncio.sleep(0.3)  # also when the daemon began long ago
        await allow(at, kind)
        state = at.daemon.session.state.watching
        await until(lambda: not state.permissions, "the end of the yes")


async def test_a_yes_to_watch_is_over_when_whoever_watched_has_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "ALONE_SECONDS", 0.5)
    async with served(tmp_path, {"watching": "ask"}) as at:
        await allow(at, "watch")
        async with reading(at, "/api/instructor/terminals/main/live") as reader:
            await reader.sees("message")
            await asyncio.sleep(1)
            state = at.daemon.session.state.watching
            assert state.permissions["watch"].status == "allowed"
        await until(lambda: not state.permissions, "the end of the yes")
        assert await see(at) == (403, "ask_first")


async def test_a_student_may_choose_less_but_never_more(tmp_path: Path) -> None:
    async with served(tmp_path, {"watching": "ask"}) as at, at.http(STUDENT) as student:
        chosen = await student.post("/api/watching", json={"mode": "always"})
        assert chosen.json()["mode"] == "ask"
        chosen = await student.post("/api/watching", json={"mode": "off"})
        assert chosen.json()["mode"] == "off"
        assert await see(at) == (403, "watching_off")
        async with at.http(INSTRUCTOR) as teacher:
            asked = await teacher.post("/api/instructor/watching", json={"kind": "assist"})
            assert asked.json()["error"]["code"] == "watching_off"
            (cast,) = (await teacher.get("/api/instructor/recordings")).json()
            path = f"/api/instructor/recordings/{cast['name']}"
            assert (await teacher.get(path)).status_code == 403
            await student.post("/api/watching", json={"mode": "always"})
            assert (await teacher.get(path)).status_code == 403  # it is being recorded


async def test_nobody_types_without_a_yes(tmp_path: Path) -> None:
    async with (
        served(tmp_path) as at,
        at.socket() as page,
        at.http(INSTRUCTOR) as teacher,
        at.http(STUDENT) as student,
    ):
        path = "/api/instructor/terminals/main/input"
        refused = await teacher.post(path, json={"text": "echo x\r"})
        assert refused.json()["error"]["code"] == "ask_first"
        asked = await teacher.post("/api/instructor/watching", json={"kind": "assist"})
        wish = asked.json()["permission"]
        assert (await teacher.post(path, json={"text": "x"})).status_code == 403
        await student.post(f"/api/watching/{wish}", json={"allowed": True})
        assert (await teacher.post(path, json={"text": "echo as''sisted\r"})).status_code == 204
        await page.sees("assisted")
        await student.delete(f"/api/watching/{wish}")
        assert (await teacher.post(path, json={"text": "x"})).status_code == 403
        log = (tmp_path / "runtime/state-events.jsonl").read_text()
        for event in ("watch_requested", "watch_answered", "watch_ended"):
            assert event in log


async def test_typing_is_over_when_whoever_typed_has_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "ALONE_SECONDS", 0.1)
    async with (
        served(tmp_path) as at,
        at.http(INSTRUCTOR) as teacher,
        at.http(STUDENT) as student,
    ):
        async with reading(at, "/api/instructor/terminals/main/live") as reader:
            await reader.sees("message")
            asked = await teacher.post("/api/instructor/watching", json={"kind": "assist"})
            wish = asked.json()["permission"]
            await student.post(f"/api/watching/{wish}", json={"allowed": True})
            await asyncio.sleep(0.3)
            state = at.daemon.session.state.watching
            assert state.permissions["assist"].status == "allowed"
        await until(lambda: "assist" not in state.permissions, "the end of typing")


def test_a_whole_recording_can_be_had_in_parts(serve: Serve) -> None:
    """Fault 40."""
    client = serve(as_=INSTRUCTOR)
    (cast,) = client.get("/api/instructor/recordings").json()
    path = f"/api/instructor/recordings/{cast['name']}"
    answer = client.get(path, headers={"range": "bytes=0-9"})
    assert (answer.status_code, len(answer.content)) == (206, 10)
    assert client.get("/api/instructor/recordings/..%2fstate-events.jsonl").status_code == 404


def test_a_students_token_is_no_instructors(serve: Serve) -> None:
    client = serve()
    answer = client.post("/api/instructor/hand/lower", headers=bearer(STUDENT))
    assert answer.status_code == 401


def test_metrics_say_how_the_student_gets_on(serve: Serve) -> None:
    client = serve(as_=INSTRUCTOR)
    for _ in range(3):
        client.post("/api/steps/one/validate", headers=bearer(STUDENT))
    client.post("/api/hand", headers=bearer(STUDENT), json={"raised": True})
    text = client.get("/metrics").text
    assert 'workshop_step_attempts_total{outcome="failed",step="one"} 3.0' in text
    assert 'workshop_stuck{reason="failing_check"} 1.0' in text
    assert "workshop_hand_raised 1.0" in text


async def test_feeds_end_with_the_daemon(tmp_path: Path) -> None:
    """Fault 18."""
    async with (
        served(tmp_path) as at,
        reading(at) as reader,
        reading(at, "/api/instructor/terminals/main/live") as live,
    ):
        await reader.sees("status")
        await live.sees("message")
        at.daemon.end_streams()
        async with asyncio.timeout(LIMIT_SECONDS):
            await until(lambda: reader.ended and live.ended, "the end")

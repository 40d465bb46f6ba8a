"""The wall in front of a simulated crowd: what moves, what is kept, who may see it."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import gzip
import json
import resource
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from host.classroom import reader, room
from host.classroom.roster import Entry, parse_link
from host.classroom.shelf import Shelf
from host.classroom.wire import StudentStatus
from runtime.domain.errors import AlreadyRunning, StorageFailed
from tests.crowd import TOKEN, Crowd, Student, crowd
from tests.host.classroom.walls import WALL_TOKEN, Wall, until, wall

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def three() -> Iterator[Crowd]:
    """Three students."""
    with crowd(3) as made:
        yield made


def entries(made: Crowd) -> list[Entry]:
    return [parse_link(made.link(student), student.name) for student in made.students]


async def test_what_students_do_moves_the_wall(tmp_path: Path, three: Crowd) -> None:
    ada, grace, _ = three.students
    async with wall(tmp_path, entries(three)) as at, at.page():
        await at.sees(lambda: len(at.seats) == 3, "three seats")
        await at.sees(lambda: all(s.get("reach") == "live" for s in at.seats.values()), "live")
        three.do(lambda: grace.raise_hand("me first", minutes=3))
        three.do(lambda: ada.raise_hand("me too", minutes=1))
        three.do(lambda: ada.command("make test", 2))
        await at.sees(lambda: at.whole["queue"] == [grace.name, ada.name], "the queue")
        await at.sees(lambda: failed(at.seats, ada.name) == 1, "a command")
        assert at.seats[ada.name]["tally"]["lastCommand"]["cmd"] == "make test"
        assert at.whole["funnels"][0]["students"] == 3


async def test_a_wall_that_comes_back_has_lost_and_doubled_nothing(
    tmp_path: Path, three: Crowd
) -> None:
    """Fault 34, for the wall."""
    ada = three.students[0]
    async with wall(tmp_path, entries(three)) as at, at.page():
        three.do(lambda: ada.command("before"))
        await at.sees(lambda: commands(at.seats, ada.name) == 1, "the first")
    three.do(lambda: ada.command("meanwhile"))
    async with wall(tmp_path, entries(three)) as at, at.page():
        three.do(lambda: ada.command("after"))
        await at.sees(lambda: commands(at.seats, ada.name) == 3, "all three")
    assert ada.asked_after[0] == "0-0"
    assert ada.asked_after[1] != "0-0"
    [book] = (tmp_path / "class/books").glob("session-0.jsonl")
    assert book.read_bytes().count(b'"command"') == 3


async def test_two_hundred_students_are_seen_in_time(tmp_path: Path) -> None:
    """Fault 50, for the wall: each types a command every four seconds, two of each."""
    began: dict[tuple[str, str], float] = {}
    taken: dict[tuple[str, str], float] = {}
    with crowd(200) as made:
        async with wall(tmp_path, entries(made)) as at, at.page():
            await at.sees(
                lambda: [each.get("reach") for each in at.seats.values()].count("live") == 200,
                "two hundred",
            )
            looking = asyncio.create_task(look(at, began, taken))
            for number in range(400):  # whether or not the wall keeps up
                student = made.students[number % 200]
                began[student.name, f"make {number}"] = time.monotonic()
                made.do(partial(student.command, f"make {number}"))
                await asyncio.sleep(1 / 50)
            await at.sees(lambda: len(taken) == len(began), "every command")
            looking.cancel()
    assert statistics.quantiles(taken.values(), n=20)[-1] < 1


async def look(
    at: Wall, began: dict[tuple[str, str], float], taken: dict[tuple[str, str], float]
) -> None:
    """Note when the page has each student's last command."""
    while True:
        for name, seat in at.seats.items():
            last = (seat.get("tally") or {}).get("lastCommand")
            if last and (name, last["cmd"]) in began.keys() - taken.keys():
                taken[name, last["cmd"]] = time.monotonic() - began[name, last["cmd"]]
        await asyncio.sleep(0.01)


async def test_a_daemon_that_goes_is_shown_and_read_on_when_it_is_back(
    tmp_path: Path, three: Crowd
) -> None:
    ada = three.students[0]
    async with wall(tmp_path, entries(three)) as at, at.page():
        three.do(lambda: ada.command("before"))
        await at.sees(lambda: commands(at.seats, ada.name) == 1, "a command")
        three.do(lambda: ada.change(down=True))
        await at.sees(lambda: at.seats[ada.name].get("reach") == "unreachable", "gone")
        assert at.seats[ada.name]["since"]
        assert at.seats[ada.name]["student"]["title"] == "Hello, Linux", "what was known stays"
        three.do(lambda: ada.command("unseen"))
        three.do(lambda: ada.change(down=False))
        await at.sees(lambda: commands(at.seats, ada.name) == 2, "what was missed")
        assert at.seats[ada.name].get("reach") == "live"


async def test_nobody_there_is_still_shown_as_last_seen(tmp_path: Path, three: Crowd) -> None:
    roster = entries(three)
    ada = three.students[0]
    async with wall(tmp_path, roster) as at, at.page():
        three.do(lambda: ada.command("before"))
        await at.sees(lambda: commands(at.seats, ada.name) == 1, "a command")
    for student in three.students:
        student.down = True
    async with wall(tmp_path, roster) as at, at.page():
        await at.sees(lambda: at.seats[ada.name].get("reach") == "unreachable", "gone")
        assert commands(at.seats, ada.name) == 1
        assert at.seats[ada.name]["student"]["session"] == ada.session


async def test_another_session_at_the_same_address_begins_another_book(
    tmp_path: Path, three: Crowd
) -> None:
    ada = three.students[0]
    async with wall(tmp_path, entries(three)) as at, at.page():
        three.do(lambda: ada.command("old"))
        await at.sees(lambda: commands(at.seats, ada.name) == 1, "a command")

        def anew() -> None:
            ada.session, ada.facts, ada.place, ada.down = "anew", [], [0, 0], True
            ada.fact("state", {"event": "session_started"})
            ada.command("new")
            ada.command("newer")
            ada.down = False

        three.do(lambda: ada.change(down=True))
        await at.sees(lambda: at.seats[ada.name].get("reach") == "unreachable", "gone")
        three.do(anew)
        await at.sees(lambda: commands(at.seats, ada.name) == 2, "the new session's")
    assert {path.name for path in (tmp_path / "class/books").glob("*.jsonl")} > {
        "anew.jsonl",
        "session-0.jsonl",
    }


async def test_two_links_to_one_session_are_one_student(tmp_path: Path, three: Crowd) -> None:
    for student in three.students[:2]:
        student.session = "the-same"
    async with wall(tmp_path, entries(three)) as at, at.page():
        await at.sees(
            lambda: [s for s in at.seats.values() if "same session as" in s.get("why", "")],
            "the second is refused",
        )


async def test_two_students_of_one_name_never_write_one_book(tmp_path: Path, three: Crowd) -> None:
    for student in three.students[:2]:
        student.session = "the-same"
    same = [parse_link(three.link(student), "Ada") for student in three.students[:2]]
    async with wall(tmp_path, same) as at:
        seats = at.room.seats
        await until(lambda: "refused" in [seat.reach for seat in seats], "one is refused")
        await until(lambda: "live" in [seat.reach for seat in seats], "one is read")
        assert [seat.book is None for seat in seats].count(True) == 1


async def test_a_book_that_cannot_be_read_stops_no_other_student(
    tmp_path: Path, three: Crowd
) -> None:
    ada, grace, _ = three.students
    async with wall(tmp_path, entries(three)) as at, at.page():
        await at.sees(lambda: at.seats[ada.name].get("reach") == "live", "live")
    damaged = tmp_path / "class/books/session-0.jsonl"
    damaged.unlink()
    damaged.mkdir()
    async with wall(tmp_path, entries(three)) as at, at.page():
        await at.sees(lambda: at.seats[grace.name].get("reach") == "live", "the others")
        assert "Nothing can be kept" in at.seats[ada.name]["why"]
        damaged.rmdir()
        await at.sees(lambda: at.seats[ada.name].get("reach") == "live", "it comes back")


async def answers(head: bytes, body: bytes) -> asyncio.Server:
    """A machine that answers every request with the same, for ever."""

    async def answer(source: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await source.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n")
            while True:
                writer.write(body)
                await writer.drain()
        writer.close()

    return await asyncio.start_server(answer, "127.0.0.1", 0)


BOMB = gzip.compress(b"data: " + b"\n" * (64 << 20))  # a thousandth of what it unfolds to


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"content-type: text/html", b"<h1>Sign in</h1>\n\n"),
        (b"content-type: text/event-stream\r\ncontent-encoding: gzip", BOMB),
        (b"content-type: text/event-stream", b"data: {}\n\n" * 1000),
        (b"content-type: text/event-stream", b"data:\n" * 1000),
        (b"content-type: text/event-stream", b"event: status\ndata: " + b"[" * 5000 + b"\n\n"),
    ],
)
async def test_a_machine_that_is_no_daemon_is_never_live_and_harms_nobody(
    tmp_path: Path, three: Crowd, head: bytes, body: bytes
) -> None:
    ada = three.students[0]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with await answers(head, body) as server:
        port = server.sockets[0].getsockname()[1]
        mallory = parse_link(f"http://127.0.0.1:{port}/?token={TOKEN}", "Mallory")
        async with wall(tmp_path, [mallory, *entries(three)]) as at, at.page():
            await at.sees(lambda: at.seats[ada.name].get("reach") == "live", "the others")
            three.do(lambda: ada.command("ls"))
            await at.sees(lambda: commands(at.seats, ada.name) == 1, "a command")
            await asyncio.sleep(1)
            assert at.seats["Mallory"]["reach"] != "live"
        server.close()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 48 * 1024, "KiB of memory"


async def test_a_fact_that_cannot_be_written_stops_no_reader(tmp_path: Path, three: Crowd) -> None:
    ada = three.students[0]
    deep: dict[str, Any] = {}
    for _ in range(600):
        deep = {"x": deep}
    async with wall(tmp_path, entries(three)) as at, at.page():
        three.do(lambda: ada.fact("state", deep))
        three.do(lambda: ada.command("ls"))
        await at.sees(lambda: commands(at.seats, ada.name) == 1, "what comes behind it")


@pytest.mark.parametrize(
    "moment", ["2026-01-31T12:00:00", "0001-01-01T00:00:00+14:00", "soon", "9" * 400]
)
async def test_a_daemon_that_talks_nonsense_harms_no_other_student(
    tmp_path: Path, three: Crowd, moment: str
) -> None:
    """A student may own the machine that the daemon runs on."""
    ada, grace, _ = three.students
    ada.hand = {"since": moment}
    grace.raise_hand("help")
    async with wall(tmp_path, entries(three)) as at, at.page():
        await at.sees(lambda: at.seats[ada.name].get("reach") == "refused", "refused")
        await at.sees(lambda: at.whole["queue"] == [grace.name], "the others go on")


async def test_a_spreadsheet_reads_every_letter_of_a_name(tmp_path: Path, three: Crowd) -> None:
    roster = [parse_link(three.link(three.students[0]), "Jürgen Großmann")]
    async with wall(tmp_path, roster) as at, at.http() as http:
        answer = await http.get("/api/class/students.csv")
        assert answer.content.startswith(codecs.BOM_UTF8 + b"student,")
        assert "Jürgen Großmann" in answer.content.decode("utf-8-sig")


async def test_a_wrong_token_is_a_sentence(tmp_path: Path, three: Crowd) -> None:
    link = three.link(three.students[0]).replace(TOKEN, "not-the-token-0123456789")
    async with wall(tmp_path, [parse_link(link, "Ada")]) as at, at.page():
        await at.sees(lambda: at.seats["Ada"].get("reach") == "refused", "refused")
        assert "newest link" in at.seats["Ada"]["why"]


async def test_thumbnails_only_while_a_page_shows_them_and_only_with_consent(
    tmp_path: Path, three: Crowd
) -> None:
    ada, grace, alan = three.students
    grace.watching, alan.watching = "off", "ask"
    async with wall(tmp_path, entries(three)) as at:
        async with at.page(screens=False):
            await at.sees(lambda: len(at.seats) == 3, "the seats")
            await until(lambda: at.room.seats[0].reach == "live", "live")
            assert at.screens == {}
        three.do(lambda: ada.command("echo hello", 0, "\x1b[31mhello\x1b[0m\r\n"))
        async with at.page(screens=True):
            await at.sees(lambda: "hello" in at.screens[ada.name].get("text", ""), "a picture")
            assert "\x1b[38;5;1mhello" in at.screens[ada.name]["text"]
            await at.sees(lambda: "nobody look" in at.screens[grace.name].get("why", ""), "off")
            await at.sees(lambda: "yes" in at.screens[alan.name].get("why", ""), "ask")
            assert "text" not in at.screens[grace.name] | at.screens[alan.name]
            three.do(lambda: ada.change(watching="off"))
            await at.sees(lambda: "text" not in at.screens[ada.name], "no picture any more")


async def test_no_students_token_is_in_anything_the_page_gets(
    tmp_path: Path, three: Crowd, caplog: pytest.LogCaptureFixture
) -> None:
    """Fault 8, for the wall."""
    caplog.set_level("DEBUG")
    async with wall(tmp_path, entries(three)) as at, at.page(screens=True), at.http() as http:
        await at.sees(lambda: len(at.screens) == 3, "everything")
        tables = [(await http.get(f"/api/class/{each}.csv")).text for each in ("students", "steps")]
        sent_on = await http.get(f"/students/{at.room.seats[0].id}")
        assert sent_on.status_code == 303
        assert sent_on.headers["location"] == f"http://127.0.0.1:{three.port}/s/0/instructor/"
    assert TOKEN.encode() not in at.raw
    assert TOKEN not in "".join([*tables, str(sent_on.headers), caplog.text])
    kept = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert not [text for text in kept if TOKEN in text], "nor on the disk"


async def test_this_computers_own_students_open_with_their_link(three: Crowd) -> None:
    link = three.link(three.students[0])
    local = Entry("session:x", "x", link.partition("/instructor")[0], TOKEN, local=True)
    assert local.page == link


async def test_a_session_that_comes_back_at_another_port_is_read_at_once(
    tmp_path: Path, three: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "RETRY_SECONDS", (600.0,))
    monkeypatch.setattr(room, "LOCAL_SECONDS", 0.1)
    address = three.link(three.students[0]).partition("/instructor")[0]
    here = [Entry("session:x", "x", "http://127.0.0.1:9", TOKEN, local=True)]
    shelf = Shelf(tmp_path / "class")
    with shelf.locked():
        made = room.Room(shelf, (), find_local=lambda known: list(here))
        await made.start()
        try:
            await until(lambda: made.seats[0].reach == "unreachable", "nobody there")
            here[0] = replace(here[0], address=address)
            await until(lambda: made.seats[0].reach == "live", "the other address")
        finally:
            await made.close()


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/api/class/events", {}, 401),
        ("/api/class/students.csv", {"authorization": "Bearer wrong-token-0123456789"}, 401),
        ("/students/whoever", {}, 401),
        ("/students/whoever", {"authorization": f"Bearer {WALL_TOKEN}"}, 404),
        ("/api/class/nothing.csv", {"authorization": f"Bearer {WALL_TOKEN}"}, 404),
        ("/?token=wrong-token-0123456789", {}, 401),
        ("/", {"host": "evil.example"}, 421),
        ("/", {"host": ""}, 421),
        ("/", {"origin": "https://evil.example"}, 403),
        ("/api/class/events", {"sec-fetch-site": "cross-site"}, 403),
        ("/assets/%2e%2e/%2e%2e/%2e%2e/pyproject.toml", {}, 404),
        ("/assets/%2e%2e/class.html", {}, 404),
        ("/healthz", {}, 200),
    ],
)
async def test_the_door(tmp_path: Path, path: str, headers: dict[str, str], status: int) -> None:
    """Faults 6, 7, 8, for the wall."""
    async with wall(tmp_path, []) as at, at.http(None) as http:
        answer = await http.get(path, headers=headers)
        assert answer.status_code == status
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["referrer-policy"] == "no-referrer"


async def test_the_link_becomes_a_cookie_and_leaves_the_address(tmp_path: Path) -> None:
    async with wall(tmp_path, []) as at, at.http(None) as http:
        answer = await http.get(f"/?token={WALL_TOKEN}")
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie and "samesite=strict" in cookie.lower()
        assert (await http.get("/api/class/steps.csv")).status_code == 200, "the cookie is enough"
        assert (await http.post("/api/class/steps.csv")).status_code == 405


def test_a_class_has_one_wall(tmp_path: Path) -> None:
    with (
        Shelf(tmp_path / "class").locked(),
        pytest.raises(AlreadyRunning, match="--name"),
        Shelf(tmp_path / "class").locked(),
    ):
        pass
    with Shelf(tmp_path / "class").locked():
        pass


def test_a_book_that_cannot_be_written_keeps_no_other_from_it(tmp_path: Path) -> None:
    raw = json.dumps(Student(0, "Ada").status()).encode()
    status = StudentStatus.model_validate_json(raw)
    books = tmp_path / "class/books"
    shelf = Shelf(tmp_path / "class")
    with pytest.raises(StorageFailed), shelf.locked():
        for number in range(3):
            shelf.take(f"key {number}", "Ada", f"session-{number}").show(status, raw)
            (books / f"session-{number}.status.json").unlink()
        for number in range(3):
            shelf.take(f"key {number}", "Ada", f"session-{number}").show(status, raw)
        (books / "session-1.status.json").mkdir()
    assert (books / "session-0.status.json").is_file()
    assert (books / "session-2.status.json").is_file()


@pytest.mark.parametrize("damage", [b'{"tok', b"", b"[]", b"\xff\xfe"])
@pytest.mark.parametrize("name", ["wall.json", "seats.json"])
def test_a_damaged_file_of_the_class_begins_anew(tmp_path: Path, name: str, damage: bytes) -> None:
    shelf = Shelf(tmp_path / "class")
    with shelf.locked():
        shelf.keep_wall("t" * 32, 8070)
        shelf.take("key", "Ada", "session")
    (shelf.folder / name).write_bytes(damage)
    with Shelf(shelf.folder).locked():
        token, _ = shelf.wall()
        assert len(token) >= 32
        assert shelf.take("key", "Ada", "session")
    kept = [each.read_bytes() for each in shelf.folder.glob(f"{name}.damaged-*")]
    assert kept == ([] if damage == b"[]" else [damage])


def commands(seats: dict[str, dict[str, Any]], name: str) -> int:
    return int(seats[name].get("tally", {}).get("commands", 0))


def failed(seats: dict[str, dict[str, Any]], name: str) -> int:
    return int(seats[name].get("tally", {}).get("failedCommands", 0))

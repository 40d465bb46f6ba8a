"""Many students on one address: the wire format of instructors' feeds without daemons behind it.

Each student is `/s/<number>`. What happens is decided by who holds the `Crowd`; `python -m
tests.crowd 50 2` is one of 50 who do something twice a second each until standard input ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

TOKEN = "crowd-instructor-token-0123456789"
TITLES = (
    *("Look around", "Your first file", "Pipes and filters", "Find what you need", "Processes"),
    *("Permissions", "A small script", "Clean up"),
)
NAMES = (
    *("Ada Lovelace", "Grace Hopper", "Alan Turing", "Katherine Johnson", "Edsger Dijkstra"),
    *("Barbara Liskov", "Donald Knuth", "Margaret Hamilton", "Dennis Ritchie", "Radia Perlman"),
    *("Ken Thompson", "Frances Allen", "Niklaus Wirth", "Hedy Lamarr", "Linus Torvalds"),
    *("Mary Keller", "Tony Hoare", "Annie Easley", "John Backus", "Jean Bartik"),
    *("Guido van Rossum", "Karen Jones", "Robin Milner", "Shafi Goldwasser", "Leslie Lamport"),
    *("Adele Goldberg", "Bjarne Stroustrup", "Sophie Wilson", "Larry Wall", "Lynn Conway"),
)
COMMANDS = (
    *(("ls -la", 0), ("cat notes.txt | grep -i error | sort | uniq -c", 0), ("make test", 2)),
    *(
        ("vim hello.sh", 0),
        ("chmod +x hello.sh", 0),
        ("./hello.sh", 126),
        ("find . -name '*.log'", 0),
    ),
)


def now() -> str:
    """As the log writes it."""
    return stamp(datetime.now(UTC))


def stamp(moment: datetime) -> str:
    """RFC 3339 with milliseconds."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ago(minutes: float) -> str:
    """A time in the past."""
    return stamp(datetime.now(UTC) - timedelta(minutes=minutes))


@dataclass
class Student:
    """One student; `facts` are `(place, kind, record)`. Change it on the crowd's loop only."""

    number: int
    name: str
    watching: str = "always"
    down: bool = False
    session: str = ""
    hand: dict[str, str] | None = None
    stuck: list[dict[str, Any]] = field(default_factory=list)  # Any: JSON
    at: int = 0
    spent: dict[int, int] = field(default_factory=dict)  # seconds by step
    failed: dict[int, int] = field(default_factory=dict)
    connected: int = 1
    facts: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    screen: str = "\x1b[1;32mstudent\x1b[0m:\x1b[1;34m/workspace\x1b[0m$ "
    changed: list[asyncio.Event] = field(default_factory=list)
    asked_after: list[str] = field(default_factory=list)
    place: list[int] = field(default_factory=lambda: [0, 0])

    def __post_init__(self) -> None:
        self.session = self.session or f"session-{self.number}"
        self.fact("state", {"event": "session_started", "session": self.session, "ts": now()})

    def fact(self, kind: str, record: dict[str, Any]) -> None:
        """Something happened."""
        self.place[1 if kind == "command" else 0] += len(json.dumps(record)) + 1
        self.facts.append((f"{self.place[0]}-{self.place[1]}", kind, record))
        self.stir()

    def command(self, cmd: str, code: int = 0, output: str = "") -> None:
        """A command ran."""
        self.screen = "\r\n".join(f"{self.screen}{cmd}".split("\r\n")[-23:])
        self.screen += f"\r\n{output}\x1b[1;32mstudent\x1b[0m:\x1b[1;34m/workspace\x1b[0m$ "
        self.fact("command", {"ts": now(), "cmd": cmd, "exit": code, "term": "main"})

    def raise_hand(self, note: str, minutes: float = 0) -> None:
        """The hand goes up."""
        self.hand = {"since": ago(minutes), "note": note}
        self.fact("hand", {"event": "hand_raised", "ts": ago(minutes), "note": note})

    def change(self, **fields: Any) -> None:
        """Set fields, which whoever follows sees."""
        for name, value in fields.items():
            setattr(self, name, value)
        self.stir()

    def stir(self) -> None:
        """Whoever follows looks again."""
        for each in self.changed:
            each.set()

    def status(self) -> dict[str, Any]:
        """The feed's `status`."""
        steps = [
            {
                "id": f"step-{number}",
                "title": title,
                "position": number,
                "hasGoss": True,
                "completed": number < self.at,
                "onTaskSeconds": self.spent.get(number, 0),
                "attempts": self.failed.get(number, 0) + (number < self.at),
                "failed": self.failed.get(number, 0),
                "commands": 3,
                "failedCommands": 1,
                "helps": 0,
                **({"startedAt": ago(50)} if number <= self.at else {}),
            }
            for number, title in enumerate(TITLES)
        ]
        viewed = min(self.at, len(TITLES) - 1)
        return {
            "id": f"{self.place[0]}-{self.place[1]}",
            "ts": now(),
            "session": self.session,
            "boot": "boot",
            "workshop": "hello-linux",
            "title": "Hello, Linux",
            "navigationMode": "free",
            "activeStep": f"step-{viewed}",
            "viewedStep": f"step-{viewed}",
            "steps": steps,
            "completed": min(self.at, len(TITLES)),
            "total": len(TITLES),
            "finished": self.at >= len(TITLES),
            "connected": self.connected,
            "lastActivity": now(),
            "running": self.connected > 0,
            "stuck": self.stuck,
            "hand": self.hand,
            "watching": {
                "setting": self.watching,
                "mode": self.watching,
                "permissions": [],
                "watched": [],
            },
            "terminals": [{"name": "main", "cols": 80, "rows": 24, "clients": 1, "running": True}],
        }


class Crowd:
    """All of them; `run` serves on `address` until `stop`."""

    def __init__(self, count: int) -> None:
        self.students = [
            Student(number, NAMES[number % len(NAMES)] + (f" {number}" if number >= 30 else ""))
            for number in range(count)
        ]
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self.loop: asyncio.AbstractEventLoop | None = None
        self._server: uvicorn.Server | None = None

    def link(self, student: Student) -> str:
        """The instructor's link."""
        return f"http://127.0.0.1:{self.port}/s/{student.number}/instructor/?token={TOKEN}"

    def roster(self) -> str:
        """A roster file's text."""
        lines = [f"{self.link(student)} {student.name}" for student in self.students]
        return "\n".join(["# everybody", *lines]) + "\n"

    def do(self, action: Callable[[], object]) -> None:
        """Change something, from any thread."""
        assert self.loop is not None
        self.loop.call_soon_threadsafe(action)

    async def run(self) -> None:
        """Serve."""
        self.loop = asyncio.get_running_loop()
        app = Starlette(
            routes=[
                Route("/s/{number:int}/api/instructor/events", self._events),
                Route("/s/{number:int}/api/instructor/terminals/main/live", self._live),
                Route("/s/{number:int}/instructor/", self._page),
            ]
        )
        config = uvicorn.Config(
            app, log_config=None, ws="none", lifespan="off", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        await self._server.serve(sockets=[self._socket])

    def stop(self) -> None:
        """End it."""
        if self._server is not None:
            self._server.should_exit = True

    def _found(self, request: Request) -> Student | Response:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return JSONResponse({"error": {"code": "unauthorized", "message": "No."}}, 401)
        student = self.students[request.path_params["number"]]
        return Response(status_code=503) if student.down else student

    async def _page(self, request: Request) -> Response:
        return Response(f"the page of {request.path_params['number']}", media_type="text/plain")

    async def _events(self, request: Request) -> Response:
        student = self._found(request)
        if isinstance(student, Response):
            return student
        after = request.headers.get("last-event-id") or request.query_params.get("after", "")
        student.asked_after.append(after)
        return StreamingResponse(_feed(student, after), media_type="text/event-stream")

    async def _live(self, request: Request) -> Response:
        student = self._found(request)
        if isinstance(student, Response):
            return student
        if student.watching != "always":
            return JSONResponse({"error": {"code": "watching_off", "message": "No."}}, 403)
        return StreamingResponse(_cast(student), media_type="text/event-stream")


@contextmanager
def crowd(count: int) -> Iterator[Crowd]:
    """A crowd that is served by a thread of its own."""
    made = Crowd(count)
    thread = threading.Thread(target=lambda: asyncio.run(made.run()), name="crowd", daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while made._server is None or not made._server.started:
        assert time.monotonic() < deadline, "the crowd did not come"
        time.sleep(0.02)
    try:
        yield made
    finally:
        made.stop()
        thread.join(10)


async def _feed(student: Student, after: str) -> AsyncIterator[bytes]:
    yield b"retry: 1000\n\n"
    yield _message("status", student.status(), after or "0-0")
    places = [place for place, _, _ in student.facts]
    sent = places.index(after) + 1 if after in places else 0
    with _follow(student) as stirred:
        while not student.down:
            for place, kind, record in student.facts[sent:]:
                yield _message(kind, record, place)
                sent += 1
            yield _message("status", student.status(), student.facts[-1][0])
            await _stirred(stirred)


async def _cast(student: Student) -> AsyncIterator[bytes]:
    header = {"version": 2, "width": 80, "height": 24}
    yield b"id: 0\ndata: %b\n\n" % json.dumps(header).encode()
    shown = ""
    with _follow(student) as stirred:
        while not student.down and student.watching == "always":
            if student.screen != shown:
                shown = student.screen
                event = [0.1, "o", f"\x1bc{shown}"]
                yield b"id: 1\ndata: %b\n\n" % json.dumps(event).encode()
            await _stirred(stirred)


@contextmanager
def _follow(student: Student) -> Iterator[asyncio.Event]:
    stirred = asyncio.Event()
    student.changed.append(stirred)
    try:
        yield stirred
    finally:
        student.changed.remove(stirred)


async def _stirred(event: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(10):
            await event.wait()
    event.clear()


def _message(event: str, record: dict[str, Any], place: str) -> bytes:
    data = json.dumps({key: value for key, value in record.items() if value is not None})
    return f"id: {place}\nevent: {event}\ndata: {data}\n\n".encode()


def busy(made: Crowd, seed: int = 7) -> None:
    """Bring everybody to where a class is after half an hour."""
    chance = random.Random(seed)
    for student in made.students:
        student.at = min(len(TITLES), max(0, round(chance.gauss(3.2, 1.6))))
        for step in range(min(student.at + 1, len(TITLES))):
            student.spent[step] = chance.randrange(40, 600)
            student.failed[step] = chance.choice((0, 0, 0, 1, 2))
        for cmd, code in chance.sample(COMMANDS, 4):
            output = "\x1b[31merror\x1b[0m: something is missing\r\n" if code else "total 24\r\n"
            student.command(cmd, code, output)
        if student.at in (2, 3) and chance.random() < 0.4:
            student.stuck = [
                {
                    "reason": "check_fails",
                    "step": f"step-{student.at}",
                    "since": ago(chance.randrange(1, 9)),
                    "message": "“The log is sorted” failed 3 times in a row.",
                }
            ]
    for number, note in ((4, "The pipe prints nothing, why?"), (1, "May I use awk?")):
        if number < len(made.students):
            made.students[number].raise_hand(note, minutes=number + 1.5)


async def _stir_all(made: Crowd, rate: float) -> None:
    chance = random.Random(1)
    while True:
        await asyncio.sleep(1 / (rate * len(made.students)))
        student = chance.choice(made.students)
        student.command(f"echo stamp={time.time_ns() // 1_000_000}")


async def _serve(count: int, rate: float) -> None:
    made = Crowd(count)
    busy(made)
    sys.stdout.write(json.dumps({"roster": made.roster()}) + "\n")
    sys.stdout.flush()
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(made.run())
        stirring = tasks.create_task(_stir_all(made, rate))
        await asyncio.to_thread(sys.stdin.read)
        stirring.cancel()
        made.stop()
        await serving


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2])))

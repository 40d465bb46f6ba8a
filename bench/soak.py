"""A scripted class for an hour: what the daemons cost at its start and at its end.

`python -m bench.soak [MINUTES] [STUDENTS]`. Each student has a daemon of its own with a real shell,
real checks and a model's server, and does in random order what students do. One student's machine
is swapped all the time: its daemon ends and another one starts in the same folder. Exits with 1
when something grew or went wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.table import Row, render
from tests.api.conftest import HOST, INSTRUCTOR
from tests.model_server import ModelServer, model_server
from tests.runtime.daemon import Answer, Process, make_root, running

MINUTES = 60.0
STUDENTS = 4
SAMPLE_SECONDS = 5.0
WARM_UP = 0.15  # of the time: what is made once is made then
PART = 0.2  # of the samples: the first and the last ones are compared
GROWTH = {"memory": 10.0, "descriptors": 3.0, "threads": 3.0, "tasks": 4.0}  # MB, then counts
FLOOD_BYTES = 2_000_000
LLM = {"provider": "anthropic", "model": "m", "apiKeyEnv": "MODEL_KEY", "maxTokens": 500}
BAD = re.compile(r"^\S+ (?:ERROR|CRITICAL) .*|Traceback.*", re.MULTILINE)


@dataclass
class Samples:
    """What one daemon cost, from sample to sample; memory in MB."""

    taken: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in GROWTH})

    def add(self, daemon: Process, tasks: float) -> None:
        """One more sample."""
        self.taken["memory"].append(daemon.resident_bytes() / 1e6)
        self.taken["descriptors"].append(daemon.descriptors())
        self.taken["threads"].append(daemon.threads())
        self.taken["tasks"].append(tasks)

    def ends(self, name: str) -> tuple[float, float]:
        """The medians of the first and the last samples after the warm-up."""
        values = self.taken[name][int(len(self.taken[name]) * WARM_UP) :]
        part = max(1, int(len(values) * PART))
        return statistics.median(values[:part]), statistics.median(values[-part:])


class Student:
    """One student at one daemon, for as long as the daemon lives."""

    def __init__(self, daemon: Process, chance: random.Random, done: Counter[str]) -> None:
        self._daemon = daemon
        self._chance = chance
        self._done = done
        self.faults: list[str] = []

    async def work(self, until: float) -> None:
        """Do one thing after the other."""
        actions: dict[Callable[[], Awaitable[None]], int] = {
            self.type_commands: 8,
            self.validate: 3,
            self.reload: 3,
            self.ask: 2,
            self.flood: 1,
            self.another_terminal: 1,
            self.restart: 1,
            self.be_watched: 2,
        }
        choices = random.Random(self._chance.random()).choices
        while time.monotonic() < until:
            [action] = choices(list(actions), list(actions.values()))
            name = getattr(action, "__name__", "")
            try:
                await action()
                self._done[name] += 1
            except (AssertionError, TimeoutError, OSError) as error:
                self.faults.append(f"{name}: {error!r}"[:300])
            await asyncio.sleep(self._chance.uniform(0.1, 0.6))

    async def type_commands(self) -> None:
        """A few commands, each seen to have run."""
        async with self._daemon.page() as page:
            await page.hears("hello")
            for _ in range(3):
                word = self._word()
                await page.type(f"echo {word[:4]}''{word[4:]}; ls /etc | head -5\r")
                await page.sees(word)

    async def validate(self) -> None:
        """A check by the button."""
        await self._call("POST", "/api/steps/one/validate")

    async def reload(self) -> None:
        """A page that comes and goes, with all that it asks for."""
        for path in ("/api/workshop", "/api/state", "/api/steps", "/api/steps/one/content"):
            await self._call("GET", path)
        async with self._daemon.feed(), self._daemon.page() as page:
            await page.hears("hello")

    async def ask(self) -> None:
        """A question to the model; refused is an answer as well."""
        await self._call(
            "POST", "/api/steps/one/llm/help", {"question": self._word()}, also=(409, 429)
        )

    async def flood(self) -> None:
        """More output than a page can show."""
        word = self._word()
        async with self._daemon.page() as page:
            await page.hears("hello")
            await page.type(f"yes | head -c {FLOOD_BYTES}; echo {word[:4]}''{word[4:]}\r")
            await page.sees(word)

    async def another_terminal(self) -> None:
        """Open one, leave something hidden in it, close it."""
        await self._call("POST", "/api/terminals", {"name": "more"}, also=(409,))
        async with self._daemon.page("more") as page:
            await page.hears("hello")
            await page.type("nohup setsid sleep 600 >/dev/null 2>&1 &\r")
            await page.sees("[1]")
        await self._call("DELETE", "/api/terminals/more")

    async def restart(self) -> None:
        """A new shell."""
        await self._call("POST", "/api/terminals/main/restart")

    async def be_watched(self) -> None:
        """The instructor's page looks at everything once."""
        for path in ("status", "commands", "goss/history", "llm/history", "recordings"):
            await self._call("GET", f"/api/instructor/{path}", token=INSTRUCTOR)

    async def tasks(self) -> float:
        """How many the event loop has."""
        answer = await self._call("GET", "/metrics", token=HOST)
        found = re.search(rb"^workshop_tasks (\S+)", answer.body, re.MULTILINE)
        assert found is not None
        return float(found[1])

    async def _call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        also: tuple[int, ...] = (),
        **options: str,
    ) -> Answer:
        answer = await self._daemon.call(method, path, body, **options)
        assert answer.status < 300 or answer.status in also, f"{method} {path}: {answer.head[:40]}"
        return answer

    def _word(self) -> str:
        return f"word-{self._chance.randrange(10**9)}"


class Classroom:
    """All students, and what was seen of their daemons."""

    def __init__(self, folder: Path, model: ModelServer) -> None:
        self._folder = folder
        self._model = model
        self.done: Counter[str] = Counter()
        self.samples: list[Samples] = []
        self.faults: list[str] = []
        self.said: list[str] = []
        self.swaps = 0

    async def run(self, students: int, seconds: float) -> None:
        """Until the time is over."""
        until = time.monotonic() + seconds
        await asyncio.gather(
            self._swapped(until), *(self._student(number, until) for number in range(1, students))
        )

    async def _student(self, number: int, until: float) -> None:
        root = self._root(number)
        with running(root, **self._settings()) as daemon:
            student = Student(daemon, random.Random(number), self.done)
            samples = Samples()
            self.samples.append(samples)
            working = asyncio.create_task(student.work(until), name=f"student {number}")
            while not working.done():
                await asyncio.wait({working}, timeout=SAMPLE_SECONDS)
                with contextlib.suppress(AssertionError, TimeoutError, OSError):
                    samples.add(daemon, await student.tasks())
            await working
        self._seen(student, daemon)

    async def _swapped(self, until: float) -> None:
        """A student whose daemon ends and starts anew on the same folder."""
        root = self._root(0)
        while time.monotonic() < until:
            daemon = await asyncio.to_thread(Process, root, **self._settings())
            try:
                await asyncio.to_thread(daemon.wait_until_ready)
                student = Student(daemon, random.Random(self.swaps), self.done)
                await student.work(min(until, time.monotonic() + 20))
            finally:
                await asyncio.to_thread(daemon.stop)
            self._seen(student, daemon)
            self.swaps += 1

    def _seen(self, student: Student, daemon: Process) -> None:
        self.faults += student.faults
        self.said += BAD.findall(daemon.log)

    def _root(self, number: int) -> Path:
        folder = self._folder / f"student-{number}"
        folder.mkdir()
        return make_root(
            folder,
            [
                {"id": "one", "goss": "command: {'true': {exit-status: 0}}\n", "hints": "Look.\n"},
                {"id": "two", "goss": "command: {'false': {exit-status: 0}}\n"},
            ],
            llm=LLM,
        )

    def _settings(self) -> dict[str, str]:
        return {
            "MODEL_KEY": "key",
            "WORKSHOP_LLM_BASE_URL": self._model.url,
            "WORKSHOP_LLM_RATE_LIMIT": "1000",
            "WORKSHOP_LLM_SESSION_TOKENS": "1000000000",
        }


def rows(classroom: Classroom) -> list[Row]:
    """What was done, what each daemon cost at the start and at the end, what went wrong."""
    found = [Row(f"done: {name}", str(count)) for name, count in sorted(classroom.done.items())]
    found.append(Row("done: swaps", str(classroom.swaps)))
    for name, most in GROWTH.items():
        unit = " MB" if name == "memory" else ""
        for number, samples in enumerate(classroom.samples, 1):
            first, last = samples.ends(name)
            found.append(
                Row(
                    f"{name}, daemon {number}",
                    f"{last:.1f}{unit}",
                    f"at the start {first:.1f}{unit}",
                    f"at most {most:g}{unit} more",
                    last - first <= most,
                )
            )
    for name, what in (
        ("actions that failed", classroom.faults),
        ("errors logged", classroom.said),
    ):
        found.append(Row(name, str(len(what)), "", "none", not what))
    return found


def main() -> None:
    """Run it and print the table."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else MINUTES
    students = int(sys.argv[2]) if len(sys.argv) > 2 else STUDENTS
    print(f"A class of {students} for {minutes:g} minutes …", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder, model_server() as model:
        classroom = Classroom(Path(folder), model)
        asyncio.run(classroom.run(students, minutes * 60))
    table = rows(classroom)
    for each in (*classroom.faults[:10], *classroom.said[:10]):
        print(each, file=sys.stderr)
    print(render(table))
    sys.exit(any(row.within is False for row in table))


if __name__ == "__main__":
    main()

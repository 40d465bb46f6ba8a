"""Key echo and floods of output through the whole daemon, recording on, beside two others.

They are terminado, and terminado with `asciinema rec` between it and the shell: what a recorded
terminal is usually made of. Their pages are the same cheap reader (bench/pages.py). All three are
there all the time and measured in turns, so that a slow moment hits each of them.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import uvloop

from bench.pages import Page, our_page, reader, terminado_page
from bench.start import free_port, milliseconds_to, resident_megabytes, started
from bench.table import Row, ratio_row
from tests.made import make_artifact

ECHO_ROUNDS = 11
FLOOD_ROUNDS = 7
KEYS = 300
KEY_PAUSE_SECONDS = 0.004
FLOOD_BYTES = 100_000_000
# The end is said three times: a server that wraps its output may cut the word in two.
FLOOD = (
    f"yes 0123456789abcdefghijklmnopqrstuvwxyz | head -c {FLOOD_BYTES}; "
    "for i in 1 2 3; do echo en''ded-{}; sleep 0.1; done\r"
)
PAGES = 10
HISTORY = "yes 'a line of history, coloured \x1b[31mred\x1b[0m' | head -c 1200000; echo re''ady\r"
SETTLED_SECONDS = 1.5  # asciinema throws away what was typed before it is ready
ATTACHES = 20
INTERRUPTS = 10
CHAIN = "terminado + asciinema rec"
TERMINADO = """
import sys, tornado.ioloop, tornado.web
from terminado import SingleTermManager, TermSocket
manager = SingleTermManager(shell_command=sys.argv[2:])
app = tornado.web.Application([
    (r"/socket", TermSocket, {"term_manager": manager}),
    (r"/", type("Ok", (tornado.web.RequestHandler,), {"get": lambda self: self.write("ok")})),
])
app.listen(int(sys.argv[1]), "127.0.0.1")
tornado.ioloop.IOLoop.current().start()
"""
BASH = ("/bin/bash", "--norc", "--noprofile")

_floods = itertools.count()


@dataclass
class Server:
    """One of those compared: its process, how a page is opened, and what was measured.

    Milliseconds of each round's echoes, seconds of each flood to one page and to ten, CPU seconds
    of its process in those to one, megabytes at the end.
    """

    process: subprocess.Popen[bytes]
    open_page: Callable[[], AbstractAsyncContextManager[Page]]
    pages: list[Page] = field(default_factory=list)
    echo_p50: list[float] = field(default_factory=list)
    echo_p99: list[float] = field(default_factory=list)
    flood_one: list[float] = field(default_factory=list)
    flood_many: list[float] = field(default_factory=list)
    cpu_one: list[float] = field(default_factory=list)
    memory: float = 0.0


def rows() -> list[Row]:
    """The daemon, terminado and the chain beside each other, in rounds, in the same run."""
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs, chain, alone = uvloop.run(_measure(Path(folder)))
    one = statistics.median(ours.flood_one)
    return [
        _compared("key echo p50", ours.echo_p50, chain.echo_p50, "ms", CHAIN, 0.5),
        _compared("100 MB, one page", ours.flood_one, chain.flood_one, "s", CHAIN, 0.5),
        _compared("key echo p50", ours.echo_p50, theirs.echo_p50, "ms", "terminado", 1.0),
        _compared("key echo p99", ours.echo_p99, theirs.echo_p99, "ms", "terminado", 1.0),
        _compared("100 MB, one page", ours.flood_one, theirs.flood_one, "s", "terminado", 1.0),
        _compared("100 MB, ten pages", ours.flood_many, theirs.flood_many, "s", "terminado", 1 / 4),
        _compared("100 MB, server CPU", ours.cpu_one, theirs.cpu_one, "s", "terminado", 1.0),
        Row(
            "100 MB, rate",
            f"{FLOOD_BYTES / 1e6 / one:.0f} MB/s",
            f"a bare reader {FLOOD_BYTES / 1e6 / alone.bare:.0f}",
        ),
        Row(
            "memory after floods to eleven pages",
            f"{ours.memory:.0f} MB",
            f"terminado {theirs.memory:.0f} MB",
            "under 90 MB",
            ours.memory < 90,
        ),
        _limit_row("attach to 1 MiB of history, p95", alone.attach_p95, 150),
        _limit_row("key echo p99 while another terminal floods", alone.busy_p99, 50),
        _limit_row("Ctrl-C during yes, slowest of 10", alone.interrupt, 100),
    ]


def _compared(
    what: str, ours: list[float], theirs: list[float], unit: str, name: str, most: float
) -> Row:
    """The medians of rounds taken in turns."""
    return ratio_row(what, statistics.median(ours), statistics.median(theirs), unit, name, most)


def _limit_row(what: str, milliseconds: float, limit: float) -> Row:
    said = f"{milliseconds:.1f} ms"
    return Row(what, said, "", f"under {limit:.0f} ms", milliseconds < limit)


async def _measure(folder: Path) -> tuple[Server, Server, Server, Alone]:
    async with AsyncExitStack() as open_things:
        ours, port = _daemon(folder, open_things)
        record = ("asciinema", "rec", "-q", "--overwrite", "-c", " ".join(BASH))
        theirs = _terminado(BASH, open_things)
        chain = _terminado((*record, str(folder / "chain.cast")), open_things)
        servers = (ours, theirs, chain)
        for each in servers:
            await _begin(each, open_things)
        for _ in range(ECHO_ROUNDS):
            for each in servers:
                await _take_echo(each)
        for _ in range(FLOOD_ROUNDS):
            for each in servers:
                await _take_flood(each)
        for each in (ours, theirs):
            for _ in range(PAGES - 1):
                each.pages.append(await open_things.enter_async_context(each.open_page()))
        for _ in range(FLOOD_ROUNDS):
            for each in (ours, theirs):
                each.flood_many.append(await _flood(each.pages))
        for each in (ours, theirs):
            each.memory = resident_megabytes(each.process.pid)
        return ours, theirs, chain, await _alone(port)


def _daemon(folder: Path, open_things: AsyncExitStack) -> tuple[Server, int]:
    port = free_port()
    settings = {
        "WORKSHOP_ROOT": str(make_artifact(folder)),
        "WORKSHOP_HOST": "127.0.0.1",
        "WORKSHOP_PORT": str(port),
        "WORKSHOP_STUDENT_TOKEN": "none",
    }
    process = open_things.enter_context(started([sys.executable, "-m", "runtime"], settings))
    milliseconds_to(f"http://127.0.0.1:{port}/readyz", process)
    return Server(process, lambda: our_page(port)), port


def _terminado(shell: tuple[str, ...], open_things: AsyncExitStack) -> Server:
    port = free_port()
    settings = {"LC_ALL": "C.UTF-8"}  # asciinema refuses any other character set
    words = [sys.executable, "-c", TERMINADO, str(port), *shell]
    process = open_things.enter_context(started(words, settings))
    milliseconds_to(f"http://127.0.0.1:{port}/", process)
    return Server(process, lambda: terminado_page(port))


def _bare_seconds() -> float:
    """Seconds of the kernel's terminal alone: somebody reads, and does nothing with it."""
    master, slave = os.openpty()
    began = time.perf_counter()
    words = ("/bin/sh", "-c", f"yes 0123456789abcdefghijklmnopqrstuvwxyz | head -c {FLOOD_BYTES}")
    with subprocess.Popen(words, stdin=slave, stdout=slave, start_new_session=True):
        os.close(slave)
        with suppress(OSError):  # EIO is the end of this file
            while os.read(master, 64 * 1024):
                pass
    os.close(master)
    return time.perf_counter() - began


@dataclass(frozen=True)
class Alone:
    """What nobody is compared with: milliseconds, and seconds of a reader without a server."""

    bare: float
    attach_p95: float
    busy_p99: float
    interrupt: float


async def _alone(port: int) -> Alone:
    here = f"http://127.0.0.1:{port}"
    async with httpx2.AsyncClient(base_url=here, headers={"origin": here}) as http:
        opened = await http.post("/api/terminals", json={"name": "other"})
        opened.raise_for_status()
    async with our_page(port, "other") as other:
        await other.type(HISTORY)
        await other.until("ready")
        attaches = [await _attach(port) for _ in range(ATTACHES)]
    async with our_page(port) as page, reader(port, "other"):
        await _start_flood(port)
        await page.type("echo re''ady\r")
        await page.until("ready")
        busy = await _echo(page)
    async with our_page(port, "other") as other:
        interrupts = [await _interrupt(other) for _ in range(INTERRUPTS)]
    return Alone(_bare_seconds(), _percentile(attaches, 95), _percentile(busy, 99), max(interrupts))


async def _start_flood(port: int) -> None:
    """Without end, in the other terminal."""
    async with our_page(port, "other") as other:
        await other.type("yes\r")
        await asyncio.sleep(1.0)


async def _attach(port: int) -> float:
    """Milliseconds from the wish for a socket to the last byte of the screen."""
    began = time.perf_counter()
    async with our_page(port, "other") as page:
        await page.until("ready")
    return (time.perf_counter() - began) * 1000


async def _interrupt(page: Page) -> float:
    """Milliseconds from Ctrl-C to the next command's first output, during a flood."""
    await page.type("yes\r")
    reading = asyncio.create_task(page.until("stopped"))
    await asyncio.sleep(0.4)
    began = time.perf_counter()
    await page.type("\x03echo stop''ped\r")
    await reading
    return (time.perf_counter() - began) * 1000


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


async def _begin(server: Server, open_things: AsyncExitStack) -> None:
    """The first page, and a shell that prints nothing but what is asked of it."""
    page = await open_things.enter_async_context(server.open_page())
    server.pages.append(page)
    await asyncio.sleep(SETTLED_SECONDS)
    await page.type("PS1=; stty -echoctl; echo re''ady\r")
    await page.until("ready")


async def _take_echo(server: Server) -> None:
    echo = await _echo(server.pages[0])
    server.echo_p50.append(statistics.median(echo))
    server.echo_p99.append(_percentile(echo, 99))


async def _take_flood(server: Server) -> None:
    before = _cpu_seconds(server.process.pid)
    server.flood_one.append(await _flood(server.pages))
    server.cpu_one.append(_cpu_seconds(server.process.pid) - before)


async def _echo(page: Page) -> list[float]:
    """Milliseconds from a key to its echo."""
    taken = []
    for number in range(KEYS):
        key = "abcdefghijklmnopqrstuvwxyz"[number % 26]
        await asyncio.sleep(KEY_PAUSE_SECONDS)
        began = time.perf_counter()
        await page.type(key)
        await page.until(key)
        taken.append((time.perf_counter() - began) * 1000)
    await page.type("\x15")
    return taken


async def _flood(pages: list[Page]) -> float:
    """Seconds until the last page saw the end of it."""
    number = f"{next(_floods):03}"  # the end of the flood before may still come
    began = time.perf_counter()
    await pages[0].type(FLOOD.format(number))
    await asyncio.gather(*(page.until(f"ended-{number}") for page in pages))
    return time.perf_counter() - began


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process; what its ended children used is not in it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

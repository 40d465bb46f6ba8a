"""`workshop class`: reads the roster, opens the room, and serves its wall until it is stopped."""

from __future__ import annotations

import asyncio
import signal
import socket
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn

from host import output
from host.classroom.room import Room
from host.classroom.roster import Entry, local_entries, read_roster
from host.classroom.shelf import Shelf, open_shelf
from host.classroom.wall import make_app
from host.output import Answer
from host.run import Terminated, ended_by_signals
from runtime.domain.errors import BadRequest, ExitCode, TooMany

ADDRESS = "127.0.0.1"
FIRST_PORT = 8070
PORTS = 50
END_SECONDS = 2
BACKLOG = 128


@dataclass(frozen=True)
class Wish:
    """What the words of `workshop class` ask for."""

    words: Sequence[str] = ()
    name: str = "class"
    port: int | None = None
    local: bool = True
    open_page: bool = False


def serve(wish: Wish) -> ExitCode:
    """Serve the wall until interrupted."""
    out = output.current()
    roster = read_roster(wish.words)
    if not roster and not wish.local:
        raise BadRequest("Nobody is on this wall: name a FILE or URL, or leave out --no-local.")
    shelf = open_shelf(wish.name)
    with shelf.locked(), ended_by_signals():
        try:
            number = _serve(wish, shelf, roster)
        except (KeyboardInterrupt, Terminated) as why:  # before the loop could hear it
            number = signal.SIGINT if isinstance(why, KeyboardInterrupt) else signal.SIGTERM
        out.say(f"The wall is closed. What was seen is in {shelf.folder}.")
    return ExitCode.INTERRUPTED if number == signal.SIGINT else ExitCode.TERMINATED


def _serve(wish: Wish, shelf: Shelf, roster: Sequence[Entry]) -> signal.Signals:
    out = output.current()
    token, last_port = shelf.wall()
    with _listen(wish.port, last_port) as listener:
        port = int(listener.getsockname()[1])
        shelf.keep_wall(token, port)
        out.done(_answer(shelf, roster, token, port, local=wish.local))
        if wish.open_page:
            webbrowser.open(_link(token, port))
        out.say("Press Ctrl-C to stop; what was seen is kept.")
        return asyncio.run(_run(Wall(shelf, roster, token, local=wish.local), listener))


class Wall:
    """What is served, made on the loop that serves it."""

    def __init__(self, shelf: Shelf, roster: Sequence[Entry], token: str, *, local: bool) -> None:
        find = local_entries if local else None
        self.room = Room(shelf, roster, find_local=find)
        self.app = make_app(self.room, token, shelf.name)


class _Server(uvicorn.Server):
    """The wall hears the signals itself: its readers and pages have to end with the server."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield


async def _run(wall: Wall, listener: socket.socket) -> signal.Signals:
    """Serve until a signal comes; which one."""
    config = uvicorn.Config(
        wall.app,
        lifespan="off",
        log_config=None,
        access_log=False,
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=END_SECONDS,
    )
    server = _Server(config)
    came: list[signal.Signals] = []

    def end(number: signal.Signals) -> None:
        server.force_exit = bool(came)
        came.append(number)
        wall.room.end_streams()  # the server waits for open connections
        server.should_exit = True

    loop = asyncio.get_running_loop()
    # An exception out of a handler would land in whichever task happens to run.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, end, number)
    await wall.room.start()
    try:
        await server.serve(sockets=[listener])
    finally:
        await wall.room.close()
    return came[0] if came else signal.SIGTERM


def _listen(wanted: int | None, last: int | None) -> socket.socket:
    """A listening socket; raises TooMany when the port that was asked for is taken."""
    ports = [wanted] if wanted is not None else [last or FIRST_PORT]
    if wanted is None:
        ports += range(FIRST_PORT, FIRST_PORT + PORTS)
    for port in ports:
        try:
            return socket.create_server((ADDRESS, port), backlog=BACKLOG)
        except OSError as error:
            why = error.strerror
    which = f"{wanted}" if wanted is not None else f"{FIRST_PORT} to {FIRST_PORT + PORTS - 1}"
    raise TooMany(f"The wall cannot listen on port {which}: {why}. Choose another with --port N.")


def _answer(shelf: Shelf, roster: Sequence[Entry], token: str, port: int, *, local: bool) -> Answer:
    link = _link(token, port)
    data = {
        "name": shelf.name,
        "link": link,
        "port": port,
        "students": len(roster),
        "local": local,
        "directory": str(shelf.folder),
    }
    unsafe = [each.name for each in roster if each.address.startswith("http:") and not each.is_here]
    if unsafe:
        output.current().say(
            f"Anybody on the way can read what comes over plain http: {', '.join(unsafe[:5])}"
            f"{' …' if len(unsafe) > 5 else ''}."
        )
    who = f"{len(roster)} from the roster" if roster else "the sessions of this computer"
    if roster and local:
        who += " and the sessions of this computer"
    return Answer(data, f"The wall of “{shelf.name}” ({who}): {link}")


def _link(token: str, port: int) -> str:
    return f"http://{ADDRESS}:{port}/?token={token}"

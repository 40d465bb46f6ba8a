"""Looks over one student's shoulder for the wall's thumbnail, as far as the student lets us.

It looks only while a page shows thumbnails: the student's page says that somebody does. It never
asks for a yes; where one is needed, the instructor's page of the student is the place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import httpx2
import orjson

from host.classroom.reader import RETRY_SECONDS, bearer
from host.classroom.screen import Screen
from host.classroom.seat import Seat
from host.classroom.sse import Pace, Parser, TooLarge
from host.classroom.wire import ScreenView
from runtime.domain.asciicast import parse_size

DRAW_SECONDS = 0.4  # between two pictures of one terminal
DRAWING_SHARE = 10  # a picture that is costly to draw is drawn so many times its cost apart
BURST_BYTES = 256 * 1024  # read at once; the daemon catches a slow reader up by a new screen
BURST_SECONDS = 0.25
MAIN = "main"
FIRST_SIZE = (80, 24)

OFF = "The student lets nobody look."
ASK = "Looking needs the student’s yes: ask on their page."
NONE = "No terminal is open."


def visible_terminal(seat: Seat) -> tuple[str | None, str | None]:
    """The terminal to show, the one used last if it may be seen; or None and why not."""
    student = seat.student
    if student is None or seat.reach != "live":
        return None, None
    names = [each.name for each in student.terminals if each.running]
    first = [name for name in (seat.last_terminal, MAIN) if name in names]
    allowed = [name for name in (*first, *names) if student.watching.allows(name)]
    if allowed:
        return allowed[0], None
    if student.watching.mode == "off":
        return None, OFF
    return None, ASK if student.watching.mode == "ask" else NONE


class Looker:
    """One seat's thumbnail: `view` is what it shows, `on_change` hears of a new one."""

    def __init__(
        self, seat: Seat, client: httpx2.AsyncClient, on_change: Callable[[Seat], None]
    ) -> None:
        self._seat = seat
        self._client = client
        self._on_change = on_change
        self._wanted = False
        self._stirred = asyncio.Event()
        self.view = ScreenView(id=seat.id)

    def look(self, *, wanted: bool) -> None:
        """Begin or stop looking."""
        if wanted != self._wanted:
            self._wanted = wanted
            self._stirred.set()

    def stir(self) -> None:
        """The seat changed: another terminal may be the one to show."""
        if self._wanted:
            self._stirred.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        failures = 0
        while True:
            self._stirred.clear()
            terminal, why = visible_terminal(self._seat) if self._wanted else (None, None)
            if terminal is None:
                self._show(ScreenView(id=self._seat.id, why=why))
                await self._stirred.wait()
                continue
            drew = await self._follow(terminal)
            failures = 0 if drew else failures + 1
            wait = RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)] if failures else 0.1
            await asyncio.sleep(wait)

    async def _follow(self, terminal: str) -> bool:
        """Show it until another one is to be shown or the view ends; whether anything came."""
        following = asyncio.create_task(self._stream(terminal), name=f"look at {self._seat.id}")
        try:
            while not following.done():
                stirred = asyncio.create_task(self._stirred.wait())
                await asyncio.wait({following, stirred}, return_when=asyncio.FIRST_COMPLETED)
                stirred.cancel()
                self._stirred.clear()
                if not self._wanted or visible_terminal(self._seat)[0] != terminal:
                    return True
            return following.result()
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _stream(self, terminal: str) -> bool:
        url = f"{self._seat.entry.address}/api/instructor/terminals/{terminal}/live"
        drawing: asyncio.Task[None] | None = None
        screen = await asyncio.to_thread(Screen, *FIRST_SIZE)
        picture = _Picture(screen)
        try:
            async with self._client.stream("GET", url, headers=bearer(self._seat)) as answer:
                if answer.status_code != 200:
                    return False
                drawing = asyncio.create_task(self._draw(terminal, picture), name="thumbnail")
                await _feed(picture, answer)
        except (httpx2.HTTPError, httpx2.StreamError, TooLarge, RuntimeError):
            return picture.came  # the library's errors are RuntimeErrors
        finally:
            if drawing is not None:
                drawing.cancel()
                with suppress(asyncio.CancelledError, RuntimeError):
                    await drawing
            screen.close()
        return picture.came

    async def _draw(self, terminal: str, picture: _Picture) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await picture.changed.wait()
            picture.changed.clear()
            begun = loop.time()
            cols, rows = picture.screen.size
            self._show(
                ScreenView(
                    id=self._seat.id,
                    terminal=terminal,
                    cols=cols,
                    rows=rows,
                    text=picture.screen.text(),
                )
            )
            await asyncio.sleep(max(DRAW_SECONDS, DRAWING_SHARE * (loop.time() - begun)))

    def _show(self, view: ScreenView) -> None:
        if view != self.view:
            self.view = view
            self._on_change(self._seat)


class _Picture:
    """A screen that is being fed."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self.came = False
        self.changed = asyncio.Event()

    def take(self, data: bytes) -> None:
        """One message of the live view: the header, or an event `[seconds, kind, text]`."""
        try:
            match orjson.loads(data):
                case {"width": int(cols), "height": int(rows)}:
                    self.screen.resize(cols, rows)
                case [_, "o", str(text)]:
                    self.screen.feed(text)
                case [_, "r", str(text)] if size := parse_size(text):
                    self.screen.resize(*size)
                case _:
                    return
        except orjson.JSONDecodeError:
            return
        self.came = True
        self.changed.set()


async def _feed(picture: _Picture, answer: httpx2.Response) -> None:
    parser, pace = Parser(), Pace(BURST_BYTES, BURST_SECONDS)
    async for piece in answer.aiter_raw():
        for message in parser.feed(piece):
            picture.take(message.data)
        await pace.took(len(piece))

"""One pseudo-terminal and the shell that leads its session.

The shell is forked elsewhere, by the terminal's keeper: `pty.fork` in a process with threads, as
the daemon is, can deadlock.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import struct
import termios
from collections import deque
from collections.abc import Callable

from runtime.services.kept import Kept, ShellSpec

__all__ = ["Pty", "ShellSpec"]

READ_BYTES = 8 * 1024  # the kernel gives at most 4 KiB at once; room for more costs time
# A read waits, even of what does not block, for a worker of the kernel to fill the 4 KiB up again.
TURN_BYTES = 32 * 1024  # read before others get their turn
SHORT_BYTES = 64  # what is typed comes alone, and another read would be in vain
LAST_BYTES = 1 << 20  # after the shell's end; a job it left behind may print without end
INPUT_QUEUE_BYTES = 64 * 1024  # more than this waits with its sender
INPUT_SECONDS = 5.0  # a program that reads nothing for this long gets its input thrown away
IUTF8 = 0x4000  # c_iflag: erase whole characters


class Pty:
    """A running shell: bytes in, bytes out, a size, an end.

    `on_output` gets what one turn read; `on_turn` hears that others get their turn, or that there
    is no more for now. `on_exit` gets the exit code (128 + n after signal n) when the shell has
    ended and its last output was given.
    """

    def __init__(
        self,
        size: tuple[int, int],
        *,
        on_output: Callable[[bytes], None],
        on_turn: Callable[[], None],
        on_exit: Callable[[int], None],
    ) -> None:
        """Without a shell yet; raises OSError when there are no terminals left."""
        self.pid = 0  # of the shell, which is its session's id too
        self._on_output = on_output
        self._on_turn = on_turn
        self._on_exit = on_exit
        self._loop = asyncio.get_running_loop()
        self._input: deque[bytes] = deque()
        self._queued = 0  # bytes in _input
        self._room = asyncio.Event()
        self._room.set()
        self._is_read = False
        self._turn: asyncio.Handle | None = None  # the next one of a flood
        self._is_silent = False  # nobody will print anything any more
        self._master, self._slave = os.openpty()
        os.set_blocking(self._master, False)
        self.resize(*size)

    async def start(self, kept: Kept, spec: ShellSpec) -> None:
        """Start the shell, once; raises OSError when there are no processes left."""
        try:
            _prepare(self._slave, spec)
            self.pid = await kept.start(spec, self._slave, self._ended)
        except BaseException:
            self.close()
            raise
        finally:
            os.close(self._slave)
        self.resume()

    @property
    def is_open(self) -> bool:
        """Whether input still reaches somebody."""
        return self._master >= 0

    def pause(self) -> None:
        """Read no more for now; programs wait when the kernel's buffer is full."""
        if self._is_read:
            self._loop.remove_reader(self._master)
            self._is_read = False

    def resume(self) -> None:
        """Read on."""
        if not self._is_read and self._master >= 0 and not self._is_silent:
            self._loop.add_reader(self._master, self._read)
            self._is_read = True

    def resize(self, cols: int, rows: int) -> None:
        """Tell the kernel, which tells the foreground program."""
        if self._master >= 0:
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def is_hiding_input(self) -> bool:
        """Whether a program reads a line without showing it: a password prompt."""
        if self._master < 0:
            return False
        flags = termios.tcgetattr(self._master)[3]
        return bool(flags & termios.ICANON) and not flags & termios.ECHO

    def write(self, data: bytes) -> None:
        """Give `data` to the terminal; wait for `room` before the next."""
        if self._master < 0:
            return
        if not self._input:
            data = data[self._write_now(data) :]
            if not data:
                return
            self._loop.add_writer(self._master, self._flush)
        self._input.append(data)
        self._queued += len(data)
        if self._queued > INPUT_QUEUE_BYTES:
            self._room.clear()

    async def room(self) -> None:
        """Wait until there is room for more input.

        After INPUT_SECONDS without a program that reads, what waits is thrown away.
        """
        if self._room.is_set():
            return
        try:
            async with asyncio.timeout(INPUT_SECONDS):
                await self._room.wait()
        except TimeoutError:
            self._drop_input()

    def close(self) -> None:
        """Hang up: the kernel sends HUP to the session. The shell's end is reported as always."""
        if self._master < 0:
            return
        self.pause()
        self._drop_input()
        os.close(self._master)
        self._master = -1

    def _write_now(self, data: bytes) -> int:
        try:
            return os.write(self._master, data)
        except BlockingIOError:
            return 0
        except OSError:  # EIO: nobody has the terminal open any more
            return len(data)

    def _flush(self) -> None:
        while self._input:
            piece = self._input[0]
            written = self._write_now(piece)
            self._queued -= written
            if written < len(piece):
                self._input[0] = piece[written:]
                break
            self._input.popleft()
        if not self._input:
            self._loop.remove_writer(self._master)
        if self._queued <= INPUT_QUEUE_BYTES:
            self._room.set()

    def _drop_input(self) -> None:
        if self._input:
            self._loop.remove_writer(self._master)
        self._input.clear()
        self._queued = 0
        self._room.set()

    def _read(self) -> None:
        """One turn of a flood, or all there is."""
        if self._take(TURN_BYTES) and self._turn is None:
            self._turn = self._loop.call_soon(self._read_on)
        self._on_turn()

    def _read_on(self) -> None:
        self._turn = None
        if self._is_read:
            self._read()

    def _take(self, most: int, short: int = SHORT_BYTES) -> bool:
        """Deal with what is there, some `most` bytes of it; whether to go on.

        Reads until there is no more, or what came was `short`.
        """
        pieces: list[bytes] = []
        goes_on = self._read_pieces(pieces, most, short)
        if pieces:
            self._on_output(b"".join(pieces))
        return goes_on

    def _read_pieces(self, pieces: list[bytes], most: int, short: int) -> bool:
        taken = 0
        while taken < most:
            try:
                piece = os.read(self._master, READ_BYTES)
            except BlockingIOError:
                return False
            except OSError:  # EIO is the end of this file
                piece = b""
            if not piece:
                self._is_silent = True
                self.pause()
                return False
            taken += len(piece)
            pieces.append(piece)
            if len(piece) < short:
                return False
        return True

    def _ended(self, code: int) -> None:
        if self._master >= 0:
            self._take(LAST_BYTES, short=0)
        self._on_turn()
        self.close()
        self._on_exit(code)


def _prepare(slave: int, spec: ShellSpec) -> None:
    attributes = termios.tcgetattr(slave)
    attributes[0] |= IUTF8
    termios.tcsetattr(slave, termios.TCSANOW, attributes)
    if spec.uid is not None:
        with contextlib.suppress(OSError):
            os.fchown(slave, spec.uid, -1)  # the shell's user may open, and chmod, its terminal

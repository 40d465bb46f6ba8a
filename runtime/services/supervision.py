"""The supervisor as the daemon has it: started in time, asked, started again when it is gone."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import runtime
from runtime.services import supervisor

SAFE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
START = (
    "import sys; sys.path.append(sys.argv[1]); from runtime.services.supervisor import main; main()"
)


class Supervision:
    """One supervisor process; any number of requests may be under way at once."""

    def __init__(self) -> None:
        self._process: _Process | None = None
        self._starting = asyncio.Lock()

    def start(self) -> None:
        """Start it, in a millisecond or two, for whoever needs it soon; raises OSError."""
        if self._process is None:
            self._process = _Process()

    async def warm(self) -> None:
        """Start it, so that the first request need not wait; raises OSError."""
        await self._running()

    async def send(self, message: bytes) -> socket.socket:
        """Hand a request over, to a new process when the old one is gone; raises OSError.

        The answer comes on the socket; closing that ends what was asked for.
        """
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            try:
                try:
                    (await self._running()).send(message, theirs)
                except OSError:
                    await self.close()
                    (await self._running()).send(message, theirs)
            except BaseException:
                ours.close()
                raise
        return ours

    async def close(self) -> None:
        """End it with everything it runs."""
        async with self._starting:
            if self._process is not None:
                await asyncio.to_thread(self._process.close)
                self._process = None

    async def _running(self) -> _Process:
        async with self._starting:
            if self._process is None:
                start = asyncio.create_task(asyncio.to_thread(_Process), name="start supervisor")
                try:
                    self._process = await asyncio.shield(start)
                except asyncio.CancelledError:
                    # The thread goes on: what it starts needs somebody who will end it.
                    self._process = await start
                    raise
            return self._process


class _Process:
    """The running process; every method blocks for milliseconds."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        folder = Path(next(iter(runtime.__path__))).parent
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", START, str(folder), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={"PATH": SAFE_PATH},
                cwd="/",
                pass_fds=[theirs.fileno()],
                # A Ctrl-C for the daemon is the daemon's to handle. Of its own session, not only
                # its own group: else the kernel hangs up on it while the daemon dies, when it has
                # stopped a worker already.
                start_new_session=True,
            )

    def send(self, message: bytes, channel: socket.socket) -> None:
        """Ask for one run, answered on `channel`; raises OSError when the process is gone."""
        if self._process.poll() is not None:
            raise BrokenPipeError
        socket.send_fds(self._control, [message], [channel.fileno()])

    def close(self) -> None:
        """Let it end its runs and itself."""
        self._control.close()
        try:
            self._process.wait(supervisor.KILL_SECONDS + supervisor.GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

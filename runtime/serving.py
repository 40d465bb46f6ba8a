"""The daemon as a process: flags, logging, signals, exit codes."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import uvicorn
import uvloop

from runtime import logs
from runtime.api.connection import Connection, web_socket
from runtime.app import Daemon, make_app, version
from runtime.domain.errors import CANNOT_LISTEN, ExitCode, InvalidSettings, WorkshopError
from runtime.services.supervision import Supervision
from runtime.services.workers import make_workers, start_all
from runtime.settings import Settings, forget_secrets, from_environment

if TYPE_CHECKING:
    from runtime.api.whole import Feeds

STOP_SECONDS = 2  # what open connections get to end
SEND_BUFFER_BYTES = 64 * 1024  # on the socket: Ctrl-C must not wait behind megabytes of output

log = logging.getLogger("workshop")


def serve(supervision: Supervision) -> None:
    """Serve until a signal, and exit with what that is to say."""
    if len(sys.argv) > 1:
        _read_flags()
    sys.exit(_run(supervision))


def _read_flags() -> None:
    import argparse  # 7 ms that no ordinary start has to wait for

    parser = argparse.ArgumentParser(
        prog="workshop-runtime",
        description="Serve the compiled workshop below WORKSHOP_ROOT. Settings come from the "
        "environment; docs/operating.md lists them.",
    )
    parser.add_argument("--version", action="version", version=version())
    parser.parse_args()


def _run(supervision: Supervision) -> int:
    try:
        settings = from_environment(os.environ)
        logs.set_up(settings.log_level, settings.log_format)
        environ = dict(os.environ)
        forget_secrets(os.environ)
        daemon = Daemon(settings, environ, supervision)
        listener = _listen(settings)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_serve(daemon, settings, listener))
    except WorkshopError as error:
        print(error.message, file=sys.stderr)  # noqa: T201  # a sentence for who started it
        return error.exit_code


class Server(uvicorn.Server):
    """uvicorn with our signals: streams must end before connections can be waited for."""

    def __init__(
        self, config: uvicorn.Config, daemon: Daemon, link: str, workers: ThreadPoolExecutor
    ) -> None:
        super().__init__(config)
        self._daemon = daemon
        self._link = link
        self._workers = workers
        self.broken = False
        self.stopped_by: signal.Signals | None = None
        self.refusal: WorkshopError | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle SIGTERM and SIGINT in the event loop; a second one does not wait."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the daemon, then serve; uvicorn would print why not as a traceback and exit 3."""
        try:
            await self._daemon.start()
        except WorkshopError as error:
            self.refusal = error
            self.should_exit = True
            await self._daemon.stop()
            return
        await super().startup(sockets)
        start_all(self._workers)
        self._daemon.load().add_done_callback(self._on_loaded)
        log.info("serving “%s” at %s", self._daemon.session.workshop.title, self._link)

    def _on_loaded(self, task: asyncio.Task[Feeds]) -> None:
        """An API that cannot be loaded is a broken installation: better gone than half there."""
        gc.freeze()  # no collection has to look at what was imported
        if not task.cancelled() and task.exception() is not None:
            self.broken = self.should_exit = True
            self._daemon.end_streams()

    def _stop(self, number: signal.Signals) -> None:
        self.force_exit = self.stopped_by is not None
        self.stopped_by = number
        self.should_exit = True
        self._daemon.end_streams()


async def _serve(daemon: Daemon, settings: Settings, listener: socket.socket) -> int:
    workers = make_workers()
    asyncio.get_running_loop().set_default_executor(workers)
    config = uvicorn.Config(
        make_app(daemon),
        http=Connection,
        ws=web_socket,  # type: ignore[arg-type]  # anything that makes one will do
        ws_per_message_deflate=False,  # three times the CPU for nothing on a near network
        ws_max_size=1 << 20,
        lifespan="on",
        access_log=False,  # addresses carry tokens
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    address = f"http://{_shown_host(settings)}:{listener.getsockname()[1]}/"
    link = f"{address}?token={settings.student_token}" if settings.made_student_token else address
    server = Server(config, daemon, link, workers)
    await server.serve(sockets=[listener])
    if server.refusal is not None:
        raise server.refusal
    if server.broken or not server.started:
        return ExitCode.UNHANDLED_EXCEPTION
    return ExitCode.INTERRUPTED if server.stopped_by is signal.SIGINT else ExitCode.TERMINATED


def _listen(settings: Settings) -> socket.socket:
    """The listening socket; raises InvalidSettings when the address cannot be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    try:
        listener.bind((settings.host.strip("[]"), settings.port))
        listener.listen(512)
    except (OSError, OverflowError) as error:
        listener.close()
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise InvalidSettings(
            f"WORKSHOP_HOST and WORKSHOP_PORT: {CANNOT_LISTEN} {settings.host}:{settings.port}: "
            f"{why}. Choose another port or stop what uses it."
        ) from error
    listener.set_inheritable(False)
    return listener


def _shown_host(settings: Settings) -> str:
    if settings.host in ("0.0.0.0", "::"):
        return "localhost"
    return f"[{settings.host}]" if ":" in settings.host else settings.host

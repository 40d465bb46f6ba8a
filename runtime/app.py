"""The composition root: settings -> store -> services -> routes."""

from __future__ import annotations

import asyncio
import logging
import os
import pwd
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from importlib import import_module, metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from runtime import account
from runtime.api import health
from runtime.api.auth import Gate, Tokens
from runtime.api.errors import on_http_error, on_shortage, on_unexpected, on_workshop_error
from runtime.api.later import Later
from runtime.api.routing import Role
from runtime.api.services import Access, Services
from runtime.domain import events as ev
from runtime.domain.checks import Report
from runtime.domain.errors import InvalidSettings, WorkshopError
from runtime.domain.redaction import redact
from runtime.domain.workshop import SCHEMA_VERSION, Workshop
from runtime.services.checks import Checks
from runtime.services.commands import CommandFeed
from runtime.services.goss import Goss
from runtime.services.recording import Desk
from runtime.services.session import Session, utc_now
from runtime.services.supervision import Supervision
from runtime.services.switch import RecordingSwitch
from runtime.services.terminals import Terminals
from runtime.services.transitions import Transitions
from runtime.services.watching import Watching
from runtime.settings import Settings, find_goss
from runtime.store import artifact
from runtime.store.eventlog import DirectoryLock, EventLog, refused
from runtime.store.recordings import Recordings

if TYPE_CHECKING:
    from runtime.api.whole import Feeds
    from runtime.services.help import Help

log = logging.getLogger("workshop")

Result = TypeVar("Result")

MAIN_TERMINAL = "main"
SETTLED_SECONDS = 0.5  # after a start, what nobody waits for may begin


class Daemon:
    """Everything one daemon holds; `start` and `stop` are the two ends of its life."""

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        supervision: Supervision | None = None,
    ) -> None:
        """Load, lock and replay; raises WorkshopError with a sentence when it cannot serve."""
        self._settings = settings
        self._artifact = artifact.load(settings.root)
        workshop = self._artifact.workshop
        if settings.step is not None and workshop.find(settings.step) is None:
            raise InvalidSettings(f"WORKSHOP_STEP: this workshop has no step {settings.step!r}.")
        directory = self._artifact.runtime_dir
        try:
            directory.mkdir(mode=0o755, exist_ok=True)
        except OSError as error:
            raise refused(directory, error) from error
        self._lock = DirectoryLock(directory)
        self._supervision = supervision or Supervision()
        self._event_log = EventLog(directory, now=utc_now)
        self._command_log = account.make_command_log(directory, workshop)
        self._tasks: list[asyncio.Task[Any]] = []  # Any: nobody wants what they give
        self._started = False
        self.session = Session(workshop, self._event_log)
        self._lock.write(f"process {os.getpid()}, boot {self.session.boot}")
        self._shell = account.shell(settings, workshop, self._command_log, environ)
        self._model_key = _model_key(settings, workshop, environ)
        self._help: Help | None = None
        self.services = self._make_services()
        self.routes: list[BaseRoute] = [*health.routes]  # until the others are loaded
        self.feeds: Feeds | None = None
        self._loading: asyncio.Task[Feeds] | None = None

    async def start(self) -> None:
        """Record the start, begin the shell and the background tasks, say where the machine is.

        Once; raises WorkshopError when there is no room to record or no shell to be had.
        """
        if self._started:
            return
        self._started = True
        services = self.services
        await self.session.start(self._settings.image)
        self._spawn(services.commands.run(), "command log")
        self._spawn(self._nudge_checks(), "commands to checks")
        self._spawn(services.checks.run(), "checks")
        self._spawn(services.transitions.run(), "transitions")
        self._spawn(services.watching.run(), "watching")
        self._spawn(self._learn_goss_version(), "goss version")
        await services.terminals.open(MAIN_TERMINAL)
        if await services.transitions.arrive(self._settings.transition, self._settings.step):
            services.checks.nudge()  # another machine: what the last report says is of the old one
        services.terminals.marker(f"step {self.session.active.id}")

    def end_streams(self) -> None:
        """End feeds, long polls and checks, so that the server can close its connections."""
        self.session.changes.close()
        if self.feeds is not None:
            self.feeds.close()
        self.services.watching.close()
        self.services.checks.stop_runs()
        if self._help is not None:
            self._help.cancel()

    async def stop(self) -> None:
        """Close the shells, end the tasks, close the logs: within 3 seconds."""
        self.end_streams()
        await self.services.terminals.close_all()
        if self._help is not None:
            await self._help.stop()
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError, Exception):
                await task
        await self._supervision.close()
        await self.services.commands.keep_shift()
        await self.session.stop("stopped")
        self._lock.release()

    def load(self) -> asyncio.Task[Feeds]:
        """Load the rest of the API and begin its feeds, once: all who ask wait for the same."""
        if self._loading is None:
            self._loading = self._spawn(self._load(), "the API")
        return self._loading

    def _make_services(self) -> Services:
        settings, session = self._settings, self.session
        self.tokens = Tokens(
            {
                Role.STUDENT: settings.student_token,
                Role.INSTRUCTOR: settings.instructor_token,
                Role.HOST: settings.host_token,
            },
            session.id,
        )
        workshop = session.workshop
        binary = find_goss(settings)
        if binary is None and any(step.has_goss for step in workshop.steps):
            session.problems.set(
                "goss_missing", "The checks cannot run: this machine has no goss (WORKSHOP_GOSS)."
            )
        commands = CommandFeed(
            self._command_log, on_damage=self._on_damage, shift=session.state.command_shift
        )
        desk = self._recording_desk() if settings.record == "on" else None
        terminals = Terminals(
            self._shell,
            desk,
            now=session.now,
            on_event=self._on_terminal_event,
            on_output=commands.look,
            supervision=self._supervision,
        )
        switch = RecordingSwitch(session, terminals, desk.recordings) if desk else None
        self._has_goss = binary is not None
        self._goss = goss = Goss(
            binary or Path("goss"),
            timeout_seconds=settings.goss_timeout,
            prefix=settings.shell_prefix,
            home=Path(pwd.getpwuid(os.geteuid()).pw_dir),
            supervision=self._supervision,
        )
        checks = Checks(
            session,
            self._artifact,
            goss,
            interval_seconds=settings.goss_interval,
            on_outcome=self._on_outcome,
        )
        transitions = Transitions(session)
        return Services(
            artifact=self._artifact,
            access=Access(
                settings.student_token,
                settings.instructor_token,
                settings.host_token,
                settings.allowed_hosts,
            ),
            session=session,
            transitions=transitions,
            checks=checks,
            commands=commands,
            terminals=terminals,
            recordings=desk.recordings if desk else None,
            recording_switch=switch,
            help=self._help_desk,
            has_model=self._model_key is not None,
            watching=Watching(session, terminals),
            versions={"schema": SCHEMA_VERSION},
            management_url=settings.management_url,
        )

    def _recording_desk(self) -> Desk:
        settings, session = self._settings, self.session
        return Desk(
            Recordings(
                self._artifact.runtime_dir,
                limit_bytes=settings.record_bytes,
                when_full=settings.record_when_full,
            ),
            record_input=session.workshop.terminal.record_input,
            file_bytes=settings.record_file_bytes,
            shell=session.workshop.terminal.shell,
            now=session.now,
            is_paused=lambda: session.state.recording_paused,
            on_problem=session.problems.set,
        )

    async def _load(self) -> Feeds:
        self.services.versions["daemon"] = await asyncio.to_thread(_prepare)
        from runtime.api import whole

        self.routes += whole.routes(self.tokens)
        self.feeds = whole.Feeds(self.services)
        for name, work in self.feeds.work():
            self._spawn(work, name)
        if self.session.changes.closed:  # the daemon stops already
            self.feeds.close()
        return self.feeds

    async def _help_desk(self) -> Help:
        """The help of the session, made when somebody first looks at it."""
        if self._help is None:
            # A fifth of a start, and most sessions begin without a question.
            await asyncio.to_thread(import_module, "runtime.services.help")
        if self._help is None:
            self._help = self._make_help()
        return self._help

    def _make_help(self) -> Help:
        from runtime.services.briefing import Limits
        from runtime.services.help import Help
        from runtime.services.llm import Model

        settings, services, llm = self._settings, self.services, self.session.workshop.llm
        model = None
        if llm is not None and self._model_key is not None:
            model = Model(
                llm.model,
                self._model_key,
                base_url=settings.llm_base_url,
                timeout_seconds=settings.llm_timeout,
            )
        limits = Limits(
            per_minute=settings.llm_rate_limit,
            session_tokens=settings.llm_session_tokens or (llm.session_tokens if llm else 0),
            prompt_tokens=settings.llm_prompt_tokens,
            docs_bytes=settings.llm_docs_bytes,
            max_tokens=llm.max_tokens if llm else 0,
        )
        return Help(self.session, self._artifact, services.checks, services.commands, model, limits)

    def _spawn(self, work: Coroutine[object, None, Result], name: str) -> asyncio.Task[Result]:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._on_task_end)
        self._tasks.append(task)
        return task

    def _on_task_end(self, task: asyncio.Task[Result]) -> None:
        if task.cancelled() or task.exception() is None:
            return
        log.error("the task %s failed", task.get_name(), exc_info=task.exception())
        self.session.problems.set(
            "task_failed",
            f"A part of the daemon stopped ({task.get_name()}); restart the workshop to mend it.",
        )

    async def _nudge_checks(self) -> None:
        with self.services.commands.subscribe() as finished:
            async for _, command in finished:
                self.services.terminals.marker(f"$ {command.cmd[:80]}", command.term)
                self.services.checks.nudge()

    async def _learn_goss_version(self) -> None:
        await asyncio.sleep(SETTLED_SECONDS)  # two processes that the shell shall not wait for
        version = await self._goss.version() if self._has_goss else None
        if version is not None:
            self.services.versions["goss"] = version

    async def _on_terminal_event(self, event: ev.Connected | ev.Disconnected) -> None:
        try:
            await self.session.record(event)
        except WorkshopError as error:  # a full disk must not cost anybody the shell
            log.warning("%s was not recorded: %s", event.event, error.message)

    async def _on_damage(self, what: str, shift: int) -> None:
        log.warning("the command log was damaged: %s", what)
        with suppress(WorkshopError):
            await self.session.record(
                ev.LogDamaged(
                    ts=self.session.now(), file=account.COMMAND_LOG, what=what, shift=shift
                )
            )

    def _on_outcome(self, report: Report) -> None:
        self.services.terminals.marker(f"check {report.step}: {report.outcome}")


def make_app(daemon: Daemon) -> Starlette:
    """The ASGI application of a daemon; its lifespan is the daemon's."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await daemon.start()
        try:
            yield
        finally:
            await daemon.stop()

    async def load() -> None:
        feeds = await asyncio.shield(daemon.load())
        app.state.student_feed, app.state.instructor_feed = feeds.student, feeds.instructor

    app = Starlette(
        lifespan=lifespan,
        middleware=[
            Middleware(Later, load=load),
            Middleware(
                Gate,
                tokens=daemon.tokens,
                allowed_hosts=daemon.services.access.allowed_hosts,
                routes=daemon.routes,
            ),
        ],
        exception_handlers={
            WorkshopError: on_workshop_error,
            HTTPException: on_http_error,
            OSError: on_shortage,
            RuntimeError: on_shortage,
            Exception: on_unexpected,
        },
    )
    app.router.redirect_slashes = False  # another address is another resource: 404
    app.router.routes = daemon.routes  # the list itself: it grows when the API is loaded
    app.state.services = daemon.services
    return app


def _prepare() -> str:
    """Do what takes long and needs no event loop; gives the daemon's version."""
    import_module("runtime.api.whole")
    redact("")  # the first command that is typed shall not wait for its patterns
    return version()


def version() -> str:
    """The distribution's version."""
    try:
        return metadata.version("workshop")
    except metadata.PackageNotFoundError:
        return "0.0.0"


def _model_key(settings: Settings, workshop: Workshop, environ: Mapping[str, str]) -> str | None:
    """What to ask the model with; None when there is no model, or nothing to ask it with."""
    if workshop.llm is None:
        return None
    return settings.llm_token or environ.get(workshop.llm.api_key_env) or None

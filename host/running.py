"""The commands around a session: `run`, and everything said to it from elsewhere."""

from __future__ import annotations

import shlex
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer

from host import background, output
from host.helping import supplied
from host.ledger import Ledger
from host.output import Answer, Refusal
from host.run import Run, Terminated, ended_by_signals
from host.selection import require_running, select
from host.sessions import DEFAULT_LIMITS, Limits, Session, all_sessions
from host.source import choose, engine_of
from host.statusline import StatusLine
from host.steering import cost_shown, daemon_of, describe, end, move
from runtime.domain.errors import (
    AlreadyRunning,
    BadRequest,
    ExitCode,
    WorkshopError,
)
from runtime.domain.transitions import TransitionKind


@dataclass(frozen=True)
class Wish:
    """What the words of `workshop run` ask for. None leaves the choice to us."""

    source: str
    port: int | None = None
    engine: str | None = None
    limits: Limits = DEFAULT_LIMITS
    open_page: bool = False
    help_from_env: bool = False

    @property
    def words(self) -> list[str]:
        """The same as arguments, for a process of its own."""
        options = {
            "--port": self.port,
            "--engine": self.engine,
            "--memory": self.limits.memory or "none",
            "--cpus": self.limits.cpus or 0,
            "--pids": self.limits.pids or 0,
        }
        given = {name: value for name, value in options.items() if value is not None}
        source = str(Path(self.source).resolve()) if Path(self.source).is_dir() else self.source
        flags = ["--help-from-env"] if self.help_from_env else []
        return [source, *(f"{name}={value}" for name, value in given.items()), *flags]


def run(wish: Wish, report_to: int | None) -> ExitCode:
    """Start the workshop's session, or go on with it, and serve until interrupted."""
    report = background.Report(report_to)
    try:
        return _serve(wish, report)
    except WorkshopError as error:
        if not report.is_awaited:
            raise
        report.failed(error)
        return (error.error if isinstance(error, Refusal) else error).exit_code


def run_detached(wish: Wish) -> Answer:
    """The same in a process of its own; returns when its page can be used."""
    say = output.current().say
    chosen = choose(wish.source, wish.engine, wish.limits, say)
    say(chosen.why)
    answer = background.run(chosen.session, wish.words)
    if wish.open_page:
        webbrowser.open(str(answer.data["link"]))
    return answer


def sessions() -> Answer:
    """All sessions in a table."""
    known = [describe(session) for session in all_sessions()]
    rows = [("SESSION", "STATE", "STEP", "DONE", "HELP", "PAGE")]
    rows += [
        (
            str(entry["name"]),
            str(entry["state"]),
            str(entry["step"]),
            f"{entry['completed']}/{entry['steps']}" if "completed" in entry else "-",
            cost_shown(entry),
            str(entry.get("address", "-")),
        )
        for entry in known
    ]
    text = output.table(rows) if known else "There are no sessions yet. Start one: workshop run DIR"
    return Answer({"sessions": known}, text)


def status(word: str | None) -> Answer:
    """One session with its folders."""
    session = select(word)
    kept = sorted(path.name for path in session.kept.iterdir()) if session.kept.is_dir() else []
    entry = describe(session) | {"directory": str(session.directory), "kept": kept}
    shown = {**entry, "help": cost_shown(entry)}
    lines = [f"{name:<12} {_shown(value)}" for name, value in shown.items()]
    return Answer(entry, "\n".join(lines))


def open_page(word: str | None, *, instructor: bool = False) -> Answer:
    """The link of a running session, opened when a person asks."""
    session = require_running(select(word))
    with daemon_of(session) as daemon:
        link = daemon.instructor_link() if instructor else daemon.link()
    opened = webbrowser.open(link) if sys.stdout.isatty() else False
    return Answer({"link": link, "opened": opened}, link)


def moved(word: str | None, step: str | None, kind: TransitionKind) -> Answer:
    """Move a session's machine; says where the replaced files are."""
    session = require_running(select(word))
    done = move(session, step, kind, output.current().say)
    data = {"name": session.name, "transition": done.transition.id, "step": done.transition.step}
    data |= {"kind": kind.value}
    said = f"The machine is at {done.transition.step}."
    if done.kept is not None:
        data["kept"] = str(done.kept)
        said += f" The files from before are in {done.kept}."
    return Answer(data, said)


def logs(word: str | None, lines: int, *, follow: bool) -> Answer | None:
    """What the daemon of a session said."""
    session = select(word)
    engine = engine_of(session)
    if output.current().json:
        if follow:
            raise BadRequest("--follow has no end and --json prints one document; use one of them.")
        return Answer({"lines": list(engine.logs(session, lines, follow=False))})
    for line in engine.logs(session, lines, follow=follow):
        typer.echo(output.visible(line))
    return None


def stop(word: str | None) -> Answer:
    """End a session's machine."""
    session = select(word)
    stopped = end(session)
    said = f"{session.name} is stopped." if stopped else f"{session.name} was not running."
    return Answer({"name": session.name, "stopped": stopped}, said)


def remove(word: str, *, keep_progress: bool, sure: bool) -> Answer:
    """Stop a session and delete it, after asking."""
    session = select(word)
    what = "its files (progress stays)" if keep_progress else "its files, progress and recordings"
    if not sure:
        if not sys.stdin.isatty() or output.current().json:
            raise BadRequest(f"Deleting {what} cannot be undone; say --yes to do it.")
        typer.confirm(f"Delete {session.name}: {what}?", abort=True, err=True)
    end(session)
    with session.locked():
        engine_of(session).remove(session, keep_progress=keep_progress)
        session.remove(keep_progress=keep_progress)
        if not keep_progress:
            Ledger().forget(session.name)
    said = f"{session.name} is deleted."
    if keep_progress:
        said = f"The files of {session.name} are deleted; ticks and recordings stay."
    return Answer({"name": session.name, "keptProgress": keep_progress}, said)


def _serve(wish: Wish, report: background.Report) -> ExitCode:
    out = output.current()
    with StatusLine(out) as line:
        chosen = choose(wish.source, wish.engine, wish.limits, line.say)
        session = chosen.session
        with _sole(session), ended_by_signals():
            line.say(chosen.why)
            chosen.engine.check()
            life = Run(session, chosen.engine, line.say, line.show)
            try:
                life.set_up(chosen.origin, wish.port, chosen.compile_to)
                with supplied(
                    session,
                    chosen.engine,
                    chosen.llm,
                    line.say,
                    from_environment=wish.help_from_env,
                ):
                    line.say(f"Starting {chosen.origin.title}.")
                    life.begin()
                    answer = _started(session)
                    if not report.is_awaited:
                        with line.paused():
                            out.done(answer)
                    report.ready(answer)
                    if wish.open_page:
                        webbrowser.open(str(answer.data["link"]))
                    line.say("Press Ctrl-C to stop; files and progress are kept.")
                    life.serve()
            except (KeyboardInterrupt, Terminated) as why:
                line.say("Stopping.")
                life.stop()
                line.say(
                    f"{session.name} is stopped. Files and progress are kept; go on with: "
                    f"workshop run {_again(chosen.origin.source)}"
                )
                interrupted = isinstance(why, KeyboardInterrupt)
                return ExitCode.INTERRUPTED if interrupted else ExitCode.TERMINATED
            finally:
                life.stop()
    return ExitCode.DONE


@contextmanager
def _sole(session: Session) -> Iterator[None]:
    """Hold the session's lock; the second `run` says where the first one's page is."""
    try:
        with session.locked():
            yield
    except AlreadyRunning as error:
        link = str(_started(session).data["link"]) if session.exists() else ""
        raise Refusal(
            error,
            data={"link": link},
            suggestion=f"Its page: {link}\nEnd it with: workshop stop {session.name}",
        ) from error


def _started(session: Session) -> Answer:
    record = session.record()
    with daemon_of(session) as daemon:
        link = daemon.link()
    data = {
        "name": record.name,
        "link": link,
        "port": record.port,
        "step": record.step,
        "engine": record.engine,
        "directory": str(session.directory),
    }
    return Answer(data, f"{record.title}: {link}")


def _again(source: str) -> str:
    """The shortest word for the same folder or image from here."""
    folder = Path(source)
    if folder.is_absolute() and folder.is_relative_to(Path.cwd()):
        source = str(folder.relative_to(Path.cwd()))
    return shlex.quote(source)


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) or "-" if isinstance(value, list) else str(value)

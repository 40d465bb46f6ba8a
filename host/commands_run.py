"""Arguments of the commands around a running session; `host.running` does what they say.

It is imported by the command that needs it: `workshop --version` shall not wait for HTTP clients.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from host.output import Answer, JsonFlag
from runtime.domain.errors import BadRequest, ExitCode
from runtime.domain.transitions import TransitionKind

SessionArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[SESSION]",
        help="A session's name or its workshop's folder; by default the one that is running.",
    ),
]
SessionOption = Annotated[
    str | None,
    typer.Option("--session", "-s", metavar="SESSION", help="Which session, when several run."),
]
StepArgument = Annotated[str, typer.Argument(metavar="STEP", help="The id of a step.")]
PortOption = Annotated[
    int | None, typer.Option(min=1, max=65535, help="The page's port; kept for the next runs.")
]
LinesOption = Annotated[
    int, typer.Option("--lines", "-n", min=1, help="How many lines to begin with.")
]


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command()(run)
    app.command("list")(list_)
    app.command("open")(open_)
    app.command()(go)
    app.command()(reset)
    app.command()(solve)
    app.command()(logs)
    app.command()(stop)
    app.command()(rm)
    app.command()(recordings)
    app.command()(doctor)
    app.command("config")(config_)


def run(
    source: Annotated[
        str, typer.Argument(metavar="DIR|IMAGE", help="The workshop's folder, or its image.")
    ],
    port: PortOption = None,
    engine: Annotated[
        str | None,
        typer.Option(
            envvar="WORKSHOP_ENGINE",
            metavar="podman|docker|sandbox",
            help="What runs it; sandbox, the embedded engine, needs neither.",
        ),
    ] = None,
    memory: Annotated[
        str, typer.Option(metavar="SIZE", help="The most memory a container may use; or none.")
    ] = "2g",
    cpus: Annotated[
        float, typer.Option(min=0, help="The most processors a container may use; 0: all.")
    ] = 2,
    pids: Annotated[
        int, typer.Option(min=0, help="The most processes a container may have; 0: any number.")
    ] = 1024,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Go on in the background.")
    ] = False,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    help_from_env: Annotated[
        bool,
        typer.Option(
            "--help-from-env",
            help="Put the model's key itself into the machine, where its root can read it.",
        ),
    ] = False,
    report_to: Annotated[int | None, typer.Option("--report-to", hidden=True)] = None,
    as_json: JsonFlag = False,
) -> Answer | ExitCode:
    """Start a workshop, or go on with it where it was left."""
    from host import running
    from host.sessions import Limits

    limits = Limits(
        memory=None if memory == "none" else memory, cpus=cpus or None, pids=pids or None
    )
    wish = running.Wish(source, port, engine, limits, open_page, help_from_env)
    return running.run_detached(wish) if detach else running.run(wish, report_to)


def list_(as_json: JsonFlag = False) -> Answer:
    """All sessions: which run, where they are, how far they are."""
    from host import running

    return running.sessions()


def open_(
    session: SessionArgument = None,
    instructor: Annotated[
        bool, typer.Option("--instructor", help="The instructor's page, which sees it all live.")
    ] = False,
    as_json: JsonFlag = False,
) -> Answer:
    """Open the page of a running session in a browser, and print its link."""
    from host import running

    return running.open_page(session, instructor=instructor)


def go(step: StepArgument, session: SessionOption = None, as_json: JsonFlag = False) -> Answer:
    """Move the machine to the start of a step."""
    from host import running

    return running.moved(session, step, TransitionKind.GO)


def reset(session: SessionOption = None, as_json: JsonFlag = False) -> Answer:
    """Move the machine back to the start of the step it is at."""
    from host import running

    return running.moved(session, None, TransitionKind.RESET)


def solve(step: StepArgument, session: SessionOption = None, as_json: JsonFlag = False) -> Answer:
    """Move the machine to where a step is solved."""
    from host import running

    return running.moved(session, step, TransitionKind.SOLVE)


def logs(
    session: SessionArgument = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with every new line.")
    ] = False,
    lines: LinesOption = 200,
    as_json: JsonFlag = False,
) -> Answer | None:
    """What the daemon of a session said."""
    from host import running

    return running.logs(session, lines, follow=follow)


def stop(session: SessionArgument = None, as_json: JsonFlag = False) -> Answer:
    """End a session's machine; files and progress stay."""
    from host import running

    return running.stop(session)


def rm(
    session: Annotated[str, typer.Argument(metavar="SESSION", help="The session's name.")],
    keep_progress: Annotated[
        bool, typer.Option("--keep-progress", help="Delete files only, keep ticks and recordings.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonFlag = False,
) -> Answer:
    """Stop a session and delete it."""
    from host import running

    return running.remove(session, keep_progress=keep_progress, sure=yes)


def recordings(
    session: SessionArgument = None,
    export: Annotated[
        str | None,
        typer.Option("--export", "-x", metavar="NAME", help="Write this one; last: the newest."),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="cast|text|html",
            help="What it becomes: by default what OUT is called, else a page that plays offline.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="OUT", help="Where to; -: standard output."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite OUT.")] = False,
    as_json: JsonFlag = False,
) -> Answer:
    """List what a session recorded, or write one recording to a file."""
    from host import recordings as casts

    if export is None:
        if form or out or force:
            raise BadRequest("--as, --out and --force go with --export NAME.")
        return casts.recordings(session)
    return casts.export(session, export, form, out, force=force)


def doctor(as_json: JsonFlag = False) -> Answer:
    """Look at what running workshops needs of this computer, with the mend of what is missing."""
    from host.doctor import examine

    return examine()


def config_(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A setting; without one, all are shown.")
    ] = None,
    value: Annotated[
        str | None,
        typer.Argument(metavar="[VALUE]", help="Its value; help.key is asked for or read instead."),
    ] = None,
    unset: Annotated[bool, typer.Option("--unset", help="Forget it.")] = False,
    as_json: JsonFlag = False,
) -> Answer:
    """Keep what help needs: the model's key, which stays on this computer, budgets and prices."""
    from host import configuring

    return configuring.configure(name, value, unset=unset)

"""Arguments of `workshop class`; `host.classroom` does what they say."""

from __future__ import annotations

from typing import Annotated

import typer

from host.output import JsonFlag
from runtime.domain.errors import ExitCode


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("class")(class_)


def class_(
    roster: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE|URL]…",
            help="Instructors' links, or files with one per line: URL, then the student's name.",
        ),
    ] = None,
    name: Annotated[
        str, typer.Option("--name", help="The class; what was seen of it is kept under this name.")
    ] = "class",
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The wall's port; kept for the next time.")
    ] = None,
    local: Annotated[
        bool, typer.Option("--local/--no-local", help="The sessions of this computer, too.")
    ] = True,
    open_page: Annotated[bool, typer.Option("--open", help="Open the wall in a browser.")] = False,
    as_json: JsonFlag = False,
) -> ExitCode:
    """One wall of many students: steps, who is stuck, raised hands, live terminals."""
    from host.classroom import serving

    return serving.serve(serving.Wish(roster or (), name, port, local, open_page))

"""Arguments of the commands around a workshop's images; `host.building` does what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from host.output import Answer, JsonFlag


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command()(build)
    app.command()(status)


def build(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="The workshop's folder, with its workshop.yaml.")
    ],
    from_step: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Make this step and all after it anew, without any cache."),
    ] = None,
    push: Annotated[
        bool, typer.Option("--push", help="Push all images and print their digests.")
    ] = False,
    engine: Annotated[
        str | None,
        typer.Option(metavar="podman|docker", help="What builds; by default what is installed."),
    ] = None,
    ca_bundle: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Certificates that commands trust while they run; in no image."
        ),
    ] = None,
    build_arg: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="An argument of the base and of commands."),
    ] = None,
    platform_image: Annotated[
        str | None,
        typer.Option(metavar="IMAGE", help="Where the platform comes from, if the base has none."),
    ] = None,
    as_json: JsonFlag = False,
) -> Answer:
    """Make the images of a workshop: its start, and one for each solved step."""
    from host import building
    from host.images import Wish

    arguments = building.arguments(build_arg or ())
    wish = Wish(from_step, push, ca_bundle, arguments, platform_image)
    return building.build(directory, wish, engine)


def status(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[DIR|SESSION]",
            help="A workshop's folder, or a session; by default the session that is running.",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> Answer:
    """A workshop's images: built, stale or missing. Or a session: where it is, how far."""
    from host import building, running

    if what is not None and building.is_workshop(what):
        return building.status(Path(what))
    return running.status(what)

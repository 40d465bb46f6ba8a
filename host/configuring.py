"""`workshop config`: look at what is kept, and change it. The key is never an argument."""

from __future__ import annotations

import sys

import typer

from host import config, output
from host.output import Answer
from runtime.domain.errors import BadRequest


def configure(name: str | None, value: str | None, *, unset: bool) -> Answer:
    """Show all settings, or set or forget one."""
    if name is None:
        return _shown(config.load())
    if unset:
        return _shown(config.change(name, None))
    if name == config.SECRET:
        if value is not None:
            raise BadRequest(
                "help.key: other users can see a command's arguments. Leave the value out; it is "
                "asked for, or read from standard input."
            )
        value = _secret()
    if value is None:
        config.check_name(name)
        raise BadRequest(f"{name}: name its value, or --unset to forget it.")
    return _shown(config.change(name, value))


def _secret() -> str:
    if sys.stdin.isatty() and not output.current().json:
        return str(typer.prompt("The model's key", hide_input=True, err=True)).strip()
    return sys.stdin.readline().strip()


def _shown(settings: config.Config) -> Answer:
    values = config.shown(settings)
    lines = [f"{name:<22} {value}" for name, value in values.items()]
    text = "\n".join(lines) or f"Nothing is set. There are: {', '.join(config.NAMES)}."
    return Answer({"settings": values, "file": str(config.path())}, text)

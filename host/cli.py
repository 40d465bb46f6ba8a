"""The command line: arguments in, one call, an answer out.

Every command is a function that returns an `Answer` (or nothing) and raises `WorkshopError`s;
`main` alone decides what is printed and with which code the process ends.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import _click  # typer's own copy of click: the exceptions have no public name

from host import output
from host.output import Answer, JsonFlag
from runtime.domain.errors import ExitCode, WorkshopError

app = typer.Typer(
    name="workshop",
    help="Hands-on workshops: a tutorial beside a real shell.",
    epilog="Every command takes --json. “workshop --help --json” lists the exit codes.",
    add_completion=False,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

WITHOUT_SESSIONS = (["validate"], ["compile"], ["--version"])

WorkshopFolder = Annotated[
    Path, typer.Argument(metavar="DIR", help="The workshop's folder, with its workshop.yaml.")
]
SandboxFlag = Annotated[
    bool,
    typer.Option(
        "--sandbox",
        help="Refuse what the embedded engine cannot do, as “workshop run DIR” would.",
    ),
]


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    as_json: JsonFlag = False,
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.")
    ] = False,
) -> Answer | None:
    if show_version:
        return Answer({"version": output.version()}, f"workshop {output.version()}")
    if context.invoked_subcommand is None:
        raise _click.exceptions.UsageError("A command is missing.", context)
    return None


@app.command()
def validate(
    directory: WorkshopFolder, sandbox: SandboxFlag = False, as_json: JsonFlag = False
) -> Answer:
    """Look for every fault in a workshop's folder."""
    from host import authoring

    return authoring.validate(directory, sandbox=sandbox)


@app.command("compile")
def compile_(
    directory: WorkshopFolder,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="OUT", help="Where the artifact goes.")
    ],
    sandbox: SandboxFlag = False,
    as_json: JsonFlag = False,
) -> Answer:
    """Write the artifact a container serves: the /workshop tree."""
    from host import authoring

    return authoring.compile_folder(directory, out, sandbox=sandbox)


@cache
def _register_sessions() -> None:
    """Add the commands about images and sessions; their imports are worth a third of a start."""
    from host import commands_build, commands_class, commands_run

    commands_build.register(app)
    commands_run.register(app)
    commands_class.register(app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with one of the exit codes."""
    sys.exit(int(run(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: Sequence[str]) -> ExitCode:
    """Run one command line; whatever happens is said in a sentence."""
    words, as_json = _without_json(arguments)
    out = output.begin(as_json=as_json)
    try:
        if as_json and any(word in ("-h", "--help") for word in words):
            return out.done(Answer(_help_document()))
        if words[:1] not in WITHOUT_SESSIONS:
            _register_sessions()
        command = typer.main.get_command(app)
        # Not command.main(): it ends the process by itself for a closed pipe and an interrupt.
        with command.make_context("workshop", words) as context:
            return _ended(out, command.invoke(context))
    except WorkshopError as error:
        return out.failed(error)
    except _click.exceptions.ClickException as error:
        return _misused(out, error, words)
    except typer.Exit as end:
        return _ended(out, end.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        out.say("Interrupted.")
        return out.ended(ExitCode.INTERRUPTED, "interrupted", "Interrupted.")
    except BrokenPipeError:
        # The reader of our output has gone; nothing more can be said, at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.DONE
    except SystemExit as end:
        if end.code != 1:
            raise
        return ExitCode.DONE  # rich's way to end for the same reason, while it prints help
    except Exception as error:  # noqa: BLE001  # the top of the process: the last sentence
        return _unexpected(out, error)


def _without_json(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """The words without --json, which may stand anywhere before a lone `--`."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    words = [word for word in arguments[:end] if word != "--json"]
    return [*words, *arguments[end:]], "--json" in arguments[:end]


def _ended(out: output.Output, returned: Any) -> ExitCode:
    match returned:
        case Answer():
            return out.done(returned)
        case int() if returned != 0:
            code = ExitCode(returned)
            return out.ended(code, code.name.lower(), output.MEANINGS[code])
        case _:
            return out.done(Answer())


def _misused(
    out: output.Output, error: _click.exceptions.ClickException, words: Sequence[str]
) -> ExitCode:
    message = " ".join(error.format_message().split())
    message = message if message.endswith((".", "?", "!")) else f"{message}."
    known = {entry["name"] for entry in _commands()}
    command = next((word for word in words if not word.startswith("-")), "")
    suggestion = f"See “workshop {f'{command} ' if command in known else ''}--help”."
    out.say(message)
    out.say(suggestion)
    code = ExitCode.INVALID_ARGUMENTS
    return out.ended(code, "invalid_arguments", message, suggestion=suggestion)


def _unexpected(out: output.Output, error: Exception) -> ExitCode:
    message = f"A mistake in workshop itself: {type(error).__name__}: {error}"
    out.say(message)
    suggestion = "Please report it with the output of the same command and WORKSHOP_TRACEBACK=1."
    if os.environ.get("WORKSHOP_TRACEBACK"):
        out.say("".join(traceback.format_exception(error)))
    else:
        out.say(suggestion)
    code = ExitCode.UNHANDLED_EXCEPTION
    return out.ended(code, "unhandled_exception", message, suggestion=suggestion)


def _commands() -> list[dict[str, str]]:
    _register_sessions()
    group: Any = typer.main.get_command(app)  # click's groups are not public in typer
    return [
        {"name": name, "help": (command.help or "").strip().split("\n")[0]}
        for name, command in sorted(group.commands.items())
        if not command.hidden
    ]


def _help_document() -> dict[str, object]:
    return {
        "commands": _commands(),
        "exitCodes": [
            {"code": int(code), "name": code.name, "meaning": meaning}
            for code, meaning in output.MEANINGS.items()
        ],
    }

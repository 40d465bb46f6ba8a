"""The student's account on this machine: how a shell of theirs starts, and the log it writes."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from pathlib import Path

from runtime.domain.errors import InvalidWorkshop
from runtime.domain.workshop import Workshop
from runtime.services.pty import ShellSpec
from runtime.settings import Settings, shell_environment
from runtime.store.eventlog import refused

COMMAND_LOG = "command-log.jsonl"


def shell(
    settings: Settings, workshop: Workshop, command_log: Path, environ: Mapping[str, str]
) -> ShellSpec:
    """How a shell starts: as the workshop's user when the daemon is root, else as itself.

    Raises InvalidWorkshop when this machine has no such user.
    """
    keys = (workshop.llm.api_key_env,) if workshop.llm else ()
    env = shell_environment(environ, (*settings.llm_key_names, *keys))
    terminal_settings = workshop.terminal
    account = _account(terminal_settings.user)
    env |= {
        "HOME": account.pw_dir,
        "USER": account.pw_name,
        "LOGNAME": account.pw_name,
        "SHELL": terminal_settings.shell,
        "WORKSHOP_COMMAND_LOG": str(command_log),
    }
    switches = os.geteuid() == 0 and account.pw_uid != 0
    return ShellSpec(
        argv=(*settings.shell_prefix, terminal_settings.shell),
        env=env,
        cwd=Path(terminal_settings.workdir),
        uid=account.pw_uid if switches else None,
        gid=account.pw_gid if switches else None,
    )


def make_command_log(directory: Path, workshop: Workshop) -> Path:
    """The file the hook appends to: the student's to write, nobody's to replace.

    Raises what `store.eventlog.refused` makes of an OSError.
    """
    path = directory / COMMAND_LOG
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o660)
        try:
            if os.geteuid() == 0:
                os.fchown(fd, 0, _account(workshop.terminal.user).pw_gid)
            os.fchmod(fd, 0o660)
        finally:
            os.close(fd)
    except OSError as error:
        raise refused(path, error) from error
    return path


def _account(user: str) -> pwd.struct_passwd:
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    try:
        return pwd.getpwnam(user)
    except KeyError as error:
        raise InvalidWorkshop(
            f"workshop.json: terminal.user: expected a user of this machine, found {user!r}; "
            "use an image that has it."
        ) from error

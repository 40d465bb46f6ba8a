"""What this user told `workshop` once: the model's key, where the model is, what help may cost.

`~/.config/workshop/config.json`, 0600 in a folder 0700. The key can also stay where it is: in the
environment, or behind a command such as `secret-tool lookup service workshop` (`help.key-command`).
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from host.sessions import read_json, storage_errors, write_whole
from runtime.domain.errors import BadRequest, EngineFailure

KEY_COMMAND_SECONDS = 20


class Config(BaseModel):
    """The settings; an absent one is None. Prices are of a million tokens, in any currency."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    key: Annotated[str | None, Field(min_length=1)] = None
    key_command: Annotated[str | None, Field(min_length=1)] = None
    base_url: Annotated[str | None, Field(pattern=r"^https?://\S+$")] = None
    session_tokens: Annotated[int | None, Field(ge=1)] = None
    workshop_tokens: Annotated[int | None, Field(ge=1)] = None
    price_input: Annotated[float | None, Field(ge=0)] = None
    price_output: Annotated[float | None, Field(ge=0)] = None

    def cost(self, input_tokens: int, output_tokens: int) -> float | None:
        """What these tokens cost, when prices are known."""
        if self.price_input is None or self.price_output is None:
            return None
        return (input_tokens * self.price_input + output_tokens * self.price_output) / 1_000_000

    def find_key(self, variable: str) -> str | None:
        """The key: of the environment's `variable`, else kept here, else of the command.

        Raises EngineFailure when the command fails, BadRequest for what cannot be a key.
        """
        for source, key in self._sources(variable):
            if key and key.strip():
                return _checked(key.strip(), source)
        return None

    def _sources(self, variable: str) -> Iterator[tuple[str, str | None]]:
        yield f"the variable {variable}", os.environ.get(variable)
        yield SECRET, self.key
        yield "the command of help.key-command", self._from_command()

    def _from_command(self) -> str | None:
        if self.key_command is None:
            return None
        try:
            done = subprocess.run(
                shlex.split(self.key_command),
                capture_output=True,
                text=True,
                timeout=KEY_COMMAND_SECONDS,
                check=True,
            )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            raise EngineFailure(
                f"The command of help.key-command did not give a key ({type(error).__name__}). "
                "Run it by hand to see why, or change it with: workshop config help.key-command …"
            ) from error
        return done.stdout


def _checked(key: str, source: str) -> str:
    """The key as it can be sent; the message never holds it."""
    if not key.isascii() or not key.isprintable() or " " in key:
        raise BadRequest(
            f"What {source} gives is no key: it holds a space, a line break or a letter that no "
            "key has. Give the key alone."
        )
    return key


NAMES = tuple(f"help.{field.replace('_', '-')}" for field in Config.model_fields)
SECRET = "help.key"
EXPECTED = {
    "key": "the key, which is not empty,",
    "key_command": "a command that prints the key",
    "base_url": "an address that begins with http:// or https://",
    "session_tokens": "a whole number of tokens, at least 1,",
    "workshop_tokens": "a whole number of tokens, at least 1,",
    "price_input": "a price such as 3 or 0.25",
    "price_output": "a price such as 15 or 1.25",
}


def path() -> Path:
    """Where the settings are kept."""
    base = os.environ.get("XDG_CONFIG_HOME")
    root = Path(base) if base and Path(base).is_absolute() else Path.home() / ".config"
    return root / "workshop" / "config.json"


def load() -> Config:
    """The settings; raises BadRequest when the file holds something else."""
    try:
        return Config.model_validate(read_json(path()))
    except (ValueError, ValidationError, OSError) as error:
        raise BadRequest(f"{path()} cannot be used; mend it or delete it.") from error


def check_name(name: str) -> None:
    """Raises BadRequest when there is no such setting."""
    if name not in NAMES:
        raise BadRequest(f"There is no setting “{name}”; there are {', '.join(NAMES)}.")


def change(name: str, value: str | None) -> Config:
    """Set one setting, or forget it with None; raises BadRequest with what was expected."""
    check_name(name)
    field = name.removeprefix("help.").replace("-", "_")
    values = load().model_dump(exclude_none=True)
    values.pop(field, None)
    if value is not None:
        values[field] = value
    try:
        changed = Config.model_validate(values)
    except ValidationError:
        raise BadRequest(f"{name}: {EXPECTED[field]} is expected.") from None  # it shows the value
    with storage_errors(path().parent):
        path().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(path(), changed.model_dump_json(exclude_none=True, indent=2) + "\n")
    return changed


def shown(settings: Config) -> dict[str, object]:
    """The settings for people; of the key only that it is there."""
    values = settings.model_dump(exclude_none=True)
    if "key" in values:
        values["key"] = "(set)"
    return {f"help.{field.replace('_', '-')}": value for field, value in values.items()}

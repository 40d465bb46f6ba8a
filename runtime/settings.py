"""The daemon's settings: read once from the environment, frozen, every wrong value named."""

import json
import os
import secrets
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from runtime.domain.errors import InvalidSettings

MIN_TOKEN_CHARACTERS = 16
NO_TOKEN = "none"
FILES_ALLOWED = ("WORKSHOP_LLM_TOKEN", "WORKSHOP_LLM_BASE_URL")  # may come as a file, also empty
TOKEN_NAMES = (
    "WORKSHOP_STUDENT_TOKEN",
    "WORKSHOP_INSTRUCTOR_TOKEN",
    "WORKSHOP_HOST_TOKEN",
)
DEFAULT_GOSS = Path("/opt/workshop/bin/goss")


def _words(value: Any) -> Any:  # Any: a validator sees what came
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


def _command(value: Any) -> Any:  # Any: a validator sees what came
    return json.loads(value) if isinstance(value, str) else value


class Settings(BaseModel):
    """Everything the environment decides; the alias is the variable's name."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="ignore")

    root: Path = Field(Path("/workshop"), alias="WORKSHOP_ROOT")
    """The artifact's folder."""
    host: str = Field("0.0.0.0", alias="WORKSHOP_HOST", min_length=1)
    """The address to listen on."""
    port: int = Field(8080, alias="WORKSHOP_PORT", ge=0, le=65535)
    """The TCP port to listen on; 0 lets the system choose."""
    student_token: str | None = Field(None, alias="WORKSHOP_STUDENT_TOKEN", min_length=16)
    """What the student's link carries; None lets everybody in, on purpose."""
    instructor_token: str | None = Field(None, alias="WORKSHOP_INSTRUCTOR_TOKEN", min_length=16)
    """What the instructor's link carries; None closes the instructor's API."""
    host_token: str | None = Field(None, alias="WORKSHOP_HOST_TOKEN", min_length=16)
    """What the host's calls carry; None closes the host's API."""
    made_student_token: bool = False
    """Whether the daemon made the student's token itself, and so has to print the link."""
    allowed_hosts: Annotated[tuple[str, ...], BeforeValidator(_words)] = Field(
        ("localhost", "127.0.0.1", "[::1]"), alias="WORKSHOP_ALLOWED_HOSTS", min_length=1
    )
    """Names a request's Host may have, with any port unless one is given."""
    goss: Path | None = Field(None, alias="WORKSHOP_GOSS")
    """The goss binary; by default /opt/workshop/bin/goss, else the one on PATH."""
    goss_interval: float = Field(0, alias="WORKSHOP_GOSS_INTERVAL", ge=0, le=86400)
    """Seconds between the instructor's check runs; 0 is off."""
    goss_timeout: float = Field(30, alias="WORKSHOP_GOSS_TIMEOUT", gt=0, le=3600)
    """Seconds one check run may take."""
    llm_token: str | None = Field(None, alias="WORKSHOP_LLM_TOKEN", min_length=1)
    """What the model is asked with, in place of the variable that workshop.json names."""
    llm_base_url: str | None = Field(None, alias="WORKSHOP_LLM_BASE_URL", pattern=r"^https?://\S+$")
    """Where the model's API is; by default the provider's own address."""
    llm_timeout: float = Field(30, alias="WORKSHOP_LLM_TIMEOUT", gt=0, le=600)
    """Seconds one answer of the model may take, from the question to its last word."""
    llm_rate_limit: int = Field(5, alias="WORKSHOP_LLM_RATE_LIMIT", ge=1, le=1000)
    """Questions a session may ask in a minute."""
    llm_session_tokens: int | None = Field(None, alias="WORKSHOP_LLM_SESSION_TOKENS", ge=1)
    """Tokens, in and out, one session may cost; by default what workshop.json says."""
    llm_prompt_tokens: int = Field(16_000, alias="WORKSHOP_LLM_PROMPT_TOKENS", ge=1_000)
    """Tokens one question may send, estimated; what is over is left out."""
    llm_docs_bytes: int = Field(51_200, alias="WORKSHOP_LLM_DOCS_BYTES", ge=0, le=10 << 20)
    """Bytes of a step's reference documents that are looked at."""
    record: Literal["on", "off"] = Field("on", alias="WORKSHOP_RECORD")
    """Whether terminals are recorded."""
    record_bytes: int = Field(1 << 30, alias="WORKSHOP_RECORD_BYTES", ge=1 << 20)
    """Bytes all recordings together may take."""
    record_file_bytes: int = Field(64 << 20, alias="WORKSHOP_RECORD_FILE_BYTES", ge=64 << 10)
    """Bytes after which a terminal's recording goes on in another file."""
    record_when_full: Literal["stop", "oldest"] = Field("stop", alias="WORKSHOP_RECORD_WHEN_FULL")
    """What happens at WORKSHOP_RECORD_BYTES: recording stops, or the oldest recordings go."""
    transition: str | None = Field(None, alias="WORKSHOP_TRANSITION", min_length=1)
    """The transition this daemon was started for."""
    step: str | None = Field(None, alias="WORKSHOP_STEP", min_length=1)
    """The step the machine is at, as the host knows it."""
    image: str | None = Field(None, alias="WORKSHOP_IMAGE", min_length=1)
    """The image the machine was started from, for the log."""
    management_url: str | None = Field(
        None, alias="WORKSHOP_MANAGEMENT_URL", pattern=r"^https?://[^\s]+$"
    )
    """Where the page sends a student who wants to manage the session."""
    shell_prefix: Annotated[tuple[str, ...], BeforeValidator(_command)] = Field(
        (), alias="WORKSHOP_SHELL_PREFIX"
    )
    """A command line put before shells and goss, as a JSON list: an engine's own isolation."""
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", alias="WORKSHOP_LOG_LEVEL"
    )
    """The least serious line the log shows."""
    log_format: Literal["text", "json"] = Field("text", alias="WORKSHOP_LOG_FORMAT")
    """How a log line looks."""

    @property
    def llm_key_names(self) -> tuple[str, ...]:
        """Variables that no child may inherit, whatever the workshop calls them."""
        return ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")


def from_environment(environ: Mapping[str, str]) -> Settings:
    """The settings in `environ`; an empty value counts as absent.

    Raises InvalidSettings with a sentence that names the variable. Tokens may come as
    `NAME_FILE`, a file holding the token; without a student token one is made.
    """
    values: dict[str, object] = {
        name: value for name, value in environ.items() if name.startswith("WORKSHOP_") and value
    }
    for name in (*TOKEN_NAMES, *FILES_ALLOWED):
        _read_token_file(values, name)
    for name in FILES_ALLOWED:
        if not values.get(name):
            values.pop(name, None)
    token = values.get("WORKSHOP_STUDENT_TOKEN")
    if token is None:
        values["WORKSHOP_STUDENT_TOKEN"] = secrets.token_urlsafe(24)
        values["made_student_token"] = True
    elif token == NO_TOKEN:
        del values["WORKSHOP_STUDENT_TOKEN"]
    for name in TOKEN_NAMES:
        _check_token(name, values.get(name))
    try:
        return Settings.model_validate(values)
    except (ValidationError, json.JSONDecodeError) as error:
        raise InvalidSettings(_sentence(error)) from None  # the cause would print the values


def forget_secrets(environ: MutableMapping[str, str]) -> None:
    """Drop every setting and key from the environment, so that no child inherits one.

    ANTHROPIC_LOG goes too: the client would print prompts.
    """
    for name in [name for name in environ if name.startswith(("WORKSHOP_", "ANTHROPIC_"))]:
        del environ[name]


def _read_token_file(values: dict[str, object], name: str) -> None:
    path = values.pop(f"{name}_FILE", None)
    if path is None:
        return
    if name in values:
        raise InvalidSettings(f"{name} and {name}_FILE are both set; keep one of them.")
    try:
        values[name] = Path(str(path)).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InvalidSettings(f"{name}_FILE: {path} cannot be read: {why}.") from error


def _check_token(name: str, token: object) -> None:
    if token is None:
        return
    text = str(token)
    if len(text) < MIN_TOKEN_CHARACTERS or not text.isascii() or not text.isprintable():
        raise InvalidSettings(
            f"{name}: expected at least {MIN_TOKEN_CHARACTERS} printable ASCII characters, "
            f"found {len(text)}; `openssl rand -hex 16` makes a good one."
        )


def _sentence(error: ValidationError | json.JSONDecodeError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return "WORKSHOP_SHELL_PREFIX: expected a JSON list of words, found something else."
    first = error.errors(include_url=False)[0]
    name = first["loc"][0] if first["loc"] else "settings"
    return f"{name}: {first['msg'][:1].lower()}{first['msg'][1:]}, found {first['input']!r}."


def shell_environment(environ: Mapping[str, str], secret_names: tuple[str, ...]) -> dict[str, str]:
    """What a shell inherits: the machine's own environment without settings and keys."""
    return {
        name: value
        for name, value in environ.items()
        if not name.startswith("WORKSHOP_") and name not in secret_names
    }


def find_goss(settings: Settings) -> Path | None:
    """The goss binary to use, or None when there is none."""
    if settings.goss is not None:
        return settings.goss if os.access(settings.goss, os.X_OK) else None
    if os.access(DEFAULT_GOSS, os.X_OK):
        return DEFAULT_GOSS
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        candidate = Path(folder) / "goss"
        if os.access(candidate, os.X_OK):
            return candidate
    return None

"""The artifact's models: what a compiled workshop says about itself.

JSON is camelCase (contracts, section 1); readers ignore fields they do not know.
"""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from runtime.domain.watching import WatchMode

SCHEMA_VERSION = "1.0"

STEP_ID_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,62}$"
NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,62}$"

StepId = Annotated[str, Field(pattern=STEP_ID_PATTERN)]


class ArtifactModel(BaseModel):
    """Frozen, camelCase on disk, unknown fields ignored."""

    model_config = ConfigDict(
        defer_build=True,  # at first use: a start has no need of most
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
    )


class NavigationMode(StrEnum):
    """Which steps are open when."""

    LINEAR = "linear"
    FREE = "free"
    GUIDED = "guided"


class LlmSettings(ArtifactModel):
    """The model that answers questions, when the workshop has one."""

    provider: Literal["anthropic"]
    model: str = Field(min_length=1)
    api_key_env: str = Field(min_length=1)
    max_tokens: int = Field(default=1024, ge=1, le=64_000)
    default_mode: Literal["hints", "explain", "solve"] = "hints"
    session_tokens: int = Field(default=200_000, ge=1_000)
    """Tokens, in and out, that one session's questions may cost."""


class TerminalSettings(ArtifactModel):
    """The student's shell."""

    user: str = Field(default="student", pattern=r"^[a-z_][a-z0-9_-]{0,31}$")
    shell: str = Field(default="/bin/bash", pattern=r"^/[^\x00]*$")
    workdir: str = Field(default="/workspace", pattern=r"^/[^\x00]*$")
    record_input: Literal["masked", "off", "all"] = "masked"


class StepLlm(ArtifactModel):
    """`llm.json` of a step."""

    mode: Literal["hints", "explain", "solve"] | None = None
    context: str | None = None
    has_docs: bool = False


class Step(ArtifactModel):
    """One step, as its `meta.json` says.

    `expected_checks` is the number of results the compiler expects of goss, None when it cannot be
    known; `has_solution` says that its commands and files are there, for the guard of answers;
    `declared_skips` are the keys (`type/id`) of checks the author skips on purpose.
    """

    id: StepId
    title: str = Field(min_length=1)
    group: str | None = None
    requires: tuple[StepId, ...] = ()
    position: int = Field(ge=0)
    has_goss: bool = False
    has_llm: bool = False
    has_hints: bool = False
    has_explain: bool = False
    has_solve: bool = False
    has_solution: bool = False
    auto_validate: Literal["on-command", "off"] | None = None
    expected_checks: int | None = Field(default=None, ge=0)
    declared_skips: tuple[str, ...] = ()


class StepEntry(ArtifactModel):
    """One line of `workshop.json`'s `steps`."""

    id: StepId
    title: str = Field(min_length=1)
    group: str | None = None
    requires: tuple[StepId, ...] = ()
    position: int = Field(ge=0)


class WorkshopFile(ArtifactModel):
    """`workshop.json`, field by field."""

    schema_version: str = Field(pattern=r"^1\.\d+$")
    name: str = Field(pattern=NAME_PATTERN)
    title: str | None = None
    description: str | None = None
    image: str = Field(min_length=1)
    navigation: NavigationMode
    llm: LlmSettings | None = None
    terminal: TerminalSettings = TerminalSettings()
    auto_validate: Literal["on-command", "off"] = "on-command"
    watching: WatchMode = "always"
    steps: tuple[StepEntry, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _steps_agree(self) -> Self:
        seen: set[str] = set()
        for index, step in enumerate(self.steps):
            if step.id in seen:
                raise ValueError(f"steps.{index}.id: expected a new id, found '{step.id}' again")
            if step.position != index:
                raise ValueError(f"steps.{index}.position: expected {index}, found {step.position}")
            seen.add(step.id)
        for index, step in enumerate(self.steps):
            unknown = [name for name in step.requires if name not in seen or name == step.id]
            if unknown:
                raise ValueError(
                    f"steps.{index}.requires: expected ids of other steps, found '{unknown[0]}'"
                )
        return self


class Workshop(BaseModel):
    """The whole definition, read once: `workshop.json` joined with every step's `meta.json`."""

    model_config = ConfigDict(defer_build=True, frozen=True)

    name: str
    title: str
    description: str
    image: str
    navigation: NavigationMode
    llm: LlmSettings | None
    terminal: TerminalSettings
    auto_validate: Literal["on-command", "off"]
    watching: WatchMode = "always"
    steps: tuple[Step, ...]

    @property
    def first(self) -> Step:
        """The step a new session begins with."""
        return self.steps[0]

    def find(self, step_id: str) -> Step | None:
        """The step of that id, or None."""
        return next((step for step in self.steps if step.id == step_id), None)

    def auto_validates(self, step: Step) -> bool:
        """Whether this step's checks run by themselves after a command."""
        return step.has_goss and (step.auto_validate or self.auto_validate) == "on-command"

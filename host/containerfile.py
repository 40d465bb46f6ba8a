"""A workshop as one multi-stage Containerfile: two stages for the start and for each step.

The first makes the machine's state: the base, or the state before it, and what the step adds. The
second puts the artifact on top, and is the step's image. So a changed text makes no command run
again, and no command finds the texts and solutions. Stages are FROM each other's tags: they are
built one after the other, each with a name of its own at once. Commands are written in exec form,
which needs no quoting rules of any shell and is understood by podman's and docker's builders alike.
Nothing here touches a disk.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from host.imagedigest import Digests
from host.spec import FileSpec, Spec, StepSpec
from runtime.domain.errors import InvalidWorkshop

START = "start"
DIGEST = "org.workshop.digest"  # labels: what the image was made of,
BASE = "org.workshop.base"  # the id of the image it was made on,
PLATFORM = "org.workshop.platform"  # on images that hold the platform, with its version,
INJECTED = "org.workshop.injected"  # and where the platform came from: its image and that one's id

ARTIFACT = "artifact"  # folders of the build context
FILES = "files"
CA_SECRET = "ca"  # the build secret's id
CA_PATH = "/workshop-ca.pem"  # while a command runs; the root folder exists in every base
CA_VARIABLES = (
    "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS", "PIP_CERT", "REQUESTS_CA_BUNDLE",
    "SSL_CA_CERT_FILE", "SSL_CERT_FILE",
)  # fmt: skip
LINE_BYTES = 60_000  # builders read lines of up to 64 KiB

PREPARE = ("/opt/workshop/bin/workshop-prepare",)
SERVING = (
    "ENV LANG=C.UTF-8 WORKSHOP_ROOT=/workshop",
    "EXPOSE 8080",
    "STOPSIGNAL SIGTERM",
    "HEALTHCHECK --interval=10s --timeout=5s --start-period=5s --retries=3 "
    'CMD ["/opt/workshop/bin/workshop-health"]',
    'ENTRYPOINT ["/opt/workshop/bin/tini","-g","--","/opt/workshop/bin/workshop-runtime"]',
    "CMD []",
)
HEADER = "# Made by `workshop build` from workshop.yaml; do not edit.\n"


@dataclass(frozen=True)
class Base:
    """The image below `start`. `platform` is the image whose platform is put into it; None when
    the base holds one already."""

    image: str
    id: str
    platform: str | None = None
    platform_id: str | None = None
    platform_version: str = ""

    @property
    def labels(self) -> dict[str, str]:
        """What every image made on it says of it."""
        injected = {INJECTED: f"{self.platform} {self.platform_id}"} if self.platform else {}
        return {BASE: self.id, **injected}


@dataclass(frozen=True)
class Extras:
    """What commands find while they are built and no image keeps: certificates, arguments."""

    ca: bool = False
    arguments: tuple[str, ...] = ()  # names


@dataclass(frozen=True)
class Instruction:
    """One line; `command` is the author's, when it runs one."""

    text: str
    command: str | None = None


@dataclass(frozen=True)
class Stage:
    """One thing to build: `step` is None for the start, `tag` its full name."""

    name: str
    tag: str
    step: StepSpec | None
    digest: str
    instructions: tuple[Instruction, ...]

    @property
    def id(self) -> str:
        """The step's id, or `start`."""
        return self.step.id if self.step else START


@dataclass(frozen=True)
class Recipe:
    """How one image is made: `state` is all but the artifact, `image` that and the artifact."""

    state: Stage
    image: Stage


def tag(spec: Spec, step: str | None = None) -> str:
    """The image of a step's solved state, or of the start: the name that `workshop run` looks for.

    podman keeps what has no registry in its name below `localhost/` and finds it without it too.
    """
    return f"{spec.image}:{step or START}"


def state_tag(spec: Spec, step: str | None = None) -> str:
    """The state below a step's image; no step has such an id."""
    return f"{spec.image}:_state-{step or START}"


def recipes(
    spec: Spec,
    base: Base,
    digests: Sequence[Digests],
    extras: Extras = Extras(),
    full_name: Callable[[str], str] = str,
) -> tuple[Recipe, ...]:
    """Of all images. `digests` are those of the start and of each step; `full_name` gives the name
    a container program has for an image made here.

    Raises InvalidWorkshop for what no Containerfile can say.
    """
    made: list[Recipe] = []
    for step, digest in zip([None, *spec.steps], digests, strict=True):
        id_ = step.id if step else START
        name = f"state-{id_}"
        if step is None:
            lines = list(_start(base, name))
        else:
            lines = list(_step(spec, step, extras, f"{made[-1].state.tag} AS {name}"))
        lines.append(Instruction(_label({DIGEST: digest.state})))
        state = Stage(name, full_name(state_tag(spec, id_)), step, digest.state, tuple(lines))
        made.append(Recipe(state, _image(spec, base, state, digest.image, full_name)))
    return tuple(made)


def text(recipes: Sequence[Recipe]) -> str:
    """The Containerfile."""
    stages = [stage for recipe in recipes for stage in (recipe.state, recipe.image)]
    parts = ("".join(f"{line.text}\n" for line in stage.instructions) for stage in stages)
    return f"{HEADER}\n" + "\n".join(parts)


def file_in_context(step: StepSpec, number: int) -> str:
    """Where the content of a step's file lies in the build context."""
    return f"{FILES}/{step.id}/{number}"


def _start(base: Base, name: str) -> Iterator[Instruction]:
    labels = base.labels
    yield Instruction(f"FROM {base.image} AS {name}")
    yield Instruction("USER 0")  # a bare base knows no names
    if base.platform:
        yield Instruction(f"COPY --from={base.platform} /opt/workshop /opt/workshop")
        yield Instruction(f"RUN {json.dumps(PREPARE)}")
        labels[PLATFORM] = base.platform_version
    yield from map(Instruction, (*SERVING, "WORKDIR /workspace", _label(labels)))


def _image(
    spec: Spec, base: Base, state: Stage, digest: str, full_name: Callable[[str], str]
) -> Stage:
    labels = {
        "org.opencontainers.image.title": spec.title or spec.name,
        "org.opencontainers.image.description": spec.description or "",
        "org.opencontainers.image.base.name": base.image,
        DIGEST: digest,
    }
    name = f"step-{state.id}" if state.step else START
    lines = (
        f"FROM {state.tag} AS {name}",
        f"COPY --chown=0:0 {ARTIFACT}/ /workshop/",
        _label(labels),
    )
    return Stage(
        name, full_name(tag(spec, state.id)), state.step, digest, tuple(map(Instruction, lines))
    )


def _step(spec: Spec, step: StepSpec, extras: Extras, origin: str) -> Iterator[Instruction]:
    yield Instruction(f"FROM {origin}")
    for name, value in step.env.items():
        if "\n" in value or "\r" in value:
            raise InvalidWorkshop(
                f"Step {step.id}: the value of env.{name} has several lines, which an image cannot "
                "hold; put it into a file with “files:”."
            )
        yield Instruction(f"ENV {name}={quoted(value)}")
    for number, file in enumerate(step.files):
        yield Instruction(_copy(spec, file, file_in_context(step, number)))
    if step.commands:
        # As arguments: they are set while a command runs and not in the image.
        yield Instruction(f"ARG USER={spec.terminal.user} SHELL=/bin/bash")
        if extras.arguments:
            yield Instruction(f"ARG {' '.join(extras.arguments)}")
        if extras.ca:
            yield Instruction("ARG " + " ".join(f"{name}={CA_PATH}" for name in CA_VARIABLES))
        yield Instruction(f"USER {spec.terminal.user}")
        for command in step.commands:
            yield _run(step, command, extras)
        yield Instruction("USER 0")


def _run(step: StepSpec, command: str, extras: Extras) -> Instruction:
    mount = f"--mount=type=secret,id={CA_SECRET},target={CA_PATH},mode=0444 " if extras.ca else ""
    # Builders read the two outputs apart: the reason of a failure would be lost among other lines.
    words = json.dumps(["/bin/bash", "-c", f"exec 2>&1; {command}"], ensure_ascii=False)
    if len(words.encode()) > LINE_BYTES:
        raise InvalidWorkshop(
            f"Step {step.id}: a command is longer than {LINE_BYTES} bytes, which an image cannot "
            "hold; put the text into a file with “files:”."
        )
    return Instruction(f"RUN {mount}{words}", command)


def _copy(spec: Spec, file: FileSpec, source: str) -> str:
    """The words of COPY are unquoted by the builder after it has read the list of them."""
    target = "".join(f"\\{char}" if char in "\\$\"'" else char for char in file.path)
    words = json.dumps([source, target], ensure_ascii=False)
    return f"COPY --chown={_owner(spec, file.path)} --chmod={file.mode:04o} {words}"


def _owner(spec: Spec, path: str) -> str:
    """The shell's user has what lies in its home and in /workspace, root everything else."""
    user = spec.terminal.user
    if not path.startswith(("/workspace/", f"/home/{user}/")):
        return "root:root"
    return "student:student" if user == "student" else user


def _label(labels: dict[str, str]) -> str:
    return "LABEL " + " ".join(
        f"{name}={quoted(' '.join(value.split()))}" for name, value in labels.items()
    )


def quoted(value: str) -> str:
    """A value of ENV or LABEL, in which nothing is expanded."""
    inner = "".join(f"\\{char}" if char in '\\"$' else char for char in value)
    return f'"{inner}"'

"""The container program of this machine, podman or docker, by its command line.

Everything that starts one of them goes through `Program`, so that what the two do differently and
what they print when they fail is known in one place.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from runtime.domain.errors import BadRequest, EngineFailure, TimedOut

NAMES = ("podman", "docker")  # in the order in which they are looked for
CALL_SECONDS = 60.0  # anything but pulling, pushing and building
ERROR_CHARACTERS = 600
PLAIN = {"DOCKER_BUILDKIT": "1", "BUILDKIT_PROGRESS": "plain"}  # docker's builder, line by line
INSTALL = "sudo apt-get install podman"


class Program:
    """One container program; `name` is `podman` or `docker`."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def is_podman(self) -> bool:
        """Whether it is podman."""
        return self.name == "podman"

    def full_name(self, image: str) -> str:
        """The name of an image made here: podman puts one without a registry under localhost."""
        return image if has_registry(image) or not self.is_podman else f"localhost/{image}"

    def run(
        self, *words: str, seconds: float = CALL_SECONDS, stdin: bytes = b""
    ) -> subprocess.CompletedProcess[str]:
        """Run one command to its end, whatever its exit code. Raises TimedOut, EngineFailure."""
        try:
            done = subprocess.run(
                [self.name, *words], input=stdin, capture_output=True, timeout=seconds, check=False,
                cwd="/",  # podman's conmon leaves a file in the current folder when memory runs out
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise TimedOut(
                f"`{self.name} {words[0]}` did not end within {seconds:.0f} seconds."
            ) from None
        except OSError as error:
            raise EngineFailure(f"{self.name} cannot be started: {error.strerror}.") from error
        out, err = (text.decode("utf-8", "replace") for text in (done.stdout, done.stderr))
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    def file_in(self, image: str, path: str) -> bytes | None:
        """The content of a file in an image that is here; None when it has no such file."""
        container = self.call("create", "--pull=never", image)
        try:
            packed = subprocess.run(
                [self.name, "cp", f"{container}:{path}", "-"],
                stdin=subprocess.DEVNULL, capture_output=True, timeout=CALL_SECONDS, check=False,
            )  # fmt: skip
        finally:
            self.run("rm", "--force", container)
        if packed.returncode != 0:
            return None
        with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as tar:
            file = tar.extractfile(tar.getmembers()[0])
            return file.read() if file is not None else None

    def call(self, *words: str, seconds: float = CALL_SECONDS, stdin: bytes = b"") -> str:
        """What a command that must succeed prints. Raises EngineFailure with what it said."""
        done = self.run(*words, seconds=seconds, stdin=stdin)
        if done.returncode != 0:
            raise self.failure(words, done.returncode, done.stderr)
        return done.stdout.strip()

    def inspect(self, kind: str, name: str) -> dict[str, Any] | None:  # Any: a JSON document
        """A `container`, `image` or `volume` as the program describes it; None without one."""
        done = self.run(kind, "inspect", name)
        if done.returncode != 0:
            if "no such" in done.stderr.lower() or "not known" in done.stderr.lower():
                return None
            raise self.failure((kind, "inspect", name), done.returncode, done.stderr)
        found = json.loads(done.stdout)
        return dict(found[0]) if found else None

    def stream(self, words: Sequence[str], say: Callable[[str], None]) -> tuple[int, list[str]]:
        """Run a long command; `say` hears each line of its output. Its exit code and all lines."""
        lines: list[str] = []
        try:
            with subprocess.Popen(
                [self.name, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace",
                env=os.environ | PLAIN,
            ) as process:  # fmt: skip
                assert process.stdout is not None
                for line in process.stdout:
                    lines.append(line.rstrip("\n"))
                    say(lines[-1])
        except OSError as error:
            raise EngineFailure(f"{self.name} cannot be started: {error.strerror}.") from error
        return process.returncode, lines

    def follow(self, *words: str) -> Iterator[str]:
        """The lines of a command that may go on for ever; ended when the reader stops."""
        with subprocess.Popen(
            [self.name, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace",
        ) as process:  # fmt: skip
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    yield line.rstrip("\n")
            finally:
                process.terminate()

    def failure(self, words: Sequence[str], code: int, stderr: str) -> EngineFailure:
        """Why a command failed, as a sentence."""
        said = _last_words(stderr)
        if "permission denied" in said.lower() and "docker" in said.lower():
            return EngineFailure(
                f"{self.name} may not be used by this user: {said} Add yourself to its group, or "
                "install podman, which needs none."
            )
        return EngineFailure(f"`{self.name} {words[0]}` failed with exit code {code}: {said}")


def has_registry(image: str) -> bool:
    """Whether an image's name begins with the host it comes from."""
    first, slash, _ = image.partition("/")
    return bool(slash) and ("." in first or ":" in first or first == "localhost")


def find(wanted: str | None = None) -> Program:
    """The program to use: the one `wanted`, else podman, else docker.

    Raises BadRequest for another name, EngineFailure when there is none.
    """
    if wanted is not None and wanted not in NAMES:
        raise BadRequest(f"--engine: expected {' or '.join(NAMES)}, found “{wanted}”.")
    for name in (wanted,) if wanted else NAMES:
        if shutil.which(name, path=os.environ.get("PATH", os.defpath)):
            return Program(name)
    if wanted:
        raise EngineFailure(f"{wanted} is not installed on this computer.")
    raise EngineFailure(
        f"Neither podman nor docker is installed. Install one, for example: {INSTALL}"
    )


def _last_words(stderr: str) -> str:
    """The end of what a program said, on one line, without its prefix."""
    lines = [line.strip() for line in stderr.strip().splitlines() if line.strip()]
    said = lines[-1] if lines else "it said nothing."
    return said.removeprefix("Error: ")[-ERROR_CHARACTERS:]

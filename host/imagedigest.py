"""What each image of a workshop is made of, as digests: unchanged digest, unchanged image.

Chained as in `host.states`: the digest of a step's state covers everything before it, but not the
artifact, which lies on top of it in the image. It covers what the author wrote; the images below
are compared by their ids, which a digest on another machine would not know.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from host.compile import contents
from host.spec import Spec, StepSpec
from runtime.domain.errors import PermissionRefused

FORMAT = "2"  # a change of how images are made: old ones are stale
USES_CONTEXT = re.compile(r"^\s*(copy|add)\s|type=bind", re.I | re.M)


@dataclass(frozen=True)
class Digests:
    """Of the machine's state, and of the image that has the artifact too."""

    state: str
    image: str


def digests(spec: Spec) -> tuple[Digests, ...]:
    """Of the start, then of each step in order."""
    artifact = [
        [path, hashlib.sha256(content).hexdigest(), mode]
        for path, (content, mode) in contents(spec).items()
    ]
    chain = [_digest([FORMAT, _base(spec)])]
    for step in spec.steps:
        chain.append(_digest([chain[-1], spec.terminal.user, *_made_of(step)]))
    return tuple(Digests(state, _digest([state, artifact])) for state in chain)


def _made_of(step: StepSpec) -> list[object]:
    files = [
        [file.path, hashlib.sha256(file.content).hexdigest(), file.mode] for file in step.files
    ]
    return [files, sorted(step.env.items()), list(step.commands)]


def _base(spec: Spec) -> list[str]:
    if spec.base_container_file is None:
        return ["image", spec.base_image or ""]
    try:
        text = spec.base_container_file.read_bytes()
        made_of = ["file", hashlib.sha256(text).hexdigest()]
        if USES_CONTEXT.search(text.decode("utf-8", "replace")):
            made_of.append(_folder(spec.root))
    except OSError as error:
        raise PermissionRefused(
            f"{error.filename} cannot be read ({error.strerror}), and the base's "
            f"{spec.base_container_file.name} may use it; make it readable or move it elsewhere."
        ) from error
    return made_of


def _folder(root: Path) -> str:
    """The folder may go into the base as a whole."""
    whole = hashlib.sha256()
    for folder, names, files in os.walk(root):
        names[:] = sorted(name for name in names if name != ".git")
        for name in sorted(files):
            path = Path(folder) / name
            if path.is_symlink():
                content = bytes(path.readlink())
            else:
                content = path.read_bytes() if path.is_file() else b""
            entry = [str(path.relative_to(root)), hashlib.sha256(content).hexdigest()]
            whole.update(f"{json.dumps(entry)}{path.lstat().st_mode & 0o111:o}\n".encode())
    return whole.hexdigest()


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()

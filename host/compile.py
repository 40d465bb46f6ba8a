"""A `Spec` as the artifact a daemon serves: the /workshop tree of contracts, section 1.

The same workshop gives the same bytes, modes and times on every machine, so that an unchanged
workshop makes an unchanged image layer. The tree is built beside its place and moved there whole.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from host.spec import Spec, StepSpec
from runtime.domain.errors import AlreadyExists, PermissionRefused, StorageFailed, StorageFull
from runtime.domain.workshop import SCHEMA_VERSION

MANIFEST = "workshop.json"
FOLDER_MODE = 0o755
PUBLIC_MODE = 0o644
SECRET_MODE = 0o600  # answers and checks: a student's shell must not read them
SECRET_FOLDER_MODE = 0o700
MAX_SOLUTION_FILE_BYTES = 64 << 10  # 64 KiB
TIME = 315_532_800  # seconds; 1980-01-01, the earliest time every archive format can hold


def compile_workshop(spec: Spec, out: Path) -> None:
    """Write the artifact to `out`, replacing an artifact that is there.

    Raises AlreadyExists when `out` is something else or lies in the way, PermissionRefused,
    StorageFull and StorageFailed when the disk refuses; then `out` is as it was.
    """
    target = Path(os.path.abspath(out))  # noqa: PTH100  # not resolve(): a link is not followed
    _check_target(spec, target)
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    old = target.with_name(f".{target.name}.{secrets.token_hex(4)}.old")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _Tree(part).write(contents(spec))
        if target.exists():
            target.rename(old)
        try:
            part.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
    except OSError as error:
        raise _translated(error, target) from error
    finally:
        for leftover in (part, old):
            shutil.rmtree(leftover, ignore_errors=True)


def contents(spec: Spec) -> dict[str, tuple[bytes, int]]:
    """Every file of the artifact: path below its root to bytes and mode.

    Solutions are for the guard of a model's answers, and in the artifact only where there is a
    model: the artifact is part of every image, so a changed one makes them all stale.
    """
    files = {MANIFEST: (_json(_manifest(spec)), PUBLIC_MODE)}
    for step in spec.steps:
        for name, file in _step_files(step, guarded=spec.llm is not None).items():
            files[f"steps/{step.id}/{name}"] = file
    return dict(sorted(files.items()))


def _manifest(spec: Spec) -> dict[str, object]:
    return _present(
        schemaVersion=SCHEMA_VERSION,
        name=spec.name,
        title=spec.title,
        description=spec.description,
        image=spec.image,
        navigation=spec.navigation.value,
        llm=spec.llm.model_dump(mode="json", by_alias=True) if spec.llm else None,
        terminal=spec.terminal.model_dump(mode="json", by_alias=True),
        autoValidate=spec.auto_validate,
        watching=spec.watching if spec.watching != "always" else None,
        steps=[_entry(step) for step in spec.steps],
    )


def _entry(step: StepSpec) -> dict[str, object]:
    return _present(
        id=step.id,
        title=step.title,
        group=step.group,
        requires=list(step.requires) or None,
        position=step.position,
    )


def _step_files(step: StepSpec, *, guarded: bool) -> dict[str, tuple[bytes, int]]:
    goss, llm = step.goss, step.llm
    has_solution = guarded and bool(step.commands or step.files)
    meta = _entry(step) | _present(
        hasGoss=goss is not None,
        hasLlm=llm is not None,
        hasHints=step.hints is not None,
        hasExplain=step.explain is not None,
        hasSolve=step.solve is not None,
        hasSolution=True if has_solution else None,
        autoValidate=step.auto_validate,
        expectedChecks=goss.expected_checks if goss else None,
        declaredSkips=list(goss.declared_skips) or None if goss else None,
    )
    files = {
        "meta.json": (_json(meta), PUBLIC_MODE),
        "content.md": (step.content.encode(), PUBLIC_MODE),
    }
    for asset in step.assets:
        files[f"files/{asset.path}"] = (asset.content, PUBLIC_MODE)
    texts = {"hints.md": step.hints, "explain.md": step.explain, "solve.md": step.solve}
    for name, text in texts.items():
        if text is not None:
            files[name] = (text.encode(), SECRET_MODE)
    if goss is not None:
        files["goss.yaml"] = (goss.text.encode(), SECRET_MODE)
    if llm is not None:
        settings = _present(mode=llm.mode, context=llm.context, hasDocs=llm.has_docs)
        files["llm.json"] = (_json(settings), SECRET_MODE)
    if has_solution:
        files["solution.json"] = (_json(_solution(step)), SECRET_MODE)
    for document in step.llm_docs:
        files[f"llm-docs/{document.path}"] = (document.content, SECRET_MODE)
    return files


def _solution(step: StepSpec) -> dict[str, object]:
    """What completes the step, for the guard against answers that give it away."""
    texts = {file.path: _text(file.content) for file in step.files}
    return {
        "commands": list(step.commands),
        "files": [{"path": path, "content": text} for path, text in texts.items() if text],
    }


def _text(content: bytes) -> str | None:
    """A file that a model could write out; None for what is no text or too long for that."""
    if len(content) > MAX_SOLUTION_FILE_BYTES or b"\0" in content:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def _present(**values: object) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _json(value: Mapping[str, object]) -> bytes:
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
    return f"{text}\n".encode()


class _Tree:
    """Writes a new folder whose entries have fixed modes and times."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, files: Mapping[str, tuple[bytes, int]]) -> None:
        self._root.mkdir(mode=0o700)
        folders = {self._root: FOLDER_MODE}
        for name, (content, mode) in files.items():
            for parent in PurePosixPath(name).parents[:-1]:
                is_secret = parent.name == "llm-docs"
                folders[self._root / parent] = SECRET_FOLDER_MODE if is_secret else FOLDER_MODE
            path = self._root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            self._write_file(path, content, mode)
        # The deepest first: a folder's time changes with its entries.
        for folder in sorted(folders, key=lambda path: len(path.parts), reverse=True):
            folder.chmod(folders[folder])
            os.utime(folder, (TIME, TIME))

    @staticmethod
    def _write_file(path: Path, content: bytes, mode: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        with open(os.open(path, flags, 0o600), "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
        os.utime(path, (TIME, TIME))


def _check_target(spec: Spec, target: Path) -> None:
    """Refuse to replace what is not an artifact, or to write into the workshop's own steps."""
    if not target.name:
        raise AlreadyExists(f"“{target}” cannot be replaced; name a folder of its own.")
    real = target.resolve()
    if spec.root == real or spec.root.is_relative_to(real):
        raise AlreadyExists(f"“{target}” holds the workshop itself; name another folder.")
    if real.is_relative_to(spec.root / "steps"):
        raise AlreadyExists(f"“{target}” lies among the workshop's steps; name another folder.")
    if target.is_symlink():
        raise AlreadyExists(f"“{target}” is a link; name the folder itself.")
    if not target.exists():
        return
    if not target.is_dir():
        raise AlreadyExists(f"“{target}” is a file; name a folder.")
    try:
        names = {entry.name for entry in target.iterdir()}
    except OSError as error:
        raise _translated(error, target) from error
    strange = sorted(names - {MANIFEST, "steps"})
    if strange or (names and MANIFEST not in names):
        raise AlreadyExists(
            f"“{target}” is not an artifact"
            + (f" (it holds “{strange[0]}”)" if strange else "")
            + "; name a new folder, or empty this one."
        )


def _translated(
    error: OSError, target: Path
) -> AlreadyExists | PermissionRefused | StorageFull | StorageFailed:
    match error.errno:
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return PermissionRefused(
                f"“{target}” cannot be written ({error.strerror}); name a folder you may write to."
            )
        case errno.ENOSPC | errno.EDQUOT:
            return StorageFull(f"The disk is full; “{target}” was left as it was.")
        case errno.EEXIST | errno.ENOTDIR:
            return AlreadyExists(f"A file lies in the way of “{target}”; name another folder.")
        case _:
            return StorageFailed(f"“{target}” cannot be written: {error.strerror}.")

"""What a step does to the machine: the files it puts there, its environment, its commands."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from host.faults import shortened
from host.fields import Fields, Report
from host.folder import Folder, Unreadable
from host.spec import FileSpec
from host.yamltree import Scalar, describe

PLATFORM_FOLDER = "/workshop"

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MODE = re.compile(r"(0o?)?[0-7]{3,4}")


class MachineReader:
    """Reads `files`, `env` and `commands` of one step; `where` keeps their places."""

    def __init__(self, fields: Fields, folder: Folder, report: Report) -> None:
        self._fields = fields
        self._folder = folder
        self._report = report
        self.where: dict[str, tuple[int, int]] = {}

    def files(self) -> Iterator[FileSpec]:
        """The files, their contents read."""
        seen: set[str] = set()
        for path, item in self._fields.items("files"):
            fields = Fields(item, path, ("path", "content", "source", "mode"), self._report)
            fields.required("path")
            target = fields.text("path")
            content = self._file_content(fields)
            mode = self._mode(fields)
            if target is None:
                continue
            node = fields.value("path") or fields.node
            self.where[f"{path.partition('.')[2]}.path"] = (node.line, node.column)
            normal = posixpath.normpath(f"/{target.lstrip('/')}")
            if not target.startswith("/") or target.endswith("/") or ".." in target.split("/"):
                fields.refuse(
                    "path",
                    "expected an absolute path of a file without “..”, found "
                    f"“{shortened(target)}”; write one such as /workspace/notes.txt",
                )
            elif PurePosixPath(normal).is_relative_to(PLATFORM_FOLDER):
                fields.refuse("path", f"{PLATFORM_FOLDER} belongs to the platform; choose another")
            elif normal in seen:
                fields.refuse("path", f"“{normal}” is written twice in this step; keep one")
            elif content is not None:
                seen.add(normal)
                yield FileSpec(normal, content, mode)

    def _file_content(self, fields: Fields) -> bytes | None:
        if fields.has("content") == fields.has("source"):
            both = "both are given" if fields.has("content") else "neither is given"
            self._report.refuse(
                fields.key("source"),
                fields.path,
                f"expected either “content” or “source”, but {both}; keep one",
            )
            return None
        if fields.has("content"):
            node = fields.value("content")
            if isinstance(node, Scalar) and isinstance(node.value, str):
                return node.text.encode("utf-8", "replace")
            fields.text("content")
            return None
        source = fields.text("source")
        if source is None:
            return None
        try:
            return self._folder.read(source)
        except Unreadable as problem:
            fields.refuse("source", str(problem))
            return None

    def _mode(self, fields: Fields) -> int:
        node = fields.value("mode")
        if node is None:
            return 0o644
        if isinstance(node, Scalar) and _MODE.fullmatch(node.text):
            return int(node.text.replace("o", ""), 8)
        fields.refuse(
            "mode", f'expected permissions such as "0644", found {describe(node)}; write them'
        )
        return 0o644

    def env(self) -> Iterator[tuple[str, str]]:
        """Names and values of variables."""
        for name, key, value in self._fields.entries("env"):
            path = self._fields.named(f"env.{shortened(name)}")
            if not _ENV_NAME.fullmatch(name):
                self._report.refuse(
                    key, path, "a variable's name has letters, digits and “_” only; rename it"
                )
            elif name.startswith("WORKSHOP_"):
                self._report.refuse(
                    key, path, "names that begin with WORKSHOP_ belong to the platform; rename it"
                )
            elif not isinstance(value, Scalar) or value.value is None:
                self._report.refuse(
                    value, path, f'expected text, found {describe(value)}; write one, "" if empty'
                )
            elif isinstance(value.value, bool):
                self._report.refuse(
                    value, path, f"expected text, found {describe(value)}; put it in quotes"
                )
            elif "\0" in value.text:
                self._report.refuse(value, path, "the value contains a NUL character; remove it")
            else:
                yield name, value.text

    def commands(self) -> Iterator[str]:
        """The shell commands in order."""
        for path, command in self._fields.texts("commands"):
            self.where[path.partition(".")[2]] = (command.node.line, command.node.column)
            yield command.value

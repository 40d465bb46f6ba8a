"""A shell command line as the simple commands in it: enough of a parser to look, never to run.

Understands quotes, comments, here-documents, redirections, lists, pipes, groups and command
substitution. What depends on a variable stays as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_DEPTH = 20  # command substitutions inside each other

_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=")
_REDIRECTION = re.compile(r"(?:[0-9]+|&|\{\w+\})?(>>|>\||>&|<>|>|<<<|<<-?|<&|<)")
_OPERATORS = ("&&", "||", ";;", ";", "|&", "|", "&", "(", ")", "\n")
_KEYWORDS = frozenset({
    "!", "{", "}", "if", "then", "elif", "else", "fi", "while", "until", "for", "do", "done",
    "case", "esac", "in", "select", "function", "time",
})  # fmt: skip
_WRAPPERS = frozenset(
    ("command", "exec", "env", "nohup", "builtin", "nice", "xargs", "setsid", "stdbuf")
)


@dataclass
class Command:
    """One simple command: its words without quotes, and the files it redirects output to."""

    words: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The program's name without its folder."""
        return self.words[0].rpartition("/")[2] if self.words else ""

    def operands(self) -> list[str]:
        """The words that are no options."""
        plain = [word for word in self.words[1:] if word == "-" or not word.startswith("-")]
        if "--" in self.words[1:]:
            end = self.words.index("--", 1)
            before = [word for word in self.words[1:end] if not word.startswith("-")]
            return before + self.words[end + 1 :]
        return plain


def simple_commands(text: str, depth: int = 0) -> Iterator[Command]:
    """Every simple command of a shell text, those in substitutions too."""
    if depth > MAX_DEPTH:
        return
    reader = _Words(text)
    command, target = Command(), ""
    for word in reader:
        if word.is_operator:
            if word.text in _OPERATORS:
                yield from _finished(command)
                command, target = Command(), ""
            else:
                target = word.text
        elif target:
            if target in (">", ">>", ">|", "<>") or (target == ">&" and not word.text.isdigit()):
                command.writes.append(word.text)
            target = ""
        else:
            command.words.append(word.text)
    yield from _finished(command)
    for inner in reader.substitutions:
        yield from simple_commands(inner, depth + 1)


def _finished(command: Command) -> Iterator[Command]:
    """The command without keywords, assignments and wrappers; its wrappers are commands too."""
    words = command.words
    is_wrapped = False
    while words:
        is_option = is_wrapped and words[0].startswith("-")
        is_wrapper = words[0].rpartition("/")[2] in _WRAPPERS
        if not (is_option or is_wrapper or words[0] in _KEYWORDS or _ASSIGNMENT.match(words[0])):
            break
        is_wrapped = is_wrapped or is_wrapper
        words = words[1:]
    if words and words[0] in ("bash", "sh", "/bin/bash", "/bin/sh") and "-c" in words[:3]:
        script = words[words.index("-c") + 1 :]
        yield from simple_commands(script[0], depth=1) if script else ()
    if words or command.writes:
        yield Command(words, command.writes)


@dataclass(frozen=True)
class _Word:
    text: str
    is_operator: bool = False


class _Words:
    """Cuts a text into words and operators; substitutions are put aside as texts."""

    def __init__(self, text: str) -> None:
        self._text = text.replace("\\\n", "")
        self._at = 0
        self._heredocs: list[tuple[str, bool]] = []
        self.substitutions: list[str] = []

    def __iter__(self) -> Iterator[_Word]:
        text = self._text
        while self._at < len(text):
            char = text[self._at]
            if char in " \t\r":
                self._at += 1
            elif char == "#":
                end = text.find("\n", self._at)
                self._at = len(text) if end < 0 else end
            elif redirection := _REDIRECTION.match(text, self._at):
                self._at = redirection.end()
                yield _Word(redirection[1], is_operator=True)
                if redirection[1] in ("<<", "<<-"):
                    yield self._heredoc(strips=redirection[1] == "<<-")
            elif operator := next((o for o in _OPERATORS if text.startswith(o, self._at)), ""):
                self._at += len(operator)
                if operator == "\n":
                    self._skip_heredocs()
                yield _Word(operator, is_operator=True)
            else:
                yield _Word(self._word())

    def _heredoc(self, *, strips: bool) -> _Word:
        while self._at < len(self._text) and self._text[self._at] in " \t":
            self._at += 1
        delimiter = self._word()
        self._heredocs.append((delimiter, strips))
        return _Word(delimiter)

    def _skip_heredocs(self) -> None:
        for delimiter, strips in self._heredocs:
            while self._at < len(self._text):
                end = self._text.find("\n", self._at)
                end = len(self._text) if end < 0 else end
                line = self._text[self._at : end]
                self._at = min(end + 1, len(self._text))
                if (line.lstrip("\t") if strips else line) == delimiter:
                    break
        self._heredocs.clear()

    def _word(self) -> str:
        text, word = self._text, ""
        while self._at < len(text) and text[self._at] not in " \t\r\n;|&()<>":
            char = text[self._at]
            if char == "'":
                word += self._until("'")
            elif char == '"':
                word += self._double_quoted()
            elif char == "\\":
                word += text[self._at + 1 : self._at + 2]
                self._at += 2
            elif char == "`" or text.startswith("$(", self._at):
                word += self._substitution()
            else:
                word += char
                self._at += 1
        return word

    def _until(self, end: str) -> str:
        close = self._text.find(end, self._at + 1)
        close = len(self._text) if close < 0 else close
        inside = self._text[self._at + 1 : close]
        self._at = close + 1
        return inside

    def _double_quoted(self) -> str:
        text, word = self._text, ""
        self._at += 1
        while self._at < len(text) and text[self._at] != '"':
            if text[self._at] == "\\":
                word += text[self._at + 1 : self._at + 2]
                self._at += 2
            elif text[self._at] == "`" or text.startswith("$(", self._at):
                word += self._substitution()
            else:
                word += text[self._at]
                self._at += 1
        self._at += 1
        return word

    def _substitution(self) -> str:
        """Put the commands inside aside; the word keeps a `$` that says it is not known."""
        if self._text[self._at] == "`":
            self.substitutions.append(self._until("`"))
            return "$"
        start = self._at = self._at + 2
        depth = 1
        while self._at < len(self._text) and depth:
            char = self._text[self._at]
            if char == "'":
                self._until("'")
                continue
            depth += {"(": 1, ")": -1}.get(char, 0)
            self._at += 2 if char == "\\" else 1
        self.substitutions.append(self._text[start : self._at - 1])
        return "$"

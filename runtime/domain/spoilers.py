"""The spoiler guard: an answer is compared with the step's solution before it is shown.

Two comparisons, both blind to quotes, spaces, Markdown and upper case (`runtime.domain.skeleton`):
by letters, which finds a command however it is cut, decorated, reversed or encoded, and by words,
which finds one that is told with words between or with its parts in another order. An answer is
read as it streams in: what could still become a part of the solution is held back, all else is
given out at once. What the step itself says, or the student wrote, is no spoiler (`Guard.known`).

A paraphrase cannot be found. That the solution is not in the prompt is the first wall; this is the
second.
"""

from __future__ import annotations

import base64
import codecs
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from runtime.domain.lettertree import LetterTree
from runtime.domain.skeleton import Unit, letters, units, word, words

LONG_LETTERS = 16  # from here on, a match is no accident, wherever it begins
SHORT_LETTERS = 6  # below, a command is too common to be a solution: `ls`, `make`
ENCODED_LETTERS = 10  # from here on, ways to write it backwards or encoded are looked for too
PART_LETTERS = 24  # of what is longer, four fifths give it away
PART = 0.8
FILLERS = 2  # words that may stand between two words of a command
MOST_LINES = 600  # of one step; a solution of thousands of lines is found by its first ones
MOST_ENCODED = 600  # ways to write the first of them backwards or encoded
MOST_FORM_LETTERS = 400

# Commands that only look: telling somebody to look is what hints are for.
_LOOKING = re.compile(
    r"(?:cd|ls|cat|head|tail|less|more|pwd|man|which|stat|wc"
    r"|git(?: -C \S+)? (?:status|log|diff|show))\b[^>|;&]*\Z"
    r"|git(?: -C \S+)? (?:branch(?: -[arv]+| --all| --list)*|remote(?: -v)?"
    r"|config(?: --global| --local)? (?:--list|-l))\s*\Z"
    r"|cat\s*>\s*\S+\s*<<.*"  # the first line of a file that follows
)
_JOINED = re.compile(r"\s*(?:&&|\|\||;)\s*")
_SUBSTITUTED = re.compile(r"\$\(([^()]+)\)")
_REDIRECT = re.compile(r"\s*\d?>>?\s*[^\s>|&]+\s*\Z")
_FENCED = re.compile(r"^ {0,3}(`{3,}|~{3,})[^\n]*\n(.*?)^ {0,3}\1", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


@dataclass(frozen=True, slots=True)
class Solution:
    """What completes a step: the author's commands, the files' texts, and solve.md."""

    commands: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    solve: str | None = None


@dataclass(frozen=True, slots=True)
class Spoiler:
    """A part of the solution in an answer; `source` is the author's line."""

    source: str


Key = tuple[str, ...]  # the words of a line: two lines with the same are the same


@dataclass(frozen=True, slots=True)
class _Form:
    """One way to write a line; a short one only counts as whole words."""

    letters: str
    source: str
    key: Key

    @property
    def is_short(self) -> bool:
        return len(self.letters) < LONG_LETTERS


@dataclass(frozen=True, slots=True)
class _Phrase:
    """A command as words."""

    key: Key
    source: str


class Guard:
    """Knows one step's solution; `screen` reads one answer. Immutable once made."""

    def __init__(self, solution: Solution) -> None:
        lines = list(islice(_lines(solution), MOST_LINES))
        encoded = islice(_forms(lines, _encodings), MOST_ENCODED)
        self._forms = [*_forms(lines, _writings), *encoded]
        self._phrases: dict[str, list[_Phrase]] = {}
        for phrase in _phrases(lines):
            self._phrases.setdefault(phrase.key[0], []).append(phrase)
        self._tree = LetterTree((form.letters, form) for form in self._forms)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to give away."""
        return not self._forms and not self._phrases

    def known(self, texts: Iterable[str]) -> frozenset[Key]:
        """The lines of the solution in these texts: what the student has or wrote already."""
        found: set[Key] = set()
        for text in texts:
            screen = Screen(self._tree, self._phrases, frozenset(), found)
            screen.feed(text)
            screen.finish()
        return frozenset(found)

    def screen(self, known: frozenset[Key] = frozenset()) -> Screen:
        """A reader of one answer; what is `known` does not count."""
        return Screen(self._tree, self._phrases, known)

    def find(self, answer: str, known: frozenset[Key] = frozenset()) -> Spoiler | None:
        """The first part of the solution in a whole answer."""
        screen = self.screen(known)
        screen.feed(answer)
        screen.finish()
        return screen.spoiler


class Screen:
    """One answer as it streams in. After `spoiler` is set, nothing more is given out.

    With `collected`, all that is found goes there and nothing is a spoiler.
    """

    def __init__(
        self,
        tree: LetterTree[_Form],
        phrases: dict[str, list[_Phrase]],
        known: frozenset[Key],
        collected: set[Key] | None = None,
    ) -> None:
        self.spoiler: Spoiler | None = None
        self._collected = collected
        self._tree = tree
        self._phrases = phrases
        self._known = known
        self._rest = ""  # may become an escape
        self._held: deque[str] = deque()  # units not given out
        self._position = 0  # of the next unit
        self._given = 0  # units given out
        self._node = 0
        self._letters: deque[tuple[int, bool]] = deque(maxlen=MOST_FORM_LETTERS)
        self._at_word_start = True
        self._whole: tuple[_Form, ...] = ()  # short ones that match if the word ends here
        self._word: list[str] = []
        self._word_start = 0
        self._partial: list[_Partial] = []

    def feed(self, piece: str) -> str:
        """Take the next piece of the answer; returns what may be shown now."""
        made, self._rest = units(self._rest + piece, is_whole=False)
        return self._take(made)

    def finish(self) -> str:
        """The answer is complete; returns the rest of what may be shown."""
        made, _ = units(self._rest)
        self._rest = ""
        shown = self._take([*made, Unit("", "")])
        if self.spoiler is None:
            shown += "".join(self._held)
            self._held.clear()
        return shown

    def _take(self, made: Sequence[Unit]) -> str:
        for unit in made:
            if self.spoiler is not None:
                self._held.clear()
                return ""
            self._read(unit)
        return "" if self.spoiler is not None else self._give_out()

    def _read(self, unit: Unit) -> None:
        self._held.append(unit.raw)
        if unit.letters:
            self._whole = ()
            self._step(unit.letters)
            self._at_word_start = False
        elif not unit.joins:
            if self._whole:
                self._report(self._whole)
            self._whole = ()
            self._at_word_start = True
        if unit.raw.isspace() or not unit.raw:
            self._end_word()
        else:
            if not self._word:
                self._word_start = self._position
            self._word.append(unit.raw)
        self._position += 1

    def _step(self, made: str) -> None:
        for letter in made:
            self._letters.append((self._position, self._at_word_start))
            self._at_word_start = False
            self._node = self._tree.next(self._node, letter)
            found = self._tree.ends(self._node)
            if found:
                self._report(form for form in found if not form.is_short)
                self._whole = tuple(
                    form for form in found if form.is_short and self._letters[-len(form.letters)][1]
                )

    def _end_word(self) -> None:
        made = word("".join(self._word))
        self._word.clear()
        if not made:
            return
        alive = [after for partial in self._partial if (after := partial.after(made)) is not None]
        alive += [
            _Partial(phrase, 1, Counter(phrase.key[1:]), 0, self._word_start)
            for phrase in self._phrases.get(made, ())
        ]
        self._report(partial.phrase for partial in alive if partial.is_complete)
        self._partial = alive

    def _report(self, found: Iterable[_Form | _Phrase]) -> None:
        for each in found:
            if self._collected is not None:
                self._collected.add(each.key)
            elif self.spoiler is None and each.key not in self._known:
                self.spoiler = Spoiler(each.source)

    def _give_out(self) -> str:
        until = self._position
        depth = self._tree.depth(self._node)
        if depth:
            until = min(until, self._letters[-depth][0])
        if self._partial:
            until = min(until, *(partial.start for partial in self._partial))
        count = max(0, until - self._given)
        self._given += count
        return "".join(self._held.popleft() for _ in range(count))


@dataclass(frozen=True, slots=True)
class _Partial:
    """A phrase that has begun: in order up to `at` with fillers between, or in any order without.

    `missing` is None once the words without fillers were not all of the phrase's.
    """

    phrase: _Phrase
    at: int
    missing: Counter[str] | None
    fillers: int
    start: int

    @property
    def is_complete(self) -> bool:
        if self.at == len(self.phrase.key):
            return True
        return self.missing is not None and not self.missing.total()

    def after(self, made: str) -> _Partial | None:
        """As it is after one more word; None when it is neither any more."""
        if self.is_complete:
            return None
        missing = self.missing
        if missing is not None:
            missing = missing - Counter([made]) if missing[made] else None
        at, fillers = self.at, self.fillers + 1
        if made == self.phrase.key[at]:
            at, fillers = at + 1, 0
        if fillers > FILLERS and missing is None:
            return None
        if fillers > FILLERS:
            at = 0  # the order is lost
        return _Partial(self.phrase, at, missing, fillers, self.start)


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    is_command: bool


def _lines(solution: Solution) -> Iterator[_Line]:
    for source in (*solution.commands, *_blocks(solution.solve or "")):
        for line in _command_lines(source):
            yield _Line(line, True)
    for text in solution.files:
        for piece in _file_pieces(text):
            yield _Line(piece, False)


def _blocks(markdown: str) -> Iterator[str]:
    """The code of a text: blocks, and inline code of more than one word."""
    for match in _FENCED.finditer(markdown):
        yield match[2]
    yield from (code for code in _INLINE.findall(_FENCED.sub("", markdown)) if " " in code)


def _command_lines(source: str) -> Iterator[str]:
    for line in source.replace("\\\n", " ").splitlines():
        stripped = line.strip()
        parts = [*_JOINED.split(stripped), *_SUBSTITUTED.findall(stripped)]
        for part in dict.fromkeys((stripped, *parts)):
            bare = _REDIRECT.sub("", part)
            for each in dict.fromkeys((part, bare)):
                if _counts_as_command(each):
                    yield each


def _counts_as_command(text: str) -> bool:
    if text.startswith("#") or _LOOKING.match(text):
        return False
    return len(words(text)) >= 2 and len(letters(text)) >= SHORT_LETTERS


def _file_pieces(text: str) -> Iterator[str]:
    """Lines that are long enough to be told apart, short ones together with those below."""
    piece = ""
    for line in text.splitlines():
        if not line.strip() or line.startswith("#!"):
            continue
        piece = f"{piece}\n{line}" if piece else line
        if len(letters(piece)) >= LONG_LETTERS:
            yield piece
            piece = ""
    if len(letters(piece)) >= SHORT_LETTERS and "\n" in piece:
        yield piece


def _forms(lines: Iterable[_Line], ways: Callable[[str], Iterable[str]]) -> Iterator[_Form]:
    seen = set()
    for line in lines:
        for made in ways(line.text):
            made = made[:MOST_FORM_LETTERS]
            if made not in seen:
                seen.add(made)
                yield _Form(made, line.text, tuple(words(line.text)))


def _writings(text: str) -> Iterator[str]:
    """The letters of a line."""
    plain = letters(text)
    if len(plain) < PART_LETTERS:
        yield plain
    else:
        part = int(len(plain) * PART)
        yield plain[:part]
        yield plain[-part:]


def _encodings(text: str) -> Iterator[str]:
    """The letters of other ways to write a line, which a reader can undo."""
    plain = letters(text)
    if len(plain) < ENCODED_LETTERS:
        return
    yield plain[::-1]
    yield letters(" ".join(reversed(text.split())))
    yield codecs.encode(plain, "rot13")
    yield letters(text.encode().hex())
    for as_number in ("{}", "0x{:02x}", "{:08b}"):
        yield letters(" ".join(map(as_number.format, text.encode())))
    yield from _base64(text)


def _base64(text: str) -> Iterator[str]:
    """Its letters in base64 wherever it begins inside what was encoded."""
    raw = text.encode()
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw).decode()
        inner = letters(encoded[-(-shift * 4 // 3) : (shift + len(raw)) // 3 * 4])
        if len(inner) >= ENCODED_LETTERS:
            yield inner


def _phrases(lines: Iterable[_Line]) -> Iterator[_Phrase]:
    seen = set()
    for line in lines:
        made = tuple(words(line.text))
        if line.is_command and len(made) >= 3 and sum(map(len, made)) >= 8 and made not in seen:
            seen.add(made)
            yield _Phrase(made, line.text)

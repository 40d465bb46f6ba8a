"""What two texts have in common when only letters and digits count.

Quotes, spaces, Markdown, upper case, accents, look-alike letters of other alphabets, invisible
characters and escapes are no difference between two texts here. `units` cuts a text into pieces
that can be shown one by one, each with the letters it stands for.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

# Letters of other alphabets that a reader takes for Latin ones (Unicode TR 39, the common part).
_LOOK_ALIKE = str.maketrans(
    "авекмнорстухіјѕԁԛԝһӏαβεικνορτυχωɡɑı",
    "abekmhopctyxijsdqwhlabeiknoptuxwgai",
)
# Small capitals, and the letters in circles, squares and flags, which have no decomposition.
_DRAWN = str.maketrans("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnoprstuvwyz") | {
    start + number: 97 + number for start in (0x1F150, 0x1F170, 0x1F1E6) for number in range(26)
}
# What stands for one character: &#43; &quot; %20 \x2b \053 and a written-out \n. Formatting tags,
# which the page shows as they are and a reader skips, stand for none.
_TAG = r"</?(?:b|i|em|strong|u|s|span|code|br|wbr|kbd|sup|sub|p|pre|div|tt|mark|small)\s*/?>"
_SPECIAL = re.compile(
    rf"&(?:#[0-9]{{1,7}}|#x[0-9a-f]{{1,6}}|[a-z][a-z0-9]{{1,31}});|%[0-9a-f]{{2}}"
    rf"|\\(?:[nrt]|x[0-9a-f]{{2}}|u[0-9a-f]{{4}}|[0-3][0-7]{{2}})|{_TAG}",
    re.IGNORECASE,
)
_UNFINISHED = re.compile(
    r"(?:&#?\w{0,32}|%[0-9a-f]?|\\(?:x[0-9a-f]?|u[0-9a-f]{0,3}|[0-3][0-7]?)?|</?[a-z]{0,6}\s*/?)\Z",
    re.IGNORECASE,
)


class Unit(NamedTuple):
    """A piece of text that is shown as a whole, and its letters; `""` for a separator.

    `joins` says that it is nothing to a reader, so that the letters around it are one word.
    """

    raw: str
    letters: str
    joins: bool = False


def units(text: str, *, is_whole: bool = True) -> tuple[list[Unit], str]:
    """The units of `text`, and the end that must wait for more when it is not the whole text."""
    rest = ""
    if not is_whole:
        unfinished = _UNFINISHED.search(text)
        if unfinished is not None:
            text, rest = text[: unfinished.start()], unfinished[0]
    return list(_units(text)), rest


def letters(text: str) -> str:
    """All letters and digits of `text`, one after the other."""
    return "".join(unit.letters for unit in _units(text))


def words(text: str) -> list[str]:
    """The words between white space, as `word` writes them; those without letters are left out."""
    return [made for made in map(word, text.split()) if made]


def word(text: str) -> str:
    """One word as letters: a path by its last name, short options in alphabetical order, a number
    without zeros in front, a link without its target."""
    bare = _TARGET.sub("", text).strip("`*_()[]{}\"'“”‘’«».,;:!?<>|&")
    if _PATH.fullmatch(bare):
        bare = bare.rsplit("/", 1)[1]
    if _OPTIONS.fullmatch(bare):
        return "".join(sorted(bare[1:].casefold()))
    return letters(bare.lstrip("0") or "0" if bare.isdecimal() else bare)


_TARGET = re.compile(r"\]\(.*")
_PATH = re.compile(r"[\w.~$-]*(?:/[\w.-]+)+")
_OPTIONS = re.compile(r"-[A-Za-z]{2,}")


def _units(text: str) -> Iterator[Unit]:
    position = 0
    for match in _SPECIAL.finditer(text):
        yield from _characters(text[position : match.start()])
        yield _special(match[0])
        position = match.end()
    yield from _characters(text[position:])


def _characters(text: Iterable[str]) -> Iterator[Unit]:
    return map(_unit, text)


@lru_cache(maxsize=4096)
def _unit(character: str) -> Unit:
    made = _letters_of(character)
    joins = not made and unicodedata.category(character) in ("Cf", "Mn", "Me", "Cc")
    return Unit(character, made, joins and not character.isspace())


def _special(raw: str) -> Unit:
    if raw[0] == "<":
        return Unit(raw, "", joins=raw[1:3].casefold() != "br")
    if raw[0] == "\\" and raw[1:] in ("n", "r", "t"):
        return Unit(raw, "")
    if raw[0] == "&":
        meant = html.unescape(raw)
    elif raw[1].isdecimal() and raw[0] == "\\":
        meant = chr(int(raw[1:], 8))
    else:
        meant = chr(int(raw.lstrip("%\\xuXU"), 16))
    return Unit(raw, "".join(map(_letters_of, meant)))


def _letters_of(character: str) -> str:
    decomposed = unicodedata.normalize("NFKD", character.translate(_DRAWN)).casefold()
    kept = "".join(each for each in decomposed if each.isalnum())
    return kept.translate(_LOOK_ALIKE)

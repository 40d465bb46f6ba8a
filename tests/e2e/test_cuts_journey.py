"""A terminal whose connection is cut at random moments ends as one that was never cut.

One page keeps its connection, others lose theirs while real programs run. The rule: pages that have
drawn everything before the same offset show the same, to the oldest line of the scroll-back.
`WORKSHOP_CUTS` says how many cuts are tried, `WORKSHOP_CUT_SEED` which.
"""

from __future__ import annotations

import logging
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Error, Page

from tests.e2e.conftest import PATIENCE_MS, Desk, Machine, Start, wait_until
from tests.e2e.wire import Wire

CUTS = int(os.environ.get("WORKSHOP_CUTS", "16"))
SEED = int(os.environ.get("WORKSHOP_CUT_SEED", "0")) or random.randrange(1, 1 << 32)
CUT_PAGES = 3
CALM_SECONDS = 60
DIFFERENCES = 6  # told of one comparison
WITNESS = Path(__file__).with_name("witness.js")

pytestmark = [pytest.mark.journey, pytest.mark.timeout(400 + 30 * CUTS)]

log = logging.getLogger("cuts")

WORKSHOP = """\
version: v1
workshop: {name: cuts, image: example.org/cuts}
base: {image: debian:12}
steps: [{id: only, title: Only, markdown: Nothing to do.}]
"""

PROGRESS = r"""
for i in $(seq 0 4 100); do
  bar=$(printf '%*s' $((i / 2)) | tr ' ' '#')
  printf '\r\e[32m%3d %%\e[0m [%-50s] \e[1mfile-%s\e[0m\e[K' $i "$bar" $i
  [ $((i % 20)) = 0 ] && printf '\n\e[2;33mdone up to %s\e[0m\n' $i
  sleep 0.04
done
"""
WORDS = [
    "漢字かな交じり文", "한국어", "１２", "ﾊﾝｶｸ", "①", "─┼─", "…", "é e", "e\u0301", "a\u200db",
    "👍🏽", "👩\u200d👩\u200d👧", "🏳\ufe0f\u200d🌈", "🇩🇪🇯🇵", "❤\ufe0f", "1\ufe0f\u20e3", "Zürich",
]  # fmt: skip
WIDE = r"""
mapfile -t words <words
for i in $(seq 60); do
  for word in "${words[@]}"; do
    printf '%s' "$word"
    [ $((RANDOM % 4)) = 0 ] && printf ' \e[3%dm' $((RANDOM % 8))
  done
  printf '\e[0m\n'
  sleep 0.02
done
"""
TEXT = "".join(
    f"{number:5} The quick brown fox … jumps over 漢字 and {'long ' * (number % 40)}lines.\n"
    for number in range(3000)
)


@dataclass
class Program:
    """What is typed and how it is used meanwhile; `keys` are pressed one after the other."""

    command: str
    keys: list[str] = field(default_factory=list)
    end: list[str] = field(default_factory=list)
    seconds: float = 1.2


VIM = (
    "Control+f j o x ä 漢 Escape Control+f d d / f o x Enter Control+w s G Control+b u Control+r z"
)
LESS = "Space Space b / f o x Enter n n G k k g j j Space"
HTOP = "ArrowDown F6 ArrowDown Enter F5 t H"
PROGRAMS = {
    "vim": Program(
        "vim -n -u NONE -N --cmd 'syntax on' --cmd 'set nu hls' text",
        VIM.split(),
        ["Escape", "Escape", ":", "q", "a", "!", "Enter"],
    ),
    "less": Program("less text", LESS.split(), ["q"]),
    # It draws by itself so seldom that all pages can be looked at between.
    "htop": Program("htop -d 100", HTOP.split(), ["q"]),
    "a progress bar": Program("bash progress"),
    "yes": Program("timeout 1.5 yes; echo"),  # it ends anywhere in a line
    "yes, long and in colours": Program(
        "timeout 1.5 yes \"$(seq -f $'\\e[3%gm%g\\e[0m' -s' ' 1 70)\"; echo"
    ),
    "wide characters and emoji": Program("bash wide"),
    "a large file": Program("cat text text"),
}


@dataclass
class Cuttable:
    """A page, its wire, and how it came back from its cut: anew or from its offset."""

    page: Page
    wire: Wire
    redraws: int = 0

    def break_off(self) -> None:
        """The connection ends without a word; the page tries again at once."""
        self.wire.cut()

    def go_away(self) -> None:
        """There is no connection until `come_back`."""
        self.wire.is_down = True
        self.wire.cut()

    def reload(self) -> None:
        """The page begins anew, and knows nothing of what it showed."""
        self.page.evaluate("setTimeout(() => location.reload())")
        self.redraws = -1

    def come_back(self) -> None:
        """What a browser says when there is a network again."""
        self.wire.is_down = False
        asked(self.page, "window.dispatchEvent(new Event('online'))")


Open = Callable[[str, Wire | None], Page]


@pytest.fixture
def watched(browser: Browser) -> Iterator[Open]:
    """Opens pages with a witness in them, through a wire or without."""
    contexts = []

    def open_page(link: str, wire: Wire | None) -> Page:
        context = browser.new_context(
            viewport={"width": 1440, "height": 900},
            proxy={"server": wire.address, "bypass": "<-loopback>"} if wire else None,
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(path=WITNESS)
        page = context.new_page()
        page.goto(link)
        Desk(page).sees("$")
        return page

    yield open_page
    for each in contexts:
        each.close()


def asked(page: Page, question: str) -> Any:  # Any: a JSON value
    """What a script in the page answers; None while the page is loaded anew."""
    try:
        return page.evaluate(question)
    except Error as error:
        log.debug("not now: %s", error)
        return None


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:  # Any: JSON values
    """Where two pages differ, in words."""
    found = []
    for part in one:
        if one[part] == other[part]:
            continue
        if part not in ("primary", "alternate"):
            found.append(f"{part}: {one[part]} is {other[part]}")
            continue
        if len(one[part]) != len(other[part]):
            found.append(f"{part}: {len(one[part])} rows are {len(other[part])}")
        rows = zip(reversed(one[part]), reversed(other[part]), strict=False)
        found += [
            f"{part}, row {y} from below:\n    {row}\n    {twin}"
            for y, (row, twin) in enumerate(rows)
            if row != twin
        ]
    return found[:DIFFERENCES]


class Trial:
    """One page that is never cut, some that are, and what came of it."""

    def __init__(self, steady: Page, cut: list[Cuttable]) -> None:
        self.steady, self.cut = steady, cut
        self.desk = Desk(steady)
        self.chance = random.Random(SEED)
        self.identical = 0
        self.ways: Counter[str] = Counter()  # how pages came back
        self.rows: Counter[str] = Counter()  # the most that were compared
        self.different: list[str] = []

    @property
    def compared(self) -> int:
        """The number of cuts whose end was looked at."""
        return sum(self.ways.values())

    def run(self, name: str, program: Program) -> None:
        """Cut every page once while the program runs; compare while it waits, and at the end."""
        self.desk.type(program.command)
        for each in self.cut:
            each.redraws = asked(each.page, "witness.redraws")
        if program.keys:  # it throws away what was typed before it reads
            wait_until(lambda: bool(asked(self.steady, "witness.isFull()")), CALM_SECONDS)
        self.use(program)
        for each in self.cut:
            each.come_back()
        same = [True] * len(self.cut)
        if program.end:
            same = self.compare(f"{name}, while it runs")
            for key in program.end:
                self.press(key)
        # A program that ends throws away what was typed before the shell reads again.
        wait_until(lambda: bool(asked(self.steady, "witness.waits('ready$')")), CALM_SECONDS)
        word = f"end-{self.chance.randrange(1 << 32):08x}"
        self.desk.type(f"echo {word[:6]}''{word[6:]}")
        self.desk.sees(word)
        after = self.compare(name)
        self.identical += sum(a and b for a, b in zip(same, after, strict=True))
        for each in self.cut:
            anew = each.redraws != asked(each.page, "witness.redraws")
            self.ways["anew" if anew else "from an offset"] += 1

    def use(self, program: Program) -> None:
        """Press its keys and cut, each at its moment."""
        pause = program.seconds / (len(program.keys) + 1)
        due: list[tuple[float, Callable[[], object]]] = [
            (pause * (number + 1), partial(self.press, key))
            for number, key in enumerate(program.keys)
        ]
        for each in self.cut:
            way = self.chance.choice([each.break_off, each.go_away, each.reload])
            due.append((self.chance.uniform(0, program.seconds), way))
        begin = time.monotonic()
        for at, act in sorted(due, key=lambda one: one[0]):
            time.sleep(max(0.0, begin + at - time.monotonic()))  # chance alone decides when
            act()

    def press(self, key: str) -> None:
        """A key by its name, or a character that no key has."""
        if len(key) == 1:
            self.steady.keyboard.type(key)
        else:
            self.steady.keyboard.press(key)

    def compare(self, name: str) -> list[bool]:
        """Whether each page is like the steady one, when they have drawn the same output."""
        first, *others = self.calm()
        self.rows |= Counter({part: len(first[part]) for part in ("primary", "alternate")})
        same = []
        for number, view in enumerate(others):
            found = differences(first, view)
            same.append(not found)
            if found:
                self.different.append("\n  ".join([f"{name}, page {number}:", *found]))
        return same

    def calm(self) -> list[dict[str, Any]]:  # Any: JSON values
        """What each page holds, as soon as all have come to the same offset."""
        end = time.monotonic() + CALM_SECONDS
        pages = [self.steady, *(each.page for each in self.cut)]
        while True:
            offsets = [asked(page, "witness.next") for page in pages]
            if None not in offsets and len(set(offsets)) == 1:
                views = [asked(page, "witness.look()") for page in pages]
                if None not in views and len({view["offset"] for view in views}) == 1:
                    return views
            assert time.monotonic() < end, f"the pages are at {offsets}"
            time.sleep(0.02)


def workspace(machine: Machine) -> Path:
    """The student's folder, as the host sees it."""
    [found] = [each for each in machine.folder.glob("state/**/workspace") if each.is_dir()]
    return found


def test_pages_cut_at_random_moments_end_like_one_that_never_was(
    tmp_path: Path, start: Start, watched: Open
) -> None:
    (tmp_path / "workshop.yaml").write_text(WORKSHOP)
    machine = start(tmp_path)
    files = {"progress": PROGRESS, "wide": WIDE, "words": "\n".join(WORDS), "text": TEXT}
    for name, text in files.items():
        path = workspace(machine) / name
        path.write_text(text)
        path.chmod(0o644)
    wires = [Wire(urlsplit(machine.link).port or 80) for _ in range(CUT_PAGES)]
    try:
        steady = watched(machine.link, None)
        trial = Trial(steady, [Cuttable(watched(machine.link, wire), wire) for wire in wires])
        trial.desk.type("PS1='ready$ '; clear")
        while trial.compared < CUTS:
            for name, program in PROGRAMS.items():
                begin = time.monotonic()
                trial.run(name, program)
                log.info("%s: %.1f s", name, time.monotonic() - begin)
    finally:
        for wire in wires:
            wire.close()
    told = f"{trial.identical} of {trial.compared} identical, {dict(trial.ways)}, seed {SEED}"
    log.info("%s, at most %s rows", told, dict(trial.rows))
    assert trial.different == [], "\n".join([told, *trial.different])
    assert trial.identical == trial.compared >= CUTS
    # Nothing was proved if pages came back in one way only, or held nothing.
    assert set(trial.ways) == {"anew", "from an offset"}
    assert trial.rows["primary"] > 5000
    assert asked(steady, "witness.connections") == 1

"""Who may look and who may type: the workshop's setting, the student's choice, a yes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from runtime.domain import events as ev
from runtime.domain.state import State, fold
from runtime.domain.watching import WatchMode

NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


def asked(kind: str, terminal: str = "main", number: str = "1") -> ev.Event:
    return ev.WatchRequested.model_validate(
        {"ts": NOON, "id": number, "kind": kind, "terminal": terminal}
    )


def answered(*, yes: bool, number: str = "1") -> ev.Event:
    return ev.WatchAnswered(ts=NOON, id=number, allowed=yes)


def chose(mode: WatchMode) -> ev.Event:
    return ev.WatchingChosen(ts=NOON, watching=mode)


ENDED = ev.WatchEnded(ts=NOON, id="1", by="student")
WATCH = [asked("watch"), answered(yes=True)]
ASSIST = [asked("assist"), answered(yes=True)]


@pytest.mark.parametrize(
    ("setting", "events", "watch", "assist"),
    [
        ("always", [], True, False),
        ("ask", [], False, False),
        ("off", [], False, False),
        ("ask", [asked("watch")], False, False),
        ("ask", WATCH, True, False),
        ("ask", [*WATCH, ENDED], False, False),
        ("ask", [asked("watch"), answered(yes=False)], False, False),
        ("ask", ASSIST, True, True),  # who may type may look
        ("always", ASSIST, True, True),
        ("off", ASSIST, False, False),
        ("always", [chose("ask")], False, False),
        ("always", [chose("off")], False, False),
        ("always", [chose("off"), chose("always")], True, False),
        ("ask", [chose("always")], False, False),  # never more than the workshop
        ("ask", [*WATCH, chose("off")], False, False),
        ("ask", [*WATCH, chose("off"), chose("ask")], False, False),  # no yes outlives an off
        ("always", [*ASSIST, chose("off"), chose("always")], True, False),
        ("ask", [asked("watch", "two"), answered(yes=True)], False, False),  # another terminal
        ("ask", [answered(yes=True)], False, False),  # nobody asked
        ("ask", [*WATCH, asked("watch", number="2")], False, False),  # a new question
        ("ask", [asked("watch"), answered(yes=True, number="9")], False, False),
    ],
)
def test_it_takes_the_setting_and_a_yes(
    setting: WatchMode, events: list[ev.Event], watch: bool, assist: bool
) -> None:
    watching = fold(events).watching
    assert watching.may_watch(setting, "main") is watch
    assert watching.may_assist(setting, "main") is assist


def test_nobody_watches_after_a_restart() -> None:
    joined = ev.WatcherJoined(ts=NOON, terminal="main", client="a")
    started = ev.SessionStarted(ts=NOON, session="s", workshop="w", boot="b")
    state: State = fold([joined])
    assert state.watching.watchers == {("main", "a")}
    assert fold([joined, started]).watching.watchers == set()
    left = ev.WatcherLeft(ts=NOON, terminal="main", client="a")
    assert fold([joined, left]).watching.watchers == set()

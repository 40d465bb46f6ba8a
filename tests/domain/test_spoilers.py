"""The guard against model answers that give a step's solution away."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.domain.skeleton import letters
from runtime.domain.spoilers import Guard, Solution
from tests import leaks

GUARD = Guard(leaks.SOLUTION)
KNOWN = GUARD.known([leaks.CONTENT])


def shown(answer: str, pieces: list[str]) -> tuple[str, bool]:
    """What a student sees of an answer that comes in these pieces, and whether it was caught."""
    assert "".join(pieces) == answer
    screen = GUARD.screen(KNOWN)
    text = "".join(screen.feed(piece) for piece in pieces) + screen.finish()
    return text, screen.spoiler is not None


def cut(answer: str, seed: int) -> list[str]:
    """The answer in random pieces of a few characters, as a model sends it."""
    chance, pieces = random.Random(seed), []
    while answer:
        size = chance.randint(1, 7)
        pieces.append(answer[:size])
        answer = answer[size:]
    return pieces


def test_there_are_enough_ways_to_ask() -> None:
    assert len(leaks.LEAKS) >= 40


@pytest.mark.parametrize(("question", "answer"), leaks.LEAKS, ids=[q for q, _ in leaks.LEAKS])
def test_no_way_to_ask_gets_the_solution_past_the_guard(question: str, answer: str) -> None:
    """Fault 20: whatever the student says, and however a model that obeys writes it down."""
    assert GUARD.find(answer, KNOWN) is not None
    for seed in range(5):
        text, caught = shown(answer, cut(answer, seed))
        assert caught
        assert answer.startswith(text)
        assert GUARD.find(text, KNOWN) is None, "a part that gives it away was shown"


@pytest.mark.parametrize(("question", "answer"), leaks.HARMLESS, ids=[q for q, _ in leaks.HARMLESS])
def test_a_good_hint_passes_unchanged(question: str, answer: str) -> None:
    for seed in range(5):
        assert shown(answer, cut(answer, seed)) == (answer, False)


def test_harmless_text_is_not_held_back() -> None:
    screen = GUARD.screen()
    assert screen.feed("Look at the permissions of the file. ").startswith(
        "Look at the permissions"
    )


def test_the_beginning_of_a_command_waits_for_what_follows() -> None:
    screen = GUARD.screen()
    assert screen.feed("Use chmod") == "Use "
    assert screen.feed(" +x") == ""
    assert screen.feed(" on a file of yours, any. ").startswith("chmod +x on a file of yours")


def test_what_the_student_wrote_is_no_spoiler() -> None:
    known = GUARD.known(["I ran chmod +x report.sh and it says no such file"])
    answer = "`chmod +x report.sh` is right, but you are in another folder."
    assert GUARD.find(answer, known) is None
    assert GUARD.find(answer) is not None


def test_what_the_text_says_is_no_spoiler() -> None:
    guard = Guard(Solution(commands=("mkdir -p garden/diary garden/seeds",)))
    answer = "`mkdir -p garden/diary garden/seeds`"
    assert guard.find(answer) is not None
    assert guard.find(answer, guard.known(["Run `mkdir -p garden/diary garden/seeds`."])) is None


def test_short_commands_count_as_whole_words_only() -> None:
    guard = Guard(Solution(commands=("git init",)))
    assert guard.find("Git initialises a folder.") is None
    assert guard.find("It is `git init`.") is not None


def test_a_guard_without_a_solution_lets_everything_through() -> None:
    guard = Guard(Solution())
    assert guard.is_empty
    assert guard.find(leaks.SOLVE) is None


@pytest.mark.parametrize("number", [0, 74, 80, 150, 399])
def test_every_line_of_a_long_file_is_known(number: int) -> None:
    lines = [f"setting_{n}_of_server = {n * 7919}" for n in range(400)]
    assert Guard(Solution(files=("\n".join(lines),))).find(f"Write `{lines[number]}`.") is not None


def test_a_huge_solution_stays_cheap() -> None:
    files = tuple("\n".join(f"line {n} of file {f}" for n in range(5000)) for f in range(20))
    assert Guard(Solution(files=files)).find("- line 16 of file 0\n- line 17 of file 0") is not None


@given(st.text(), st.integers(0, 1000))
def test_the_guard_never_changes_what_it_lets_through(answer: str, seed: int) -> None:
    text, caught = shown(answer, cut(answer, seed))
    assert answer.startswith(text)
    assert caught or text == answer


@given(st.text(max_size=40), st.text(max_size=40), st.integers(0, 1000))
def test_a_command_is_found_in_any_surroundings(before: str, after: str, seed: int) -> None:
    answer = f"{before}\n./report.sh harvest.txt > report.txt\n{after}"
    text, caught = shown(answer, cut(answer, seed))
    assert caught
    assert "harvesttxtreporttxt" not in letters(text)

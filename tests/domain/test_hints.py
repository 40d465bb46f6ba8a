"""An author's hints, one by one; the same table as web/src/lib/hints.test.ts."""

from __future__ import annotations

import pytest

from runtime.domain.hints import Hint, split_hints


def texts(source: str) -> list[str]:
    return [hint.text for hint in split_hints(source)]


def test_hints_are_split_at_horizontal_rules() -> None:
    assert texts("One\nmore\n\n---\n\nTwo\n\n***\n\nThree\n") == ["One\nmore", "Two", "Three"]


def test_a_heading_of_a_part_is_its_title() -> None:
    source = "## Where\n\nLook\n\n---\n\n## How\n\nType"
    assert split_hints(source) == (Hint("Where", "Look"), Hint("How", "Type"))


def test_hints_are_split_at_headings_without_the_title_of_the_file() -> None:
    source = "# Hints\n\n## One\na\n## Two\nb"
    assert split_hints(source) == (Hint("One", "a"), Hint("Two", "b"))


def test_hints_are_split_at_the_items_of_a_list() -> None:
    source = "1. One\n\n   ```bash\n   ls\n   ```\n2. Two"
    assert texts(source) == ["One\n\n```bash\nls\n```", "Two"]


@pytest.mark.parametrize("source", ["```yaml\n---\n# no\n---\n```", "Heading\n---\ntext"])
def test_hints_are_never_split_inside_code_or_at_an_underline(source: str) -> None:
    assert len(split_hints(source)) == 1


def test_hints_without_a_place_to_split_are_one() -> None:
    assert texts("Try `ls`.\r\n\r\nThen `cd`.") == ["Try `ls`.\n\nThen `cd`."]


def test_an_empty_file_has_no_hints() -> None:
    assert split_hints("\n\n") == ()

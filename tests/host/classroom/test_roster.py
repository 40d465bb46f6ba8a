"""Who is in the class, as files and links say it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.classroom.roster import BadLine, parse_link, read_roster
from host.output import Refusal
from runtime.domain.errors import BadRequest

TOKEN = "secret-token-0123456789"


@pytest.mark.parametrize(
    ("url", "address", "name"),
    [
        ("https://a.example/instructor/?token=TOKEN", "https://a.example", "a.example"),
        ("http://127.0.0.1:8080/?token=TOKEN", "http://127.0.0.1:8080", "127.0.0.1:8080"),
        (
            "https://lab.example/ada/instructor/?x=1&token=TOKEN",
            "https://lab.example/ada",
            "lab.example/ada",
        ),
        ("http://[::1]:81/instructor?token=TOKEN", "http://[::1]:81", "[::1]:81"),
    ],
)
def test_a_link_is_an_address_and_a_token(url: str, address: str, name: str) -> None:
    entry = parse_link(url.replace("TOKEN", TOKEN))
    assert (entry.address, entry.token, entry.name) == (address, TOKEN, name)
    assert TOKEN not in repr(entry)
    assert TOKEN not in entry.page, "a remote student's page is opened without the token"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (f"ftp://a.example/?token={TOKEN}", "no http:// or https://"),
        ("https://a.example/instructor/", "has no token"),
        ("https://a.example/?token=short", "at least 16"),
        (f"https://a.example:99999/?token={TOKEN}", "is no address"),
        (f"https://user:{TOKEN}@a.example/", "user name"),
        ("https://a.example/?token=" + "ä" * 20, "at least 16"),
    ],
)
def test_a_bad_link_is_refused_without_showing_its_token(url: str, why: str) -> None:
    with pytest.raises(BadLine, match=why) as caught:
        parse_link(url)
    assert TOKEN not in str(caught.value)


@given(st.text(max_size=60), st.text(max_size=20))
def test_anything_is_an_entry_or_a_sentence(url: str, name: str) -> None:
    try:
        entry = parse_link(url, name, TOKEN)
    except BadLine as error:
        assert str(error).endswith((".", "…", "?"))
    else:
        assert entry.address.startswith(("http://", "https://"))


def test_a_file_has_one_link_per_line(tmp_path: Path) -> None:
    roster = tmp_path / "class.txt"
    roster.write_text(
        "# Monday\n\n"
        f"https://a.example/instructor/?token={TOKEN} Ada  Lovelace\n"
        f"https://b.example/instructor/?token={TOKEN}\n"
    )
    found = read_roster([str(roster), f"https://c.example/?token={TOKEN}"])
    assert [each.name for each in found] == ["Ada Lovelace", "b.example", "c.example"]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_has_a_column_for_the_token(tmp_path: Path, separator: str) -> None:
    roster = tmp_path / "class.csv"
    lines = [["name", "url", "token"], ["Ada", "https://a.example/instructor/", TOKEN]]
    roster.write_text("\n".join(separator.join(line) for line in lines))
    [entry] = read_roster([str(roster)])
    assert (entry.name, entry.address, entry.token) == ("Ada", "https://a.example", TOKEN)


def test_every_bad_line_is_named_by_file_and_line(tmp_path: Path) -> None:
    roster = tmp_path / "class.txt"
    good = f"https://a.example/?token={TOKEN}"
    roster.write_text(f"{good}\nnonsense\n{good} Ada again\nhttps://b.example/\n")
    with pytest.raises(Refusal) as caught:
        read_roster([str(roster)])
    lines = caught.value.message.splitlines()
    assert [line.removeprefix(str(roster))[:3] for line in lines] == [":2:", ":4:", ":3:"]
    assert "is there already" in lines[2]
    assert f"{roster}:1" in lines[2]
    assert TOKEN not in caught.value.message
    assert isinstance(caught.value.error, BadRequest)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_is_none_is_said(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "class.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadRequest, match=r"class\.txt"):
        read_roster([str(path)])

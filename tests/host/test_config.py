"""What `workshop config` keeps: the key is never shown and never an argument."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from host import cli, config
from host.ledger import Ledger, Spent
from runtime.domain.errors import BadRequest, EngineFailure, ExitCode

KEY = "sk-ant-REDACTED"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("MODEL_KEY", raising=False)
    return tmp_path


def test_the_key_is_read_from_standard_input_and_never_shown(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fault 1."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{KEY}\n"))
    assert cli.run(["config", "help.key", "--json"]) == ExitCode.DONE
    assert cli.run(["config", "--json"]) == ExitCode.DONE
    said = capsys.readouterr()
    assert KEY not in said.out + said.err
    path = home / "config/workshop/config.json"
    assert json.loads(path.read_text()) == {"key": KEY}
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_key_as_an_argument_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["config", "help.key", KEY, "--json"]) == ExitCode.INVALID_ARGUMENTS
    said = capsys.readouterr()
    assert KEY not in said.out + said.err


def test_a_setting_is_set_shown_and_forgotten(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["config", "help.session-tokens", "5000", "--json"]) == ExitCode.DONE
    shown = json.loads(capsys.readouterr().out)["data"]["settings"]
    assert shown == {"help.session-tokens": 5000}
    assert cli.run(["config", "help.session-tokens", "--unset", "--json"]) == ExitCode.DONE
    assert json.loads(capsys.readouterr().out)["data"]["settings"] == {}


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("help.color", "red", "There is no setting “help.color”"),
        ("help.session-tokens", "many", "a whole number of tokens, at least 1, is expected"),
        ("help.base-url", "ftp://x", "an address that begins with http:// or https:// is expected"),
        ("help.price-input", "cheap", "a price such as 3 or 0.25 is expected"),
    ],
)
def test_a_wrong_setting_is_a_sentence(name: str, value: str, sentence: str) -> None:
    with pytest.raises(BadRequest, match=sentence):
        config.change(name, value)


def test_a_setting_that_is_none_is_named_before_its_value_is_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.run(["config", "help.color", "--json"]) == ExitCode.INVALID_ARGUMENTS
    message = json.loads(capsys.readouterr().out)["error"]["message"]
    assert message.startswith("There is no setting “help.color”; there are help.key,")


def test_the_environment_comes_before_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    config.change("help.key", "kept")
    assert config.load().find_key("MODEL_KEY") == "kept"
    monkeypatch.setenv("MODEL_KEY", "from-the-environment")
    assert config.load().find_key("MODEL_KEY") == "from-the-environment"


def test_a_command_can_give_the_key() -> None:
    config.change("help.key-command", "printf %s from-a-keyring")
    assert config.load().find_key("MODEL_KEY") == "from-a-keyring"
    config.change("help.key-command", "false")
    with pytest.raises(EngineFailure, match="Run it by hand"):
        config.load().find_key("MODEL_KEY")


@pytest.mark.parametrize("given", ["key\nand a note", "two words", "“quoted”", "tab\tbed"])
def test_what_cannot_be_a_key_is_said_without_it(
    monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    """Else it would fail with every question, and nobody would know why."""
    monkeypatch.setenv("MODEL_KEY", given)
    with pytest.raises(BadRequest, match="the variable MODEL_KEY gives is no key") as refused:
        config.load().find_key("MODEL_KEY")
    assert given not in str(refused.value)
    monkeypatch.setenv("MODEL_KEY", f" {KEY}\n")
    assert config.load().find_key("MODEL_KEY") == KEY


def test_cost_needs_both_prices() -> None:
    assert config.Config(price_input=3.0).cost(10, 10) is None
    assert config.Config(price_input=3.0, price_output=15.0).cost(1_000_000, 100_000) == 4.5


def test_two_runs_count_into_one_ledger(home: Path) -> None:
    first, second = Ledger(), Ledger()
    first.add("a", "demo", Spent(1, 2))
    second.add("b", "demo", Spent(10, 20))
    assert first.of_session("a") == Spent(1, 2)
    assert first.of_workshop("demo") == Spent(11, 22)
    assert (home / "state/workshop-help.json").stat().st_mode & 0o777 == 0o600

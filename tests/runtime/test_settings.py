"""Settings: read once, wrong values named, secrets never printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.domain.errors import InvalidSettings
from runtime.settings import forget_secrets, from_environment, shell_environment

TOKEN = "0123456789abcdef"


def test_defaults_are_the_contracts() -> None:
    settings = from_environment({})
    assert (settings.root, settings.host, settings.port) == (Path("/workshop"), "0.0.0.0", 8080)
    assert settings.allowed_hosts == ("localhost", "127.0.0.1", "[::1]")
    assert (settings.goss_interval, settings.goss_timeout, settings.record) == (0, 30, "on")


def test_without_a_student_token_one_is_made() -> None:
    one, other = from_environment({}), from_environment({})
    assert one.made_student_token
    assert one.student_token is not None
    assert len(one.student_token) >= 32
    assert one.student_token != other.student_token


def test_none_lets_everybody_in_on_purpose() -> None:
    settings = from_environment({"WORKSHOP_STUDENT_TOKEN": "none"})
    assert settings.student_token is None
    assert not settings.made_student_token


def test_a_token_comes_from_a_file_without_its_newline(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    settings = from_environment({"WORKSHOP_HOST_TOKEN_FILE": str(tmp_path / "token")})
    assert settings.host_token == TOKEN


def test_a_command_line_is_a_json_list() -> None:
    settings = from_environment({"WORKSHOP_SHELL_PREFIX": '["bwrap", "--", "a b"]'})
    assert settings.shell_prefix == ("bwrap", "--", "a b")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WORKSHOP_PORT", "http"),
        ("WORKSHOP_PORT", "70000"),
        ("WORKSHOP_GOSS_TIMEOUT", "0"),
        ("WORKSHOP_GOSS_TIMEOUT", "nan"),
        ("WORKSHOP_GOSS_INTERVAL", "-1"),
        ("WORKSHOP_RECORD", "maybe"),
        ("WORKSHOP_LOG_LEVEL", "loud"),
        ("WORKSHOP_MANAGEMENT_URL", "javascript:alert(1)"),
        ("WORKSHOP_SHELL_PREFIX", "bwrap --"),
        ("WORKSHOP_SHELL_PREFIX", '{"a": 1}'),
        ("WORKSHOP_HOST_TOKEN", "short"),
        ("WORKSHOP_STUDENT_TOKEN", "with a line\nbreak in it"),
        ("WORKSHOP_INSTRUCTOR_TOKEN_FILE", "/does/not/exist"),
    ],
)
def test_a_wrong_value_is_named_in_a_sentence(name: str, value: str) -> None:
    with pytest.raises(InvalidSettings) as refused:
        from_environment({name: value})
    assert refused.value.message.startswith(name.removesuffix("_FILE"))
    assert refused.value.message.endswith(".")


def test_a_refused_token_is_not_printed() -> None:
    with pytest.raises(InvalidSettings) as refused:
        from_environment({"WORKSHOP_HOST_TOKEN": "s3cret"})
    assert "s3cret" not in refused.value.message


def test_no_child_inherits_a_setting_or_a_key() -> None:
    """Fault 1."""
    environ = {
        "WORKSHOP_HOST_TOKEN": TOKEN,
        "WORKSHOP_PORT": "1",
        "MY_KEY": "k",
        "ANTHROPIC_API_KEY": "k",
        "LANG": "C",
    }
    assert shell_environment(environ, ("MY_KEY", "ANTHROPIC_API_KEY")) == {"LANG": "C"}
    forget_secrets(environ)
    assert not [name for name in environ if name.startswith("WORKSHOP_")]

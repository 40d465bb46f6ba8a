"""The command line as a program: what it prints where, and the code it ends with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from host import cli, output
from host.spec import FaultyWorkshop
from runtime.domain.errors import ExitCode, NotFound, WorkshopError
from tests.goss_binary import ROOT
from tests.host.test_spec import SMALL, workshop

WRONG = SMALL.replace("title", "titel")


@dataclass(frozen=True)
class Ended:
    """A run of the program."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        assert self.out.count("\n") == 1
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


def program(*words: str, **environment: str) -> Ended:
    """Run `python -m host` as a person would, off a terminal."""
    done = subprocess.run(
        [sys.executable, "-m", "host", *words],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def here(capsys: pytest.CaptureFixture[str], *words: str) -> Ended:
    """The same in this process, which is faster."""
    code = cli.run(words)
    said = capsys.readouterr()
    return Ended(int(code), said.out, said.err)


# The program


def test_a_valid_workshop_is_said_to_be_valid(tmp_path: Path) -> None:
    ended = program("validate", str(workshop(tmp_path, SMALL)))
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "demo is a valid workshop: 1 step, 0 of them with checks.\n"


def test_faults_are_lines_on_stderr_and_exit_80(tmp_path: Path) -> None:
    ended = program("validate", str(workshop(tmp_path, WRONG)))
    assert (ended.code, ended.out) == (80, "")
    assert ended.err == (
        "workshop.yaml:5:5: steps[0].title: it is missing; add it\n"
        "workshop.yaml:6:5: steps[0].titel: there is no such field; did you mean “title”?\n"
        f"2 faults to mend in {tmp_path}.\n"
    )


def test_json_is_one_document_on_stdout(tmp_path: Path) -> None:
    ended = program("--json", "validate", str(workshop(tmp_path, WRONG)))
    document = ended.document
    assert ended.code == document["exitCode"] == 80
    assert set(document) == {
        *("schemaVersion", "version", "success", "timestamp", "durationMs"),
        *("data", "error", "exitCode", "suggestion"),
    }
    assert (document["schemaVersion"], document["success"]) == ("1.0", False)
    assert document["error"]["code"] == "invalid_workshop"
    assert document["error"]["message"].startswith("workshop.yaml:5:5: steps[0].title:")
    assert document["data"]["faults"][1] == {
        "file": "workshop.yaml",
        "line": 6,
        "column": 5,
        "field": "steps[0].titel",
        "message": "there is no such field; did you mean “title”?",
    }
    assert isinstance(document["durationMs"], int)
    assert document["timestamp"].endswith("Z")


def test_an_interrupt_ends_with_130(tmp_path: Path) -> None:
    root = workshop(tmp_path, SMALL)
    code = (
        "import os, signal; from host import authoring, cli\n"
        "authoring.load = lambda path: os.kill(os.getpid(), signal.SIGINT)\n"
        f"cli.main(['validate', {str(root)!r}, '--json'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=50
    )
    assert (done.returncode, done.stderr) == (130, "Interrupted.\n")
    assert json.loads(done.stdout)["error"]["code"] == "interrupted"


def test_a_reader_that_went_away_is_no_traceback() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "host", "--help"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
        assert process.wait(50) == 0


def test_a_terminal_that_knows_ascii_only_is_no_traceback(tmp_path: Path) -> None:
    root = workshop(tmp_path, WRONG)
    ended = program("validate", str(root), PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert ended.code == 80
    assert "did you mean \\u201ctitle\\u201d?" in ended.err


def test_nothing_is_imported_that_a_command_does_not_need() -> None:
    """`workshop --version` answers fast: no YAML, no Markdown, no server."""
    code = (
        "import sys\nfrom host import cli\ncli.run(['--version'])\n"
        "print(sorted(set(sys.modules) & {'ruamel.yaml', 'markdown_it', 'rich.console', "
        "'starlette', 'uvicorn', 'anthropic', 'httpx2'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=50
    )
    assert done.stdout.splitlines() == [f"workshop {output.version()}", "[]"]


# Arguments


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ([], "A command is missing.", "See “workshop --help”."),
        (["nonsense"], "No such command 'nonsense'.", "See “workshop --help”."),
        (["--nonsense"], "No such option: --nonsense.", "See “workshop --help”."),
        (["validate"], "Missing argument 'DIR'.", "See “workshop validate --help”."),
        (
            ["validate", "a", "b"],
            "Got unexpected extra argument(s) (b).",
            "See “workshop validate --help”.",
        ),
        (
            ["compile", "a"],
            "Missing option '--out' / '-o'.",
            "See “workshop compile --help”.",
        ),
        (
            ["compile", "a", "-o"],
            "Option '-o' requires an argument.",
            "See “workshop compile --help”.",
        ),
    ],
)
def test_wrong_arguments_end_with_81_and_a_sentence(
    words: list[str], message: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = here(capsys, *words)
    assert (ended.code, ended.out) == (81, "")
    assert ended.err == f"{message}\n{hint}\n"
    document = here(capsys, *words, "--json").document
    assert document["error"] == {"code": "invalid_arguments", "message": message}
    assert (document["suggestion"], document["exitCode"]) == (hint, 81)


def test_help_lists_the_exit_codes_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    data = here(capsys, "--help", "--json").document["data"]
    assert {(entry["code"], entry["name"]) for entry in data["exitCodes"]} == {
        (code.value, code.name) for code in ExitCode
    }
    assert all(entry["meaning"].endswith(".") for entry in data["exitCodes"])
    assert {entry["name"] for entry in data["commands"]} >= {
        *("run", "list", "open", "go", "reset", "solve", "logs", "stop", "rm"),
        *("validate", "compile", "status"),
    }
    assert all(entry["help"] for entry in data["commands"])


def test_help_is_text_without_json(capsys: pytest.CaptureFixture[str]) -> None:
    ended = here(capsys, "compile", "--help")
    assert ended.code == 0
    assert "--out" in ended.out
    assert "--json" in ended.out


def test_json_after_a_double_dash_is_an_argument(capsys: pytest.CaptureFixture[str]) -> None:
    ended = here(capsys, "validate", "--", "--json")
    assert (ended.code, ended.err) == (83, "There is no folder “--json”.\n")


# Compile and validate


def test_compile_says_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, out = workshop(tmp_path / "w", SMALL), tmp_path / "out"
    ended = here(capsys, "compile", str(root), "-o", str(out))
    assert ended == Ended(0, f"Compiled demo to {out}: 1 step, 3 files.\n", "")
    assert (out / "workshop.json").exists()
    data = here(capsys, "compile", str(root), "--out", str(out), "--json").document["data"]
    assert data == {"name": "demo", "out": str(out.resolve()), "files": 3, "warnings": []}


def test_what_may_not_be_overwritten_ends_with_84(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = workshop(tmp_path / "w", SMALL)
    (tmp_path / "out").write_text("mine")
    ended = here(capsys, "compile", str(root), "-o", str(tmp_path / "out"))
    assert (ended.code, ended.err) == (84, f"“{tmp_path}/out” is a file; name a folder.\n")


def test_warnings_are_notes_and_stop_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = workshop(tmp_path, SMALL.replace("Read this.", "'![a](a.png)'"))
    ended = here(capsys, "validate", str(root))
    assert ended.code == 0
    assert ended.err.startswith("note: workshop.yaml:7:15: markdown: the text refers to “a.png”")
    document = here(capsys, "validate", str(root), "--json").document
    assert [warning["line"] for warning in document["data"]["warnings"]] == [7]


def test_what_the_sandbox_cannot_do_is_a_fault_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = workshop(tmp_path, f"{SMALL}    commands: [sudo apt-get install -y cowsay]\n")
    plain = here(capsys, "validate", str(root), "--json")
    assert (plain.code, plain.document["data"]["sandbox"]["fits"]) == (0, False)
    asked = here(capsys, "validate", str(root), "--sandbox")
    assert asked.code == 80
    assert asked.err.startswith(
        "workshop.yaml:8:16: steps[0].commands[0]: step “one”: the command “sudo apt-get install "
        "-y cowsay” needs root (sudo), which the embedded engine cannot do; use a container "
        "engine or change the command\n"
    )
    assert here(capsys, "compile", str(root), "-o", str(tmp_path / "o"), "--sandbox").code == 80
    assert not (tmp_path / "o").exists()


def test_control_characters_of_a_workshop_are_printed_visibly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fault 44: an id cannot send escape sequences to the author's terminal."""
    root = workshop(tmp_path, SMALL.replace("id: one", 'id: "\\e]0;owned\\a\\x9b2J"'))
    ended = here(capsys, "validate", str(root))
    assert "\x1b" not in ended.err
    assert "\x9b" not in ended.err
    assert "\\x1b]0;owned\\x07\\x9b2J" in ended.err


HOSTILE = "\x1b]0;owned\x07\x1b]52;c;aGk=\x07\x1b]8;;javascript:1\x1b\\\x9b21t\u202e" + "t" * 3000


@pytest.mark.parametrize("as_json", [False, True])
def test_nothing_is_printed_that_a_terminal_would_obey(
    capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    """Fault 44: output, errors, advice, tables and sentences on the way, whoever wrote the text."""
    printer = output.begin(as_json=as_json)
    printer.say(HOSTILE)
    printer.done(output.Answer({"log": HOSTILE}, f"{HOSTILE}\n{output.table([[HOSTILE]])}"))
    failing = output.begin(as_json=as_json)
    failing.failed(output.Refusal(NotFound(HOSTILE), suggestion=HOSTILE, data={"id": HOSTILE}))
    said = capsys.readouterr()
    assert "owned" in said.out + said.err
    assert not [char for char in said.out + said.err if char != "\n" and not char.isprintable()]


def test_a_mistake_of_ours_is_one_sentence_and_104(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Sudden(Exception):
        pass

    @cli.app.command("stumble", hidden=True)
    def stumble() -> None:
        raise Sudden("over a stone")

    try:
        monkeypatch.delenv("WORKSHOP_TRACEBACK", raising=False)
        ended = here(capsys, "stumble", "--json")
        assert (ended.code, ended.document["error"]["code"]) == (104, "unhandled_exception")
        assert ended.err.splitlines()[0] == "A mistake in workshop itself: Sudden: over a stone"
        assert "Traceback" not in ended.err
        monkeypatch.setenv("WORKSHOP_TRACEBACK", "1")
        assert "Traceback" in here(capsys, "stumble").err
    finally:
        cli.app.registered_commands.remove(
            next(each for each in cli.app.registered_commands if each.name == "stumble")
        )


def test_a_second_document_is_never_printed(capsys: pytest.CaptureFixture[str]) -> None:
    out = output.begin(as_json=True)
    assert output.current() is out
    out.done(output.Answer({"first": True}))
    out.failed(NotFound("There is nothing."))
    assert json.loads(capsys.readouterr().out)["data"] == {"first": True}


def test_every_error_of_the_tree_has_a_code_and_a_meaning() -> None:
    def tree(kind: type[WorkshopError]) -> set[type[WorkshopError]]:
        return {kind}.union(*(tree(below) for below in kind.__subclasses__()))

    kinds = tree(WorkshopError)
    assert FaultyWorkshop in kinds
    assert {kind.exit_code for kind in kinds} <= set(output.MEANINGS)
    assert set(output.MEANINGS) == set(ExitCode)


def test_a_table_lines_up_and_shows_control_characters() -> None:
    assert output.table([["name", "step"], ["a\x1b", "one"]]) == "name   step\na\\x1b  one"

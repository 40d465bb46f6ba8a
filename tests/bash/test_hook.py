"""The prompt hook, in a real bash: what is typed is what is logged."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runtime.domain.commands import parse_command
from tests.bash.shell import HOOK, Shell

# Typed (control characters behind the Ctrl-V that readline wants), and what the log must say.
TYPED: list[tuple[str, bytes, str]] = [
    ("plain", b"echo hello", "echo hello"),
    ("double quotes", b'echo "a b"', 'echo "a b"'),
    ("single quotes", b"echo 'a\"b'", "echo 'a\"b'"),
    ("backslashes", rb"printf '%s\n' \\ \" \$", r"printf '%s\n' \\ \" \$"),
    ("a backslash at the end of a word", rb"echo a\\", r"echo a\\"),
    ("a tab", b"echo 'a\x16\tb'", "echo 'a\tb'"),
    ("an escape", b": '\x16\x1b[31m'", ": '\x1b[31m'"),
    (
        "control characters",
        b": '\x16\x01\x16\x02\x16\x07\x16\x1f\x16\x7f'",
        ": '\x01\x02\x07\x1f\x7f'",
    ),
    ("ampersands", b": 'a & b && c'", ": 'a & b && c'"),
    ("an ampersand beside what is escaped", rb": '&\&\\&'", r": '&\&\\&'"),
    ("percent signs", b": '%s %d %n %%'", ": '%s %d %n %%'"),
    ("globs", b": * ? [!a-z] {a,b}", ": * ? [!a-z] {a,b}"),
    ("substitution", b": $(echo $((1+2))) `echo x`", ": $(echo $((1+2))) `echo x`"),
    ("something like JSON", b""": '{"ts":"x","cmd":"y"}'""", """: '{"ts":"x","cmd":"y"}'"""),
    ("something like unicode escapes", rb": '\u0041\x41'", r": '\u0041\x41'"),
    ("a trailing space", b": trailing ", ": trailing "),
    ("spaces inside", b":   a     b", ":   a     b"),
    ("characters of two, three, four bytes", ": 'é€😀'".encode(), ": 'é€😀'"),
    ("the ends of Unicode", ": '\u0080߿ࠀ\ud7ff￿𐀀􏿿'".encode(), ": '\u0080߿ࠀ\ud7ff￿𐀀􏿿'"),
    ("combining and right-to-left", ": 'e\u0301 \u202e abc'".encode(), ": 'e\u0301 \u202e abc'"),
    ("line separators of Unicode", ": '\u2028\u2029\x85'".encode(), ": '\u2028\u2029\x85'"),
    ("a number in front", b"1234 2>/dev/null", "1234 2>/dev/null"),
    ("a star in front", b"* 2>/dev/null", "* 2>/dev/null"),
    ("what begins with a dash", b"-n 2>/dev/null", "-n 2>/dev/null"),
    ("a pipeline", b"echo a | tr a b; true", "echo a | tr a b; true"),
    ("in the background", b"true &", "true &"),
    ("a function", b"greet() { echo hi; }", "greet() { echo hi; }"),
    ("a comment behind", b"true # why", "true # why"),
    ("an assignment of HISTCMD's kind", b"HISTCMD_NOT=1", "HISTCMD_NOT=1"),
]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    with Shell(tmp_path_factory.mktemp("shared")) as shell:
        yield shell


@pytest.mark.parametrize(
    ("typed", "logged"), [row[1:] for row in TYPED], ids=[row[0] for row in TYPED]
)
def test_what_is_typed_is_logged(shared: Shell, typed: bytes, logged: str) -> None:
    before = len(shared.lines())
    shared.type(typed)
    assert shared.commands()[before:] == [logged]


def test_a_line_has_time_exit_directory_duration_and_terminal(tmp_path: Path) -> None:
    with Shell(tmp_path) as shell:
        begun = datetime.now(UTC)
        shell.type("sleep 0.2; (exit 7)")
        ended = datetime.now(UTC)
        [line] = shell.lines()
    assert line["exit"] == 7
    assert line["cwd"] == str(shell.home)
    assert line["term"] == "main"
    assert 190 <= line["ms"] <= (ended - begun) / timedelta(milliseconds=1) + 1
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["ts"])
    at = datetime.fromisoformat(line["ts"])
    assert begun - timedelta(milliseconds=1) <= at <= ended
    assert set(line) == {"ts", "cmd", "exit", "cwd", "ms", "term"}


def test_the_daemon_understands_every_line(tmp_path: Path) -> None:
    with Shell(tmp_path) as shell:
        for _, typed, _ in TYPED:
            shell.type(typed)
        raw = shell.log.read_bytes()
    parsed = [parse_command(line) for line in raw.splitlines()]
    assert [command.cmd for command in parsed if command] == [row[2] for row in TYPED]


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/St_Johns", "nonsense"])
def test_the_time_is_utc_in_every_time_zone(tmp_path: Path, zone: str) -> None:
    with Shell(tmp_path, after=f"readonly TZ={zone}") as shell:
        shell.type("true")
        [line] = shell.lines()
    assert abs(datetime.fromisoformat(line["ts"]) - datetime.now(UTC)) < timedelta(seconds=20)


def test_dates_are_right_over_the_centuries(tmp_path: Path) -> None:
    days = [0, 58, 59, 365, 789, 11016, 11017, 19782, 19783, 20454, 47540, 47541, 47542, 84006]
    with Shell(tmp_path) as shell:
        shell.type(
            f"for day in {' '.join(map(str, days))}; do __ws_calendar $day; "
            'echo "$__ws_date" >>dates; done; __ws_day=-1'
        )
        dates = (shell.home / "dates").read_text().split()
    assert dates == [str((datetime(1970, 1, 1) + timedelta(days=day)).date()) for day in days]


def test_a_here_document_is_one_command(tmp_path: Path) -> None:
    with Shell(tmp_path) as shell:
        shell.send(b'cat >file <<"END"\na "quoted" line\n\\n\nEN')
        shell.type("D")
        assert (shell.home / "file").read_text() == 'a "quoted" line\n\\n\n'
        assert shell.commands() == ['cat >file <<"END"\na "quoted" line\n\\n\nEND']


def test_lines_of_a_loop_are_one_command(tmp_path: Path) -> None:
    with Shell(tmp_path, after="shopt -s lithist; PS2=") as shell:
        shell.send(b"for i in 1 2\ndo true\n")
        shell.type("done")
        assert shell.commands() == ["for i in 1 2\ndo true\ndone"]


def test_lines_of_a_loop_are_one_command_when_the_history_keeps_them_apart(tmp_path: Path) -> None:
    with Shell(tmp_path, after="shopt -u cmdhist; PS2=") as shell:
        shell.send(b"for i in 1 2\ndo true\n")
        shell.type("done")
        shell.type("echo next")
        assert shell.commands() == ["for i in 1 2\ndo true\ndone", "echo next"]


def test_enter_alone_logs_nothing(tmp_path: Path) -> None:
    with Shell(tmp_path) as shell:
        shell.type("true")
        shell.type("")
        shell.type("   ")
        shell.type("")
        assert shell.commands() == ["true"]


def test_a_comment_logs_nothing(tmp_path: Path) -> None:
    with Shell(tmp_path) as shell:
        shell.type("# a thought")
        assert shell.commands() == []


def test_a_mistake_in_the_syntax_is_logged_as_what_it_is(tmp_path: Path) -> None:
    with Shell(tmp_path) as shell:
        shell.type("echo )")
        [line] = shell.lines()
        assert (line["cmd"], line["exit"]) == ("echo )", 2)
        assert "ms" not in line


def test_a_line_left_by_ctrl_c_logs_nothing(tmp_path: Path) -> None:
    with Shell(tmp_path) as shell:
        shell.wait_for_readline()
        shell.send(b"echo never run")
        shell.wait_for(b"never run")
        shell.interrupt()
        assert shell.commands() == []


@pytest.mark.parametrize(
    "control",
    [
        "",
        "ignorespace",
        "ignoredups",
        "ignoreboth",
        "erasedups",
        "ignoreboth:erasedups",
        "nonsense",
    ],
)
def test_a_repeated_command_logs_again_and_a_leading_space_logs_nothing(
    tmp_path: Path, control: str
) -> None:
    with Shell(tmp_path, after=f"HISTCONTROL={control}") as shell:
        for line in (
            "echo a",
            "echo a",
            " echo hidden",
            "echo a",
            "",
            "echo b",
            " echo b",
            "echo b",
        ):
            shell.type(line)
        assert shell.commands() == ["echo a", "echo a", "echo a", "echo b", "echo b"]


@pytest.mark.parametrize(
    "settings",
    [
        "HISTCONTROL=",
        "HISTCONTROL=ignorespace",
        "HISTCONTROL=ignoredups",
        "HISTCONTROL=ignoreboth",
        "HISTCONTROL=erasedups",
        "HISTCONTROL=ignorespace:erasedups",
        "HISTCONTROL=ignoreboth HISTIGNORE='f[a-k]lse:pwd'",
        "HISTCONTROL=ignoreboth HISTSIZE=3",
    ],
)
def test_the_history_is_what_it_is_without_the_hook(tmp_path: Path, settings: str) -> None:
    typed = [
        "echo a",
        "echo a",
        " echo hidden",
        "false",
        "echo a",
        "true",
        "echo a",
        "echo )",
        "true",
    ]
    typed += ["echo $HISTCONTROL.", "true", "true", "history >seen"]
    seen = []
    for hook in (False, True):
        home = tmp_path / str(hook)
        home.mkdir()
        with Shell(home, after=settings, hook=hook) as shell:
            for line in typed:
                shell.type(line)
            seen.append(((shell.home / "seen").read_text(), shell.output))
    assert seen[1] == seen[0]


def test_a_line_with_a_space_is_in_no_history_while_it_runs(tmp_path: Path) -> None:
    with Shell(tmp_path, after="HISTCONTROL=ignoreboth") as shell:
        shell.type(" history -w while; : secret")
        assert "secret" not in (shell.home / "while").read_text()


def test_changes_of_histcontrol_are_the_students(tmp_path: Path) -> None:
    with Shell(tmp_path, after="HISTCONTROL=ignoreboth") as shell:
        assert "<ignoreboth>" in shell.type('echo "<$HISTCONTROL>"')
        shell.type("HISTCONTROL=ignorespace:ignoredups")
        assert "<ignorespace:ignoredups>" in shell.type('echo "<$HISTCONTROL>"')
        shell.type("unset HISTCONTROL")
        assert "<unset>" in shell.type('echo "<${HISTCONTROL-unset}>"')
        assert "<unset>" in shell.type('echo "<${HISTIGNORE-unset}>"')
        shell.type("HISTIGNORE=ls")
        shell.type("HISTCONTROL=ignoreboth")
        shell.type("ls")
        shell.type("HISTIGNORE=")
        shell.type("ls")
        assert shell.commands()[-4:] == [
            "HISTIGNORE=ls",
            "HISTCONTROL=ignoreboth",
            "HISTIGNORE=",
            "ls",
        ]


def test_history_settings_may_change(tmp_path: Path) -> None:
    with Shell(tmp_path) as shell:
        for line in (
            "HISTTIMEFORMAT='%F %T '",
            "echo 1",
            "HISTSIZE=2",
            "echo 2",
            "echo 3",
            "echo 4",
            "readonly HISTCONTROL=ignoredups",
            "echo 5",
            "history -d 1",
            "echo 6",
        ):
            shell.type(line)
        assert shell.commands() == [
            "HISTTIMEFORMAT='%F %T '",
            "echo 1",
            "HISTSIZE=2",
            "echo 2",
            "echo 3",
            "echo 4",
            "readonly HISTCONTROL=ignoredups",
            "echo 5",
            "history -d 1",
            "echo 6",
        ]


def test_without_a_history_nothing_is_logged_and_nothing_said(tmp_path: Path) -> None:
    with Shell(tmp_path) as shell:
        shell.type("set +o history")
        assert shell.type("echo hidden") == "echo hidden\r\nhidden\r\n$ \x1e"
        shell.type("set -o history")
        shell.type("echo seen")
        shell.type("history -c")
        shell.type("echo again")
        assert shell.commands()[-2:] == ["echo seen", "echo again"]
        assert "echo hidden" not in shell.commands()


def test_a_history_read_from_another_shell_is_not_what_was_typed(tmp_path: Path) -> None:
    with Shell(tmp_path, before="PROMPT_COMMAND='history -a; history -n'") as shell:
        shell.type("echo mine")
        with (shell.home / ".bash_history").open("a") as file:
            file.write("echo theirs\n")
        shell.type("")
        shell.type("")
        shell.type("history -r")
        shell.type("echo mine again")
        assert shell.commands() == ["echo mine", "history -r", "echo mine again"]


def test_a_long_command_is_cut_at_1024_characters(tmp_path: Path) -> None:
    with Shell(tmp_path) as shell:
        shell.type(": " + "a" * 1022)
        shell.type(": " + "a" * 1023)
        shell.type(": " + "é" * 1022)
        shell.type(": " + "é" * 1023)
        shell.type(": " + "😀a" * 1000)
        shell.type(": " + "x" * 20000)
        lines = shell.lines()
    assert [line["cmd"] for line in lines] == [
        ": " + "a" * 1022,
        ": " + "a" * 1022,
        ": " + "é" * 1022,
        ": " + "é" * 1022,
        ": " + "😀a" * 511,
        ": " + "x" * 1022,
    ]
    assert [line.get("cut", False) for line in lines] == [False, True, False, True, True, True]


def test_bytes_that_are_no_utf_8_are_replaced(tmp_path: Path) -> None:
    with Shell(tmp_path) as shell:
        shell.type(b": '\xff' ok '\xfe'")
        assert shell.commands() == [": '�' ok '�'"]


@pytest.mark.parametrize("locale", ["LC_ALL=C.UTF-8", "LC_ALL=C", "readonly LC_ALL=C"])
def test_any_bytes_become_a_json_string_of_what_is_valid_in_them(
    tmp_path: Path, locale: str
) -> None:
    texts = list(_hostile_texts(random.Random(13)))
    lines = "".join(f"encode {_word(text)}\n" for text in texts)
    script = tmp_path / "script"
    script.write_text(
        f"{locale}\n. {HOOK}\n"
        "encode() { __ws_value=$1 __ws_cut=; __ws_encode 1024; "
        'builtin printf \'{"cmd":"%s","cut":%s}\\n\' "$__ws_value" "${__ws_cut:-0}"; }\n' + lines
    )
    ran = subprocess.run(["bash", "--norc", "-i", str(script)], capture_output=True)
    found = [json.loads(line.decode("utf-8")) for line in ran.stdout.split(b"\n")[:-1]]
    assert [each["cmd"] for each in found] == [_replaced(text)[:1024] for text in texts]
    assert [each["cut"] for each in found] == [int(len(_replaced(text)) > 1024) for text in texts]


def _replaced(text: bytes) -> str:
    """`text` with U+FFFD for every byte that is no UTF-8."""
    return re.sub("[\udc80-\udcff]", "\ufffd", text.decode("utf-8", "surrogateescape"))


def _hostile_texts(chance: random.Random) -> Iterator[bytes]:
    yield from (bytes([byte]) for byte in range(1, 256))
    yield from (
        f"a{chr(point)}".encode("utf-8", "surrogatepass") for point in range(0x7F, 0x110000, 997)
    )
    for first in (b"\xe0", b"\xed", b"\xf0", b"\xf4", b"\xc1", b"\xf5"):
        yield from (first + bytes([second, 0x80, 0x80]) for second in range(0x70, 0xD0, 5))
    alphabet = ["a", "\\", '"', "&", "\n", "\t", "\x01", "\x02", "\x1f", "é", "€", "😀", "�"]
    for _ in range(100):
        yield "".join(chance.choices(alphabet, k=chance.randrange(60))).encode()
    for _ in range(20):
        yield "".join(chance.choices(alphabet, k=chance.randrange(1000, 1100))).encode()
    for _ in range(100):
        whole = "".join(chance.choices(alphabet, k=30)).encode()
        yield whole[chance.randrange(4) : -chance.randrange(1, 4)]
    for _ in range(50):
        yield bytes(chance.choices(range(1, 256), k=chance.randrange(1, 60)))


def _word(text: bytes) -> str:
    """`text` as a word of bash."""
    return "$'" + "".join(f"\\{byte:03o}" for byte in text) + "'"


def test_the_shell_is_silent_beside_its_own_output(tmp_path: Path) -> None:
    lines = [
        "echo a",
        "set -x",
        "true",
        "set +x",
        "nosuchcommand",
        "trap 'echo debug' DEBUG",
        "true",
    ]
    seen = []
    for hook in (False, True):
        home = tmp_path / str(hook)
        home.mkdir()
        with Shell(home, hook=hook) as shell:
            for line in lines:
                shell.type(line)
            seen.append(shell.output)
    assert seen[1] == seen[0]


@pytest.mark.parametrize(
    "settings",
    [
        "set -u",
        "set -e",
        "set -eu -o pipefail",
        "set -x",
        "set -a",
        "set -f",
        "set -k",
        "set -C",
        "set -T",
        "set -E",
        "set -o posix",
        "set -P",
        "IFS=",
        "IFS='e:/.\"0'",
        "IFS=0123456789",
        "readonly IFS=0123456789",
        "shopt -s nocasematch nocaseglob",
        "shopt -s failglob",
        "shopt -s nullglob dotglob extglob",
        "shopt -s localvar_inherit localvar_unset 2>/dev/null",
        "shopt -s extdebug",
        "shopt -s xpg_echo",
        "shopt -s compat44",
        "shopt -s compat31",
        "shopt -u patsub_replacement 2>/dev/null",
        "shopt -u promptvars",
        "shopt -u expand_aliases",
        "shopt -u globasciiranges",
        "shopt -s assoc_expand_once varredir_close 2>/dev/null",
        "BASH_COMPAT=4.4",
        "readonly BASH_COMPAT=5.0",
        "LC_ALL=C",
        "LC_ALL=POSIX; LANG=",
        "readonly LC_ALL=C.UTF-8",
        "export LC_ALL=nonsense 2>/dev/null",
        "TMPDIR=/nonexistent; readonly TMPDIR",
        "unset EPOCHREALTIME",
        "unset PWD",
        "unset HISTFILE",
        "readonly HISTTIMEFORMAT=",
        "readonly PS0=",
        "trap 'true' DEBUG",
        "trap 'true' ERR",
        "trap 'true' RETURN EXIT",
        "exec 9>/dev/null",
        "ulimit -n 20",
        "umask 777",
        "alias local=false read=false printf=false history=false builtin=false set=false",
        "local() { false; }; read() { false; }; printf() { false; }; history() { false; }; "
        "trap() { false; }; unset() { false; }; test() { false; }; return() { false; }",
        "readonly s=1 y=2 value=3 line=4 status=5 i=6 text=7",
        f". {HOOK}; . {HOOK}",
    ],
)
def test_the_hook_survives_the_students_settings(tmp_path: Path, settings: str) -> None:
    with Shell(tmp_path, after=settings) as shell:
        shell.type('echo "a"')
        shell.type("echo 'é'")
        shell.type("echo done")
        assert shell.commands() == ['echo "a"', "echo 'é'", "echo done"]
        assert b"done" in shell.output
        assert not re.search(rb"__ws|error|unbound|command not found|read-?only", shell.output)


def test_settings_typed_at_the_prompt_are_survived_too(tmp_path: Path) -> None:
    typed = [
        "set -eu",
        "IFS=/",
        "shopt -s nocasematch",
        "alias printf=false",
        "history() { false; }",
        "LC_ALL=C",
        "shopt -u promptvars",
        "shopt -s promptvars",
        "set +eu",
        "echo end",
    ]
    with Shell(tmp_path) as shell:
        for line in typed:
            shell.type(line)
        assert shell.commands() == typed
        assert "__ws" not in shell.output.decode()


def test_what_the_student_may_look_at_is_untouched(tmp_path: Path) -> None:
    with Shell(tmp_path) as shell:
        shell.type("[[ abc =~ b(.) ]]; (exit 3)")
        assert "<3 c>" in shell.type('echo "<$? ${BASH_REMATCH[1]}>"')
        shell.type("false | true")
        assert "<1 0>" in shell.type('echo "<${PIPESTATUS[*]}>"')
        shell.type(": last word")
        assert "<word>" in shell.type('echo "<$_>"')
        assert "<himBHs>" in shell.type('echo "<$->"').replace("E", "")
        shell.type("set -a")
        shell.type("true")
        assert "__ws" not in shell.type("env")
        assert "<>" in shell.type('echo "<$(ls -l /proc/self/fd | grep sh-thd)>"')
        assert "<>" in shell.type('echo "<$(trap -p)>"')
        assert "<>" in shell.type('echo "<$(shopt -p | grep compat | grep -e -s)$BASH_COMPAT>"')


def test_no_process_is_started(tmp_path: Path) -> None:
    """Counted in a process namespace of its own, where nobody else starts any."""
    command = ["unshare", "--fork", "--pid", "--mount-proc"]
    with Shell(tmp_path, command=command, after="HISTCONTROL=ignoreboth") as shell:
        last = 'read -r _ _ _ _ id </proc/loadavg; echo "<$id>"'
        first = shell.type(last)
        for _ in range(5):
            shell.type(": 'é' \"x\"")
        assert re.findall("<[0-9]+>", shell.type(last)) == re.findall("<[0-9]+>", first) != []


def test_a_string_of_prompt_commands_is_kept_and_sees_the_status(tmp_path: Path) -> None:
    with Shell(tmp_path, before="PROMPT_COMMAND='echo \"<$?>\"'") as shell:
        assert "<4>" in shell.type("(exit 4)")
        assert "<0>" in shell.type("true")
        assert shell.commands() == ["(exit 4)", "true"]


def test_an_array_of_prompt_commands_is_kept_and_sees_the_status(tmp_path: Path) -> None:
    before = "PROMPT_COMMAND=('echo \"<a$?>\"' 'echo \"<b$?>\"')"
    with Shell(tmp_path, before=before) as shell:
        assert re.search("<a4>\r\n<b4>", shell.type("(exit 4)"))
        assert shell.commands() == ["(exit 4)"]


@pytest.mark.parametrize(
    "change",
    [
        "PROMPT_COMMAND='echo later'",
        'PROMPT_COMMAND="$PROMPT_COMMAND; echo later"',
        'PROMPT_COMMAND="echo later; $PROMPT_COMMAND"',
        "PROMPT_COMMAND+=';echo later'",
        "PROMPT_COMMAND+=('echo later')",
        "PROMPT_COMMAND='echo later;'",
        "PROMPT_COMMAND='echo later #'",
        "PS0='later\\n'",
    ],
)
@pytest.mark.parametrize("when", ["in the rc file", "at the prompt"])
def test_prompt_commands_may_be_added_later(tmp_path: Path, change: str, when: str) -> None:
    with Shell(tmp_path, after=change if when == "in the rc file" else "") as shell:
        if when == "at the prompt":
            shell.type(change)
        shell.type("(exit 4)")
        assert shell.type("true").count("later") == 1
        shell.type("")
        shell.type("true")
        lines = shell.lines()
    assert [line["cmd"] for line in lines][-3:] == ["(exit 4)", "true", "true"]
    assert lines[-3]["exit"] == 4
    assert all("ms" in line for line in lines[-2:])


def test_a_read_only_prompt_command_is_left_alone(tmp_path: Path) -> None:
    with Shell(tmp_path, before="readonly PROMPT_COMMAND='echo prompt'") as shell:
        assert "prompt" in shell.type("true")
        assert shell.output.count(b"readonly") == 0


@pytest.mark.parametrize("what", ["missing", "read-only", "full", "a directory", "a pipe", "unset"])
def test_a_log_that_cannot_be_written_costs_nothing(tmp_path: Path, what: str) -> None:
    paths = {
        "missing": tmp_path / "nowhere" / "log",
        "read-only": Path("/proc/self/cmdline"),
        "full": Path("/dev/full"),
        "a directory": tmp_path,
        "a pipe": tmp_path / "pipe",
        "unset": Path("/nonexistent/log"),
    }
    if what == "a pipe":
        os.mkfifo(paths[what])
    with Shell(tmp_path, environment={"WORKSHOP_COMMAND_LOG": str(paths[what])}) as shell:
        assert shell.type("echo a; (exit 3)") == "echo a; (exit 3)\r\na\r\n$ \x1e"
        assert "<3>" in shell.type('echo "<$?>"')


def test_a_log_that_comes_back_is_written_again(tmp_path: Path) -> None:
    """Fault 35: a log deleted and recreated, as the hook sees it."""
    with Shell(tmp_path) as shell:
        shell.type("echo 1")
        shell.log.unlink()
        shell.log.mkdir()
        shell.type("echo 2")
        shell.log.rmdir()
        shell.type("echo 3")
        assert shell.commands() == ["echo 3"]


def test_a_file_size_limit_does_not_end_the_shell(tmp_path: Path) -> None:
    """Fault 10: a write that fails in the middle of a line is followed by a whole line."""
    with Shell(tmp_path) as shell:
        shell.log.write_bytes(b'{"old": true}\n' * 100)
        shell.type("ulimit -S -f 1; unset HISTFILE")
        shell.type("echo still here")
        shell.type("ulimit -S -f unlimited")
        shell.type("echo again")
        raw = shell.log.read_bytes()
        assert "still here" in shell.output.decode()
    whole = [parse_command(line) for line in raw.split(b"\n")]
    assert "echo again" in [command.cmd for command in whole if command]


def test_an_ordinary_user_is_logged_and_can_make_the_log_no_worse() -> None:
    """As in a container: the log is root's and writable for the student's group."""
    student = 65534 if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        directory.chmod(0o755)
        (directory / "hook").write_text(HOOK.read_text())
        (directory / "home").mkdir()
        (directory / "command-log.jsonl").touch()
        if student:
            os.chown(directory / "home", student, student)
            os.chown(directory / "command-log.jsonl", 0, student)
        (directory / "command-log.jsonl").chmod(0o660)
        with Shell(directory, hook=False, after=f". {directory}/hook", user=student) as shell:
            shell.type("echo 'é'")
            shell.type("umask 777")
            shell.type("echo again")
            if student:
                assert "denied" in shell.type("rm -f ../command-log.jsonl").lower()
            assert shell.commands()[:3] == ["echo 'é'", "umask 777", "echo again"]


@pytest.mark.parametrize("place", ["a link", "a directory", "another file"])
def test_what_lies_in_the_place_of_its_file_is_not_touched(tmp_path: Path, place: str) -> None:
    """The shell's process id is in the name, so the trap is laid by the shell itself."""
    trap = {
        "a link": "ln -s $HOME/target $trap",
        "a directory": "mkdir $trap",
        "another file": "echo mine >$trap; chmod 400 $trap; ! [ -w $trap ] || rm $trap",
    }[place]
    before = f"echo mine >$HOME/target; trap=/dev/shm/.workshop-$EUID-$$; {trap}"
    with Shell(tmp_path, before=before) as shell:
        shell.type("echo logged")
        shell.type("rm -rf $trap")
        assert shell.commands() == ["echo logged", "rm -rf $trap"]
        assert (shell.home / "target").read_text() == "mine\n"


def test_a_shell_in_the_shell_logs_too(tmp_path: Path) -> None:
    with Shell(tmp_path) as shell:
        rc = tmp_path / "rc"
        shell.type(f"bash --rcfile {rc} -i")
        shell.type("echo inner")
        shell.type("(bash --norc -c 'echo not typed')")
        shell.type("exit")
        shell.type("echo outer")
        assert shell.commands() == [
            "echo inner",
            "(bash --norc -c 'echo not typed')",
            f"bash --rcfile {rc} -i",
            "echo outer",
        ]


def test_a_shell_that_is_not_interactive_is_left_alone(tmp_path: Path) -> None:
    with Shell(tmp_path) as shell:
        shell.type(f"bash -c '. {HOOK}; declare -F; declare -p PROMPT_COMMAND; echo $?' >seen 2>&1")
        assert (shell.home / "seen").read_text().endswith("PROMPT_COMMAND: not found\n1\n")
        shell.type(f"sh -c '. {HOOK}; echo $?' >seen 2>&1")
        assert (shell.home / "seen").read_text() == "0\n"


def test_several_shells_never_mix_their_lines(tmp_path: Path) -> None:
    shells = []
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
        log = {"WORKSHOP_COMMAND_LOG": str(tmp_path / "log"), "WORKSHOP_TERMINAL": name}
        shells.append(Shell(tmp_path / name, environment=log))
    typed = [f": {number} {'é' * 900}" for number in range(20)]
    for line in typed:
        for shell in shells:
            shell.send(line.encode() + b"\n")
    for shell in shells:
        for _ in typed:
            shell.wait_for_prompt()
        shell.__exit__(None, None, None)
    parsed = [parse_command(line) for line in (tmp_path / "log").read_bytes().split(b"\n")[:-1]]
    for name in ("one", "two", "three"):
        assert [each.cmd for each in parsed if each and each.term == name] == typed

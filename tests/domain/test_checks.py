"""goss's answers, the real ones, and what they come to."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.domain.checks import Result, Verdict, judge
from tests.goss_binary import goss_binary


def run_goss(folder: Path, spec: str, *options: str) -> tuple[bytes, int]:
    path = folder / "goss.yaml"
    path.write_text(spec)
    arguments = [*("--format", "json", "--no-color", "-o", "sort"), *options]
    done = subprocess.run(
        [str(goss_binary()), "-g", str(path), "validate", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        cwd=folder,
        timeout=30,
    )
    return done.stdout, done.returncode


def verdict(folder: Path, spec: str, *, expected: int | None = None) -> Verdict:
    return judge(*run_goss(folder, spec), expected=expected)


def only(folder: Path, spec: str) -> Result:
    """The one failing result of `spec`."""
    failing = [
        check for check in verdict(folder, spec).checks if not check.passed and not check.skipped
    ]
    assert len(failing) == 1
    return failing[0]


# Outcomes


def test_what_has_one_title_is_one_result_and_its_first_failure_speaks(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("hello\n")
    spec = """\
file:
  {folder}/a:
    exists: true
    size: {{gt: 1}}
    contents: [goodbye]
    meta: {{title: A polite letter}}
  {folder}/b:
    exists: true
    contents: [goodbye]
    meta: {{title: A second letter}}
"""
    got = verdict(tmp_path, spec.format(folder=tmp_path), expected=5)
    assert got.outcome == "failed"
    assert [(check.title, check.found) for check in got.checks] == [
        ("A polite letter", "“goodbye” is missing"),
        ("A second letter", "does not exist"),
    ]
    (tmp_path / "a").write_text("goodbye\n")
    (tmp_path / "b").write_text("goodbye\n")
    got = verdict(tmp_path, spec.format(folder=tmp_path), expected=5)
    assert (got.outcome, len(got.checks)) == ("passed", 2)
    assert verdict(tmp_path, spec.format(folder=tmp_path), expected=6).outcome == "error"


def test_all_checks_passing_is_a_pass(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("hello\n")
    got = verdict(tmp_path, f"file: {{{tmp_path}/a: {{exists: true, contents: [hello]}}}}")
    assert got.outcome == "passed"
    assert [check.name for check in got.checks] == [
        f"file {tmp_path}/a: exists",
        f"file {tmp_path}/a: contents",
    ]


def test_one_failing_check_is_not_yet(tmp_path: Path) -> None:
    got = verdict(tmp_path, f"file: {{{tmp_path}/a: {{exists: true, mode: '0644'}}}}")
    assert got.outcome == "failed"
    assert got.reason is None
    assert [(check.passed, check.skipped) for check in got.checks] == [
        (False, False),
        (False, True),
    ]


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "foo",
        "fil: {/x: {exists: true}}",  # an unknown resource, alone
        "file: {/x: {exist: true}}",
        "gossfile: {nope.yaml: {}}",
        "{{ .Env.PATH }: bad",
    ],
)
def test_a_spec_goss_cannot_read_is_an_error(tmp_path: Path, spec: str) -> None:
    """Fault 4: exit 78 is the author's fault."""
    got = verdict(tmp_path, spec)
    assert got.outcome == "error"
    assert got.reason
    assert got.reason.startswith("The step's goss file cannot be read. ")
    assert "\x1b" not in got.reason


def test_no_concurrency_gives_null_results_and_no_pass(tmp_path: Path) -> None:
    """Fault 4: goss exits 0 with `"results": null`."""
    stdout, code = run_goss(tmp_path, "file: {/: {exists: true}}", "--max-concurrent", "0")
    assert (code, json.loads(stdout)["results"]) == (0, None)
    got = judge(stdout, code)
    assert (got.outcome, got.reason) == ("error", "goss ran no check at all.")


def test_a_skipped_check_is_no_pass(tmp_path: Path) -> None:
    """Fault 4: goss calls it successful."""
    spec = "command: {a: {exit-status: 0, skip: true}, b: {exec: 'true', exit-status: 0}}"
    stdout, code = run_goss(tmp_path, spec)
    assert code == 0
    got = judge(stdout, code)
    assert got.outcome == "error"
    assert got.reason
    assert "command a: exit status" in got.reason
    assert [(check.passed, check.skipped) for check in got.checks] == [(False, True), (True, False)]


@pytest.mark.parametrize("declared", ["command/a", "What a does"])
def test_a_declared_skip_is_allowed(tmp_path: Path, declared: str) -> None:
    spec = (
        "command: {a: {exec: 'true', exit-status: 0, skip: true, meta: {title: What a does}},"
        " b: {exec: 'true', exit-status: 0}}"
    )
    got = judge(*run_goss(tmp_path, spec), declared_skips=(declared,))
    assert got.outcome == "passed"
    assert got.checks[0].summary == "Not checked: the author switched this check off."


def test_a_declared_skip_covers_a_resource_with_a_path_of_its_own(tmp_path: Path) -> None:
    spec = f"file: {{a: {{path: {tmp_path}, exists: true, skip: true}}, /: {{exists: true}}}}"
    assert judge(*run_goss(tmp_path, spec), declared_skips=("file/a",)).outcome == "passed"


def test_nothing_but_skips_is_no_pass(tmp_path: Path) -> None:
    """Fault 4: even when every skip is declared."""
    stdout, code = run_goss(tmp_path, "command: {a: {exec: 'true', exit-status: 0, skip: true}}")
    assert judge(stdout, code, declared_skips=("command/a",)).outcome == "error"


def test_what_goss_skips_by_itself_is_no_pass(tmp_path: Path) -> None:
    """Fault 4: `exists: false` passes and silently skips what else was asked."""
    got = verdict(tmp_path, f"file: {{{tmp_path}/a: {{exists: false, mode: '0644'}}}}")
    assert got.outcome == "error"
    assert got.checks[1].summary == f"Not checked, because file {tmp_path}/a does not exist."


def test_a_misspelt_resource_beside_a_good_one_is_seen_by_the_count(tmp_path: Path) -> None:
    """Fault 4: goss ignores it without a word."""
    spec = "file: {/: {exists: true}}\nfiles: {/nope: {exists: true}}"
    assert verdict(tmp_path, spec).outcome == "passed"
    got = verdict(tmp_path, spec, expected=2)
    assert got.outcome == "error"
    assert got.reason
    assert got.reason.startswith("goss gave 1 results where the workshop expects 2.")


def test_an_empty_list_is_seen_by_the_count(tmp_path: Path) -> None:
    """Fault 4: `contents: []` asserts nothing and goss leaves it out."""
    spec = "file: {/etc/passwd: {exists: true, contents: []}}"
    assert verdict(tmp_path, spec, expected=2).outcome == "error"


def test_a_failure_stays_a_failure_whatever_the_count(tmp_path: Path) -> None:
    assert verdict(tmp_path, "file: {/nope: {exists: true}}", expected=7).outcome == "failed"


@pytest.mark.parametrize(
    "matcher", ["{foo: 3}", "['/[/']", "{have-len: x}", "{semver-constraint: '>=zz'}"]
)
def test_a_matcher_that_cannot_work_is_an_error(tmp_path: Path, matcher: str) -> None:
    got = verdict(tmp_path, f"command: {{echo a: {{exit-status: 0, stdout: {matcher}}}}}")
    assert got.outcome == "error"
    assert got.reason
    assert got.reason.startswith("The check “command echo a: stdout” cannot run. ")


def test_a_retry_corrupts_the_answer_and_is_no_pass(tmp_path: Path) -> None:
    """Fault 4: two documents and coloured text on one standard output."""
    stdout, code = run_goss(tmp_path, "file: {/nope: {exists: true}}", "-r", "1s", "-s", "500ms")
    assert code == 3
    assert judge(stdout, code).outcome == "error"


@pytest.mark.parametrize("code", [0, 1, 2, 78, -9])
@pytest.mark.parametrize(
    "stdout",
    [
        b"",
        b"Error: no",
        b"[]",
        b"{}",
        b'{"results": null}',
        b'{"results": []}',
        b'{"results": 1}',
        b'{"results": [{}]}',
        b'{"results": [1]}',
        b'{"results": [{"successful": true, "duration": 1}]}',
        b"[" * 100_000,
        b"\xff\xfe",
        b"1" * 5000,
    ],
)
def test_anything_else_is_an_error(stdout: bytes, code: int) -> None:
    """Fault 4: no answer of this kind may pass or fail."""
    got = judge(stdout, code)
    assert got.outcome == "error"
    assert got.reason


@pytest.mark.parametrize(("result", "code"), [(0, 1), (1, 0), (0, 3), (1, 2)])
def test_an_exit_code_that_contradicts_the_results_is_an_error(result: int, code: int) -> None:
    """Fault 4."""
    assert judge(answer(result=result), code).outcome == "error"


@settings(deadline=None)
@given(st.binary(max_size=300), st.sampled_from([0, 1]))
def test_random_bytes_never_pass(raw: bytes, code: int) -> None:
    assert judge(raw, code).outcome == "error"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {
            "actual": json_values,
            "expected": json_values,
            "missing-elements": json_values,
            "extra-elements": json_values,
            "message": st.sampled_from(["to equal", "not to have patterns", "to have length", "?"])
            | json_values,
        }
    ),
    json_values,
    st.sampled_from(["exists", "stdout", "exit-status", "mode"]),
)
def test_any_matcher_result_can_be_said(matcher: object, error: object, prop: str) -> None:
    got = judge(answer(result=1, matcher=matcher, err=error, prop=prop), 1)
    (check,) = got.checks
    for text in (check.name, check.summary, check.expected, check.found):
        (text or "").encode()
        assert len(text or "") <= 4000


def answer(
    *, result: int, matcher: object = None, err: object = None, prop: str = "exists"
) -> bytes:
    entry = {
        "resource-type": "File",
        "resource-id": "/x",
        "property": prop,
        "result": result,
        "successful": result != 1,
        "skipped": result == 2,
        "err": err,
        "matcher-result": matcher or {"actual": True, "expected": True, "message": "to equal"},
    }
    return json.dumps({"results": [entry]}).encode()


# Wording


def test_title_and_hint_are_the_authors_own(tmp_path: Path) -> None:
    spec = "command: {'false': {exit-status: 0, meta: {title: Say it, hint: Use echo.}}}"
    got = only(tmp_path, spec)
    assert (got.title, got.hint) == ("Say it", "Use echo.")


def test_a_title_that_is_no_text_is_left_out(tmp_path: Path) -> None:
    spec = "command: {'false': {title: Old, exit-status: 0, meta: {title: 5, hint: [a]}}}"
    got = only(tmp_path, spec)
    assert (got.title, got.hint) == ("Old", None)


@pytest.mark.parametrize(
    ("spec", "expected", "found", "summary"),
    [
        (
            "file: {@/nope: {exists: true}}",
            "exists",
            "does not exist",
            "The file @/nope does not exist.",
        ),
        ("file: {@/a: {exists: false}}", "does not exist", "exists", "The file @/a exists."),
        (
            "file: {@/a: {exists: true, mode: '0755'}}",
            "0755",
            "0640",
            "The mode of file @/a: expected 0755, found 0640.",
        ),
        (
            "file: {@/a: {exists: true, size: {gt: 100}}}",
            "more than 100",
            "6",
            "The size in bytes of file @/a: expected more than 100, found 6.",
        ),
        (
            "file: {@/a: {exists: true, contents: [hello, bye, '/wor+ld/', '!hell']}}",
            "text that contains “hello” and “bye” and something like /wor+ld/"
            " and does not contain “hell”",
            "“bye” is missing, something like /wor+ld/ is missing, “hell” should not be there",
            "The content of file @/a: “bye” is missing, something like /wor+ld/ is missing,"
            " “hell” should not be there.",
        ),
        (
            "file: {@: {exists: true, contents: [x]}}",
            "text that contains “x”",
            "read @: is a directory",
            "The content of file @ could not be read: read @: is a directory.",
        ),
        (
            "command: {exit 3: {exit-status: 0}}",
            "exit status 0",
            "exit status 3",
            "The exit status of command exit 3: expected 0, found 3.",
        ),
        (
            "command: {nosuchcommand: {exit-status: 0}}",
            "exit status 0",
            "exit status 127 (command not found)",
            "The exit status of command nosuchcommand: expected 0, found 127 (command not found).",
        ),
        (
            "command: {echo a: {exit-status: 0, stdout: b}}",
            "b",
            "a",
            "The output of command echo a: expected b, found a.",
        ),
        (
            "command: {echo a: {exit-status: 0, stdout: {gt: 3}}}",
            "more than 3",
            '"a", which is not a number',
            'The output of command echo a could not be read: "a", which is not a number.',
        ),
        (
            "command: {echo a: {exit-status: 0, stdout: {have-len: 3}}}",
            "3 in length",
            "2 in length",
            "The output of command echo a: expected 3 in length, found 2 in length.",
        ),
        (
            "command: {echo abc: {exit-status: 0, stdout: {not: {contain-substring: b}}}}",
            "not text that contains “b”",
            "abc",
            None,
        ),
        (
            "command: {echo abc: {exit-status: 0, "
            "stdout: {or: [{have-prefix: x}, {have-suffix: y}]}}}",
            "one of text that starts with “x”, text that ends with “y”",
            "abc",
            None,
        ),
        (
            "command: {s: {exec: sleep 5, exit-status: 0, timeout: 100}}",
            "",
            "still running after 100ms",
            "The command s was still running after 100ms.",
        ),
        (
            "command: {j: {exec: 'echo {}', exit-status: 0, stdout: {gjson: {a: 1}}}}",
            None,
            "no a in the JSON",
            None,
        ),
        (
            "process: {nosuch: {running: true}}",
            "is running",
            "is not running",
            "The process nosuch is not running.",
        ),
        (
            "package: {nosuch: {installed: true}}",
            "is installed",
            "is not installed",
            "The package nosuch is not installed.",
        ),
        (
            "user: {root: {exists: true, groups: [root, foo]}}",
            "all of root, foo",
            "root (missing: foo)",
            "The groups of user root: expected all of root, foo, found root (missing: foo).",
        ),
        (
            "group: {nosuch: {exists: true}}",
            "exists",
            "does not exist",
            "The group nosuch does not exist.",
        ),
        (
            "port: {'tcp:1': {listening: true}}",
            "is listening",
            "is not listening",
            "The port tcp:1 is not listening.",
        ),
        (
            "addr: {'tcp://127.0.0.1:1': {reachable: true, timeout: 500}}",
            "is reachable",
            "is not reachable",
            "The address tcp://127.0.0.1:1 is not reachable.",
        ),
        (
            "http: {'http://127.0.0.1:1/': {status: 200, timeout: 500}}",
            "",
            "connection refused",
            "The page http://127.0.0.1:1/ did not answer: connection refused.",
        ),
        (
            "dns: {nosuch.invalid: {resolvable: true, timeout: 500, server: 127.0.0.1}}",
            "resolves to an address",
            "does not resolve to an address",
            "The host name nosuch.invalid does not resolve to an address.",
        ),
        (
            "mount: {/nomount: {exists: true}}",
            "exists",
            "mountpoint not found",
            "The mount /nomount could not be read: mountpoint not found.",
        ),
        (
            "interface: {nosuch: {exists: true}}",
            "exists",
            "does not exist",
            "The network interface nosuch does not exist.",
        ),
        (
            "kernel-param: {kernel.ostype: {value: BSD}}",
            "BSD",
            "Linux",
            "The value of kernel parameter kernel.ostype: expected BSD, found Linux.",
        ),
        (
            "matching: {m: {content: [1, 2], matches: {contain-element: 9}}}",
            "an element 9",
            "1, 2",
            "The value m: expected an element 9, found 1, 2.",
        ),
        (
            "matching: {m: {content: [1, 2], matches: {consist-of: [1, 3]}}}",
            "exactly 1, 3",
            "1, 2 (missing: 3) (too much: 2)",
            None,
        ),
        (
            "matching: {m: {content: {a: 5}, matches: {have-key: b}}}",
            "a key b",
            '{"a": 5}',
            None,
        ),
    ],
)
def test_a_failure_says_what_was_expected_and_found(
    tmp_path: Path, spec: str, expected: str | None, found: str, summary: str | None
) -> None:
    """`@` stands for the folder."""
    (tmp_path / "a").write_text("hello\n")
    (tmp_path / "a").chmod(0o640)
    got = only(tmp_path, spec.replace("@", str(tmp_path)))
    assert (got.found or "").replace(str(tmp_path), "@") == found
    if expected is not None:
        assert (got.expected or "").replace(str(tmp_path), "@") == expected
    if summary is not None:
        assert (got.summary or "").replace(str(tmp_path), "@") == summary


def test_an_included_file_counts_like_the_rest(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text("file: {/: {exists: true}}")
    got = verdict(tmp_path, "gossfile: {more.yaml: {}}\nuser: {root: {exists: true}}", expected=2)
    assert got.outcome == "passed"


def test_found_text_has_nothing_a_terminal_would_obey(tmp_path: Path) -> None:
    """Fault 44: escape sequences are shown, not sent."""
    spec = "command: {e: {exec: 'printf \"\\\\033]0;title\\\\007\"', exit-status: 0, stdout: x}}"
    got = only(tmp_path, spec)
    assert got.found == "\\x1b]0;title\\x07"


def test_long_found_text_is_cut(tmp_path: Path) -> None:
    spec = "command: {e: {exec: 'printf %050000d 1', exit-status: 0, stdout: x}}"
    got = only(tmp_path, spec)
    assert got.found
    assert len(got.found) <= 1000
    assert got.found.endswith("…")


def test_a_long_command_is_named_by_its_first_line(tmp_path: Path) -> None:
    got = only(tmp_path, 'command: {"# look\\nfalse\\n": {exit-status: 0}}')
    assert got.name == "command # look …: exit status"

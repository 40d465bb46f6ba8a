"""The lint of goss files, and its count of results held against the real goss."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host.folder import Folder
from host.gossfile import Checks, emit, from_text, render_text_actions
from host.gossrules import TRUTHS, TYPES
from host.yamltree import Node, Scalar, Sequence, Table, parse
from tests.goss_binary import goss_binary


def looked_at(text: str, root: Path) -> Checks:
    """The lint of a step's goss file in the workshop's folder `root`."""
    return from_text(text, "steps/a/goss.yaml", Folder(root.resolve()), "steps/a")


def said(text: str, root: Path) -> list[str]:
    return [str(fault).removeprefix("steps/a/goss.yaml:") for fault in looked_at(text, root).faults]


def said_by_goss(text: str, root: Path) -> str:
    """What the real goss tells a person about the file."""
    path = root / "tried.yaml"
    path.write_text(text)
    done = subprocess.run(
        [goss_binary(), "-g", path, "validate", "--no-color"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout + done.stderr


def results_of_goss(path: Path) -> list[dict[str, object]]:
    """What the real goss prints for the file; AssertionError when it prints no JSON."""
    done = subprocess.run(
        [goss_binary(), "-g", path, "validate", "--format", "json", "--no-color"],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        timeout=30,
        check=False,
    )
    try:
        results = json.loads(done.stdout)["results"]
    except ValueError as error:
        raise AssertionError(f"goss said {done.stdout!r}, {done.stderr!r}") from error
    assert isinstance(results, list)
    return results


def compare(text: str, folder: Path) -> Checks:
    """Lint `text` and let goss run it: the counts must agree."""
    checks = looked_at(text, folder)
    assert checks.spec is not None, checks.faults
    path = folder / "goss.yaml"
    path.write_text(checks.spec.text)
    results = results_of_goss(path)
    assert checks.spec.expected_checks == len(results), text
    return checks


COUNTED = {
    "one file": ("file: {/etc/passwd: {exists: true}}", 1),
    "a file that is not there": (
        "file: {/nope: {exists: true, mode: '0644', contents: [a, b]}}",
        3,
    ),
    "everything about a file": (
        "file: {/etc/passwd: {exists: true, mode: '0644', size: {gt: 1}, owner: root, uid: 0, "
        "group: root, gid: 0, linked-to: x, filetype: file, contains: [root], contents: [root], "
        "md5: x, sha256: y, sha512: z}}",
        14,
    ),
    "a file by path": ("file: {passwd: {path: /etc/passwd, exists: true, owner: root}}", 2),
    "a command": ("command: {echo hi: {exit-status: 0, stdout: [hi], stderr: ''}}", 3),
    "a command that fails": ("command: {'false': {exit-status: 0, stdout: [hi]}}", 2),
    "matchers": (
        "command: {echo 12: {exit-status: {or: [0, 1]}, "
        "stdout: {and: [{have-prefix: '1'}, {not: {contain-substring: x}}, {have-len: 3}]}}}",
        2,
    ),
    "processes and ports": (
        "process: {nobody: {running: false}}\nport: {9: {listening: true, ip: [127.0.0.1]}}",
        3,
    ),
    "users and groups": (
        "user: {root: {exists: true, uid: 0, gid: '0', groups: [root], home: /root, shell: /x}}\n"
        "group: {root: {exists: true, gid: 0}}",
        8,
    ),
    "a package": ("package: {bash: {installed: true, versions: ['1']}}", 2),
    "a service": ("service: {nobody: {running: false, enabled: false}}", 2),
    "the network": (
        "addr: {'tcp://127.0.0.1:9': {reachable: false, timeout: 50}}\n"
        "http: {'http://127.0.0.1:9': {status: 200, timeout: 50, body: [a], headers: [b]}}\n"
        "dns: {localhost: {resolveable: true, addrs: [127.0.0.1]}}\n"
        "interface: {lo: {exists: true, addrs: [127.0.0.1/8], mtu: 65536}}",
        9,
    ),
    "the system": (
        "kernel-param: {kernel.ostype: {value: Linux}}\n"
        "mount: {/: {exists: true, opts: [rw], usage: {lt: 101}}}",
        4,
    ),
    "a matching": ("matching: {a: {content: [1], matches: {contain-element: 1}}}", 1),
    "anchors and merge keys": (
        "command:\n  'true': &a {exit-status: 0}\n  echo:\n    <<: *a\n    stdout: {have-len: 1}\n",
        3,
    ),
    "titles and hints": (
        "command: {'true': {exit-status: 0, title: x, meta: {title: It runs, hint: Try true}}}",
        1,
    ),
    "a declared skip": (
        "command: {'true': {exit-status: 0}}\nfile: {/x: {exists: false, mode: 'a', skip: true}}",
        3,
    ),
    "a skip without what is needed": ("command: {'true': {exit-status: 0}, x: {skip: true}}", 2),
    "JSON": ('{"command": {"true": {"exit-status": 0}}}', 1),
    "braces that are meant": (
        "command: {'echo {{`{{`}}.State{{\"}}\"}}': {exit-status: 0, "
        "stdout: ['{{`{{.State}}`}}']}}",
        2,
    ),
    "a comment between braces": (
        "{{- /* about\n us */ -}}\ncommand: {'true': {exit-status: 0}}",
        1,
    ),
}


@pytest.mark.parametrize("name", COUNTED)
def test_goss_prints_as_many_results_as_the_lint_counts(name: str, tmp_path: Path) -> None:
    text, count = COUNTED[name]
    checks = compare(text, tmp_path)
    assert checks.spec is not None
    assert checks.spec.expected_checks == count


def test_skips_are_declared_by_type_and_id(tmp_path: Path) -> None:
    checks = compare(COUNTED["a declared skip"][0], tmp_path)
    assert checks.spec is not None
    assert checks.spec.declared_skips == ("file//x",)


VALUES = {
    "exists": st.sampled_from(["true", "{equal: true}"]),
    "exit-status": st.sampled_from(["0", "1", "{gt: 3}"]),
    "mode": st.just('"0644"'),
    "usage": st.just("{lt: 101}"),
    "value": st.just("x"),
    "status": st.just("200"),
}
PLAIN = st.sampled_from(['"x"', "[x]", "{have-prefix: x}", "{consist-of: []}", "[x, 'y z']"])
IDS = {
    "addr": "tcp://127.0.0.1:9",
    "http": "http://127.0.0.1:9",
    "dns": "localhost",
    "port": "9",
    "file": "/etc/passwd",
    "command": "true",
    "mount": "/",
}


@st.composite
def resource(draw: st.DrawFn, name: str) -> str:
    """A section with one resource that breaks no rule."""
    kind = TYPES[name]
    chosen = draw(st.sets(st.sampled_from(kind.checked)))
    if kind.leading:
        chosen.add(kind.leading)
    elif not chosen:
        chosen.add(kind.checked[0])
    entries = []
    for attribute in sorted(chosen):
        if attribute in kind.as_number:
            value = "0"
        elif attribute in TRUTHS - {"exists"}:
            value = "true"
        else:
            value = draw(VALUES.get(attribute, PLAIN))
        entries.append(f"{attribute}: {value}")
    if "timeout" in kind.settings:
        entries.append("timeout: 20")
    if draw(st.booleans()):
        entries.append("skip: true")
    return f"{name}: {{{json.dumps(IDS.get(name, 'x'))}: {{{', '.join(entries)}}}}}"


@st.composite
def goss_files(draw: st.DrawFn) -> str:
    names = draw(st.sets(st.sampled_from(sorted(set(TYPES) - {"package", "service"}))))
    sections = [draw(resource(name)) for name in sorted(names - {"matching"})]
    return "\n".join([*sections, "matching: {always: {content: 1, matches: 1}}"])


@settings(max_examples=40)
@given(text=goss_files())
def test_any_valid_file_has_as_many_results_as_counted(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Fault 4: the count the daemon relies on is the one goss gives, whatever is asserted."""
    compare(text, tmp_path_factory.mktemp("goss"))


FAULTS = {
    "comand: {ls: {exit-status: 0}}": [
        "1:1: goss.comand: goss has no section of this name and would ignore it; "
        "did you mean “command”?"
    ],
    "zzz: {ls: {exit-status: 0}}": [
        "1:1: goss.zzz: goss has no section of this name and would ignore it; known here: file, "
        "command, process, port, user, group, package, service, addr, dns, http, interface, "
        "kernel-param, mount, matching, gossfile"
    ],
    "command: {ls: {exit-status: 0, stdot: [a]}}": [
        "1:32: goss.command.ls.stdot: “command” has no such attribute; did you mean “stdout”?"
    ],
    "command: {ls: {stdout: [a]}}": [
        "1:11: goss.command.ls: “exit-status” is missing and goss needs it; add “exit-status: …”"
    ],
    "service: {cron: {}}": [
        "1:11: goss.service.cron: nothing is asserted; add one of: enabled, running, runlevels"
    ],
    "command:\n  ls:\n    exit-status: 0\n    stdout: []": [
        "4:13: goss.command.ls.stdout: an empty list asserts nothing; add an entry or remove it"
    ],
    "command:\n  ls:\n    exit-status: 0\n    stdout:": [
        "4:5: goss.command.ls.stdout: there is no value, so nothing is asserted; add one"
    ],
    "user: {me: {exists: true, groups: {contain-elements: []}}}": [
        "1:54: goss.user.me.groups.contain-elements: an empty list asserts nothing; "
        "add an entry or remove it"
    ],
    "file: {}": [
        "1:1: goss.file: expected names with their attributes, found an empty mapping; "
        "add a check or remove the section"
    ],
    "file:": [
        "1:1: goss.file: expected names with their attributes, found nothing; "
        "add a check or remove the section"
    ],
    "{}": ["1:1: goss: nothing is asserted; write at least one check"],
    "": [
        "1:1: goss: expected sections such as “file:” and “command:”, found nothing; "
        "write at least one check"
    ],
    "[1]": [
        "1:1: goss: expected sections such as “file:” and “command:”, found a list; "
        "write at least one check"
    ],
    "file: {/x: {exists: true, skip: true}}": [
        "1:1: goss: every check is skipped, so nothing is checked; let one run"
    ],
    "file: {/x: {exists: false, mode: '0644'}}": [
        "1:8: goss.file./x: “exists” is false, so goss skips the other attributes unseen; "
        "keep “exists” alone"
    ],
    "port: {80: {listening: {not: true}, ip: [::1]}}": [
        "1:8: goss.port.80: “listening” is false, so goss skips the other attributes unseen; "
        "keep “listening” alone"
    ],
    "file: {/x: {exists: yes}}": [
        "1:21: goss.file./x.exists: expected true or false, found the text “yes”; write one"
    ],
    "file: {/x: {exists: true, mode: 0644}}": [
        '1:33: goss.file./x.mode: 0644 without quotes is read as the number 420; write "0644"'
    ],
    "command: {ls: {exit-status: zero}}": [
        "1:29: goss.command.ls.exit-status: expected a number, found the text “zero”; write one"
    ],
    "command: {ls: {exit-status: {}}}": [
        "1:29: goss.command.ls.exit-status: expected exactly one matcher, found 0; "
        "combine several with “and: [...]”"
    ],
    "command: {ls: {exit-status: 0, stdout: {has-prefix: x}}}": [
        "1:41: goss.command.ls.stdout.has-prefix: goss has no matcher of this name; "
        "did you mean “have-prefix”?"
    ],
    "command: {ls: {exit-status: 0, stdout: [5]}}": [
        "1:41: goss.command.ls.stdout[0]: expected text to look for, found the number 5; "
        "put it in quotes"
    ],
    "command: {ls: {exit-status: 0, stdout: {have-prefix: 5}}}": [
        "1:54: goss.command.ls.stdout.have-prefix: expected text, found the number 5; "
        "put it in quotes"
    ],
    "command: {ls: {exit-status: 0, stdout: {have-len: x}}}": [
        "1:51: goss.command.ls.stdout.have-len: expected a number, found the text “x”; write one"
    ],
    "command: {ls: {exit-status: 0, stdout: {and: x}}}": [
        "1:46: goss.command.ls.stdout.and: expected a list, found the text “x”; write a list"
    ],
    "command: {ls: {exit-status: 0, stdout: {gjson: {}}}}": [
        "1:48: goss.command.ls.stdout.gjson: expected paths with what they hold, found an empty "
        "mapping; add one"
    ],
    "command: {ls: {exit-status: 0, stdout: 2001-01-01}}": [
        '1:40: goss.command.ls.stdout: goss reads this as a date; put it in quotes: "2001-01-01"'
    ],
    "command: {ls: {exit-status: 0, timeout: '5'}}": [
        "1:41: goss.command.ls.timeout: expected a whole number, found the text “5”; write that"
    ],
    "command: {ls: {exit-status: 0, skip: yes}}": [
        "1:38: goss.command.ls.skip: expected true or false, found the text “yes”; write that"
    ],
    "command: {ls: {exit-status: 0, meta: {hint: [a]}}}": [
        "1:45: goss.command.ls.meta.hint: expected a sentence for the student, found a list; "
        "write one"
    ],
    "command: {ls: {exit-status: 0, meta: x}}": [
        "1:38: goss.command.ls.meta: expected a mapping, found the text “x”; write one"
    ],
    "command: {ls: 0}": ["1:11: goss.command.ls: expected attributes, found the number 0; add one"],
    "a: 1\na: 2": ["2:1: a: the key is here a second time (first in line 1); keep one"],
    "gossfile: [x]": [
        "1:11: goss.gossfile: expected paths of goss files, found a list; "
        "write “path/of/file.yaml: {}”"
    ],
    "gossfile: {x.yaml: }": ["1:12: goss.gossfile.x.yaml: expected “{}” after the path; write it"],
    "gossfile: {x.yaml: {}}": [
        "1:12: goss.gossfile.x.yaml: there is no file “steps/a/x.yaml”; "
        "create it or correct the path"
    ],
    "gossfile: {/etc/x.yaml: {}}": [
        "1:12: goss.gossfile./etc/x.yaml: “/etc/x.yaml” is an absolute path; "
        "write it relative to this file"
    ],
    "gossfile: {../../../x.yaml: {}}": [
        "1:12: goss.gossfile.../../../x.yaml: “steps/a/../../../x.yaml” leads out of the "
        "workshop's folder; copy the file into the folder"
    ],
    "gossfile: {'*.yml': {skp: true}}": [
        "1:22: goss.gossfile.*.yml.skp: “gossfile” has no such attribute; did you mean “skip”?",
        "1:12: goss.gossfile.*.yml: no file matches “*.yml”; correct it",
    ],
    "gossfile: {x: {}}\nfile: {/{{.Env.X}}: {exists: true}}": [
        "2:9: goss: a goss file with includes cannot hold templates; write the checks out"
    ],
}


@pytest.mark.parametrize("text", FAULTS)
def test_what_goss_would_not_say_is_said(text: str, tmp_path: Path) -> None:
    """Fault 4: nothing asserted, unknown names, skips nobody declared."""
    assert said(text, tmp_path) == FAULTS[text]


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("/[a/", "unterminated character set"),
        ("!/(a/", "missing ), unterminated subpattern"),
        ("/a)/", "unbalanced parenthesis"),
    ],
)
def test_a_pattern_goss_cannot_read_is_a_fault_before_a_student_meets_it(
    pattern: str, problem: str, tmp_path: Path
) -> None:
    text = f'file: {{/etc/passwd: {{exists: true, contents: ["{pattern}"]}}}}'
    checks = looked_at(text, tmp_path)
    assert [fault.message for fault in checks.faults] == [
        f"goss cannot read this pattern ({problem}); mend it"
    ]
    assert "error parsing regexp" in said_by_goss(text, tmp_path)


@pytest.mark.parametrize(
    "pattern",
    [
        r"/\\pL+\\z/",
        r"/\\Q[a\\E/",
        "/(?i)root/",
        "/a(?i)b/",
        "/[[:alpha:]]+/",
        "/[[:alpha:](]/",
        "/[[(]/",
        "[a",
        "/",
    ],
)
def test_a_pattern_that_goss_reads_is_none(pattern: str, tmp_path: Path) -> None:
    text = f'file: {{/etc/passwd: {{exists: true, contents: ["{pattern}"]}}}}'
    assert looked_at(text, tmp_path).faults == []
    assert "error parsing regexp" not in said_by_goss(text, tmp_path)


def test_what_makes_a_good_file_fail_or_hides_a_hint_is_noted(tmp_path: Path) -> None:
    (tmp_path / "lines").write_text("hello\n")
    text = f"""\
file:
  {tmp_path}/lines:
    exists: true
    contents: hello
    meta: {{tittle: A line, hint: Write it., author: me}}
"""
    checks = looked_at(text, tmp_path)
    assert [(note.line, note.column, note.message) for note in checks.warnings] == [
        (
            4,
            15,
            "goss compares this with all there is, line breaks included; "
            'to look for it in there, write a list: ["hello"]',
        ),
        (5, 12, "the page does not show it; did you mean “title”?"),
    ]
    assert "to equal" in said_by_goss(text, tmp_path)
    mended = text.replace("contents: hello", "contents: [hello]").replace("tittle", "title")
    assert looked_at(mended, tmp_path).warnings == []
    assert "Failed: 0" in said_by_goss(mended, tmp_path)


def test_every_fault_is_reported_at_once(tmp_path: Path) -> None:
    text = "fle: {}\ncommand: {ls: {stdot: x}}\nuser: {a: {exists: maybe}}"
    assert [line.split(": ")[1] for line in said(text, tmp_path)] == [
        "goss.fle",
        "goss.command.ls.stdot",
        "goss.command.ls",
        "goss.user.a.exists",
    ]


def test_a_template_that_decides_leaves_the_count_open(tmp_path: Path) -> None:
    text = "{{range mkSlice 1 2}}\nfile: {/x: {exists: true}}\n{{end}}"
    checks = looked_at(text, tmp_path)
    assert checks.spec is not None
    assert (checks.spec.expected_checks, checks.spec.text) == (None, text)
    assert [warning.line for warning in checks.warnings] == [1]
    assert "the number of checks is not known" in checks.warnings[0].message


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("a", "a"),
        ("a {{`b`}} c", "a b c"),
        ('a {{- "b" -}} c', "abc"),
        ("a {{/* b */}} c", "a  c"),
        ("a {{.Env.B}}", None),
        ("a {{`b`}} {{.C}}", None),
        ("{{", None),
        ("{{`{{`}}", "{{"),
    ],
)
def test_templates_that_are_mere_text_are_understood(text: str, rendered: str | None) -> None:
    assert render_text_actions(text) == rendered


# Includes


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_merged_includes_give_the_results_goss_gives_for_the_parts(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "steps/a/goss.yaml": "gossfile: {../../shared/*.yaml: {}, off.yaml: {skip: true}}\n"
            "file: {/etc/passwd: {exists: true, mode: '0644', size: {gt: 1}}}\n",
            "shared/one.yaml": "gossfile: {deep/two.json: {}}\n"
            "command:\n  'echo {{`{{`}} \"a\" \\ ü':\n    exit-status: 0\n"
            "    stdout: ['{{`{{`}} a', \"\\u00fc\"]\n",
            "shared/deep/two.json": '{"user": {"root": {"exists": true, "uid": 0}}}',
            "shared/deep/never.yaml": "nonsense",
        },
    )
    text = (tmp_path / "steps/a/goss.yaml").read_text()
    apart = results_of_goss(tmp_path / "steps/a/goss.yaml")
    checks = compare(text, tmp_path)
    assert checks.spec is not None
    assert "gossfile" not in checks.spec.text

    def kept(results: list[dict[str, object]]) -> list[list[object]]:
        names = ("resource-type", "resource-id", "property", "successful")
        return sorted([result[name] for name in names] for result in results)

    assert kept(results_of_goss(tmp_path / "goss.yaml")) == kept(apart)


def test_a_fault_in_an_included_file_names_that_file(tmp_path: Path) -> None:
    write(tmp_path, {"steps/a/more.yaml": "file:\n  /x:\n    exist: true\n"})
    faults = looked_at("gossfile: {more.yaml: {}}", tmp_path).faults
    assert [str(fault) for fault in faults] == [
        "steps/a/more.yaml:3:5: goss.file./x.exist: “file” has no such attribute; "
        "did you mean “exists”?",
        "steps/a/more.yaml:2:3: goss.file./x: “exists” is missing and goss needs it; "
        "add “exists: …”",
    ]


def test_the_same_check_in_two_files_is_a_fault(tmp_path: Path) -> None:
    write(tmp_path, {"steps/a/more.yaml": "file: {/x: {exists: true}}"})
    assert said("gossfile: {more.yaml: {}}\nfile: {/x: {exists: false}}", tmp_path) == [
        "steps/a/more.yaml:1:8: goss.file./x: the same check is in steps/a/goss.yaml already "
        "and goss would keep one; rename one"
    ]


def test_includes_in_a_circle_are_a_fault(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"steps/a/b.yaml": "gossfile: {c.yaml: {}}", "steps/a/c.yaml": "gossfile: {b.yaml: {}}"},
    )
    assert said("gossfile: {b.yaml: {}}", tmp_path) == [
        "steps/a/c.yaml:1:12: goss.gossfile.b.yaml: “steps/a/b.yaml” includes itself; "
        "break the circle"
    ]


def test_an_include_through_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "workshop"
    write(tmp_path, {"outside.yaml": "file: {/x: {exists: true}}"})
    (root / "steps/a").mkdir(parents=True)
    (root / "steps/a/in.yaml").symlink_to(tmp_path / "outside.yaml")
    assert "leads out of the workshop's folder" in said("gossfile: {in.yaml: {}}", root)[0]


# What is written anew means the same

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="{"), max_size=12)
SCALARS = st.builds(lambda text, style: Scalar(1, 1, text, style), TEXTS, st.sampled_from(["'"]))
PLAINS = st.sampled_from(["0644", "true", "1.10", "yes", "~", "", "2001-01-01", "0x1F", ".inf"])
NODES: st.SearchStrategy[Node] = st.recursive(
    st.one_of(SCALARS, PLAINS.map(lambda text: Scalar(1, 1, text, None))),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: Sequence(1, 1, tuple(items))),
        st.dictionaries(TEXTS, inner, max_size=3).map(
            lambda entries: Table(
                1, 1, {name: Scalar(1, 1, name, "'") for name in entries}, entries
            )
        ),
    ),
    max_leaves=8,
)


def meaning(node: Node | None) -> object:
    match node:
        case Table():
            return {name: meaning(value) for name, _, value in node}
        case Sequence():
            return [meaning(item) for item in node.items]
        case Scalar():
            text = "null" if node.style is None and node.text == "" else node.text
            return (text, node.style is None and text != "2001-01-01")
    raise AssertionError(node)


@given(body=NODES, name=st.text(min_size=1, max_size=1500).filter(lambda text: text != "<<"))
def test_what_is_emitted_reads_back_as_the_same(body: Node, name: str) -> None:
    keys = {"file": Scalar(1, 1, "file", None)}
    section = Table(1, 1, {name: Scalar(1, 1, name, "'")}, {name: body})
    tree = Table(1, 1, keys, {"file": section})
    back, faults = parse(emit(tree).encode("utf-8", "replace"), "x")
    assert faults == []
    if "\ufffd" not in name and name.encode("utf-8", "replace").decode() == name:
        assert meaning(back) == meaning(tree)

"""workshop.yaml: everything an author may write, and a sentence for everything else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.spec import FaultyWorkshop, Spec, load
from host.yamltree import MAX_BYTES
from runtime.domain.errors import NotFound
from runtime.domain.workshop import NavigationMode, TerminalSettings

HEAD = """\
version: v1
workshop: {name: demo, image: example.org/demo}
base: {image: debian:12}
"""
SMALL = f"""\
{HEAD}\
steps:
  - id: one
    title: One
    markdown: Read this.
"""
WHOLE = """\
version: v1
workshop:
  name: demo
  image: registry.example.org:5000/team/demo
  title: A demo
  description: All there is.
  navigation: guided
  llm: {provider: anthropic, model: m, apiKeyEnv: MODEL_KEY, maxTokens: 99, defaultMode: explain}
  terminal: {user: root, shell: /bin/sh, workdir: /srv, recordInput: "off"}
  autoValidate: off
base: {containerFile: Containerfile}
steps:
  - id: one
    title: One
    group: First
    markdownFile: texts/one.md
    gossFile: checks/one.yaml
    files:
      - {path: /etc/motd, content: "hi\\n"}
      - {path: /workspace/run.sh, source: texts/run.sh, mode: 0755}
    env: {PORT: 8080, NAME: "x y"}
    commands: [touch a, "touch b"]
    llm: {mode: solve, context: About one., docs: [texts/doc.md]}
    autoValidate: on-command
  - id: two
    title: Two
    group: Second
    requires: [one]
    goss:
      file: {/x: {exists: true}}
"""


def workshop(root: Path, text: str | bytes, **files: str | bytes) -> Path:
    """A workshop's folder; names of `files` use `__` for `/`."""
    for name, content in {"workshop.yaml": text, **files}.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def faults(root: Path) -> list[str]:
    with pytest.raises(FaultyWorkshop) as raised:
        load(root)
    assert raised.value.message == "\n".join(str(fault) for fault in raised.value.faults)
    return [str(fault).removeprefix("workshop.yaml:") for fault in raised.value.faults]


def whole(root: Path) -> Path:
    """A workshop that uses everything there is."""
    files: dict[str, str | bytes] = {
        "Containerfile": "FROM debian:12\n",
        "texts__one.md": "One ![p](p.png)",
        "texts__p.png": b"\x89PNG",
        "texts__run.sh": "#!/bin/sh\n",
        "texts__doc.md": "Doc.",
        "checks__one.yaml": "file: {/y: {exists: true, mode: '0644'}}",
        "steps__two__content.md": "Two.",
        "steps__two__hints.md": "Hint.",
        "steps__two__explain.md": "Why.",
        "steps__two__solve.md": "How.",
        "steps__two__llm-docs__a.md": "A.",
    }
    return workshop(root, WHOLE, **files)


# What is read


def test_a_small_workshop_has_the_defaults(tmp_path: Path) -> None:
    spec = load(workshop(tmp_path, SMALL))
    assert (spec.navigation, spec.auto_validate) == (NavigationMode.LINEAR, "on-command")
    assert spec.terminal == TerminalSettings()
    assert (spec.title, spec.llm, spec.base_image) == (None, None, "debian:12")
    (step,) = spec.steps
    assert (step.content, step.goss, step.commands) == ("Read this.", None, ())
    assert spec.warnings == ()


def test_everything_that_may_be_written_is_read(tmp_path: Path) -> None:
    spec = load(whole(tmp_path))
    assert (spec.name, spec.title, spec.navigation) == ("demo", "A demo", "guided")
    assert spec.base_container_file == (tmp_path / "Containerfile").resolve()
    assert spec.llm is not None
    assert (spec.llm.max_tokens, spec.llm.default_mode) == (99, "explain")
    assert spec.terminal == TerminalSettings(
        user="root", shell="/bin/sh", workdir="/srv", record_input="off"
    )
    assert spec.auto_validate == "off"
    one, two = spec.steps
    assert one.content == "One ![p](p.png)"
    assert [(asset.path, asset.content) for asset in one.assets] == [("p.png", b"\x89PNG")]
    assert [(file.path, file.content, file.mode) for file in one.files] == [
        ("/etc/motd", b"hi\n", 0o644),
        ("/workspace/run.sh", b"#!/bin/sh\n", 0o755),
    ]
    assert one.env == {"PORT": "8080", "NAME": "x y"}
    assert one.commands == ("touch a", "touch b")
    assert one.goss is not None
    assert one.goss.expected_checks == 2
    assert one.llm is not None
    assert (one.llm.mode, one.llm.context, one.llm.has_docs) == ("solve", "About one.", True)
    assert [(doc.path, doc.content) for doc in one.llm_docs] == [("doc.md", b"Doc.")]
    assert one.auto_validate == "on-command"
    assert (two.requires, two.group, two.position) == (("one",), "Second", 1)
    assert (two.hints, two.explain, two.solve) == ("Hint.", "Why.", "How.")
    assert two.goss is not None
    assert two.goss.expected_checks == 1
    assert [doc.path for doc in two.llm_docs] == ["a.md"]


def test_places_of_commands_and_files_are_kept(tmp_path: Path) -> None:
    one = load(whole(tmp_path)).steps[0]
    assert one.where["commands[1]"] == (22, 25)
    assert one.where["files[0].path"] == (19, 16)


def test_a_link_that_stays_inside_is_followed(tmp_path: Path) -> None:
    root = workshop(tmp_path, SMALL.replace("    markdown: Read this.\n", ""), shared="Shared.")
    (root / "steps/one").mkdir(parents=True)
    (root / "steps/one/content.md").symlink_to("../../shared")
    assert load(root).steps[0].content == "Shared."


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    root = workshop(tmp_path, b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode())
    assert load(root).steps[0].id == "one"


def test_anchors_and_merge_keys_are_understood(tmp_path: Path) -> None:
    text = SMALL.replace("  - id", "  - &a\n    id") + "  - {<<: *a, id: two}\n"
    assert [step.title for step in load(workshop(tmp_path, text)).steps] == ["One", "One"]


# What is refused: the text below HEAD and `steps:`, or a whole file


def step(more: str, base: str = "markdown: Read.") -> str:
    lines = "".join(f"    {line}\n" for line in [base, *more.splitlines()] if line)
    return f"{HEAD}steps:\n  - id: one\n    title: One\n{lines}"


FAULTS: dict[str, list[str]] = {
    "": [
        "1:1: file: expected a workshop, found nothing; "
        "begin with “version: v1”, “workshop:”, “base:” and “steps:”"
    ],
    "- a": [
        "1:1: file: expected a workshop, found a list; "
        "begin with “version: v1”, “workshop:”, “base:” and “steps:”"
    ],
    "versoin: v1": [
        "1:1: base: it is missing; add it",
        "1:1: steps: it is missing; add it",
        "1:1: version: it is missing; add it",
        "1:1: versoin: there is no such field; did you mean “version”?",
        "1:1: workshop: it is missing; add it",
    ],
    SMALL.replace("v1", "v2"): [
        "1:10: version: expected v1, found the text “v2”; write one of them"
    ],
    SMALL.replace("{name: demo, image: example.org/demo}", "demo"): [
        "2:11: workshop: expected a mapping with name, image, title, description, navigation, "
        "llm, terminal, autoValidate or watching, found the text “demo”; write “key: value” lines"
    ],
    SMALL.replace("name: demo", "name: My Demo"): [
        "2:18: workshop.name: expected lower-case letters, digits, “.”, “_” and “-”, at most 63, "
        "a letter or digit first, found the text “My Demo”; change it"
    ],
    SMALL.replace("example.org/demo", "'example.org/demo:latest'"): [
        "2:31: workshop.image: expected an image's name in lower case without a tag, such as "
        "example.org/team/git-basics (each step's id becomes a tag), found the text "
        "“example.org/demo:latest”; change it"
    ],
    SMALL.replace("image: example.org/demo", "title: 5"): [
        "2:11: workshop.image: it is missing; add it",
        "2:31: workshop.title: expected text, found the number 5; put it in quotes",
    ],
    SMALL.replace("example.org/demo", "example.org/demo, navigation: fre, autoValidate: on"): [
        "2:61: workshop.navigation: expected linear, free or guided, found the text “fre”; "
        "write one of them",
        "2:80: workshop.autoValidate: expected on-command or off, found the text “on”; "
        "write one of them",
    ],
    SMALL.replace("demo}", "demo, llm: {provider: openai, model: '', maxTokens: 0}}"): [
        "2:54: workshop.llm.apiKeyEnv: it is missing; add it",
        "2:65: workshop.llm.provider: expected anthropic, found the text “openai”; "
        "write one of them",
        "2:80: workshop.llm.model: the text is empty; write something or remove it",
        "2:95: workshop.llm.maxTokens: expected a whole number from 1 to 64000, "
        "found the number 0; write one",
    ],
    SMALL.replace("demo}", "demo, terminal: {user: A, shell: bash, recordInput: no, cols: 1}}"): [
        "2:66: workshop.terminal.user: expected a user's name such as student, "
        "found the text “A”; change it",
        "2:76: workshop.terminal.shell: expected an absolute path such as /bin/bash, "
        "found the text “bash”; change it",
        "2:95: workshop.terminal.recordInput: expected masked, off or all, found the text “no”; "
        "write one of them",
        "2:99: workshop.terminal.cols: there is no such field; known here: workdir",
    ],
    SMALL.replace("{image: debian:12}", "{}"): [
        "3:7: base: expected either “image” or “containerFile”, but neither is given; keep one"
    ],
    SMALL.replace("debian:12", "debian:12, containerFile: C"): [
        "3:26: base: expected either “image” or “containerFile”, but both are given; keep one",
        "3:26: base.containerFile: there is no file “C”; create it or correct the path",
    ],
    f"{HEAD}steps: []": ["4:1: steps: there is no step; write at least one"],
    f"{HEAD}steps: one": ["4:8: steps: expected a list, found the text “one”; write “- ” lines"],
    f"{HEAD}steps: [one]": [
        "4:9: steps[0]: expected a mapping with id, title, group, requires, markdown, "
        "markdownFile, goss, gossFile, files, env, commands, llm or autoValidate, "
        "found the text “one”; write “key: value” lines"
    ],
    f"{HEAD}steps: [{{markdown: x}}]": [
        "4:9: steps[0].id: it is missing; add it",
        "4:9: steps[0].title: it is missing; add it",
    ],
    SMALL.replace("id: one", "id: start"): [
        "5:5: steps[0].id: “start” is the name of the first machine; choose another"
    ],
    SMALL.replace("id: one", "id: Über"): [
        "5:9: steps[0].id: expected lower-case letters, digits, “.”, “_” and “-”, at most 63, "
        "a letter or digit first, found the text “Über”; change it"
    ],
    SMALL.replace("id: one", "id: " + "a" * 64): [
        "5:9: steps[0].id: expected lower-case letters, digits, “.”, “_” and “-”, at most 63, "
        f"a letter or digit first, found the text “{'a' * 59}…”; change it"
    ],
    SMALL + "  - {id: one, title: Again, markdown: x}\n": [
        "8:10: steps[1].id: “one” is taken by the step in line 5; choose another id"
    ],
    SMALL.replace("    markdown: Read this.\n", ""): [
        "5:5: steps[0].markdown: the step has no text; write steps/one/content.md or add "
        "“markdown: |”"
    ],
    step("group: G\nrequires: [one]"): [
        "8:5: steps[0].group: linear navigation has no such field; remove it or write "
        "“navigation: guided” in the workshop",
        "9:5: steps[0].requires: linear navigation has no such field; remove it or write "
        "“navigation: guided” in the workshop",
        "9:16: steps[0].requires: the step requires itself; remove it",
    ],
    step("markdownFile: a.md"): [
        "8:5: steps[0].markdownFile: “markdown” is given as well; keep one of them"
    ],
    step("", "markdownFile: a.md"): [
        "7:19: steps[0].markdownFile: there is no file “a.md”; create it or correct the path"
    ],
    step("", "markdownFile: ../a.md"): [
        "7:19: steps[0].markdownFile: “../a.md” leads out of the workshop's folder; "
        "copy the file into the folder"
    ],
    step("", "markdownFile: /etc/passwd"): [
        "7:19: steps[0].markdownFile: “/etc/passwd” is an absolute path; "
        "write it relative to the workshop's folder"
    ],
    step("", "markdownFile: steps"): [
        "7:19: steps[0].markdownFile: there is no file “steps”; create it or correct the path"
    ],
    step("", "markdown: '  '"): [
        "7:15: steps[0].markdown: the text is empty; write something or remove it"
    ],
    step("goss: {fle: {}}"): [
        "8:12: goss.fle: goss has no section of this name and would ignore it; did you mean “file”?"
    ],
    step("goss: |\n  file:\n    /x:\n      exist: true"): [
        "10:9: goss.file./x: “exists” is missing and goss needs it; add “exists: …”",
        "11:11: goss.file./x.exist: “file” has no such attribute; did you mean “exists”?",
    ],
    step("goss: 'fle: {}'"): [
        "8:11: goss.fle: goss has no section of this name and would ignore it; did you mean “file”?"
    ],
    step("files: [{path: a}]"): [
        "8:13: steps[0].files[0]: expected either “content” or “source”, but neither is given; "
        "keep one",
        "8:14: steps[0].files[0].path: expected an absolute path of a file without “..”, found "
        "“a”; write one such as /workspace/notes.txt",
    ],
    step("files:\n- {path: /a/../b, content: x}\n- {path: /c/, content: x}"): [
        "9:8: steps[0].files[0].path: expected an absolute path of a file without “..”, found "
        "“/a/../b”; write one such as /workspace/notes.txt",
        "10:8: steps[0].files[1].path: expected an absolute path of a file without “..”, found "
        "“/c/”; write one such as /workspace/notes.txt",
    ],
    step("files:\n- {path: /a, content: x}\n- {path: //a/., content: x}"): [
        "10:8: steps[0].files[1].path: “/a” is written twice in this step; keep one"
    ],
    step("files: [{path: /workshop/x, content: x, mode: rw, own: me}]"): [
        "8:14: steps[0].files[0].path: /workshop belongs to the platform; choose another",
        '8:45: steps[0].files[0].mode: expected permissions such as "0644", found the text “rw”; '
        "write them",
        "8:55: steps[0].files[0].own: there is no such field; known here: source",
    ],
    step("files: [{path: /a, source: gone}]"): [
        "8:24: steps[0].files[0].source: there is no file “gone”; create it or correct the path"
    ],
    step("env: {a-b: x, WORKSHOP_HOST: x, DEBUG: true, N: }"): [
        "8:11: steps[0].env.a-b: a variable's name has letters, digits and “_” only; rename it",
        "8:19: steps[0].env.WORKSHOP_HOST: names that begin with WORKSHOP_ belong to the "
        "platform; rename it",
        "8:44: steps[0].env.DEBUG: expected text, found the truth value true; put it in quotes",
        '8:52: steps[0].env.N: expected text, found nothing; write one, "" if empty',
    ],
    step("env: [A=b]"): [
        "8:10: steps[0].env: expected names with values, found a list; write “NAME: value” lines"
    ],
    step("commands: [5, '', [x], {echo hi: there}]"): [
        "8:16: steps[0].commands[0]: expected text, found the number 5; put it in quotes",
        "8:19: steps[0].commands[1]: the text is empty; write something or remove it",
        "8:23: steps[0].commands[2]: expected text, found a list; write text",
        "8:28: steps[0].commands[3]: expected text, found a mapping (a “: ” in a text makes one); "
        "put the whole text in quotes",
    ],
    step("commands: make"): [
        "8:15: steps[0].commands: expected a list, found the text “make”; write “- ” lines"
    ],
    step("llm: {mode: x, docs: [gone.md]}"): [
        "8:17: steps[0].llm.mode: expected hints, explain or solve, found the text “x”; "
        "write one of them",
        "8:27: steps[0].llm.docs[0]: there is no file “gone.md”; create it or correct the path",
    ],
    step("title: Two"): ["8:5: title: the key is here a second time (first in line 6); keep one"],
    # YAML itself
    "version: v1\n\tworkshop: x": [
        "2:1: yaml: a tab stands where YAML wants spaces; indent with spaces"
    ],
    "version: [": ["1:11: yaml: the file ends inside a bracket or brace; close it"],
    "version: 'v1": ["1:10: yaml: a quote is opened and never closed; close it"],
    "version: v1: v2": [
        "1:12: yaml: a “: ” is not allowed here; put the text in quotes, or check the "
        "indentation of this line"
    ],
    "version: v1\n  base: x": [
        "2:7: yaml: a “: ” is not allowed here; put the text in quotes, or check the "
        "indentation of this line"
    ],
    "version: v1\nbase\nsteps: []": [
        "3:1: yaml: a “:” is missing after this key; write “key: value”"
    ],
    "a: *b": ["1:4: yaml: *b has no anchor &b above it; define it first"],
    "a: &a [*a]": ["1:8: yaml: *a stands inside its own anchor; write it out"],
    "a: !!python/object:os.system x": [
        "1:4: yaml: the tag tag:yaml.org,2002:python/object:os.system is not supported; remove it"
    ],
    "a: 1\n---\nb: 2": ["2:1: yaml: a second document begins here; keep one per file"],
    "? [a]\n: b": ["1:3: yaml: a key is a list or mapping; use plain text"],
    "a: " + "[" * 5000: ["1:43: yaml: nesting is deeper than 40 levels; flatten"],
    "a: b\x00c": ["1:5: yaml: the character U+0000 is not allowed in YAML; remove it"],
    "a: \x1b[2J": ["1:4: yaml: the character U+001B is not allowed in YAML; remove it"],
    "<<: x": [
        "1:1: <<: “<<” merges mappings only; name one",
        "1:1: base: it is missing; add it",
        "1:1: steps: it is missing; add it",
        "1:1: version: it is missing; add it",
        "1:1: workshop: it is missing; add it",
    ],
}


@pytest.mark.parametrize("text", FAULTS, ids=range(len(FAULTS)))
def test_what_does_not_fit_is_said_in_a_sentence(text: str, tmp_path: Path) -> None:
    assert faults(workshop(tmp_path, text)) == FAULTS[text]


def test_an_alias_bomb_is_refused_at_once(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert faults(workshop(tmp_path, "\n".join(lines))) == [
        "4:5: yaml: the file grows to more than 20000 values; shorten"
    ]


def test_bytes_that_are_no_utf8_are_named(tmp_path: Path) -> None:
    assert faults(workshop(tmp_path, b"version: v1\ntitle: \xff")) == [
        "2:8: yaml: byte 0xff is not UTF-8; save the file as UTF-8"
    ]


def test_a_huge_file_is_not_parsed(tmp_path: Path) -> None:
    assert faults(workshop(tmp_path, "#" * (MAX_BYTES + 1))) == [
        f"1:1: file: “workshop.yaml” has {MAX_BYTES + 1} bytes; at most {MAX_BYTES} are allowed, "
        "shorten it"
    ]


def test_no_folder_and_no_workshop_yaml_are_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="There is no folder"):
        load(tmp_path / "gone")
    with pytest.raises(NotFound, match=r"has no workshop\.yaml; a workshop is a folder"):
        load(tmp_path)


def test_the_file_in_place_of_its_folder_and_its_other_ending_are_said(tmp_path: Path) -> None:
    (tmp_path / "workshop.yml").write_text(SMALL)
    with pytest.raises(NotFound, match=r"is a file; name the folder of the workshop"):
        load(tmp_path / "workshop.yml")
    with pytest.raises(NotFound, match=r"has no workshop\.yaml, but a workshop\.yml; rename it"):
        load(tmp_path)


def test_a_navigation_that_cannot_be_read_brings_no_other_faults(tmp_path: Path) -> None:
    text = guided("id: a, group: A", "id: b, requires: [a]").replace("guided", "guide")
    assert faults(workshop(tmp_path, text)) == [
        "2:61: workshop.navigation: expected linear, free or guided, found the text “guide”; "
        "write one of them"
    ]


def test_folders_are_not_called_unused_while_a_steps_id_cannot_be_read(tmp_path: Path) -> None:
    text = SMALL.replace("id: one", "id: One")
    root = workshop(tmp_path, text, **{"steps/one/hints.md": "Look."})
    with pytest.raises(FaultyWorkshop) as raised:
        load(root)
    assert len(raised.value.faults) == 1
    assert raised.value.warnings == ()


# Paths


@pytest.mark.parametrize(
    "target", ["../outside.md", "/etc/passwd", "loop", "/dev/zero", "../nowhere"]
)
def test_a_link_out_of_the_folder_is_refused(target: str, tmp_path: Path) -> None:
    (tmp_path / "outside.md").write_text("outside")
    root = workshop(tmp_path / "w", SMALL.replace("markdown: Read this.", "markdownFile: loop"))
    (root / "loop").symlink_to(target)
    (message,) = faults(root)
    assert message.startswith("7:19: steps[0].markdownFile: ")
    assert "outside" not in message


def test_a_workshop_yaml_that_links_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_text(SMALL)
    (tmp_path / "w").mkdir()
    (tmp_path / "w/workshop.yaml").symlink_to("../real.yaml")
    assert faults(tmp_path / "w") == [
        "1:1: file: “workshop.yaml” leads out of the workshop's folder; copy the file into the "
        "folder"
    ]


def test_a_step_folder_that_links_out_is_refused(tmp_path: Path) -> None:
    other = workshop(tmp_path / "other", "", **{"content.md": "Stolen."})
    root = workshop(tmp_path / "w", SMALL.replace("    markdown: Read this.\n", ""))
    (root / "steps").mkdir()
    (root / "steps/one").symlink_to(other)
    assert (
        "steps/one/content.md:1:1: content.md: “steps/one/content.md” leads out of"
        in (faults(root)[0])
    )


def test_a_named_pipe_does_not_hang(tmp_path: Path) -> None:
    root = workshop(tmp_path, SMALL.replace("markdown: Read this.", "markdownFile: pipe"))
    os.mkfifo(root / "pipe")
    assert faults(root) == ["7:19: steps[0].markdownFile: “pipe” is not a regular file; name one"]


def test_a_folder_in_place_of_a_file_is_said(tmp_path: Path) -> None:
    root = workshop(tmp_path, SMALL)
    (root / "steps/one/goss.yaml").mkdir(parents=True)
    assert faults(root) == [
        "steps/one/goss.yaml:1:1: goss.yaml: “steps/one/goss.yaml” is a folder; name a file"
    ]


@pytest.mark.parametrize("name", ["content", "hints", "explain", "solve"])
def test_texts_that_are_empty_or_not_utf8_are_faults(name: str, tmp_path: Path) -> None:
    text = SMALL if name != "content" else SMALL.replace("    markdown: Read this.\n", "")
    path = f"steps/one/{name}.md"
    root = workshop(tmp_path, text, **{path: " \n"})
    assert "empty; write it" in faults(root)[0]
    (root / path).write_bytes(b"a\n\xff")
    assert faults(root)[0].endswith(f"“{path}” is not UTF-8 in line 2; save the file as UTF-8")


# Order


def guided(*steps: str) -> str:
    lines = "".join(f"  - {{markdown: x, title: T, {step}}}\n" for step in steps)
    return HEAD.replace("demo}", "demo, navigation: guided}") + "steps:\n" + lines


def test_unknown_and_doubled_requires_are_faults(tmp_path: Path) -> None:
    text = guided("id: one", "id: two, requires: [oen, one, one]")
    assert faults(workshop(tmp_path, text)) == [
        "6:49: steps[1].requires: there is no step “oen”; did you mean “one”?",
        "6:59: steps[1].requires[2]: “one” is listed twice; keep one",
    ]


def test_circles_of_requires_are_told_from_their_first_step(tmp_path: Path) -> None:
    text = guided(
        "id: a, requires: [b]",
        "id: b, requires: [c]",
        "id: c, requires: [a]",
        "id: d, requires: [d, a]",
    )
    assert faults(workshop(tmp_path, text)) == [
        "7:47: steps[2].requires: the steps require each other in a circle (a → b → c → a); "
        "remove one of them",
        "8:47: steps[3].requires: the step requires itself; remove it",
    ]


def test_a_step_no_student_can_reach_is_a_fault(tmp_path: Path) -> None:
    text = guided("id: a, group: A, requires: [b]", "id: b, group: B", "id: c")
    assert faults(workshop(tmp_path, text)) == [
        "5:33: steps[0].requires: no student can ever reach this step (Complete “T” first); "
        "change its group or requires",
        "6:33: steps[1].requires: no student can ever reach this step (“B” opens when every step "
        "of “A” is completed; 1 to go); change its group or requires",
    ]


# Warnings


def notes(root: Path) -> list[str]:
    return [str(warning) for warning in load(root).warnings]


def test_pictures_that_are_missing_or_elsewhere_are_noted(tmp_path: Path) -> None:
    text = SMALL.replace(
        "markdown: Read this.",
        "markdown: |\n      # Hi\n\n      ![a](a.png) ![b](https://example.org/b.png)\n\n"
        "      [c](../c.txt) [d](https://example.org) [e](#e) `![f](f.png)`",
    )
    assert notes(workshop(tmp_path, text)) == [
        "workshop.yaml:10:7: markdown: the picture “https://example.org/b.png” is on another site "
        "and the page will not load it; put it into the step's folder",
        "workshop.yaml:10:7: markdown: the text refers to “a.png”, but there is no file "
        "“steps/one/a.png”; create it or correct the path",
        "workshop.yaml:12:7: markdown: “../c.txt” leads out of the folder of the text and the "
        "page will not find it; put the file into the folder",
    ]


def test_what_the_page_ignores_behind_a_fence_is_noted(tmp_path: Path) -> None:
    text = (
        "# Hi\n\n```bash terminal=My_Term\nls\n```\n\n```bash teminal=web\nls\n```\n\n"
        "- in a list:\n\n  ```sh run=maybe\n  ls\n  ```\n\n"
        "```python terminal=My_Term\nprint()\n```\n\n"
        '```console terminal=web run=no\n$ ls\n```\n\n```bash Terminal="Web"\nls\n```\n'
    )
    root = workshop(
        tmp_path,
        SMALL.replace("    markdown: Read this.\n", ""),
        **{"steps/one/content.md": text},
    )
    assert notes(root) == [
        "steps/one/content.md:3:1: markdown: “terminal=my_term” names no terminal, so the block "
        "types into “main”; a name has 1 to 32 of a-z, 0-9 and -",
        "steps/one/content.md:7:1: markdown: the page knows no “teminal=web” behind a fence; "
        "did you mean “terminal”?",
        "steps/one/content.md:13:1: markdown: “run=maybe” has no effect; write “run=no” or "
        "remove it",
    ]


def test_a_step_for_a_model_is_noted_when_the_workshop_names_none(tmp_path: Path) -> None:
    root = workshop(tmp_path, step("llm: {mode: explain}"))
    assert notes(root) == [
        "workshop.yaml:8:5: steps[0].llm: the workshop names no model, so it has no effect; "
        "add “llm” to “workshop”"
    ]
    (root / "workshop.yaml").write_text(
        step("llm: {mode: explain}").replace(
            "demo}", "demo, llm: {provider: anthropic, model: m, apiKeyEnv: KEY}}"
        )
    )
    assert notes(root) == []


def test_files_nobody_uses_are_noted(tmp_path: Path) -> None:
    root = workshop(
        tmp_path,
        SMALL,
        **{"steps/one/content.md": "x", "steps/one/hint.md": "x", "steps/on/content.md": "x"},
    )
    assert notes(root) == [
        "workshop.yaml:7:5: steps[0].markdown: it is used, and steps/one/content.md is not; "
        "remove one of them",
        "steps/on:1:1: folder: no step has this id, so the folder is not used; did you mean “one”?",
        "steps/one/hint.md:1:1: hint.md: the file is not used; did you mean “hints.md”?",
    ]


def test_a_text_that_links_to_answers_is_refused(tmp_path: Path) -> None:
    root = workshop(
        tmp_path,
        SMALL.replace("    markdown: Read this.\n", ""),
        **{"steps/one/content.md": "a\n\n[s](./solve.md)", "steps/one/solve.md": "s"},
    )
    assert faults(root) == [
        "steps/one/content.md:3:1: markdown: the text links to “solve.md”, which students must "
        "not read; remove the link"
    ]


# Whatever an author types

PIECES = st.sampled_from(
    [
        *(
            "\n",
            " ",
            "  ",
            "\t",
            ": ",
            "- ",
            "[",
            "]",
            "{",
            "}",
            "'",
            '"',
            "|",
            ">",
            "#",
            "&a ",
            "*a",
        ),
        *("<<: ", "!!x ", "? ", "---\n", "%Y 1\n", "\x00", "\x85", "\u2028", "é", "🐧", "\\ud800"),
        *(
            "~",
            "null",
            "true",
            "0644",
            "1e999",
            "9" * 400,
            ".inf",
            "../",
            "/",
            "\r",
            "@",
            "`",
            "{{",
        ),
    ]
)


@st.composite
def mutations(draw: st.DrawFn) -> str:
    """A valid workshop.yaml with a few places changed."""
    text = draw(st.sampled_from([SMALL, WHOLE]))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 12)))
        middle = draw(st.one_of(PIECES, st.text(max_size=5), st.just(text[end : end + 8])))
        text = text[:start] + middle + text[end:]
    return text


def read_or_refused(root: Path, text: bytes) -> Spec | None:
    """Load it; every refusal is made of sentences."""
    try:
        return load(workshop(root, text))
    except FaultyWorkshop as faulty:
        for fault in faulty.faults:
            assert fault.line >= 1
            assert fault.column >= 1
            assert fault.field
            assert "; " in fault.message or fault.message.endswith("?"), fault
            assert "\n" not in str(fault)
            assert "Traceback" not in fault.message
        return None


@given(text=mutations())
def test_a_mutated_workshop_is_read_or_refused_in_sentences(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    read_or_refused(whole(tmp_path_factory.mktemp("w")), text.encode("utf-8", "surrogatepass"))


@given(raw=st.binary(max_size=200))
def test_random_bytes_are_refused_in_sentences(
    raw: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert read_or_refused(tmp_path_factory.mktemp("w"), raw) is None

"""The generated Containerfile, what images are made of, and how builders say what went wrong."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from host import cli
from host.containerfile import SERVING, Base, Extras, Recipe, Stage, recipes, tag, text
from host.engines.builds import is_reused, place_of, read_docker, read_podman
from host.engines.program import Program, has_registry
from host.imagedigest import Digests, digests
from host.spec import Spec, load
from runtime.domain.errors import ExitCode, InvalidWorkshop
from tests.goss_binary import ROOT
from tests.host.test_spec import workshop

GOLDEN = ROOT / "tests/fixtures/hello-linux.Containerfile"
PODMAN, DOCKER = Program("podman"), Program("docker")
PLAIN = Base("debian:12", "1" * 64)
NOTHING = Extras()
INJECTED = Base("debian:12", "1" * 64, "localhost/workshop/platform:0", "2" * 64, "0.1.0")

WORKSHOP = """\
version: v1
workshop:
  name: trip
  title: Pay $5 for "all"
  image: example.org/trip
base: {image: debian:12}
steps:
  - id: first
    title: First
    markdown: Say hello.
    commands: [echo one]
  - id: 2nd
    title: Second
    markdown: Say more.
    env: {ROUTE: 'a "b" $HOME \\ c'}
    files:
      - {path: "/workspace/a $x/'q'", content: text, mode: "0755"}
      - {path: /etc/motd, content: text}
    commands:
      - |
        cat > two.txt <<'END'
        "two" \\
        END
"""


def spec_of(folder: Path, text: str = WORKSHOP) -> Spec:
    return load(workshop(folder, text))


def cooked(spec: Spec, base: Base = PLAIN, extras: Extras = NOTHING) -> tuple[Recipe, ...]:
    """All recipes, with digests that a reader can tell apart."""
    names = ("start", *(step.id for step in spec.steps))
    marks = [Digests(f"digest-of-state-{name}", f"digest-of-{name}") for name in names]
    return recipes(spec, base, marks, extras, PODMAN.full_name)


def made(spec: Spec, base: Base = PLAIN, extras: Extras = NOTHING) -> tuple[Stage, ...]:
    """The states of all images."""
    return tuple(recipe.state for recipe in cooked(spec, base, extras))


def lines(stage: Stage) -> list[str]:
    return [line.text for line in stage.instructions]


def test_the_containerfile_of_hello_linux_is_the_golden_one() -> None:
    """tests/fixtures/hello-linux.Containerfile; write it anew when the change is meant,
    and give host.imagedigest another FORMAT when images made before are not good any more."""
    spec = load(ROOT / "examples/hello-linux")
    base = replace(INJECTED, image="localhost/workshop/hello-linux:_base")
    assert text(cooked(spec, base)) == GOLDEN.read_text()


def test_an_image_serves_as_the_platform_images_do() -> None:
    platform = (ROOT / "Containerfile").read_text()
    for line in SERVING:
        if not line.startswith("STOPSIGNAL"):  # a base of somebody else's may have another
            assert f"\n{line}\n" in platform


def test_each_state_is_made_from_the_one_before_and_each_image_from_its_state(
    tmp_path: Path,
) -> None:
    recipes = cooked(spec_of(tmp_path))
    assert [recipe.image.tag for recipe in recipes] == [
        "example.org/trip:start", "example.org/trip:first", "example.org/trip:2nd",
    ]  # fmt: skip
    assert [lines(recipe.state)[0] for recipe in recipes] == [
        "FROM debian:12 AS state-start",
        "FROM example.org/trip:_state-start AS state-first",
        "FROM example.org/trip:_state-first AS state-2nd",
    ]
    assert [lines(recipe.image)[0] for recipe in recipes] == [
        "FROM example.org/trip:_state-start AS start",
        "FROM example.org/trip:_state-first AS step-first",
        "FROM example.org/trip:_state-2nd AS step-2nd",
    ]


def test_the_artifact_is_put_in_last(tmp_path: Path) -> None:
    for recipe in cooked(spec_of(tmp_path)):
        assert not any("artifact" in line for line in lines(recipe.state))
        _, copy, label = lines(recipe.image)
        assert copy == "COPY --chown=0:0 artifact/ /workshop/"
        assert label.startswith("LABEL ")


def test_names_of_images_are_what_the_container_programs_make_of_them(tmp_path: Path) -> None:
    spec = replace(spec_of(tmp_path), image="team/trip")
    assert (tag(spec), tag(spec, "first")) == ("team/trip:start", "team/trip:first")
    assert cooked(spec)[1].image.tag == "localhost/team/trip:first"
    assert DOCKER.full_name("team/trip:first") == "team/trip:first"
    assert [has_registry(name) for name in ("localhost/a", "a.b/c", "a:1/c", "a/c", "a")] == [
        True, True, True, False, False,
    ]  # fmt: skip


def test_a_base_that_is_a_platform_gets_no_other(tmp_path: Path) -> None:
    spec = spec_of(tmp_path)
    assert not any("/opt/workshop /opt/workshop" in line for line in lines(made(spec)[0]))
    start = lines(made(spec, INJECTED)[0])
    assert "COPY --from=localhost/workshop/platform:0 /opt/workshop /opt/workshop" in start
    assert start.index('RUN ["/opt/workshop/bin/workshop-prepare"]') < start.index(SERVING[0])


def test_nothing_the_author_writes_is_expanded_or_cut(tmp_path: Path) -> None:
    start, _, second = made(spec_of(tmp_path))
    label = lines(cooked(spec_of(tmp_path))[0].image)[-1]
    assert 'org.opencontainers.image.title="Pay \\$5 for \\"all\\""' in label
    assert 'ENV ROUTE="a \\"b\\" \\$HOME \\\\ c"' in lines(second)
    copy = "COPY --chown=student:student --chmod=0755 "
    paths = next(line.removeprefix(copy) for line in lines(second) if line.startswith(copy))
    assert json.loads(paths) == ["files/2nd/0", "/workspace/a \\$x/\\'q\\'"]
    run = next(line for line in second.instructions if line.command)
    words = json.loads(run.text.removeprefix("RUN "))
    assert words == ["/bin/bash", "-c", f"exec 2>&1; {run.command}"]
    assert run.command == "cat > two.txt <<'END'\n\"two\" \\\nEND\n"
    assert all("\n" not in line for stage in (start, second) for line in lines(stage))


def test_files_belong_to_the_shells_user_where_that_one_works(tmp_path: Path) -> None:
    spec = spec_of(tmp_path)
    owners = [line.split()[1] for line in lines(made(spec)[2]) if line.startswith("COPY")]
    assert owners == ["--chown=student:student", "--chown=root:root"]


def test_commands_run_as_the_shells_user(tmp_path: Path) -> None:
    second = lines(made(spec_of(tmp_path))[2])
    assert "ARG USER=student SHELL=/bin/bash" in second
    assert second.index("USER student") < len(second) - 3 < second.index("USER 0")

    as_root = WORKSHOP.replace("image: example", "terminal: {user: root}\n  image: example", 1)
    (tmp_path / "root").mkdir()
    second = lines(made(spec_of(tmp_path / "root", as_root))[2])
    assert "ARG USER=root SHELL=/bin/bash" in second
    assert "USER student" not in second


def test_certificates_and_arguments_are_there_for_commands_alone(tmp_path: Path) -> None:
    start, first, _ = made(spec_of(tmp_path), extras=Extras(True, ("MIRROR",)))
    assert not any("ca.pem" in line for line in lines(start))
    assert "ARG MIRROR" in lines(first)
    assert any(line.startswith("ARG ") and "SSL_CERT_FILE=/" in line for line in lines(first))
    run = next(line.text for line in first.instructions if line.command)
    assert run.startswith("RUN --mount=type=secret,id=ca,target=/workshop-ca.pem,mode=0444 [")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("ROUTE: 'a \"b\" $HOME \\ c'", 'ROUTE: "a\\nb"', "env.ROUTE has several lines"),
        ("echo one", "echo " + "x" * 70_000, "longer than 60000 bytes"),
    ],
)
def test_what_no_containerfile_can_say_is_refused(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert old in WORKSHOP
    with pytest.raises(InvalidWorkshop, match=said):
        made(spec_of(tmp_path, WORKSHOP.replace(old, new)))


MODEL = "  llm: {provider: anthropic, model: m, apiKeyEnv: KEY}\nbase:"


@pytest.mark.parametrize("model", ["base:", MODEL])
@pytest.mark.parametrize(
    ("old", "new", "same", "is_told"),
    [
        ("Say more.", "Say less.", 3, True),  # the texts are in no state
        ("debian:12", "debian:13", 0, False),
        ("echo one", "echo 1", 1, False),
        ("$HOME", "$HOUSE", 2, False),
        ("0755", "0700", 2, False),
        ("content: text", "content: taxt", 2, False),
        ("two.txt", "2.txt", 2, False),
    ],
)
def test_a_change_makes_its_own_state_stale_and_those_after_it(
    tmp_path: Path, model: str, old: str, new: str, same: int, is_told: bool
) -> None:
    """Every image has all texts and, for the guard of a model, all commands and files' contents."""
    text = WORKSHOP.replace("base:", model, 1)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    before = digests(spec_of(tmp_path / "a", text))
    after = digests(spec_of(tmp_path / "b", text.replace(old, new, 1)))
    pairs = list(zip(before, after, strict=True))
    assert [one.state == other.state for one, other in pairs] == [
        index < same for index in range(3)
    ]
    is_told = is_told or (model == MODEL and old in ("echo one", "content: text", "two.txt"))
    assert [one.image == other.image for one, other in pairs] == [
        index < same and not is_told for index in range(3)
    ]


def test_a_base_of_its_own_is_part_of_what_images_are_made_of(tmp_path: Path) -> None:
    text = WORKSHOP.replace("{image: debian:12}", "{containerFile: Containerfile}")
    (tmp_path / "Containerfile").write_text("FROM debian:12\n")
    (tmp_path / "beside").write_text("one")
    spec = spec_of(tmp_path, text)
    first = digests(spec)
    (tmp_path / "beside").write_text("two")
    assert digests(spec) == first
    (tmp_path / "Containerfile").write_text("FROM debian:12\nCOPY beside /\n")
    second = digests(spec)
    assert second[0] != first[0]
    (tmp_path / "beside").write_text("three")
    assert digests(spec)[0].state != second[0].state


PODMANS = """\
STEP 1/5: FROM example.org/trip:start AS step-first
STEP 2/5: USER student
--> Using cache 4212befc719e00604550ac9bf59c17c37a66d8c714b3f4055b482bcf204a9824
--> 4212befc719
STEP 3/5: RUN ["/bin/bash","-c","cat <<'END'\\nhi\\nEND\\nexit 3"]
Error: no such file
hi
Error: building at STEP "RUN /bin/bash -c cat <<'END'
hi
END
exit 3": while running runtime: exit status 3
"""
DOCKERS = """\
#0 building with "default" instance using docker driver

#1 [internal] load build definition from Containerfile
#1 DONE 0.0s

#4 [step-first 1/3] FROM example.org/trip:start
#4 CACHED

#5 [step-first 2/3] RUN ["/bin/bash","-c","true"]
#5 CACHED

#6 [step-first 3/3] RUN ["/bin/bash","-c","cat <<'END'\\nhi\\nEND\\nexit 3"]
#6 0.312 Error: no such file
#6 0.313 hi
#6 ERROR: process "/bin/bash -c cat <<'END'\\nhi\\nEND\\nexit 3" did not complete successfully: \
exit code: 3
------
 > [step-first 3/3] RUN ["/bin/bash","-c","cat <<'END'\\nhi\\nEND\\nexit 3"]:
0.312 Error: no such file
0.313 hi
------
Containerfile:5
ERROR: failed to build: failed to solve: process did not complete successfully: exit code: 3
"""


def test_a_failing_command_is_found_in_what_podman_prints() -> None:
    built = read_podman(3, PODMANS.splitlines())
    assert built.failure is not None
    assert built.failure.exit_code == 3
    assert built.failure.output == ("Error: no such file", "hi")
    written = ["FROM", "USER student", 'RUN ["/bin/bash"…]', "USER 0", "LABEL"]
    assert place_of(built.failure, written, PODMAN) == 2


def test_a_command_that_prints_what_podman_prints_leads_nobody_astray() -> None:
    said = PODMANS.replace("hi\nError: b", "STEP 9/9: LABEL\nError: building at last\nError: b", 1)
    failure = read_podman(3, said.splitlines()).failure
    assert failure is not None
    assert (failure.number, failure.output[-1]) == (3, "Error: building at last")


def test_a_failing_command_is_found_in_what_docker_prints() -> None:
    built = read_docker(1, DOCKERS.splitlines())
    assert built.failure is not None
    assert built.failure.exit_code == 3
    assert built.failure.output == ("Error: no such file", "hi")
    written = ["FROM a", "ARG USER", "USER student", "RUN [1]", "RUN [2]", "USER 0", "LABEL"]
    assert place_of(built.failure, written, DOCKER) == 4


@pytest.mark.parametrize("head", ["[ 2/12]", "[stage-0  2/12]", "[linux/arm64 step-a.b 2/12]"])
def test_dockers_numbers_are_read_however_they_are_set(head: str) -> None:
    said = [f"#9 {head} RUN x", "#9 1.0 out", "#9 ERROR: process x: exit code: 9"]
    failure = read_docker(1, said).failure
    assert failure is not None
    assert (failure.number, failure.output) == (2, ("out",))


def test_a_build_that_failed_otherwise_names_no_command() -> None:
    said = ["STEP 1/2: FROM nowhere", "Error: creating build container: nowhere: no such image"]
    assert read_podman(125, said).failure is None
    assert read_docker(1, ["#2 ERROR: nowhere: not found"]).failure is None


def test_what_came_from_the_cache_is_told_from_what_ran() -> None:
    written = ["FROM a", "USER student", "LABEL"]
    reused = "--> Using cache 4212befc719e"
    assert is_reused(read_podman(0, [reused, reused]), written, PODMAN)
    assert not is_reused(read_podman(0, [reused]), written, PODMAN)
    assert is_reused(read_docker(0, ["#4 CACHED"]), ["FROM a", "RUN b", "LABEL"], DOCKER)


def test_words_that_cannot_be_used_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec_of(tmp_path)
    for words in (["--engine", "sandbox"], ["--build-arg", "MIRROR"], ["--build-arg", "A B=c"]):
        assert cli.run(["build", str(tmp_path), *words]) is ExitCode.INVALID_ARGUMENTS
        assert words[0] in capsys.readouterr().err
    (tmp_path / "workshop.yaml").write_text(WORKSHOP.replace("title", "titel"))
    assert cli.run(["build", str(tmp_path), "--json"]) is ExitCode.INVALID_WORKSHOP
    document = json.loads(capsys.readouterr().out)
    assert document["data"]["faults"][0]["field"] == "workshop.titel"


def test_hello_linux_has_no_field_of_this_machine() -> None:
    assert not re.search(r"/(work|home/(?!student)|root|tmp)/", GOLDEN.read_text())

"""`workshop build` with the real container program: what is in the images, and when they change."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from host.containerfile import BASE, DIGEST, INJECTED, PLATFORM
from tests.containers.engine import BUILD_SECONDS, Engine, ci, version
from tests.containers.registry import serving
from tests.goss_binary import ROOT

pytestmark = pytest.mark.timeout(1800)  # the first build takes minutes

HELLO_STEPS = ["look-around", "permissions", "processes", "pipes", "script"]
BARE = "localhost/workshop/bare"  # busybox and bash, both static, and nothing else
MARK = f"mark-of-the-bundle-{uuid.uuid4().hex}"
QUICK_SECONDS = 20.0
TRIP = """\
version: v1
workshop:
  name: trip
  image: IMAGE
base: {image: BASE}
steps:
  - id: 1st
    title: First
    markdown: Say hello.
    hints: no
    files:
      - {path: "/workspace/a $b/run.sh", content: "echo \\"$ROUTE\\" > route.txt", mode: "0750"}
      - {path: /etc/motd, content: hello, mode: "0604"}
    env: {ROUTE: '"scenic" $HOME \\ way'}
    commands:
      - bash "a \\$b/run.sh"; id -un > who.txt; pwd > where.txt; echo "$USER $HOME" > home.txt
      - cat > unread.txt; umask > umask.txt
  - id: second
    title: Second
    markdown: Say more.
    commands:
      - echo $EPOCHREALTIME > made.txt
  - id: third
    title: Third
    markdown: The end.
""".replace("    hints: no\n", "")


@dataclass(frozen=True)
class Author:
    """Somebody who builds one workshop under a name of its own."""

    engine: Engine
    folder: Path
    image: str
    platform: str
    environment: dict[str, str]

    def cli(self, *words: str) -> tuple[int, dict[str, Any]]:
        """Exit code and document of a command; Any: a JSON document."""
        done = subprocess.run(
            [sys.executable, "-m", "host", *words, "--json"],
            cwd=ROOT, env=self.environment, capture_output=True, text=True,
            timeout=BUILD_SECONDS, check=False,
        )  # fmt: skip
        return done.returncode, json.loads(done.stdout)

    def tries(self, *options: str) -> tuple[int, dict[str, Any]]:
        """A build that may fail."""
        words = ("build", str(self.folder), "--engine", self.engine.name)
        return self.cli(*words, "--platform-image", self.platform, *options)

    def builds(self, *options: str) -> dict[str, dict[str, Any]]:
        """A build that must not fail: what it says of each image."""
        code, document = self.tries(*options)
        assert code == 0, document
        return {each["step"]: each for each in document["data"]["steps"]}

    def states(self) -> dict[str, str]:
        """What `workshop status` says of each image."""
        code, document = self.cli("status", str(self.folder))
        assert code == 0, document
        return {each["step"]: each["state"] for each in document["data"]["steps"]}

    def writes(self, old: str, new: str) -> None:
        """Change the workshop.yaml."""
        path = self.folder / "workshop.yaml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    def runs(self, step: str, *words: str, user: str = "root") -> subprocess.CompletedProcess[str]:
        """A program in a step's image, without the daemon."""
        program, *arguments = words
        return self.engine.run(
            "run", "--rm", "--network=none", "--no-healthcheck", "--user", user,
            "--entrypoint", program, f"{self.image}:{step}", *arguments,
        )  # fmt: skip

    def prints(self, step: str, command: str, user: str = "root") -> str:
        """What a shell command prints in a step's image."""
        done = self.runs(step, "/bin/bash", "-c", command, user=user)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def config(self, step: str) -> dict[str, Any]:
        """How a step's image is started."""
        found = self.engine.inspect(f"{self.image}:{step}")
        config: dict[str, Any] = found["Config"]
        health = found.get("Healthcheck") or config.get("Healthcheck") or {}  # podman, docker
        return config | {"HealthCheck": health.get("Test")}


@pytest.fixture(scope="session")  # what was built is not built again by other modules' tests
def new_author(
    engine: Engine, platform_images: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Author]]:
    """Authors with nothing in their folders; their images are removed at the end."""
    ci("bare")
    conf = ci("conf")
    mine = f"localhost/workshop-test/{uuid.uuid4().hex[:12]}"
    platform = f"{mine}/platform:latest"  # stays as it is, whoever makes the images anew
    engine.call("tag", f"localhost/workshop/platform:{version()}", platform)
    authors: list[Author] = []

    def new() -> Author:
        folder = tmp_path_factory.mktemp("author")
        environment = {
            **os.environ,
            **({"CONTAINERS_CONF": conf} if conf else {}),
            "XDG_STATE_HOME": str(folder / "state"),
        }
        (folder / "workshop").mkdir()
        image = f"{mine}/trip{len(authors)}"
        authors.append(Author(engine, folder / "workshop", image, platform, environment))
        return authors[-1]

    yield new
    for author in authors:
        engine.remove(author.image)
    # What was replaced, and what stood below a command that failed.
    injected = f"{INJECTED}={platform} {engine.inspect(platform)['Id']}"
    engine.run("image", "prune", "--force", "--filter", f"label={injected}")
    engine.run("rmi", platform)


@pytest.fixture(scope="module")
def hello(new_author: Callable[[], Author]) -> Author:
    """hello-linux, built from its own Containerfile."""
    author = new_author()
    shutil.copytree(ROOT / "examples/hello-linux", author.folder, dirs_exist_ok=True)
    author.writes("image: workshop/hello-linux", f"image: {author.image}")
    assert set(author.states().values()) == {"missing"}
    assert list(author.builds()) == ["start", *HELLO_STEPS]
    return author


def written(author: Author, base: str) -> Author:
    """With a small workshop on that base, not built yet."""
    text = TRIP.replace("IMAGE", author.image).replace("BASE", base)
    (author.folder / "workshop.yaml").write_text(text)
    return author


@pytest.fixture
def trip(new_author: Callable[[], Author]) -> Author:
    """A small workshop on a base that holds the platform already, which is quicker to build."""
    return written(new_author(), f"localhost/workshop/debian:{version()}")


@pytest.fixture
def bare_trip(new_author: Callable[[], Author]) -> Author:
    """The same on a base that holds next to nothing."""
    return written(new_author(), BARE)


def test_every_image_says_what_it_is_and_serves(hello: Author) -> None:
    digests = set()
    for step in ("start", *HELLO_STEPS):
        config = hello.config(step)
        labels = config["Labels"]
        digests.add(labels[DIGEST])
        assert labels["org.opencontainers.image.title"] == "Hello, Linux"
        assert labels[BASE] == hello.engine.inspect(f"{hello.image}:_base")["Id"]
        assert labels[PLATFORM] == version()
        assert config["User"] == "0"
        assert config["WorkingDir"] == "/workspace"
        assert config["Entrypoint"][0] == "/opt/workshop/bin/tini"
        assert config["HealthCheck"] == ["CMD", "/opt/workshop/bin/workshop-health"]
    assert len(digests) == len(HELLO_STEPS) + 1
    with hello.engine.running(f"{hello.image}:permissions") as container:
        assert json.loads(container.ask("/api/workshop")[1])["name"] == "hello-linux"


@pytest.mark.parametrize("number", range(len(HELLO_STEPS)))
def test_an_image_passes_its_steps_checks_and_the_one_before_does_not(
    hello: Author, number: int
) -> None:
    step = HELLO_STEPS[number]
    before = ["start", *HELLO_STEPS][number]
    goss = ("/opt/workshop/bin/goss", "-g", f"/workshop/steps/{step}/goss.yaml", "validate")
    solved = hello.runs(step, *goss)
    assert solved.returncode == 0, solved.stdout
    assert hello.runs(before, *goss).returncode == 1


def test_the_student_cannot_read_answers_and_checks(hello: Author) -> None:
    command = "find /workshop -type f -readable -printf '%f\\n' | sort -u"
    readable = set(hello.prints("script", command, user="student").split())
    everything = set(hello.prints("script", command).split())
    hidden = {"goss.yaml", "hints.md", "explain.md", "solve.md"}
    assert {"workshop.json", "meta.json", "content.md"} <= readable
    assert hidden <= everything
    assert not hidden & readable
    modes = hello.prints("script", "stat -c '%a %U' /workshop/steps/*/*.yaml /workshop")
    assert set(modes.splitlines()) == {"600 root", "755 root"}


def test_building_again_changes_nothing_and_is_quick(
    hello: Author, measured: dict[str, str]
) -> None:
    before = {step: hello.engine.inspect(f"{hello.image}:{step}")["Id"] for step in HELLO_STEPS}
    started = time.monotonic()
    images = hello.builds()
    took = time.monotonic() - started
    measured["build with nothing changed"] = f"{took:.1f} s (limit {QUICK_SECONDS:.0f})"
    assert all(image["cached"] for image in images.values())
    assert {step: images[step]["id"] for step in HELLO_STEPS} == before
    assert took < QUICK_SECONDS


def test_status_says_what_a_change_makes_stale(hello: Author) -> None:
    assert set(hello.states().values()) == {"built"}
    hello.writes("grep tomato", "grep -i tomato")
    try:
        assert list(hello.states().values()) == ["built"] * 4 + ["stale"] * 2
    finally:
        hello.writes("grep -i tomato", "grep tomato")
    assert set(hello.states().values()) == {"built"}


def test_a_base_without_anything_gets_all_that_a_step_needs(bare_trip: Author) -> None:
    """busybox and a static bash: no useradd, no libraries, no names of users."""
    bare_trip.builds()
    listing = "stat -c '%a %U %n' '/workspace/a $b' '/workspace/a $b/run.sh' /etc/motd *.txt"
    assert bare_trip.prints("1st", listing).splitlines() == [
        "755 student /workspace/a $b",
        "750 student /workspace/a $b/run.sh",
        "604 root /etc/motd",
        *(f"644 student {name}.txt" for name in ("home", "route", "umask", "unread", "where")),
        "644 student who.txt",
    ]
    found = bare_trip.prints(
        "1st", "tail -n 9 home.txt route.txt umask.txt unread.txt w*.txt"
    ).split("\n")
    values = [line for line in found if line and not line.startswith("==>")]
    assert values == [
        "student /home/student", '"scenic" $HOME \\ way', "0022", "/workspace", "student",
    ]  # fmt: skip
    assert 'ROUTE="scenic" $HOME \\ way' in bare_trip.config("third")["Env"]
    assert not any(
        entry.startswith(("USER=", "SHELL=")) for entry in bare_trip.config("1st")["Env"]
    )
    assert bare_trip.prints("start", "id student; ls -A /workspace") == (
        "uid=1000(student) gid=1000(student) groups=1000(student)"
    )
    with bare_trip.engine.running(f"{bare_trip.image}:1st") as container:
        assert container.ask("/api/state")[0] == 200
        assert container.checks_its_health()


def test_a_base_that_holds_the_platform_is_taken_as_it_is(trip: Author) -> None:
    trip.builds()
    base = trip.engine.inspect(f"localhost/workshop/debian:{version()}")["RootFS"]["Layers"]
    found = trip.engine.inspect(f"{trip.image}:start")["RootFS"]["Layers"]
    assert (found[: len(base)], len(found)) == (base, len(base) + 1)  # and the artifact


def test_a_failing_command_is_named_and_what_was_made_is_kept(trip: Author) -> None:
    failing = "for i in {1..20}; do echo line $i; done; echo why >&2; exit 3"
    trip.writes("echo $EPOCHREALTIME > made.txt", f"{failing}\n      - echo never")
    code, document = trip.tries()
    assert code == 80
    assert document["error"]["code"] == "invalid_workshop"
    said = document["data"]
    assert (said["step"], said["command"], said["exit"]) == ("second", failing, 3)
    lines = said["output"].splitlines()
    assert (len(lines), lines[-1]) == (12, "why")
    assert "Step second: the command `for i" in document["error"]["message"]
    assert list(trip.states().values()) == ["built", "built", "missing", "missing"]

    trip.writes("exit 3", "exit 0")
    images = trip.builds()
    assert [image["cached"] for image in images.values()] == [True, True, False, False]


def test_from_step_makes_it_and_all_after_it_anew(trip: Author) -> None:
    before = trip.builds()
    made = trip.prints("third", "cat made.txt")
    after = trip.builds("--from-step", "second")
    assert [before[step]["id"] == after[step]["id"] for step in before] == [
        True, True, False, False,
    ]  # fmt: skip
    assert trip.prints("third", "cat made.txt") != made
    assert trip.builds().keys() == {
        step for step, image in trip.builds().items() if image["cached"]
    }
    code, document = trip.tries("--from-step", "secnd")
    assert (code, "did you mean “second”?" in document["error"]["message"]) == (83, True)


def test_a_changed_text_runs_no_command_again(trip: Author, measured: dict[str, str]) -> None:
    before = trip.builds()
    made = trip.prints("third", "cat made.txt")
    trip.writes("Say hello.", "Say good morning.")
    assert set(trip.states().values()) == {"stale"}
    started = time.monotonic()
    after = trip.builds()
    measured["build with a changed text"] = f"{time.monotonic() - started:.1f} s for 4 images"
    assert set(trip.states().values()) == {"built"}
    for step, image in after.items():
        assert image["id"] != before[step]["id"]
        assert trip.prints(step, "cat /workshop/steps/1st/content.md") == "Say good morning."
        layers = [
            trip.engine.inspect(each["id"])["RootFS"]["Layers"] for each in (before[step], image)
        ]
        assert layers[0][:-1] == layers[1][:-1], "all but the last layer is shared"
    assert trip.prints("third", "cat made.txt") == made


def test_with_a_model_a_changed_command_runs_those_from_its_step_on(trip: Author) -> None:
    """Its guard finds the new solution in every image."""
    llm = "{provider: anthropic, model: m, apiKeyEnv: KEY}"
    trip.writes("base:", f"  llm: {llm}\nbase:")
    trip.writes("umask > umask.txt", "umask > umask.txt; echo $EPOCHREALTIME > first.txt")
    trip.builds()
    first = trip.prints("third", "cat first.txt")
    second = trip.prints("third", "cat made.txt")
    trip.writes("echo $EPOCHREALTIME > made.txt", "echo $EPOCHREALTIME | tee made.txt")
    trip.builds()
    assert trip.prints("third", "cat first.txt") == first
    assert trip.prints("third", "cat made.txt") != second
    for step in ("start", "1st", "second", "third"):
        assert "tee made.txt" in trip.prints(step, "cat /workshop/steps/second/solution.json")


def test_no_command_finds_the_solutions(trip: Author) -> None:
    trip.writes("echo $EPOCHREALTIME > made.txt", "ls -A /workshop > made.txt || true")
    trip.builds()
    assert "steps" not in trip.prints("third", "cat made.txt")
    assert "steps" in trip.prints("third", "ls -A /workshop")


def test_certificates_and_arguments_are_there_for_the_build_alone(
    trip: Author, tmp_path: Path
) -> None:
    """The whole image is searched, its history too."""
    (tmp_path / "ca.pem").write_text(f"{MARK}\n")
    (tmp_path / "ca.pem").chmod(0o600)
    looks = f'grep -c {MARK[:9]} "$CURL_CA_BUNDLE" "$SSL_CERT_FILE" > seen.txt'
    trip.writes("echo $EPOCHREALTIME > made.txt", f'{looks}; echo "$MIRROR" > mirror.txt')
    trip.builds("--ca-bundle", str(tmp_path / "ca.pem"), "--build-arg", "MIRROR=near")
    assert trip.prints("third", "cat seen.txt mirror.txt").splitlines()[-1] == "near"
    assert trip.prints("third", "grep -o '[0-9]$' seen.txt").split() == ["1", "1"]
    names = [entry.partition("=")[0] for entry in trip.config("third")["Env"]]
    assert not {"CURL_CA_BUNDLE", "SSL_CERT_FILE", "MIRROR"} & set(names)
    assert trip.prints("third", "ls -A / /run").count("ca.pem") == 0
    saved = tmp_path / "image.tar"
    trip.engine.call("save", "--output", str(saved), f"{trip.image}:third")
    assert MARK.encode() not in saved.read_bytes()


def test_what_is_missing_is_said_with_the_way_to_it(bare_trip: Author, tmp_path: Path) -> None:
    code, document = bare_trip.tries("--platform-image", "nowhere/platform:1")
    assert code == 83
    assert "Make it in a checkout of Workshop with: make images" in document["error"]["message"]

    with tarfile.open(tmp_path / "base.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("file"), io.BytesIO())
    base = f"{bare_trip.image}:without-bash"
    bare_trip.engine.call("import", str(tmp_path / "base.tar"), base)
    bare_trip.writes(BARE, base)
    code, document = bare_trip.tries()
    assert code == 80
    assert "has no /bin/bash: install bash in it" in document["error"]["message"]

    bare_trip.writes(base, "localhost/no/such:image")
    code, document = bare_trip.tries()
    assert code == 100
    assert "localhost/no/such:image is not on this computer" in document["error"]["message"]


def test_a_base_that_cannot_be_built_says_why(bare_trip: Author) -> None:
    bare_trip.writes(f"{{image: {BARE}}}", "{containerFile: machine/Containerfile}")
    (bare_trip.folder / "machine").mkdir()
    (bare_trip.folder / "machine/Containerfile").write_text(f"FROM {BARE}\nRUN echo why; exit 4\n")
    code, document = bare_trip.tries()
    assert code == 80
    assert (document["data"]["command"], document["data"]["exit"]) == ("RUN echo why; exit 4", 4)
    assert document["data"]["output"] == "why"


def test_pushed_images_have_the_digests_that_are_printed(
    new_author: Callable[[], Author], tmp_path: Path
) -> None:
    author = new_author()
    with serving() as registry:
        (tmp_path / "registries.conf").write_text(
            f'[[registry]]\nlocation = "{registry.address}"\ninsecure = true\n'
        )
        author.environment["CONTAINERS_REGISTRIES_CONF"] = str(tmp_path / "registries.conf")
        image = f"{registry.address}/team/trip"
        text = TRIP.replace("IMAGE", image).replace("BASE", BARE)
        (author.folder / "workshop.yaml").write_text(text)
        try:
            images = author.builds("--push")
        finally:
            author.engine.remove(image)
    pushed = registry.tags
    assert pushed == {f"team/trip:{step}": each["digest"] for step, each in images.items()}


def test_a_name_without_a_registry_cannot_be_pushed(trip: Author) -> None:
    trip.writes(f"image: {trip.image}", "image: team/trip")
    code, document = trip.tries("--push")
    assert code == 81
    assert "names no registry" in document["error"]["message"]

"""The platform images in real containers: what they hold, how they serve, what they keep secret."""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from host.engines.containers import CAPABILITIES
from tests.containers.conftest import BASES, MARKS
from tests.containers.engine import HOST_TOKEN, INSTRUCTOR_TOKEN, TOKENS, Container, Engine, version
from tests.goss_binary import ROOT
from tests.runtime.daemon import Page, wait

pytestmark = pytest.mark.timeout(1800)  # the first build takes minutes

STOP_SECONDS = 5.0
ADDED_BYTES = 150e6
IDLE_BYTES = 70e6
GOSS = ("/opt/workshop/bin/goss", "-g", "/opt/workshop/platform.yaml", "validate")
SECRETS = {"WORKSHOP_INSTRUCTOR_TOKEN": INSTRUCTOR_TOKEN, "WORKSHOP_HOST_TOKEN": HOST_TOKEN}
SHELLS_ESCAPES = (  # fault 27; each sleeps for a time of its own
    "nohup sleep {0}1 >/dev/null 2>&1 &",
    "setsid sleep {0}2 &",
    "sleep {0}3 & disown",
    "(setsid bash -c 'sleep {0}4 & exec sleep {0}5' &)",
    "( (env -i setsid sleep {0}7 >/dev/null 2>&1 &) &)",
    "bash -c 'trap \"\" HUP TERM INT; while :; do sleep {0}6; done' &",
)
# Each process's share of what it uses with others; all it uses where the kernel does not tell root.
MEMORY = """
import os, pathlib, re, resource
total = 0
for process in pathlib.Path('/proc').glob('[0-9]*'):
    if process.name == str(os.getpid()):
        continue
    try:
        rollup = (process / 'smaps_rollup').read_text()
        total += int(re.search(r'^Pss:\\s+(\\d+)', rollup, re.M)[1]) * 1024
    except PermissionError:
        total += int((process / 'statm').read_text().split()[1]) * resource.getpagesize()
print(total)
"""
TELL_DAEMON = """
import os, pathlib, signal
for path in pathlib.Path('/proc').glob('[0-9]*/cmdline'):
    if b'-IXutf8\\0/opt/workshop/bin/workshop-runtime' in path.read_bytes():
        os.kill(int(path.parent.name), signal.{0})
"""

ImageOn = Callable[[str], str]


def python(container: Container, code: str, user: str = "root") -> str:
    """What the platform's own Python prints in the container."""
    done = container.execute("/opt/workshop/bin/python3", "-IXutf8", "-c", code, user=user)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


async def prints(page: Page, command: str) -> None:
    """Type a command and wait until it has run."""
    mark = uuid.uuid4().hex[:8]
    await page.type(f"{command}\recho is-{mark[:4]}''{mark[4:]}\r")
    await page.sees(f"is-{mark}")


@pytest.mark.parametrize("base", BASES)
def test_every_image_satisfies_the_platforms_checks(
    engine: Engine, image_on: ImageOn, base: str
) -> None:
    """By the image's own goss; the bare base has nothing but busybox and bash, both static.

    An image may name folders of libraries for its own programs: the platform takes none of them.
    """
    settings = {"LD_LIBRARY_PATH": "/usr/lib/x86_64-linux-gnu:/usr/lib/aarch64-linux-gnu:/lib"}
    with engine.running(image_on(base), settings={**SECRETS, **settings}) as container:
        done = container.execute(*GOSS, "--format", "json", "--no-color")

    report = json.loads(done.stdout)
    assert [each["summary-line"] for each in report["results"] if not each["successful"]] == []
    assert report["summary"]["test-count"] > 80
    assert report["summary"]["skipped-count"] == 0
    assert done.returncode == 0


@pytest.mark.parametrize("base", BASES)
async def test_a_student_works_as_themselves_and_the_check_turns_green(
    engine: Engine, image_on: ImageOn, base: str
) -> None:
    """Shell, hook, command log, check and recording, on every base."""
    with engine.running(image_on(base)) as container:
        status, body = await asyncio.to_thread(container.ask, "/")
        assert (status, b"<script" in body) == (200, True)
        async with container.page() as page:
            await prints(page, "touch done; echo I-am-$(id -un)-in-$PWD")
            await page.sees("I-am-student-in-/workspace")
            status, body = await asyncio.to_thread(container.ask, "/api/steps/one/validate", "POST")
            assert (status, json.loads(body)["outcome"]) == (200, "passed")
            await asyncio.to_thread(
                wait, lambda: b"touch done" in container.ask("/api/commands")[1], "the command"
            )
        _, recordings = await asyncio.to_thread(container.ask, "/api/recordings")
        assert len(json.loads(recordings)) == 1


LEAST_CAPABILITIES = CAPABILITIES[:5]
READ_ONLY = (
    *("--read-only", "--tmpfs", "/tmp:mode=1777", "--tmpfs", "/run"),
    *("--volume", "/workspace", "--volume", "/home/student", "--volume", "/workshop/runtime"),
)


async def test_the_daemon_needs_few_rights_and_no_writable_root(
    engine: Engine, image_on: ImageOn
) -> None:
    """Five capabilities, none gained later, and a root file system that nothing can change."""
    few = ["--cap-drop=ALL", *(f"--cap-add={each}" for each in LEAST_CAPABILITIES)]
    options = (*few, "--security-opt=no-new-privileges", *READ_ONLY)
    with engine.running(image_on("bookworm"), *options) as container:
        async with container.page() as page:
            await prints(page, "touch done; echo I-am-$(id -un)")
            await page.sees("I-am-student")
            await prints(page, "touch /usr/x /opt/workshop/x; echo written-$(ls -d /*/x | wc -l)")
            await page.sees("written-0")
            await prints(page, "echo rights-$(grep ^CapEff /proc/self/status | tr -d '0\\t')-none")
            await page.sees("rights-CapEff:-none")
        status, body = await asyncio.to_thread(container.ask, "/api/steps/one/validate", "POST")
        assert (status, json.loads(body)["outcome"]) == (200, "passed")
        assert container.stop() < STOP_SECONDS
        assert container.state["ExitCode"] in (0, 143)


async def test_the_students_shell_inherits_nothing_of_the_platform(
    engine: Engine, image_on: ImageOn
) -> None:
    """No variable of it: a Python of the workshop would take the wrong libraries."""
    with engine.running(image_on("bookworm"), settings={"PYTHONPATH": "/nowhere"}) as container:
        async with container.page() as page:
            await prints(page, "env | grep -cE '^(LD_|PYTHONHOME)|opt/workshop' | sed s/^/found-/")
            await page.sees("found-0")
            await prints(page, "echo opened-$(ls /proc/self/fd | wc -l)")
            await page.sees("opened-4")  # the three, and the folder that ls reads


def test_the_tree_is_small(engine: Engine, platform_images: None, measured: dict[str, str]) -> None:
    added = engine.inspect(f"localhost/workshop/platform:{version()}")["Size"]
    measured["platform tree"] = f"{added / 1e6:.1f} MB (limit {ADDED_BYTES / 1e6:.0f})"
    assert added < ADDED_BYTES


def test_the_image_says_what_it_is(engine: Engine, platform_images: None) -> None:
    """The label by which the host knows it, the port, who starts, nothing of the build."""
    config = engine.inspect(f"localhost/workshop/debian:{version()}")["Config"]

    assert config["Labels"]["org.workshop.platform"] == version()
    assert config["Labels"]["org.opencontainers.image.version"] == version()
    assert list(config["ExposedPorts"]) == ["8080/tcp"]
    assert config["Entrypoint"] == [
        *("/opt/workshop/bin/tini", "-g", "--"),
        "/opt/workshop/bin/workshop-runtime",
    ]
    assert not config.get("User")
    assert {word.partition("=")[0] for word in config["Env"]} == {"PATH", "LANG", "WORKSHOP_ROOT"}


def test_the_build_leaves_nothing_of_itself(engine: Engine, platform_images: None) -> None:
    """No certificates of a proxy, no package lists, no secrets: the base, the tree, the account."""
    image = f"localhost/workshop/debian:{version()}"
    words = ("run", "--rm", "--network=none", "--entrypoint", "/bin/sh", image, "-c")
    found = engine.call(*words, "ls -d /run/secrets/* /src /packages /out /wheel 2>/dev/null; true")
    assert found == ""


def test_the_version_is_the_projects() -> None:
    text = (ROOT / "Containerfile").read_text()
    assert re.findall(r"^ARG VERSION=(.*)$", text, re.M) == [version()]


def test_an_image_without_a_workshop_says_so_in_one_sentence(
    engine: Engine, platform_images: None
) -> None:
    done = engine.run("run", "--rm", f"localhost/workshop/debian:{version()}")
    said = [line for line in done.stderr.splitlines() if not line.startswith("time=")]
    assert done.returncode == 80
    assert len(said) == 1
    assert said[0].startswith("/workshop/workshop.json: ")


def test_the_health_check_tells_a_daemon_that_answers_from_one_that_does_not(
    engine: Engine, image_on: ImageOn
) -> None:
    """Whatever port and names the settings say."""
    settings = {"WORKSHOP_ALLOWED_HOSTS": "lab.example,127.0.0.1"}
    with engine.running(image_on("bookworm"), settings=settings) as container:
        assert container.checks_its_health()
        python(container, TELL_DAEMON.format("SIGSTOP"))
        assert not container.checks_its_health()
        python(container, TELL_DAEMON.format("SIGCONT"))
        assert container.checks_its_health()


async def test_the_student_finds_no_token_and_no_answer(
    engine: Engine, image_on: ImageOn, tmp_path: Path
) -> None:
    """Fault 1: every readable file, every process, every descriptor, from the student's shell."""
    control = f"readable-{uuid.uuid4().hex}"
    (tmp_path / "control").write_text(control)
    words = " ".join(word[::-1] for word in (*TOKENS, *MARKS.values(), control))
    with engine.running(image_on("bookworm"), settings=SECRETS) as container:
        container.copy_in(tmp_path / "control", "/workspace/control")
        container.copy_in(Path(__file__).parent / "search.py", "/workspace/search.py")
        async with container.page() as page:
            await page.type(
                f"/opt/workshop/bin/python3 -I search.py {words} >/tmp/report; echo is-''over\r"
            )
            await page.sees("is-over")
        container.copy_out("/tmp/report", tmp_path / "report")

    report = json.loads((tmp_path / "report").read_text())
    assert report["uid"] == 1000
    assert report["read"] > 1000
    assert report["memories"] == 1  # the shell's own
    assert report["found"] == [["/workspace/control", control]]


async def test_a_stop_ends_everything_and_the_logs_are_whole(
    engine: Engine, image_on: ImageOn, tmp_path: Path, measured: dict[str, str]
) -> None:
    """Faults 18 and 27: shells that hide their children, a flood of output, a page attached."""
    mark = f"{uuid.uuid4().int % 10**7 + 10**7}."
    with engine.running(image_on("bookworm")) as container:
        async with container.page() as page:
            for escape in SHELLS_ESCAPES:
                await prints(page, escape.format(mark))
            sleepers = len(SHELLS_ESCAPES) + 1
            await asyncio.to_thread(wait, lambda: len(sleeping(mark)) == sleepers, "the sleepers")
            await page.type("yes flood\r")
            await page.sees("flood\r\nflood")
            took = await asyncio.to_thread(container.stop)
        assert took < STOP_SECONDS
        assert container.state["ExitCode"] in (143, 0)
        assert sleeping(mark) == []
        container.copy_out("/workshop/runtime", tmp_path / "runtime")

    measured["stop, with a flood and hidden children"] = f"{took:.2f} s (limit {STOP_SECONDS:.0f})"
    for path in [*tmp_path.glob("runtime/*.cast"), *tmp_path.glob("runtime/*.jsonl")]:
        for line in path.read_bytes().splitlines(keepends=True):
            assert line.endswith(b"\n")
            json.loads(line)
    events = (tmp_path / "runtime/state-events.jsonl").read_text().splitlines()
    assert json.loads(events[-1])["event"] == "session_stopped"


def sleeping(mark: str) -> list[str]:
    """Command lines on this machine, its containers included, that sleep for a marked time."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if words[0] == "sleep" and words[1].startswith(mark):
            found.append(" ".join(words))
    return found


@pytest.mark.parametrize(
    ("attack", "command", "sign"),
    [
        ("fork bomb", "bomb() { bomb | bomb & }; bomb", "Resource temporarily unavailable"),
        ("memory hog", "/opt/workshop/bin/python3 -c 'bytearray(b\"x\") * (1 << 30)'", "Killed"),
    ],
)
async def test_the_daemon_answers_whatever_the_shell_does(
    engine: Engine,
    image_on: ImageOn,
    attack: str,
    command: str,
    sign: str,
    measured: dict[str, str],
) -> None:
    """Fault 29: the container has limits, and the daemon is not what the kernel takes first."""
    limits = ("--pids-limit=256", "--memory=512m")
    with engine.running(image_on("bookworm"), *limits) as container:
        async with container.page() as page:
            await page.type(f"{command}\r")
            await page.sees(sign)
            times = []
            for _ in range(40):
                asked = time.monotonic()
                status, _ = await asyncio.to_thread(container.ask, "/api/state")
                times.append(time.monotonic() - asked)
                assert status == 200
                await asyncio.sleep(0.05)
        assert container.state["Running"]
        took = await asyncio.to_thread(container.stop)
        assert took < STOP_SECONDS
    measured[f"answer during a {attack}"] = f"slowest of 40: {max(times) * 1e3:.0f} ms"


def test_it_starts_quickly_and_needs_little_memory(
    engine: Engine, image_on: ImageOn, measured: dict[str, str]
) -> None:
    """From the container's start to /readyz, and what all its processes need then."""
    image = image_on("bookworm")
    times = []
    for _ in range(5):
        with engine.running(image) as container:
            ready = time.time()
            started = re.sub(r"(\.\d{6})\d*", r"\1", container.state["StartedAt"])
            times.append(ready - datetime.fromisoformat(started).timestamp())
            memory = int(python(container, MEMORY))

    measured["container start to ready"] = (
        f"{statistics.median(times) * 1e3:.0f} ms, {min(times) * 1e3:.0f} to "
        f"{max(times) * 1e3:.0f} (target 500)"
    )
    measured["idle memory"] = f"{memory / 1e6:.1f} MB (limit {IDLE_BYTES / 1e6:.0f})"
    assert memory < IDLE_BYTES

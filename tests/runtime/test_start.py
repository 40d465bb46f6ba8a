"""A start that cannot succeed: one exit code and one sentence with the fix."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pytest

from tests.goss_binary import ROOT
from tests.runtime.daemon import (
    START_SECONDS,
    command,
    environ,
    family,
    make_root,
    refused,
    running,
)

ALONE = ["unshare", "--user", "--map-root-user", "--mount"]  # root of nothing but itself
SECRET = "canary-0123456789"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path)


def needs_namespaces() -> None:
    if subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine lets nobody make a user namespace")


def is_one_sentence(text: str) -> bool:
    return text.endswith(".\n") and text.count("\n") == 1 and "Traceback" not in text


def test_a_second_daemon_is_told_who_holds_the_directory(root: Path) -> None:
    """Fault 33."""
    with running(root) as first:
        boot = first.events_bytes()
        code, said = refused(root)
        assert code == 86
        assert f"process {first.pid}" in said
        assert str(root / "runtime") in said
        assert said.endswith("Stop it first, or give this one a runtime directory of its own.\n")
        assert first.events_bytes() == boot
        assert first.ask("/readyz")["ready"]
        first.kill()
        with running(root) as next_one:
            assert next_one.pid != first.pid


def test_of_daemons_that_start_at_once_one_holds_the_directory(root: Path) -> None:
    """Fault 33: whoever comes first, and the others name it."""
    with ThreadPoolExecutor() as others, running_one_of(root, 4, others) as (holder, refusals):
        assert {code for code, _ in refusals} == {86}
        assert all(f"process {holder}" in said for _, said in refusals)
        events = (root / "runtime/state-events.jsonl").read_text()
        assert events.count('"event":"session_started"') == 1


@contextmanager
def running_one_of(
    root: Path, count: int, pool: ThreadPoolExecutor
) -> Iterator[tuple[int, list[tuple[int, str]]]]:
    """So many daemons started together: the process that stays, how the others ended."""
    daemons = [
        subprocess.Popen(
            command(()), cwd=ROOT, env=environ(root), stderr=subprocess.PIPE, text=True
        )
        for _ in range(count)
    ]
    ends = {pool.submit(each.communicate): each for each in daemons}
    try:
        gone = list(islice(as_completed(ends, START_SECONDS), count - 1))
        [holder] = [each.pid for end, each in ends.items() if end not in gone]
        yield holder, [(ends[end].returncode, end.result()[1]) for end in gone]
    finally:
        for each in daemons:
            each.terminate()


async def test_what_a_killed_daemon_leaves_running_holds_no_directory(root: Path) -> None:
    """Fault 33: its lock is in no shell, no check and nothing that they start."""
    with running(root) as first:
        async with first.page() as page:
            await page.type("(trap '' HUP TERM; nohup setsid sleep 600.125 >/dev/null 2>&1 &)\r")
            await page.type("echo is-$((6 * 7))\r")
            await page.sees("is-42")
            lock = (root / "runtime/.lock").stat().st_ino
            holders = {pid for pid in family(first.pid, str(root)) if lock in open_files(pid)}
            assert holders == {first.pid}
            first.kill()
        with running(root) as second:
            assert second.ask("/readyz")["ready"]


def open_files(pid: int) -> set[int]:
    """Their inodes."""
    return {path.stat().st_ino for path in Path(f"/proc/{pid}/fd").iterdir() if path.exists()}


def test_a_read_only_volume_is_refused(root: Path) -> None:
    """Fault 46: mounted read-only, as the kernel says it."""
    needs_namespaces()
    volume = str(root / "runtime")
    mounted = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    code, said = refused(root, [*ALONE, "sh", "-c", mounted, volume])
    assert code == 82
    assert said == (
        f"{volume} cannot be written (Read-only file system); to mend it, mount it writable.\n"
    )


@pytest.mark.parametrize("what", ["directory", "state-events.jsonl", "command-log.jsonl"])
def test_a_volume_of_somebody_else_is_refused(root: Path, what: str) -> None:
    """Fault 46: the wrong owner, whom a root without power over other users cannot overrule."""
    volume = root / "runtime"
    target = volume if what == "directory" else volume / what
    if what != "directory":
        target.touch()
    prefix = []
    if os.geteuid() == 0:
        needs_namespaces()
        prefix = ALONE
        os.chown(target, 12345, 12345)
    target.chmod(0o500 if what == "directory" else 0o400)
    code, said = refused(root, prefix)
    assert code == 82
    assert is_one_sentence(said)
    assert f"to mend it, run `chown -R {os.geteuid()} {volume}" in said


def test_a_full_volume_is_refused(root: Path) -> None:
    """Fault 46, and 10 at the start."""
    needs_namespaces()
    filled = (
        'mount -t tmpfs -o size=64k none "$0" && '
        '{ head -c 1M /dev/zero >"$0/filler" 2>/dev/null || :; } && exec "$@"'
    )
    code, said = refused(root, [*ALONE, "sh", "-c", filled, str(root / "runtime")])
    assert code == 103
    assert said == "The disk is full; nothing was changed. Free some space and try again.\n"


@pytest.mark.parametrize("what", ["folder", "link", "pipe"])
def test_something_else_in_the_place_of_the_event_log_is_named(root: Path, what: str) -> None:
    log = root / "runtime" / "state-events.jsonl"
    if what == "folder":
        log.mkdir()
    elif what == "pipe":
        os.mkfifo(log)
    else:
        log.symlink_to("/etc/passwd")
    code, said = refused(root)
    assert code == 103
    assert is_one_sentence(said)
    assert said.startswith(f"{log} cannot be used: ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WORKSHOP_PORT", "eighty"),
        ("WORKSHOP_PORT", "65536"),
        ("WORKSHOP_HOST", "no-such-host.invalid"),
        ("WORKSHOP_HOST", "192.0.2.1"),
        ("WORKSHOP_GOSS_INTERVAL", "-1"),
        ("WORKSHOP_GOSS_TIMEOUT", "nan"),
        ("WORKSHOP_GOSS_TIMEOUT", "inf"),
        ("WORKSHOP_RECORD", "sometimes"),
        ("WORKSHOP_LOG_LEVEL", "loud"),
        ("WORKSHOP_STEP", "nowhere"),
        ("WORKSHOP_MANAGEMENT_URL", "javascript:alert(1)"),
        ("WORKSHOP_SHELL_PREFIX", "not json"),
        ("WORKSHOP_STUDENT_TOKEN", "canary-"),
        ("WORKSHOP_HOST_TOKEN", f"{SECRET}\N{LATIN SMALL LETTER E WITH ACUTE}"),
        ("WORKSHOP_STUDENT_TOKEN_FILE", "/no/such/file"),
    ],
)
def test_a_wrong_setting_is_named(root: Path, name: str, value: str) -> None:
    code, said = refused(root, **{name: value})
    assert code == 81
    assert said.count("\n") == 1
    assert name in said
    assert "canary" not in said


def test_a_taken_port_is_named(root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        code, said = refused(root, WORKSHOP_PORT=str(port))
    assert code == 81
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in said


def without_name(root: Path) -> None:
    definition = json.loads((root / "workshop.json").read_text())
    del definition["name"]
    (root / "workshop.json").write_text(json.dumps(definition))


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no tree": (lambda root: (root / "workshop.json").unlink(), "workshop.json"),
    "not JSON": (lambda root: (root / "workshop.json").write_text("{"), "workshop.json"),
    "not UTF-8": (lambda root: (root / "workshop.json").write_bytes(b'{"\xff'), "workshop.json"),
    "nested": (lambda root: (root / "workshop.json").write_text("[" * 10**6), "workshop.json"),
    "a field less": (without_name, "name: expected"),
    "no step file": (lambda root: (root / "steps/two/meta.json").unlink(), "two/meta.json"),
    "no text": (lambda root: (root / "steps/one/content.md").unlink(), "one/content.md"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_workshop_is_refused_in_one_sentence(root: Path, what: str) -> None:
    damage, named = BROKEN[what]
    damage(root)
    code, said = refused(root)
    assert code == 80
    assert said.count("\n") == 1
    assert named in said
    assert not list((root / "runtime").iterdir())


def test_no_inotify_is_said_and_the_commands_still_come(root: Path) -> None:
    """Fault 36: polling within 2 s, said in readyz."""
    needs_namespaces()
    limit = 'echo 0 >/proc/sys/user/max_inotify_instances && exec "$@"'
    with running(root, [*ALONE, "sh", "-c", limit, "sh"]) as daemon:
        ready = daemon.ask("/readyz")
        assert [each["code"] for each in ready["problems"]] == ["commands_polled"]
        line = b'{"ts":"2026-01-31T14:22:01.123Z","cmd":"typed","exit":0}\n'
        log = root / "runtime/command-log.jsonl"
        with log.open("ab") as file:
            file.write(line)
        written = time.monotonic()
        while "typed" not in str(daemon.ask("/api/commands")):
            assert time.monotonic() - written < 2


def test_an_installation_without_its_api_ends_and_says_why(root: Path, tmp_path: Path) -> None:
    """What is loaded after the start is no less needed."""
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "sse_starlette.py").write_text("raise ImportError('this file is damaged')\n")
    code, said = refused(root, PYTHONPATH=str(broken))
    assert code == 104
    assert "this file is damaged" in said

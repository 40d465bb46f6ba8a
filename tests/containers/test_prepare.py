"""What `workshop-prepare` makes of the bases that cannot be fetched everywhere."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.containers.engine import Engine, version

pytestmark = pytest.mark.timeout(1800)  # the first build takes minutes

# Runs in a container as root: a base of files alone, prepared twice, printed as JSON.
BASE = """
import json, os, pathlib, subprocess, sys
given = json.loads(sys.argv[1])
root = pathlib.Path('/base')
for name, text in given.items():
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
runs = []
for _ in range(2):
    done = subprocess.run(
        ['/opt/workshop/bin/workshop-prepare', root], capture_output=True, text=True)
    runs.append({
        'code': done.returncode, 'said': done.stderr,
        'files': {str(path.relative_to(root)): path.read_text(errors='replace')
            for path in sorted(root.rglob('*')) if path.is_file()},
        'owners': {str(path.relative_to(root)): [path.lstat().st_uid, path.lstat().st_gid,
            oct(path.lstat().st_mode & 0o7777)] for path in sorted(root.rglob('*'))},
    })
assert runs[0] == runs[1], runs
print(json.dumps(runs[0]))
"""
LINE = (
    "[ ! -r /opt/workshop/workshop-platform.bashrc ] || . /opt/workshop/workshop-platform.bashrc\n"
)


def prepared(engine: Engine, files: dict[str, str]) -> dict[str, Any]:  # Any: a JSON document
    """The base after two runs, which must give the same."""
    image = f"localhost/workshop/debian:{version()}"
    words = ("run", "--rm", "--network=none", "--entrypoint", "/opt/workshop/bin/python3")
    done = engine.call(*words, image, "-I", "-c", BASE, json.dumps(files))
    found: dict[str, Any] = json.loads(done)
    return found


@pytest.mark.parametrize(
    ("bash", "bashrc"),
    [
        ("/etc/bash.bashrc", "etc/bash.bashrc"),  # Debian, Ubuntu, openSUSE, Arch
        ("/etc/bash/bashrc", "etc/bash/bashrc"),  # Alpine
        ("", "etc/bashrc"),  # Fedora and its family: each home's bashrc sources it
    ],
)
def test_the_line_goes_where_this_bash_looks(
    engine: Engine, platform_images: None, bash: str, bashrc: str
) -> None:
    found = prepared(engine, {"bin/bash": f"ELF\0{bash}\0", bashrc: "# as it was"})
    assert found["files"][bashrc] == f"# as it was\n{LINE}"
    assert found["owners"][bashrc] == [0, 0, "0o644"]
    homes = found["files"].get("home/student/.bashrc", "")
    assert ("/etc/bashrc" in homes) == (bashrc == "etc/bashrc")


def test_a_skeleton_that_sources_the_systems_bashrc_is_left_as_it_is(
    engine: Engine, platform_images: None
) -> None:
    skeleton = "if [ -f /etc/bashrc ]; then . /etc/bashrc; fi\n"
    found = prepared(engine, {"bin/bash": "ELF", "etc/skel/.bashrc": skeleton})
    assert found["files"]["home/student/.bashrc"] == skeleton
    assert found["owners"]["home/student/.bashrc"][:2] == [1000, 1000]


def test_whoever_had_the_number_or_the_name_is_no_more(
    engine: Engine, platform_images: None
) -> None:
    """The base of Ubuntu has a user of its own with the uid 1000 and the right to sudo."""
    found = prepared(
        engine,
        {
            "bin/bash": "ELF\0/etc/bash.bashrc\0",
            "etc/passwd": "root:x:0:0:root:/root:/bin/bash\n"
            "ubuntu:x:1000:1000:Ubuntu:/home/ubuntu:/bin/bash\n"
            "student:x:1007:100::/nowhere:/bin/false\n"
            "www-data:x:33:33::/var/www:/usr/sbin/nologin\n",
            "etc/group": "root:x:0:\nsudo:x:27:ubuntu,admin\nubuntu:x:1000:\nusers:x:100:student\n",
            "etc/shadow": "root:*:1:0:99999:7:::\nubuntu:!:1:0:99999:7:::\n",
        },
    )
    files = found["files"]
    assert files["etc/passwd"].splitlines() == [
        "root:x:0:0:root:/root:/bin/bash",
        "www-data:x:33:33::/var/www:/usr/sbin/nologin",
        "student:x:1000:1000:Student:/home/student:/bin/bash",
    ]
    assert files["etc/group"].splitlines() == [
        *("root:x:0:", "sudo:x:27:admin", "users:x:100:", "student:x:1000:"),
    ]
    assert files["etc/shadow"].splitlines() == [
        "root:*:1:0:99999:7:::",
        "student:!::0:99999:7:::",
    ]
    assert found["owners"]["workspace"] == [1000, 1000, "0o755"]
    assert found["owners"]["tmp"] == [0, 0, "0o1777"]


def test_a_base_without_bash_is_refused_with_what_to_do(
    engine: Engine, platform_images: None
) -> None:
    found = prepared(engine, {"bin/sh": "ELF"})
    assert found["code"] == 1
    assert found["said"].startswith("The base has no /bin/bash: install bash in it")

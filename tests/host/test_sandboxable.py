"""What the embedded engine cannot do is said before it is tried, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.sandboxable import check
from host.shellwords import simple_commands
from host.spec import load
from tests.host.test_spec import SMALL, workshop


def refused(root: Path, *commands: str, more: str = "") -> list[str]:
    text = SMALL + "".join(f"    {line}\n" for line in more.splitlines() if line)
    if commands:
        text += "    commands:\n" + "".join(f"      - {json.dumps(word)}\n" for word in commands)
    return [fault.message for fault in check(load(workshop(root, text)))]


FITTING = [
    "mkdir -p notes && echo hi > notes/today.txt",
    "echo 'sudo apt install' > how-to.txt",
    "grep -r sudo /etc > found.txt 2>/dev/null || true",
    "cp /etc/passwd .",
    "cp -r /usr/share/doc/bash /workspace/doc",
    "cat <<'EOF' > script.sh\nsudo apt-get install x\nrm -rf /etc\nEOF",
    "cat > a.txt <<EOF\nmount /dev/sda\nEOF\necho done",
    "# sudo is only talked about",
    "echo one # sudo apt",
    "printf '%s\\n' a b >> /home/student/list",
    "mkdir ~/notes && mv ~/a ~/b",
    "tar -xf /usr/share/x.tar -C /workspace",
    "sed -i 's/a/b/' file.txt",
    "git clone https://example.org/x.git",
    'git config --global user.name "$(whoami)"',
    "for i in 1 2 3; do touch file-$i; done",
    "test -e /etc/shadow && ls / > /tmp/list",
    "chmod 600 secret && chown student:student secret",
    "dpkg -l bash > version; rpm -q bash; npm install",
    'python3 -c \'open("/workspace/x", "w")\'',
    "ln -s /etc/hostname link",
    "dd if=/dev/zero of=zero bs=1 count=1",
    "echo $((1 > 2)) 2>&1 >&2",
    "tee out.txt < /etc/hostname",
    "X=1 env Y=2 make install PREFIX=/workspace",
    'touch "$HOME/x" $DIR/y',
    "docker-compose-like-name --version || ./sudo.sh",
]


@pytest.mark.parametrize("command", FITTING)
def test_a_command_that_stays_in_its_place_is_left_alone(command: str, tmp_path: Path) -> None:
    assert refused(tmp_path, command) == []


UNFIT = {
    "sudo ls": "needs root (sudo)",
    "apt-get install -y git": "installs software (apt-get)",
    "cd /workspace && apt install git": "installs software (apt)",
    "DEBIAN_FRONTEND=noninteractive apt-get update": "installs software (apt-get)",
    "env A=b nohup /usr/bin/dnf install git": "installs software (dnf)",
    "true; if true; then yum install x; fi": "installs software (yum)",
    "echo $(apk add git)": "installs software (apk)",
    'echo "`pacman -S git`"': "installs software (pacman)",
    "bash -c 'apt-get install git'": "installs software (apt-get)",
    "dpkg -i x.deb": "installs software (dpkg)",
    "npm install -g cowsay": "installs software (npm)",
    "systemctl start nginx": "needs the system's services (systemctl)",
    "service cron start || true": "needs the system's services (service)",
    "mount -t tmpfs none /mnt": "changes devices or mounts (mount)",
    "mkfs.ext4 disk.img": "changes devices or mounts (mkfs.ext4)",
    "useradd bob": "changes users or groups (useradd)",
    "iptables -L": "changes the kernel or the network (iptables)",
    "docker run x": "needs a container engine (docker)",
    "chown root file": "gives files to another user (chown)",
    "echo x > /etc/motd": "writes to /etc/motd",
    "echo x 2>>/var/log/x": "writes to /var/log/x",
    "echo x &> /opt/x": "writes to /opt/x",
    "cat <<EOF > /etc/motd\nhello\nEOF": "writes to /etc/motd",
    "cp a.txt /etc/": "writes to /etc/",
    "cp -t /usr/local/bin a b": "writes to /usr/local/bin",
    "install --target-directory=/usr/bin x": "writes to /usr/bin",
    "mv a /srv/b": "writes to /srv/b",
    "mkdir -p /srv/app": "writes to /srv/app",
    "rm -rf /etc/nginx": "writes to /etc/nginx",
    "touch /workspace/../etc/x": "writes to /workspace/../etc/x",
    "echo x | tee /etc/x": "writes to /etc/x",
    "sed -i s/a/b/ /etc/hosts": "writes to /etc/hosts",
    "tar xf a.tar -C /opt": "writes to /opt",
    "curl -o /usr/local/bin/x https://example.org": "writes to /usr/local/bin/x",
    "dd if=/dev/zero of=/dev/sda": "writes to /dev/sda",
    "git clone https://example.org/x /opt/x": "writes to /opt/x",
    "ln -s a /usr/bin/a": "writes to /usr/bin/a",
    "mkdir /workspacex": "writes to /workspacex",
    "'su''do' ls": "needs root (sudo)",
    "(cd x; reboot)": "changes the kernel or the network (reboot)",
    "a=$(mktemp) && cp $a /etc/x": "writes to /etc/x",
}


@pytest.mark.parametrize("command", UNFIT)
def test_a_command_that_needs_more_is_refused_in_a_sentence(command: str, tmp_path: Path) -> None:
    shown = " ".join(command.split())
    assert refused(tmp_path, "true", command) == [
        f"step “one”: the command “{shown}” {UNFIT[command]}, which the embedded engine cannot "
        "do; use a container engine or change the command"
    ]


def test_files_outside_the_kept_folders_are_refused(tmp_path: Path) -> None:
    files = "files:\n" + "".join(
        f"- {{path: {path}, content: x}}\n"
        for path in ("/workspace/a", "/home/student/.vimrc", "/etc/motd", "/tmp/a", "/home/other/x")
    )
    assert refused(tmp_path, more=files) == [
        f"step “one” writes the file {path}, but the embedded engine keeps only /workspace and "
        "/home/student; use a container engine or another path"
        for path in ("/etc/motd", "/tmp/a", "/home/other/x")
    ]


def test_another_user_or_working_folder_is_refused(tmp_path: Path) -> None:
    text = SMALL.replace("demo}", "demo, terminal: {user: root, workdir: /srv}}")
    assert [fault.message for fault in check(load(workshop(tmp_path, text)))] == [
        "the embedded engine's shell runs as student, never as root; use a container engine or "
        "write “user: student”",
        "the embedded engine has no /srv; use a container engine or a folder in /workspace",
    ]


PIECES = st.sampled_from(
    [
        "'",
        '"',
        "\\",
        "`",
        "$(",
        ")",
        "(",
        "<<E",
        "<<-",
        "\nE\n",
        ">",
        ">&",
        "|",
        ";",
        "#",
        "$",
        " a ",
    ]
)


@given(text=st.lists(PIECES, max_size=30).map("".join))
def test_any_text_can_be_looked_at(text: str) -> None:
    list(simple_commands(text))


def test_deep_substitutions_end() -> None:
    list(simple_commands("$(" * 5000))
    list(simple_commands("`" * 5000))
    list(simple_commands("bash -c " * 500))

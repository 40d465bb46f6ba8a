"""Secrets in commands are taken out; everything else stays as it was typed."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.domain.redaction import MASK, redact

SECRET = "hunter2-Zq9"

WITH_SECRETS = [
    f"mysql -u root -p{SECRET} shop",
    f"export DB_PASSWORD={SECRET}",
    f"PGPASSWORD='{SECRET} with spaces' psql",
    f"curl -u me:{SECRET} https://example.com",
    f"curl -H 'Authorization: Bearer {SECRET}' https://example.com",
    f"git clone https://me:{SECRET}@example.com/repo.git",
    f"tool --password {SECRET} --verbose",
    f"tool --api-key={SECRET}",
    f"sshpass -p {SECRET} ssh host",
    f"echo '-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}",
    f'curl -d \'{{"token": "{SECRET}"}}\' https://example.com',
    f'curl -d "{{\\"token\\": \\"{SECRET}\\"}}" https://example.com',
    f'curl -d data="password={SECRET}" https://example.com',
    f"curl -H 'Cookie: session={SECRET}; theme=dark' https://example.com",
    f"curl -H 'X-Api-Key: {SECRET}' https://example.com",
    f"curl --user=me:{SECRET} https://example.com",
    f"curl 'https://example.com/blob?sig={SECRET}&v=1'",
    f"http -a me:{SECRET} GET example.com",
    f"http example.com Authorization:'Bearer {SECRET}'",
    f"git clone https://me:p@{SECRET}@example.com/repo.git",
    f"redis-cli -u redis://:{SECRET}@cache:6379",
    f"redis-cli -a {SECRET} ping",
    f"docker login -u me -p {SECRET} example.com",
    f"echo {SECRET} | docker login --password-stdin",
    f"echo '{SECRET}' | sudo -S ls",
    f"echo 'me:{SECRET}' | sudo chpasswd",
    f"sudo passwd --stdin me <<< '{SECRET}'",
    f'bash -c "mysql -p{SECRET}"',
    f"ssh host 'cd /srv && sshpass -p {SECRET} scp a b:'",
    f"echo don't; mysql -p{SECRET}",
    f"kubectl create secret generic db --from-literal=key={SECRET}",
    f"aws configure set aws_secret_access_key {SECRET}",
    f"openssl rsa -in key.pem -passin pass:{SECRET}",
    f"smbclient -U me%{SECRET} //host/share",
    f"psql -c \"alter user me password '{SECRET}'\"",
    f"mysql -e 'create user a identified by \"{SECRET}\"'",
    f"htpasswd -nb me {SECRET}",
    f"export A_PASS={SECRET}",
    f"MYSQL_PWD={SECRET} mysql",
    f"tool --pass {SECRET}",
    f"zip -P {SECRET} a.zip a",
    f"vault login {SECRET}",
    f'echo "password = {SECRET} and no end',
    f"sudo -u postgres mysql -p{SECRET}",
    f"timeout 5 mysql -p{SECRET}",
    f"docker exec -it db mysql -uroot -p{SECRET} shop",
    f"kubectl exec pod -- /usr/bin/mysql -p{SECRET}",
    f"if mysql -p{SECRET}; then ls; fi",
    f"for i in 1 2; do mysql -p{SECRET}; done",
    f"! mysql -p{SECRET}",
    f"cat hosts | xargs -n1 sshpass -p {SECRET} ssh",
    f"gh auth login --with-token <<< {SECRET}",
    f"ssh-keygen -t ed25519 -N '{SECRET} and more' -f key",
    f"keytool -list -keystore a -storepass {SECRET}",
    f"wpa_passphrase home {SECRET}",
    f"curl --oauth2-bearer {SECRET} https://example.com",
    f"curl --cookie session={SECRET} https://example.com",
    f"curl -b session={SECRET} https://example.com",
    f"curl -b'session={SECRET}; theme=dark' https://example.com",
    f"sqlplus me/{SECRET}@db",
    f"sqlplus -S me/{SECRET}",
    f"mc alias set store https://example.com me {SECRET}",
    f"rclone config create store s3 secret_access_key {SECRET}",
    f"twine upload -u me -p {SECRET} dist/*",
    f"DBPASS={SECRET}",
    f"pw={SECRET}",
    f"git clone https://{SECRET}0123456789@example.com/repo.git",
]
KEYS = [
    "sk-ant-api03-abcdefghijklmnopqrstuvwxyz",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "xoxb-123456789012-abcdefghijkl",
    "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789",
    "sk_live_abcdefghijklmnop",
    "glpat-abcdefghijklmnopqrst",
    "AIzaSyA-abcdefghijklmnopqrstuvwxyz01234",
    "npm_abcdefghijklmnopqrstuvwxyz0123456789",
    "hf_abcdefghijklmnopqrstuvwxyz01234567",
    "SG.abcdefghijklmnopqrstuv.abcdefghijklmnopqrstuv",
    "hvs.abcdefghijklmnopqrstuvwxyz",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abcdefghijklmnop",
    "123456789:AAabcdefghijklmnopqrstuvwxyz0123456",
]
HARMLESS = [
    "ls -la --sort=size",
    "git commit -m 'Explain the password prompt'",
    "mkdir -p a/b/c",
    "cp -p notes.txt tokens/",
    "curl https://example.com:8080/path@2x.png",
    "ps -p 42",
    "curl -b cookies.txt https://example.com",
    "sqlplus me@db",
    "sqlplus / as sysdba",
    "docker run -p 80:80 nginx",
    "mysql -u root -p shop",
    "grep -r password .",
    "cat /etc/passwd | cut -d: -f1",
    "kubectl get secret db -o yaml",
    "git config user.name token",
    "cd token; ls",
    "export PWD=/tmp TOKENS_FILE_PATH=/x",
    "echo $((1 + 2)) > secrets.txt",
]


@pytest.mark.parametrize("command", WITH_SECRETS)
def test_a_secret_in_a_command_is_taken_out(command: str) -> None:
    """Fault 45."""
    assert SECRET not in redact(command)
    assert MASK in redact(command)


@pytest.mark.parametrize("key", KEYS)
def test_a_providers_key_is_taken_out_wherever_it_stands(key: str) -> None:
    """Fault 45."""
    assert redact(f"export X={key}; echo done") == f"export X={MASK}; echo done"


@pytest.mark.parametrize("command", HARMLESS)
def test_what_is_no_secret_stays(command: str) -> None:
    assert redact(command) == command


def test_what_a_cut_command_may_have_begun_is_taken_out() -> None:
    """Fault 45."""
    command = f"git clone https://me:{SECRET}"
    assert redact(command) == command  # a port, for all that is known
    assert SECRET not in redact(command, cut=True)


PIECES = st.sampled_from(
    [
        "sk-",
        "eyJ",
        "-----BEGIN ",
        " PRIVATE KEY-----",
        "password",
        "=",
        ": ",
        "'",
        '"',
        "\\",
        "$(",
        "://",
        "@",
        ":",
        "mysql -p",
        "curl -u ",
        "<<<",
        "|",
        ";",
        "token ",
        "--secret ",
        "\n",
        "é",
        "\0",
    ]
)


@given(st.one_of(st.text(max_size=300), st.lists(PIECES, max_size=60).map("".join)))
def test_any_text_can_be_redacted(text: str) -> None:
    assert isinstance(redact(redact(text, cut=True)), str)


@pytest.mark.parametrize(
    "piece",
    [
        "sk-",
        "eyJ",
        "SG.",
        "a.b",
        "-----BEGIN ",
        "password",
        'password="',
        "token= ",
        "a://b:",
        "x@",
        "'\"",
        '\\"',
        "mysql -p ",
        "curl -u a:",
        "$(",
        "authorization:",
        "a",
        " ",
        "'a b",
        "\"a 'b ",
    ],
)
def test_time_is_linear_in_the_length_whatever_the_text(piece: str) -> None:
    """Fault 45: a line of 64 KiB must not hold the daemon up."""

    def seconds(size: int) -> float:
        text = (piece * (size // len(piece) + 1))[:size]
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            redact(text)
            best = min(best, time.process_time() - start)
        return best

    assert seconds(64 * 1024) < max(0.05, 16 * seconds(8 * 1024))  # quadratic would be 64 times

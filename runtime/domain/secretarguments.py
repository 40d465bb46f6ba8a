"""Secrets that only their place on a command line tells: `mysql -pX`, `docker login -p X`.

The text is read as a shell reads it, roughly: words with their quotes, commands between `|`, `;`
and `&`. What stands in quotes may be a command line itself (`ssh host '…'`) and is read again.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

MAX_DEPTH = 4  # of command lines within command lines
MAX_PROGRAMS = 4  # that one command may start: `timeout 5 docker exec db mysql -pX`

Span = tuple[int, int]

_TOKEN = re.compile(
    r"(?P<pipe>\|(?!\|))|(?P<end>[|;&\n`)]|\$\()|(?P<here><<<)"
    r"""|(?P<word>(?:'[^']*+'?|"(?:\\.|[^"\\])*+"?|\\.|[^\s|;&'"\\`()$<]|\$(?!\()|<(?!<<))++)""",
    re.DOTALL,
)
_QUOTED = re.compile(r"""'([^']*+)|"((?:\\.|[^"\\])*+)""", re.DOTALL)
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")

# Options whose value, attached or in the next word, is a secret.
_OPTIONS: dict[str, tuple[str, ...]] = {
    "sshpass": ("-p",),
    "redis-cli": ("-a",),
    "ldapsearch": ("-w",),
    "ldapadd": ("-w",),
    "ldapmodify": ("-w",),
    "ldapdelete": ("-w",),
    "ldapwhoami": ("-w",),
    "ldappasswd": ("-w", "-s", "-a"),
    "zip": ("-P",),
    "unzip": ("-P",),
    "mongo": ("-p",),
    "mongosh": ("-p",),
    "mongodump": ("-p",),
    "mongorestore": ("-p",),
    "mosquitto_pub": ("-P",),
    "mosquitto_sub": ("-P",),
    "useradd": ("-p",),
    "usermod": ("-p",),
    "sqlcmd": ("-P",),
    "bcp": ("-P",),
    "ipmitool": ("-P",),
    "rdesktop": ("-p",),
    "openssl": ("-k", "-K"),
    "ssh-keygen": ("-N", "-P"),
    "keytool": ("-storepass", "-keypass", "-srcstorepass", "-deststorepass"),
    "twine": ("-p",),
    "snmpget": ("-A", "-X"),
    "snmpwalk": ("-A", "-X"),
    "mosquitto": ("-P",),
}
# Options whose value is attached; a next word would be something else.
_ATTACHED: dict[str, tuple[str, ...]] = {
    "mysql": ("-p",),
    "mysqldump": ("-p",),
    "mysqladmin": ("-p",),
    "mysqlimport": ("-p",),
    "mariadb": ("-p",),
    "mariadb-dump": ("-p",),
    "7z": ("-p",),
    "7za": ("-p",),
    "rar": ("-p", "-hp"),
    "unrar": ("-p",),
    "xfreerdp": ("/p:",),
    "wlfreerdp": ("/p:",),
}
# Programs with `login`, where -p is a password; elsewhere it is a port or a path.
_LOGINS = frozenset(
    ("docker", "podman", "buildah", "skopeo", "nerdctl", "helm", "crane", "oras", "az", "oc")
)
# Options that take `user:secret`, or `user%secret`.
_PAIRS: dict[str, tuple[tuple[str, ...], str]] = {
    "curl": (("-u", "--user", "-U", "--proxy-user"), ":"),
    "http": (("-a",), ":"),
    "https": (("-a",), ":"),
    "xh": (("-a",), ":"),
    "smbclient": (("-U", "--user"), "%"),
    "rpcclient": (("-U", "--user"), "%"),
    "net": (("-U",), "%"),
    "lftp": (("-u",), ","),
}
_PASSWORD_FROM_INPUT = frozenset(("passwd", "chpasswd", "cryptsetup", "smbpasswd", "vncpasswd"))
_INPUT_OPTIONS = ("--password-stdin", "--stdin", "--with-token", "--passphrase-fd")
_WRAPPERS = frozenset(
    ("sudo", "doas", "env", "exec", "command", "time", "nohup", "nice", "builtin")
)
_ORACLE = frozenset(("sqlplus", "sqlldr", "expdp", "impdp"))  # `me/secret@db`
_OTHERS = frozenset(("kubectl", "oc", "htpasswd", "vault", "rabbitmqctl", "wpa_passphrase", "mc"))
_SECRET_WORD = re.compile(
    r"(?:password|passwd|passphrase|secret|token|secret_access_key|api_?key|_auth)\Z", re.IGNORECASE
)
_SETS_BY_NAME = frozenset(
    ("aws", "npm", "yarn", "pnpm", "git", "gcloud", "pip", "nmcli", "gh", "rclone")
)
_PROGRAMS = frozenset(
    (*_OPTIONS, *_ATTACHED, *_LOGINS, *_PAIRS, *_SETS_BY_NAME, *_ORACLE, *_OTHERS)
)


@dataclass
class _Command:
    """The words of one command, with their places in the text."""

    words: list[tuple[str, int]] = field(default_factory=list)
    here: Span | None = None  # the word behind `<<<`
    feeds_next: bool = False  # a pipe follows


def mask_arguments(text: str, mask: str) -> str:
    """`text` with the secrets among the arguments of known programs replaced by `mask`."""
    parts, position = [], 0
    for start, end in sorted(_spans(text, 0, MAX_DEPTH)):
        if start >= position and text[start:end].strip("\"'") != mask:
            parts += [text[position:start], mask]
            position = end
    return "".join([*parts, text[position:]])


def _spans(text: str, shift: int, depth: int) -> Iterator[Span]:
    """Where the secrets are, `shift` added."""
    before: _Command | None = None
    for command in _commands(text):
        arguments = _arguments(command)
        for begun in _started(arguments):
            yield from ((start + shift, end + shift) for start, end in _secrets(begun))
        if _reads_secret(command, arguments):
            if command.here:
                yield command.here[0] + shift, command.here[1] + shift
            if before is not None and before.feeds_next:
                yield from ((s + shift, e + shift) for s, e in _echoed(before))
        before = command
    if depth:
        for quoted in _QUOTED.finditer(text):
            group = 1 if quoted[1] is not None else 2
            if " " in quoted[group]:
                yield from _spans(quoted[group], shift + quoted.start(group), depth - 1)


def _commands(text: str) -> Iterator[_Command]:
    command = _Command()
    wants_here = False
    for token in _TOKEN.finditer(text):
        match token.lastgroup:
            case "word" if wants_here:
                command.here, wants_here = token.span(), False
            case "word":
                command.words.append((token[0], token.start()))
            case "here":
                wants_here = True
            case kind:
                command.feeds_next = kind == "pipe"
                yield command
                command, wants_here = _Command(), False
    yield command


def _arguments(command: _Command) -> Sequence[tuple[str, int]]:
    """The program and its arguments: without wrappers such as sudo, and assignments in front."""
    words = command.words
    for index, (word, _) in enumerate(words):
        if word not in _WRAPPERS and not word.startswith("-") and not _ASSIGNMENT.match(word):
            return words[index:]
    return ()


def _started(
    arguments: Sequence[tuple[str, int]],
) -> Iterator[Sequence[tuple[str, int]]]:
    """The program's own arguments, and those of programs it may start: `timeout 5 mysql -pX`."""
    begins = (index for index, (word, _) in enumerate(arguments) if _named(word) in _PROGRAMS)
    yield from (arguments[index:] for index in itertools.islice(begins, MAX_PROGRAMS))


def _named(word: str) -> str:
    """The name of a program, whatever folder it is in."""
    return word.strip("\"'").rpartition("/")[2]


def _secrets(arguments: Sequence[tuple[str, int]]) -> Iterator[Span]:
    if len(arguments) < 2:
        return
    program = _named(arguments[0][0])
    rest = arguments[1:]
    if program in _OPTIONS:
        yield from _valued(rest, _OPTIONS[program])
    if program in _LOGINS and any(word == "login" for word, _ in rest):
        yield from _valued(rest, ("-p",))
    if program in _ATTACHED:
        yield from _attached(rest, _ATTACHED[program])
    if program in _PAIRS:
        yield from _pairs(rest, *_PAIRS[program])
    if program in _SETS_BY_NAME:
        yield from _by_name(rest)
    if program in _ORACLE:
        word, start = next((each for each in rest if not each[0].startswith("-")), ("", 0))
        secret = _behind(word, "/", 1)  # a slash alone means who one is already
        if password := word[secret:].partition("@")[0]:
            yield start + secret, start + secret + len(password)
    match program:
        case "openssl":
            yield from _attached(rest, ("pass:", '"pass:', "'pass:"))
        case "kubectl" | "oc":
            for word, start in rest:
                if word.startswith("--from-literal="):
                    yield start + _behind(word, "=", word.find("=") + 1), start + len(word)
        case "htpasswd" if any(word.startswith("-") and "b" in word for word, _ in rest):
            yield _span(rest[-1])
        case "vault" if rest[0][0] == "login" and len(rest) > 1:
            yield from (_span(each) for each in rest[1:] if not each[0].startswith("-"))
        case "wpa_passphrase" if len(rest) > 1:
            yield _span(rest[1])
        case "mc" if rest[0][0] == "alias" and len(rest) > 5:
            yield _span(rest[5])
        case "curl":
            yield from _valued(rest, ("--oauth2-bearer",))
            yield from _pairs(rest, ("-b", "--cookie"), "=")  # a file of cookies has a name
        case "rabbitmqctl" if rest[0][0] in ("add_user", "change_password") and len(rest) > 2:
            yield _span(rest[2])


def _valued(words: Sequence[tuple[str, int]], options: tuple[str, ...]) -> Iterator[Span]:
    takes_next = False
    for word, start in words:
        if takes_next:
            yield start, start + len(word)
            takes_next = False
        elif word in options:
            takes_next = True
        else:
            yield from _attached(((word, start),), options)


def _attached(words: Sequence[tuple[str, int]], options: tuple[str, ...]) -> Iterator[Span]:
    for word, start in words:
        for option in options:
            if word.startswith(option) and len(word) > len(option):
                yield start + len(option), start + len(word)
                break


def _pairs(
    words: Sequence[tuple[str, int]], options: tuple[str, ...], separator: str
) -> Iterator[Span]:
    takes_next = False
    for word, start in words:
        begin = 0
        if not takes_next:
            named = next((each for each in options if word.startswith((each, f"{each}="))), None)
            takes_next = word in options
            if named is None or takes_next:
                continue
            begin = len(named)
        takes_next = False
        behind = _behind(word, separator, begin)
        if behind < len(word):
            yield start + behind, start + len(word)


def _by_name(words: Sequence[tuple[str, int]]) -> Iterator[Span]:
    """`set aws_secret_access_key X`: the word behind a name."""
    for (name, _), following in itertools.pairwise(words):
        if (
            not name.startswith("-")
            and " " not in name
            and not following[0].startswith("-")
            and _SECRET_WORD.search(name)
            and any(word in ("set", "config", "add", "connect", "create") for word, _ in words)
        ):
            yield _span(following)


def _reads_secret(command: _Command, arguments: Sequence[tuple[str, int]]) -> bool:
    words = {word for word, _ in command.words}
    program = arguments[0][0].rpartition("/")[2] if arguments else ""
    return (
        program in _PASSWORD_FROM_INPUT
        or not words.isdisjoint(_INPUT_OPTIONS)
        or words.issuperset(("sudo", "-S"))
    )


def _echoed(command: _Command) -> Iterator[Span]:
    arguments = _arguments(command)
    if arguments and arguments[0][0] in ("echo", "printf"):
        yield from (_span(each) for each in arguments[1:] if not each[0].startswith("-"))
    if command.here:
        yield command.here


def _behind(word: str, separator: str, begin: int) -> int:
    """The place behind the first `separator` from `begin` on; the word's end without one."""
    found = word.find(separator, begin)
    return len(word) if found < 0 else found + len(separator)


def _span(word: tuple[str, int]) -> Span:
    return word[1], word[1] + len(word[0])

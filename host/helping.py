"""How a session gets its help: through the relay, with the key itself, or not at all.

Either way the daemon finds two files among its secrets: what to send as the key, and where to. An
empty file is none. Only root of the machine, or the daemon, can read them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from host import config
from host.engines import Engine
from host.ledger import Ledger
from host.relaypolicy import Policy
from host.sessions import HELP_TOKEN, HELP_URL, Session, write_whole
from runtime.domain.errors import BadRequest
from runtime.domain.workshop import LlmSettings

INSIDE = {  # how a machine calls this computer, and where the relay listens for it
    "sandbox": ("127.0.0.1", "127.0.0.1"),
    "podman": ("host.containers.internal", "0.0.0.0"),
    "docker": ("host.docker.internal", "0.0.0.0"),
}


@contextmanager
def supplied(
    session: Session,
    engine: Engine,
    llm: LlmSettings | None,
    say: Callable[[str], None],
    *,
    from_environment: bool = False,
) -> Iterator[None]:
    """Help for the length of the block, and the files that say so; call it before the machine
    starts and with the session made.

    Raises BadRequest when help is asked for that cannot be given.
    """
    settings = config.load()
    key = settings.find_key(llm.api_key_env) if llm is not None else None
    if from_environment and (llm is None or key is None):
        raise BadRequest(
            "--help-from-env: this workshop asks no model."
            if llm is None
            else f"--help-from-env: the environment has no {llm.api_key_env}."
        )
    if llm is None or key is None:
        if llm is not None:
            say(
                "No key for the model: the author's hints are there, questions are not answered. "
                f"Give one with: workshop config help.key, or set {llm.api_key_env}."
            )
        _write(session, engine, "", "")
        yield
    elif from_environment:
        say(
            f"Warning: {session.name} gets the model's key itself. Root of the machine can read "
            "it, and the student too where the workshop's terminal.user is root."
        )
        _write(session, engine, key, settings.base_url or "")
        try:
            yield
        finally:
            forget(session, engine)
    else:
        with _relayed(session, engine, llm, key, settings, say):
            yield


@contextmanager
def _relayed(
    session: Session,
    engine: Engine,
    llm: LlmSettings,
    key: str,
    settings: config.Config,
    say: Callable[[str], None],
) -> Iterator[None]:
    from host.relay import PROVIDER_URL, Relay  # a server, which no other run needs

    name, listen = INSIDE[engine.name]
    before = session.secret(HELP_URL)
    token = session.secret(HELP_TOKEN) if before else ""
    policy = Policy(
        session=session.name,
        workshop=session.name,
        token=token or secrets.token_urlsafe(32),
        model=llm.model,
        max_tokens=llm.max_tokens,
        session_tokens=settings.session_tokens or llm.session_tokens,
        workshop_tokens=settings.workshop_tokens,
    )
    upstream = settings.base_url or PROVIDER_URL
    relay = Relay(policy, key, Ledger(), upstream=upstream, say=say)
    remembered = urlsplit(before).port if before else None
    with relay.serving(listen, remembered or 0) as port:
        _write(session, engine, policy.token, f"http://{name}:{port}")
        yield


def _write(session: Session, engine: Engine, token: str, url: str) -> None:
    """The files; a machine that runs with others is stopped, since it read them at its start."""
    new = {HELP_TOKEN: token, HELP_URL: url}
    if all(session.secret(name) == value for name, value in new.items()):
        return
    if engine.find(session) is not None:
        engine.stop(session)
    for name, value in new.items():
        write_whole(session.secrets / name, value)


def forget(session: Session, engine: Engine) -> None:
    """Take what a run gave out of the session and its machine."""
    for name in (HELP_TOKEN, HELP_URL):
        if session.secrets.is_dir():
            write_whole(session.secrets / name, "")
    engine.renew_secrets(session)

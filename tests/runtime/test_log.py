"""What the daemon prints: never a token, never what is typed."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from runtime.logs import JsonLines, TextLines
from tests.api.conftest import HOST, INSTRUCTOR, STUDENT
from tests.runtime.daemon import ANSWER_SECONDS, Process, make_root, running

WRONG = "canary-wrong-0123456789"
TYPED = "canary-typed-0123456789"
KNOWN = (STUDENT, INSTRUCTOR, HOST)
PREFIX = 12  # this much of a token in a log line is too much


def requests(address: str) -> list[bytes]:
    """Tokens wherever a caller may put one, right ones and wrong ones."""
    made = []
    for token in (*KNOWN, WRONG, STUDENT[:-1], f"{STUDENT}x", ""):
        for path in ("/", "/api/state", "/api/nothing", "/ws/terminal/main", "/api/steps/x%zz"):
            head = f" HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n"
            made += [
                f"GET {path}?token={token}{head}\r\n",
                f"GET {path}{head}Authorization: Bearer {token}\r\n\r\n",
                f"GET {path}{head}Authorization: Basic {token}\r\n\r\n",
                f"GET {path}{head}Cookie: workshop-student-x={token}\r\n\r\n",
                f"POST {path}?token={token}{head}Origin: http://{token}\r\n\r\n",
                f"GET {path}?token={token}{head}X: {token}\n\r\n",  # is no HTTP
                f"GET {path}?token={token}{head}Authorization: Bearer {token}\r\n{SOCKET}\r\n",
            ]
    return [each.encode() for each in made]


SOCKET = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("level", "form"), [("debug", "text"), ("info", "json")])
async def test_no_line_shows_a_token_or_what_is_typed(
    tmp_path: Path, level: str, form: str
) -> None:
    """Fault 8: right, wrong, prefixes and none, in headers, cookies and `?token=`."""
    root = make_root(tmp_path)
    with running(root, WORKSHOP_LOG_LEVEL=level, WORKSHOP_LOG_FORMAT=form) as daemon:
        await send_all(daemon)
        async with daemon.page() as page:
            await page.type(f"echo {TYPED}-$((6 * 7))\r")
            await page.sees(f"{TYPED}-42")
        await daemon.call("POST", "/api/hand", {"raised": 7, "note": TYPED})
    for secret in (*KNOWN, WRONG, TYPED):
        assert secret[:PREFIX] not in daemon.log


async def send_all(daemon: Process) -> None:
    """All of them, some at once: a wrong token costs its sender half a second."""
    room = asyncio.Semaphore(50)

    async def send(request: bytes) -> None:
        async with room, daemon.connection() as (reader, writer):
            writer.write(request)
            await asyncio.wait_for(reader.read(1 << 16), ANSWER_SECONDS)

    await asyncio.gather(*map(send, requests(daemon.address)))


async def test_a_token_the_daemon_made_is_printed_once_in_its_link(tmp_path: Path) -> None:
    with running(make_root(tmp_path), WORKSHOP_STUDENT_TOKEN="") as daemon:
        token = daemon.log.partition("?token=")[2].split()[0]
        assert len(token) >= 32
        assert (await daemon.call("GET", "/api/state", token=token)).status == 200
        assert (await daemon.call("GET", f"/?token={token}", token=None)).status == 303
        assert daemon.log.count(token) == 1


@pytest.mark.parametrize("lines", [TextLines(), JsonLines()], ids=["text", "json"])
def test_a_secret_in_a_traceback_is_taken_out(lines: logging.Formatter) -> None:
    """Fault 45: whatever of it is quoted, also by the error behind the error."""
    typed = "curl -u me:hunter2 https://host"
    try:
        try:
            raise ValueError(f"cannot read {typed}")
        except ValueError as error:
            raise RuntimeError("export DB_PASSWORD=hunter2 is no number") from error
    except RuntimeError as error:
        record = logging.LogRecord(
            "workshop", logging.ERROR, "", 0, "it failed", (), (RuntimeError, error, None)
        )
    printed = lines.format(record)
    assert "cannot read curl -u" in printed
    assert "is no number" in printed
    assert "hunter2" not in printed

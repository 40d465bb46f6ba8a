"""A daemon whose starter ignored or blocked signals, as a script's background or `nohup` does."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.runtime.daemon import make_root, running

DEAFEN = """
import os, signal, sys
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGWINCH, signal.SIGRTMAX})
os.execvp(sys.argv[1], sys.argv[1:])
"""
DEAF = [sys.executable, "-c", DEAFEN]
# The C library keeps signals 32 and 33 to itself, and ignores them in what it starts.
HEARS_ALL = " && ".join(
    f"grep -q 'Sig{which}:.0*[01]\\?[08]\\?0000000$' /proc/self/status" for which in ("Ign", "Blk")
)
GOSS = json.dumps({"command": {"hears": {"exec": HEARS_ALL, "exit-status": 0}}})


async def test_ctrl_c_ends_a_program_and_a_check_hears_every_signal(tmp_path: Path) -> None:
    root = make_root(tmp_path, [{"id": "one", "goss": GOSS}], autoValidate="off")
    with running(root, DEAF) as daemon:
        async with daemon.page() as page:
            await page.type("sh -c 'echo is-$((6 * 7)); exec sleep 600'\r")
            await page.sees("is-42")
            await page.type("\x03")
            await page.type(f"{HEARS_ALL} && echo hears-$((6 * 7))\r")
            await page.sees("hears-42")
        answer = await daemon.call("POST", "/api/steps/one/validate")
        assert answer.json["outcome"] == "passed", answer.json

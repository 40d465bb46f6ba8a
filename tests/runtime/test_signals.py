"""A daemon whose starter ignored signals, as a script's background or `nohup` does."""

from __future__ import annotations

from pathlib import Path

from tests.runtime.daemon import make_root, running

DEAF = ["sh", "-c", 'trap "" HUP INT QUIT TERM TSTP; exec "$@"', "deaf"]
# The C library keeps signal 32 to itself, and ignores it in what it starts.
HEARS_ALL = "grep -q 'SigIgn:.0*[08]0000000$' /proc/self/status"
GOSS = f'command: {{hears: {{exec: "{HEARS_ALL}", exit-status: 0}}}}'


async def test_ctrl_c_ends_a_program_and_a_check_hears_every_signal(tmp_path: Path) -> None:
    root = make_root(tmp_path, [{"id": "one", "goss": GOSS}], autoValidate="off")
    with running(root, DEAF) as daemon:
        async with daemon.page() as page:
            await page.type("echo is-$((6 * 7)); sleep 600\r")
            await page.sees("is-42")
            await page.type("\x03")
            await page.type(f"{HEARS_ALL} && echo hears-$((6 * 7))\r")
            await page.sees("hears-42")
        answer = await daemon.call("POST", "/api/steps/one/validate")
        assert answer.json["outcome"] == "passed", answer.json

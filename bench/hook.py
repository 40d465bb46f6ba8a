"""The prompt hook: what it adds to a prompt of a real bash on a real pseudo-terminal."""

from __future__ import annotations

import re
import statistics
import tempfile
from pathlib import Path

from bench.table import Row
from tests.bash.shell import PROMPT, Shell

ROUNDS = 60  # by turns with and without the hook, so that both meet the same machine
PROMPTS = 10  # typed ahead in a round
MOST_ADDED_MS = 0.3
STAMP = re.compile(rb"<(\d+\.\d+)>")
COMMANDS = {
    "a plain command": 'echo "$HOME/a file" >/dev/null',
    "50 characters that are not ASCII": f": '{'é' * 50}'",
}


def rows() -> list[Row]:
    """One row for each kind of command: a prompt with the hook beside one without."""
    return [_row(name, command) for name, command in COMMANDS.items()]


def _row(name: str, command: str) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        homes = [Path(folder, "with"), Path(folder, "without")]
        for home in homes:
            home.mkdir()
        with Shell(homes[0]) as hooked, Shell(homes[1], hook=False) as bare:
            pairs = [
                (_prompt_ms(hooked, command), _prompt_ms(bare, command)) for _ in range(ROUNDS)
            ]
            assert hooked.commands().count(command) == ROUNDS * PROMPTS
    # The lower quartile: a round that another process interrupted says nothing about the hook.
    ours, theirs = (statistics.quantiles(each)[0] for each in zip(*pairs, strict=True))
    added = ours - theirs
    return Row(
        f"prompt hook, {name}",
        f"{ours:.2f} ms",
        f"bash without it {theirs:.2f} ms: {added:+.2f} ms",
        f"at most +{MOST_ADDED_MS} ms",
        added <= MOST_ADDED_MS,
    )


def _prompt_ms(shell: Shell, command: str) -> float:
    """Milliseconds from one prompt to the next, as bash's own clock has it."""
    begin = len(shell.output)
    clock = 'echo "<$EPOCHREALTIME>"'
    shell.send("\n".join([clock, *[command] * PROMPTS, clock, ""]).encode())
    while shell.output.count(PROMPT, begin) < PROMPTS + 2:
        shell.wait_for_prompt()
    # Anywhere in a line: the terminal's own echo of what was typed ahead may stand before it.
    stamps = [float(stamp) for stamp in STAMP.findall(shell.output[begin:])]
    return (stamps[1] - stamps[0]) / (PROMPTS + 1) * 1000

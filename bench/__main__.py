"""Measure everything, or the parts named: `python -m bench [replay start …]`."""

from __future__ import annotations

import importlib
import os
import platform
import sys

from bench.table import Row, render

PARTS = (
    *("start", "replay", "hook", "validate", "commands"),
    *("feed", "wall", "terminal", "page", "swap", "help"),
)


def main() -> None:
    """Run the parts one after the other and print one table."""
    rows: list[Row] = []
    for name in sys.argv[1:] or PARTS:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        rows += importlib.import_module(f"bench.{name}").rows()
    print(
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores\n"
    )
    print(render(rows))


if __name__ == "__main__":
    main()

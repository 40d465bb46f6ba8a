"""Measure everything, or the parts named: `python -m bench [replay start …]`."""

from __future__ import annotations

import importlib
import os
import platform
import sys
import traceback

from bench.table import Row, render

PARTS = (
    *("start", "replay", "hook", "validate", "commands"),
    *("feed", "wall", "terminal", "page", "swap", "help"),
)


def main() -> None:
    """Run the parts one after the other and print one table; one that fails is a row of it."""
    rows: list[Row] = []
    for name in sys.argv[1:] or PARTS:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        try:
            rows += importlib.import_module(f"bench.{name}").rows()
        except Exception as error:  # noqa: BLE001  # the minutes of the others shall not be lost
            traceback.print_exc()
            rows.append(
                Row(f"{name}: not measured", f"{type(error).__name__} {error}", within=False)
            )
    print(
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores\n"
    )
    print(render(rows))


if __name__ == "__main__":
    main()

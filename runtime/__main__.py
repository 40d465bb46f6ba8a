"""`python -m runtime`: the daemon. Imports are most of a start, so this makes them quick first."""

from __future__ import annotations

import gc
import os

gc.disable()  # nothing that an import makes is garbage
os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"  # it would look through every package for them

from runtime.serving import main  # noqa: E402  # after the two lines that are for it

del os.environ["PYDANTIC_DISABLE_PLUGINS"]  # no shell shall inherit it
gc.freeze()
gc.enable()

if __name__ == "__main__":
    main()

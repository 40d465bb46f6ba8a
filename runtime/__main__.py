"""`python -m runtime`: the daemon. Imports are most of a start, so this makes them quick first."""

from __future__ import annotations

import gc
import os

gc.disable()  # nothing that an import makes is garbage
os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"  # it would look through every package for them

from contextlib import suppress  # noqa: E402  # after the two lines that are for it

from runtime.services.supervision import Supervision  # noqa: E402

supervision = Supervision()
with suppress(OSError):  # whoever needs it says so
    supervision.start()  # the first shell needs it, and it starts beside the other imports

from runtime.serving import serve  # noqa: E402

del os.environ["PYDANTIC_DISABLE_PLUGINS"]  # no shell shall inherit it
gc.freeze()
gc.enable()


def main() -> None:
    """Entry point of `workshop-runtime`."""
    serve(supervision)


if __name__ == "__main__":
    main()

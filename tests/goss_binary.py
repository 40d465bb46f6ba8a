"""Where the tests find the real goss: WORKSHOP_GOSS, else `.tools/bin/goss` of this repository."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[1]


def goss_binary() -> Path:
    """The path; fails when there is none, since checks without goss prove nothing."""
    path = Path(os.environ.get("WORKSHOP_GOSS") or ROOT / ".tools/bin/goss")
    assert os.access(path, os.X_OK), f"no goss at {path}: run goss/get-goss or set WORKSHOP_GOSS"
    return path

"""Settings all tests share."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A slow machine is no defect, and a failing example must fail again at the next run.
settings.register_profile(
    "workshop",
    deadline=None,
    derandomize=True,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("workshop")

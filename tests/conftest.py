"""What holds for every test."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# Examples are kept small in number and free of deadlines: the tests share two cores with real servers.
settings.register_profile(
    "autos", deadline=None, max_examples=100, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("autos")

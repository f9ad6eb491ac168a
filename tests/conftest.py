"""What holds for every test."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# Examples are kept small in number and free of deadlines: the tests share two cores with real servers.
settings.register_profile(
    "autos", deadline=None, max_examples=100, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("autos")


class ByFolder(LoadScopeScheduling):  # type: ignore[misc]  # Publishes no types.
    """Keep each folder's tests in one process: they share servers that are started once."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.split("::", 1)[0].rpartition("/")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFolder:
    """Share the tests out; most of their time is spent waiting for real parts."""
    return ByFolder(config, log)

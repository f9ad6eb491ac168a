"""A stack whose worker serves metrics, and a Prometheus that scrapes it with our rules."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import yaml

from tests.support.ports import bound_socket
from tests.support.prometheus import RULES, Prometheus, running_prometheus
from tests.support.stack import RunningStack, running_stack


@pytest.fixture(scope="session")
def quick_rules() -> dict[str, Any]:
    """Our rules, which look back for some seconds instead of minutes and do not wait."""
    text = RULES.read_text(encoding="utf-8")
    hour = "max(autos_erasure_age_seconds) > 3600"
    assert hour in text
    text = text.replace(hour, "max(autos_erasure_age_seconds) > 5")
    rules: dict[str, Any] = yaml.safe_load(re.sub(r"\[\d+m\]", "[20s]", re.sub(r"for: \d+m", "for: 0s", text)))
    return rules


@pytest.fixture(scope="module")
async def measured_stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningStack]:
    """A stack with metrics, which raises alerts soon."""
    with bound_socket() as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    variables = {
        "AUTOS_METRICS_ADDRESS": address,
        "AUTOS_ALERT_COURT_SECONDS": "0.5",
        "AUTOS_ALERT_WORKER_SECONDS": "0.5",
    }
    async with running_stack(tmp_path_factory.mktemp("measured"), **variables) as stack:
        stack.addresses["metrics"] = address
        yield stack


@pytest.fixture(scope="module")
async def prometheus(
    measured_stack: RunningStack, quick_rules: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Prometheus]:
    """A Prometheus that scrapes the stack's API and worker."""
    targets = {
        "autos_api": measured_stack.addresses["api"].removeprefix("http://"),
        "autos_worker": measured_stack.addresses["metrics"],
    }
    async with running_prometheus(tmp_path_factory.mktemp("prometheus"), quick_rules, **targets) as prometheus:
        yield prometheus

"""Requests for one process while Temporal is away: each is answered soon, and none starts anything twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
from adapters.temporal import errors
from adapters.temporal.connection import connect
from adapters.temporal.run_client import RunClient
from adapters.webhooks import AddressGuard
from api.services.downloads import DownloadService
from domain.errors import DependencyUnavailable
from domain.process_number import ProcessNumber
from domain.webhook_urls import WebhookPolicy
from tests.support.numbers import fresh_number
from tests.support.ports import bound_socket

PATIENCE_SECONDS = 0.3


@pytest.fixture
async def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DownloadService]:
    """On a catalog of its own, and on a Temporal that takes connections and never says a word."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'autos.db'}"
    await asyncio.to_thread(upgrade, url)
    catalog = Catalog(Database(url))
    monkeypatch.setattr(errors, "TOTAL_TIMEOUT_SECONDS", PATIENCE_SECONDS)
    with bound_socket() as silent:
        monkeypatch.setenv("TEMPORAL_ADDRESS", "{}:{}".format(*silent.getsockname()))
        temporal = RunClient(await connect(lazy=True))
        yield DownloadService(catalog, temporal, AddressGuard(WebhookPolicy()), timedelta(days=1))
    await catalog.close()


async def refused(downloads: DownloadService, number: str) -> DependencyUnavailable:
    """Ask for a download in vain."""
    with pytest.raises(DependencyUnavailable) as caught:
        await downloads.request(ProcessNumber.parse(number), "local", webhook_url=None, max_age=None)
    return caught.value


async def test_requests_for_one_process_wait_for_temporal_together(downloads: DownloadService) -> None:
    number = fresh_number()
    began = time.monotonic()
    refusals = await asyncio.gather(*(refused(downloads, number) for _ in range(12)))
    took = time.monotonic() - began

    assert {refusal.dependency for refusal in refusals} == {"temporal"}
    assert took < 5 * PATIENCE_SECONDS


async def test_a_request_that_comes_later_asks_temporal_itself(downloads: DownloadService) -> None:
    number = fresh_number()
    for _ in range(2):
        began = time.monotonic()
        await refused(downloads, number)
        assert time.monotonic() - began > 0.9 * PATIENCE_SECONDS

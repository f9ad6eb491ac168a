"""Download requests for one process while Temporal is unavailable: all fail within one timeout."""

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

TIMEOUT_SECONDS = 0.3


@pytest.fixture
async def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DownloadService]:
    """A download service with an empty catalog and a Temporal that accepts connections and never answers."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'autos.db'}"
    await asyncio.to_thread(upgrade, url)
    catalog = Catalog(Database(url))
    monkeypatch.setattr(errors, "TOTAL_TIMEOUT_SECONDS", TIMEOUT_SECONDS)
    with bound_socket() as silent:
        monkeypatch.setenv("TEMPORAL_ADDRESS", "{}:{}".format(*silent.getsockname()))
        temporal = RunClient(await connect(lazy=True))
        yield DownloadService(catalog, temporal, AddressGuard(WebhookPolicy()), timedelta(days=1))
    await catalog.close()


async def request_refused_download(downloads: DownloadService, number: str) -> DependencyUnavailable:
    """Request a download that must fail. Return its error."""
    with pytest.raises(DependencyUnavailable) as caught:
        await downloads.request(ProcessNumber.parse(number), "local", webhook_url=None, max_age=None)
    return caught.value


async def test_concurrent_requests_for_one_process_share_one_timeout(downloads: DownloadService) -> None:
    number = fresh_number()
    began = time.monotonic()
    failures = await asyncio.gather(*(request_refused_download(downloads, number) for _ in range(12)))
    elapsed = time.monotonic() - began

    assert {failure.dependency for failure in failures} == {"temporal"}
    assert elapsed < 5 * TIMEOUT_SECONDS


async def test_later_request_calls_temporal_again(downloads: DownloadService) -> None:
    number = fresh_number()
    for _ in range(2):
        began = time.monotonic()
        await request_refused_download(downloads, number)
        assert time.monotonic() - began > 0.9 * TIMEOUT_SECONDS

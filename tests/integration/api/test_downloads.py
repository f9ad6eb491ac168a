"""Download requests for one process while Temporal is unavailable: all fail within one timeout."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
from adapters.temporal import errors
from adapters.temporal.connection import connect
from adapters.temporal.run_client import RunClient
from adapters.webhooks import AddressGuard
from api.services.downloads import DownloadService
from domain.errors import DependencyUnavailable
from domain.fair_semaphore import FairSemaphore
from domain.open_runs import StartedRun
from domain.process_number import ProcessNumber
from domain.webhook_urls import WebhookPolicy
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.ports import bound_socket

TIMEOUT_SECONDS = 0.3


class CountingRunClient(RunClient):
    """A client of Temporal that counts how often it was to start a run."""

    calls = 0

    async def start(self, *arguments: Any, **options: Any) -> StartedRun:
        """Start a run."""
        self.calls += 1
        return await super().start(*arguments, **options)


@pytest.fixture
async def temporal(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[CountingRunClient]:
    """A Temporal that accepts connections and never answers."""
    monkeypatch.setattr(errors, "TOTAL_TIMEOUT_SECONDS", TIMEOUT_SECONDS)
    with bound_socket() as silent:
        monkeypatch.setenv("TEMPORAL_ADDRESS", "{}:{}".format(*silent.getsockname()))
        yield CountingRunClient(await connect(lazy=True))


@pytest.fixture
async def downloads(tmp_path: Path, temporal: CountingRunClient) -> AsyncIterator[DownloadService]:
    """A download service with an empty catalog and a Temporal that does not answer."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'autos.db'}"
    await asyncio.to_thread(upgrade, url)
    catalog = Catalog(Database(url))
    yield DownloadService(catalog, temporal, AddressGuard(WebhookPolicy()), timedelta(days=1))
    await catalog.close()


async def request_refused_download(downloads: DownloadService, number: str) -> DependencyUnavailable:
    """Request a download that must fail. Return its error."""
    with pytest.raises(DependencyUnavailable) as caught:
        await downloads.request(ProcessNumber.parse(number), "local", webhook_url=None, max_age=None)
    return caught.value


async def test_concurrent_requests_for_one_process_share_one_timeout(
    downloads: DownloadService, temporal: CountingRunClient
) -> None:
    number = fresh_number()
    lock = downloads._start_locks.setdefault(number, FairSemaphore(1))
    async with lock.slot():
        requests = [asyncio.create_task(request_refused_download(downloads, number)) for _ in range(12)]

        async def all_wait() -> bool:
            return len(lock._slots._waiters or ()) == len(requests)

        await eventually(all_wait, "all requests wait for their turn")
    failures = await asyncio.gather(*requests)

    assert {failure.dependency for failure in failures} == {"temporal"}
    assert temporal.calls == 1


async def test_later_request_calls_temporal_again(downloads: DownloadService) -> None:
    number = fresh_number()
    for _ in range(2):
        began = time.monotonic()
        await request_refused_download(downloads, number)
        assert time.monotonic() - began > 0.9 * TIMEOUT_SECONDS

"""Fixtures of the tests of runs: the stack's catalog, and a Temporal that makes workflows continue as new."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from adapters.database import Database
from adapters.database.migrate import upgrade
from adapters.temporal.request_tracing import RequestTracingInterceptor
from settings import Settings, load_settings
from tests.support.stack import RunningStack
from worker import build_workers
from workflows.search_attributes import SEARCH_ATTRIBUTES


@pytest.fixture
async def database(stack: RunningStack) -> AsyncIterator[Database]:
    """The stack's catalog database."""
    database = Database(f"sqlite+aiosqlite:///{stack.data_dir / 'autos.db'}")
    yield database
    await database.close()


@pytest.fixture
def settings(stack: RunningStack, tmp_path: Path) -> Settings:
    """Settings with the shared stack's court and store, and a catalog of their own."""
    database = f"sqlite+aiosqlite:///{tmp_path / 'catalog.db'}"
    upgrade(database)
    return load_settings(data_dir=stack.data_dir, database_url=database)


@pytest.fixture
async def temporal(settings: Settings) -> AsyncIterator[Client]:
    """A Temporal that suggests continue-as-new after 50 events, with workers on it that have the settings above."""
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(Path(sys.executable).parent / "temporal"),
        dev_server_extra_args=["--dynamic-config-value", "limit.historyCount.suggestContinueAsNew=50"],
        search_attributes=SEARCH_ATTRIBUTES,
        interceptors=[RequestTracingInterceptor()],
    )
    async with environment, AsyncExitStack() as running:
        for worker in await build_workers(environment.client, settings, running):
            await running.enter_async_context(worker)
        yield environment.client

"""Batches while Temporal is away, and those of others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
from adapters.temporal import errors
from adapters.temporal.batch_client import BatchClient
from adapters.temporal.connection import connect
from adapters.webhooks import AddressGuard
from api.problems.codes import ProblemCode
from api.problems.problem import Problem
from api.schemas.batches import NewBatchBody
from api.services.batches import BatchService
from domain.batches import Batch
from domain.clients import Client, Scope
from domain.errors import DependencyUnavailable
from domain.webhook_urls import WebhookPolicy
from tests.support.numbers import fresh_number
from tests.support.ports import bound_socket

OWNER = Client("desk", frozenset({Scope.READ, Scope.DOWNLOAD}))


@pytest.fixture
async def catalog(tmp_path: Path) -> AsyncIterator[Catalog]:
    """A catalog of its own."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'autos.db'}"
    await asyncio.to_thread(upgrade, url)
    catalog = Catalog(Database(url))
    yield catalog
    await catalog.close()


@pytest.fixture
async def desk(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[BatchService]:
    """On a Temporal that takes connections and never says a word."""
    monkeypatch.setattr(errors, "TOTAL_TIMEOUT_SECONDS", 0.3)
    with bound_socket() as silent:
        monkeypatch.setenv("TEMPORAL_ADDRESS", "{}:{}".format(*silent.getsockname()))
        yield BatchService(catalog, BatchClient(await connect(lazy=True)), AddressGuard(WebhookPolicy()))


async def test_a_batch_that_temporal_does_not_take_does_not_exist(
    desk: BatchService, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: list[str] = []
    add = catalog.batches.add

    async def add_and_note(batch: Batch) -> None:
        await add(batch)
        stored.append(batch.id)

    monkeypatch.setattr(catalog.batches, "add", add_and_note)
    with pytest.raises(DependencyUnavailable) as caught:
        await desk.create(OWNER, NewBatchBody(process_numbers=[fresh_number()]))
    assert caught.value.dependency == "temporal"
    [batch_id] = stored
    assert await catalog.batches.get(batch_id) is None


async def test_the_batches_of_others_are_shown_to_administrators_only(
    desk: BatchService, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def start(_: BatchClient, __: object) -> None:
        return None

    monkeypatch.setattr(BatchClient, "start", start)
    taken = await desk.create(OWNER, NewBatchBody(process_numbers=[fresh_number()]))
    assert await desk.get(OWNER, taken.id) == taken
    assert await desk.get(Client("root", frozenset({Scope.READ, Scope.ADMIN})), taken.id) == taken
    with pytest.raises(Problem) as caught:
        await desk.get(Client("other", OWNER.scopes), taken.id)
    assert caught.value.code is ProblemCode.BATCH_UNKNOWN

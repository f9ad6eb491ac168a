"""Batches while Temporal is unavailable, and access to batches of other clients."""

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
from api.schemas.batches import BatchesQuery, NewBatchBody
from api.services.batches import BatchService
from domain.batches import Batch
from domain.clients import Client, Scope
from domain.errors import DependencyUnavailable
from domain.webhook_urls import WebhookPolicy
from tests.support.numbers import fresh_number
from tests.support.ports import bound_socket

OWNER = Client("owner", frozenset({Scope.READ, Scope.DOWNLOAD}))


@pytest.fixture
async def catalog(tmp_path: Path) -> AsyncIterator[Catalog]:
    """An empty catalog."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'autos.db'}"
    await asyncio.to_thread(upgrade, url)
    catalog = Catalog(Database(url))
    yield catalog
    await catalog.close()


@pytest.fixture
async def batches(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[BatchService]:
    """A batch service with a Temporal that accepts connections and never answers."""
    monkeypatch.setattr(errors, "TOTAL_TIMEOUT_SECONDS", 0.3)
    with bound_socket() as silent:
        monkeypatch.setenv("TEMPORAL_ADDRESS", "{}:{}".format(*silent.getsockname()))
        yield BatchService(catalog, BatchClient(await connect(lazy=True)), AddressGuard(WebhookPolicy()))


async def test_batch_that_temporal_does_not_accept_is_removed(
    batches: BatchService, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    added_ids: list[str] = []
    add = catalog.batches.add

    async def add_and_record(batch: Batch) -> None:
        await add(batch)
        added_ids.append(batch.id)

    monkeypatch.setattr(catalog.batches, "add", add_and_record)
    with pytest.raises(DependencyUnavailable) as caught:
        await batches.create(OWNER, NewBatchBody(process_numbers=[fresh_number()]))
    assert caught.value.dependency == "temporal"
    [batch_id] = added_ids
    assert await catalog.batches.get(batch_id) is None


async def test_batch_is_visible_to_its_owner_and_administrators_only(
    batches: BatchService, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def start(_: BatchClient, __: object) -> None:
        return None

    monkeypatch.setattr(BatchClient, "start", start)
    created = await batches.create(OWNER, NewBatchBody(process_numbers=[fresh_number()]))
    assert await batches.get(OWNER, created.id) == created
    assert await batches.get(Client("root", frozenset({Scope.READ, Scope.ADMIN})), created.id) == created
    with pytest.raises(Problem) as caught:
        await batches.get(Client("other", OWNER.scopes), created.id)
    assert caught.value.code is ProblemCode.BATCH_UNKNOWN


async def test_the_list_has_the_clients_own_batches_newest_first(
    batches: BatchService, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def start(_: BatchClient, __: object) -> None:
        return None

    monkeypatch.setattr(BatchClient, "start", start)
    body = NewBatchBody(process_numbers=[fresh_number(), "not a number"])
    own = [(await batches.create(OWNER, body)).id for _ in range(3)]
    foreign = (await batches.create(Client("other", OWNER.scopes), body)).id

    first = await batches.list_batches(OWNER, BatchesQuery(limit=2))
    assert [batch.id for batch in first.batches] == [own[2], own[1]]
    assert first.next_cursor is not None
    assert first.batches_next == f"/batches?cursor={first.next_cursor}&limit=2"
    last = await batches.list_batches(OWNER, BatchesQuery(limit=2, cursor=first.next_cursor))
    assert ([batch.id for batch in last.batches], last.next_cursor, last.batches_next) == ([own[0]], None, None)
    of_all = await batches.list_batches(Client("root", frozenset({Scope.READ, Scope.ADMIN})), BatchesQuery())
    assert [batch.id for batch in of_all.batches] == [foreign, *reversed(own)]
    for batch in of_all.batches:
        assert (batch.counts.queued, batch.counts.invalid, batch.counts.duplicates) == (1, 1, 0)

"""The gate in front of the store: a circuit breaker for the deployment, over a real store and a real catalog."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, update

from activities.store_gate import StoreGate
from adapters.database import Catalog, Database
from adapters.database.tables import store_circuit
from adapters.storage import ObjectStore
from api.health import StoreReadiness
from domain.errors import StorageFailure, StoreUnavailable
from domain.storage import WRITE_CHECK_KEY, StorageAddress
from domain.store_circuit import StoreCircuit, probe_delay
from tests.support.store_proxy import StoreProxy, refuses_writes, store_proxy, takes_everything

LOST = StorageFailure("The store did not take a document (500).")


@pytest.fixture(scope="module")
def proxied(s3: StorageAddress) -> Iterator[StoreProxy]:
    """A way to the store that can be closed."""
    with store_proxy(s3) as proxy:
        yield proxy


@pytest.fixture
def proxy(proxied: StoreProxy) -> StoreProxy:
    """The same, open, with nothing counted."""
    proxied.rule = takes_everything
    proxied.requests.clear()
    return proxied


@pytest.fixture
async def store(proxy: StoreProxy, s3: StorageAddress) -> AsyncIterator[ObjectStore]:
    """Our store behind it."""
    address = StorageAddress(s3.bucket, proxy.url, s3.region, s3.access_key_id, s3.secret_access_key)
    async with AsyncExitStack() as stack:
        yield await ObjectStore.open(stack, address)


@pytest.fixture
async def catalog(database: Database) -> AsyncIterator[Catalog]:
    """The catalog, whose circuit is closed and has never been open."""
    yield Catalog(database)
    async with database.writing() as connection:
        await connection.execute(delete(store_circuit))


@pytest.fixture
def gate(catalog: Catalog, store: ObjectStore) -> StoreGate:
    """A worker's gate."""
    return StoreGate(catalog.store_circuit, store)


def writes(proxy: StoreProxy) -> int:
    """How often the small object was written or tried to be."""
    return sum(asked.path.endswith(WRITE_CHECK_KEY) for asked, _ in proxy.requests)


async def make_probe_due(database: Database) -> None:
    """Let the delay before the next probe be over."""
    async with database.writing() as connection:
        await connection.execute(update(store_circuit).values(next_probe_at=datetime.now(UTC) - timedelta(hours=1)))


async def test_a_store_that_takes_writes_lets_everybody_pass_for_one_small_object(
    gate: StoreGate, proxy: StoreProxy
) -> None:
    assert set(await asyncio.gather(*(gate.check() for _ in range(20)))) == {0}
    assert writes(proxy) == 1


async def test_a_store_that_refuses_writes_is_found_out_before_anything_is_fetched(
    gate: StoreGate, proxy: StoreProxy, catalog: Catalog
) -> None:
    proxy.rule = refuses_writes
    results = await asyncio.gather(*(gate.check() for _ in range(20)), return_exceptions=True)
    assert {type(result) for result in results} == {StoreUnavailable}
    assert "AccessDenied" in str(results[0])
    assert writes(proxy) == 1
    circuit = await catalog.store_circuit.read()
    assert circuit.generation == 1
    assert circuit.reason is not None


async def test_an_open_circuit_stops_every_worker_without_asking_the_store(
    gate: StoreGate, proxy: StoreProxy, catalog: Catalog, store: ObjectStore
) -> None:
    proxy.rule = refuses_writes
    with pytest.raises(StoreUnavailable):
        await gate.check()
    proxy.requests.clear()
    with pytest.raises(StoreUnavailable):
        await StoreGate(catalog.store_circuit, store).check()
    assert proxy.requests == []


async def test_a_failure_of_one_object_is_its_own_while_the_store_takes_others(
    gate: StoreGate, catalog: Catalog
) -> None:
    await gate.judge(LOST, generation=await gate.check())
    assert await catalog.store_circuit.read() == StoreCircuit()


async def test_a_failure_is_the_stores_when_it_takes_nothing(gate: StoreGate, proxy: StoreProxy) -> None:
    generation = await gate.check()
    proxy.rule = refuses_writes
    with pytest.raises(StoreUnavailable):
        await gate.judge(LOST, generation=generation)
    with pytest.raises(StoreUnavailable):
        await gate.check()


async def test_news_of_a_generation_that_is_over_opens_nothing(
    gate: StoreGate, proxy: StoreProxy, catalog: Catalog, database: Database, store: ObjectStore
) -> None:
    generation = await gate.check()
    proxy.rule = refuses_writes
    with pytest.raises(StoreUnavailable):
        await gate.judge(LOST, generation=generation)
    proxy.rule = takes_everything
    await make_probe_due(database)
    assert (await gate.advise()).answers

    # A worker whose clock may say anything reports a write from before the outage.
    late = StoreGate(catalog.store_circuit, store)
    proxy.rule = refuses_writes
    with pytest.raises(StorageFailure):
        await late.judge(LOST, generation=generation)
    assert (await catalog.store_circuit.read()).reason is None


async def test_of_many_waiting_runs_one_probes_at_growing_delays(
    gate: StoreGate, proxy: StoreProxy, database: Database, catalog: Catalog, store: ObjectStore
) -> None:
    proxy.rule = refuses_writes
    with pytest.raises(StoreUnavailable):
        await gate.check()
    proxy.requests.clear()
    gates = [StoreGate(catalog.store_circuit, store) for _ in range(10)]

    for round_number in range(1, 4):
        await make_probe_due(database)
        advice = await asyncio.gather(*(each.advise() for each in gates))
        assert not any(each.answers for each in advice)
        assert writes(proxy) == round_number
        least = probe_delay(round_number).total_seconds()
        assert all(least / 2 <= each.look_again_seconds <= 1.3 * least for each in advice)


async def test_the_circuit_closes_when_the_store_takes_a_write_again(
    gate: StoreGate, proxy: StoreProxy, database: Database, catalog: Catalog
) -> None:
    proxy.rule = refuses_writes
    with pytest.raises(StoreUnavailable):
        await gate.check()
    assert not (await gate.advise()).answers
    proxy.rule = takes_everything
    await make_probe_due(database)
    assert (await gate.advise()).answers
    assert await gate.check() == 2
    circuit = await catalog.store_circuit.read()
    assert (circuit.reason, circuit.probes, circuit.next_probe_at) == (None, 0, None)


async def test_a_store_that_is_not_there_takes_no_writes(s3: StorageAddress) -> None:
    nowhere = StorageAddress(s3.bucket, "http://127.0.0.1:9", s3.region, s3.access_key_id, s3.secret_access_key)
    async with AsyncExitStack() as stack:
        with pytest.raises(StorageFailure, match="takes no writes"):
            await (await ObjectStore.open(stack, nowhere)).check_write()


async def test_a_store_that_refuses_writes_is_not_ready(store: ObjectStore, proxy: StoreProxy) -> None:
    readiness = StoreReadiness(store)
    proxy.rule = refuses_writes
    with pytest.raises(StorageFailure, match="AccessDenied"):
        await readiness.check()
    proxy.rule = takes_everything
    await readiness.check()
    await readiness.check()
    assert [status for asked, status in proxy.requests if asked.method == "PUT"] == [403, 200]

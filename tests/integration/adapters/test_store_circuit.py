"""The circuit breaker of the store, on a real store and a real catalog."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, update

from activities.store_circuit import StoreCircuitBreaker
from adapters.database import Catalog, Database
from adapters.database.deployment_tables import store_circuit
from adapters.storage import ObjectStore
from api.services.readiness import StoreReadiness
from domain.errors import StorageFailure, StoreUnavailable
from domain.storage import WRITE_CHECK_KEY, StorageAddress
from domain.store_circuit import StoreCircuit, probe_delay
from tests.support.store_proxy import StoreProxy, refuses_writes, store_proxy, takes_everything

LOST = StorageFailure("The store did not take a document (500).")


@pytest.fixture(scope="module")
def shared_proxy(s3: StorageAddress) -> Iterator[StoreProxy]:
    """A proxy in front of the store, which can refuse requests."""
    with store_proxy(s3) as proxy:
        yield proxy


@pytest.fixture
def proxy(shared_proxy: StoreProxy) -> StoreProxy:
    """The same proxy. It forwards everything and has recorded no request."""
    shared_proxy.rule = takes_everything
    shared_proxy.requests.clear()
    return shared_proxy


@pytest.fixture
async def store(proxy: StoreProxy, s3: StorageAddress) -> AsyncIterator[ObjectStore]:
    """Our store, behind the proxy."""
    address = StorageAddress(s3.bucket, proxy.url, s3.region, s3.access_key_id, s3.secret_access_key)
    async with AsyncExitStack() as stack:
        yield await ObjectStore.open(stack, address)


@pytest.fixture
async def catalog(database: Database) -> AsyncIterator[Catalog]:
    """The catalog. Its circuit is closed and has never been open."""
    yield Catalog(database)
    async with database.writing() as connection:
        await connection.execute(delete(store_circuit))


@pytest.fixture
def circuit(catalog: Catalog, store: ObjectStore) -> StoreCircuitBreaker:
    """The circuit breaker of one worker."""
    return StoreCircuitBreaker(catalog.store_circuit, store)


def count_probes(proxy: StoreProxy) -> int:
    """Return how many probes were sent."""
    return sum(asked.path.endswith(WRITE_CHECK_KEY) for asked, _ in proxy.requests)


async def make_probe_due(database: Database) -> None:
    """Set the time of the next probe into the past."""
    async with database.writing() as connection:
        await connection.execute(update(store_circuit).values(next_probe_at=datetime.now(UTC) - timedelta(hours=1)))


async def test_one_probe_of_a_working_store_serves_all_concurrent_checks(
    circuit: StoreCircuitBreaker, proxy: StoreProxy
) -> None:
    assert set(await asyncio.gather(*(circuit.check() for _ in range(20)))) == {0}
    assert count_probes(proxy) == 1


async def test_a_store_that_refuses_writes_opens_the_circuit_before_anything_is_fetched(
    circuit: StoreCircuitBreaker, proxy: StoreProxy, catalog: Catalog
) -> None:
    proxy.rule = refuses_writes
    results = await asyncio.gather(*(circuit.check() for _ in range(20)), return_exceptions=True)
    assert {type(result) for result in results} == {StoreUnavailable}
    assert "AccessDenied" in str(results[0])
    assert count_probes(proxy) == 1
    state = await catalog.store_circuit.read()
    assert state.generation == 1
    assert state.reason is not None


async def test_an_open_circuit_stops_every_worker_without_a_request_to_the_store(
    circuit: StoreCircuitBreaker, proxy: StoreProxy, catalog: Catalog, store: ObjectStore
) -> None:
    proxy.rule = refuses_writes
    with pytest.raises(StoreUnavailable):
        await circuit.check()
    proxy.requests.clear()
    with pytest.raises(StoreUnavailable):
        await StoreCircuitBreaker(catalog.store_circuit, store).check()
    assert proxy.requests == []


async def test_a_failure_of_one_object_does_not_open_the_circuit_while_probes_succeed(
    circuit: StoreCircuitBreaker, catalog: Catalog
) -> None:
    await circuit.record_failure(LOST, generation=await circuit.check())
    assert await catalog.store_circuit.read() == StoreCircuit()


async def test_a_failure_opens_the_circuit_when_the_probe_fails_too(
    circuit: StoreCircuitBreaker, proxy: StoreProxy
) -> None:
    generation = await circuit.check()
    proxy.rule = refuses_writes
    with pytest.raises(StoreUnavailable):
        await circuit.record_failure(LOST, generation=generation)
    with pytest.raises(StoreUnavailable):
        await circuit.check()


async def test_a_failure_of_an_older_generation_does_not_open_the_circuit(
    circuit: StoreCircuitBreaker, proxy: StoreProxy, catalog: Catalog, database: Database, store: ObjectStore
) -> None:
    generation = await circuit.check()
    proxy.rule = refuses_writes
    with pytest.raises(StoreUnavailable):
        await circuit.record_failure(LOST, generation=generation)
    proxy.rule = takes_everything
    await make_probe_due(database)
    assert (await circuit.probe_if_due()).answers

    # Another worker, whose clock does not matter, records a write from before the outage.
    late = StoreCircuitBreaker(catalog.store_circuit, store)
    proxy.rule = refuses_writes
    with pytest.raises(StorageFailure):
        await late.record_failure(LOST, generation=generation)
    assert (await catalog.store_circuit.read()).reason is None


async def test_one_of_many_waiting_runs_probes_with_exponential_backoff(
    circuit: StoreCircuitBreaker, proxy: StoreProxy, database: Database, catalog: Catalog, store: ObjectStore
) -> None:
    proxy.rule = refuses_writes
    with pytest.raises(StoreUnavailable):
        await circuit.check()
    proxy.requests.clear()
    circuits = [StoreCircuitBreaker(catalog.store_circuit, store) for _ in range(10)]

    for round_number in range(1, 4):
        await make_probe_due(database)
        states = await asyncio.gather(*(each.probe_if_due() for each in circuits))
        assert not any(each.answers for each in states)
        assert count_probes(proxy) == round_number
        least = probe_delay(round_number).total_seconds()
        assert all(least / 2 <= each.look_again_seconds <= 1.3 * least for each in states)


async def test_the_circuit_closes_when_the_store_takes_a_write_again(
    circuit: StoreCircuitBreaker, proxy: StoreProxy, database: Database, catalog: Catalog
) -> None:
    proxy.rule = refuses_writes
    with pytest.raises(StoreUnavailable):
        await circuit.check()
    assert not (await circuit.probe_if_due()).answers
    proxy.rule = takes_everything
    await make_probe_due(database)
    assert (await circuit.probe_if_due()).answers
    assert await circuit.check() == 2
    state = await catalog.store_circuit.read()
    assert (state.reason, state.probes, state.next_probe_at) == (None, 0, None)


async def test_an_unreachable_store_takes_no_writes(s3: StorageAddress) -> None:
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

"""A store that takes no writes: runs wait, nobody is blamed, and nothing is fetched that cannot be kept."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from typing import Any

import pytest

from domain.storage import StorageAddress
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.object_store import running_object_store
from tests.support.stack import RunningStack, running_stack
from tests.support.store_kinds import STORE_KINDS
from tests.support.store_proxy import (
    Refusal,
    StoreProxy,
    StoreRequest,
    refuses_writes,
    store_proxy,
    takes_everything,
)

DOCUMENTS = 10


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StorageAddress]:
    """A store of its own."""
    with running_object_store(tmp_path_factory.mktemp("refusing-s3")) as address:
        yield address


@pytest.fixture(scope="module")
def proxy(s3: StorageAddress) -> Iterator[StoreProxy]:
    """The way to it, which a test can close."""
    with store_proxy(s3) as proxy:
        yield proxy


@pytest.fixture(scope="module")
async def far_stack(
    s3: StorageAddress, proxy: StoreProxy, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningStack]:
    """A stack whose store is behind the proxy."""
    variables = {
        "AUTOS_S3_ENDPOINT_URL": proxy.url,
        "AUTOS_S3_BUCKET": s3.bucket,
        "AUTOS_S3_ACCESS_KEY_ID": str(s3.access_key_id),
        "AUTOS_S3_SECRET_ACCESS_KEY": str(s3.secret_access_key),
    }
    async with running_stack(tmp_path_factory.mktemp("far"), **variables) as stack:
        yield stack
        proxy.rule = takes_everything


async def wait_for_phase(stack: RunningStack, number: str, phase: str) -> dict[str, Any]:
    """Wait until the run is in a phase. Returns the status."""

    async def reached() -> dict[str, Any] | None:
        status = await stack.status(number)
        return status if status["phase"] == phase else None

    return await eventually(reached, f"{number} is {phase}")


def attempts_counted(stack: RunningStack, number: str) -> int:
    """Return how many attempts the catalog holds against the documents of a process."""
    with closing(sqlite3.connect(stack.data_dir / "autos.db")) as catalog:
        query = "SELECT sum(failed_attempts) FROM documents WHERE process_number = ?"
        return int(catalog.execute(query, (number,)).fetchone()[0])


async def test_a_document_that_the_store_will_never_take_is_fetched_once_and_fails_alone(
    far_stack: RunningStack, proxy: StoreProxy
) -> None:
    stack, number = far_stack, fresh_number()
    refused: list[str] = []

    def refuses_one(request: StoreRequest) -> Refusal | None:
        if request.method != "PUT" or number not in request.path:
            return None
        refused.extend([] if refused else [request.path])
        return Refusal(400, "EntityTooLarge") if request.path == refused[0] else None

    await stack.prepare(number, DOCUMENTS, size_bytes=5_000)
    await stack.forget_requests()
    proxy.rule = refuses_one
    await stack.request(number)
    status = await stack.ended(number)
    proxy.rule = takes_everything

    assert (status["status"], status["available_documents"]) == ("partial", DOCUMENTS - 1)
    assert status["failures_by_code"] == {"not_stored": 1}
    assert set((await stack.court())["documents_served"].values()) == {1}


@pytest.mark.parametrize("kind", ["refuses-checksums", "implements-little"])
async def test_a_store_that_knows_little_keeps_a_process_like_any_other(
    far_stack: RunningStack, proxy: StoreProxy, kind: str
) -> None:
    stack, number = far_stack, fresh_number()
    await stack.prepare(number, DOCUMENTS, size_bytes=5_000)
    proxy.rule = STORE_KINDS[kind].rule
    await stack.request(number)
    status = await stack.ended(number)
    proxy.rule = takes_everything
    assert (status["status"], status["available_documents"]) == ("completed", DOCUMENTS)


async def test_nothing_is_fetched_that_cannot_be_kept_and_the_run_goes_on_by_itself(
    far_stack: RunningStack, proxy: StoreProxy
) -> None:
    stack, number = far_stack, fresh_number()
    await stack.prepare(number, DOCUMENTS, size_bytes=5_000)
    await stack.request(number)
    await stack.reaches(number, DOCUMENTS)
    await stack.ended(number)

    number = fresh_number()
    await stack.prepare(number, DOCUMENTS, size_bytes=5_000)
    await stack.forget_requests()
    await stack.latency(0.3)
    proxy.rule = refuses_writes
    await stack.request(number)

    status = await wait_for_phase(stack, number, "waiting_for_store")
    assert (status["status"], status["failed_documents"]) == ("processing", 0)
    served = (await stack.court())["documents_served"]
    assert set(served.values()) <= {1}
    assert (await stack.api.get("/health/live")).status_code == 200

    # Cancelled, it blames nobody.
    cancelled = fresh_number()
    await stack.prepare(cancelled, DOCUMENTS, size_bytes=5_000)
    await stack.request(cancelled)
    await wait_for_phase(stack, cancelled, "waiting_for_store")
    await stack.api.post(f"/processes/{cancelled}/cancel")
    status = await stack.ended(cancelled)
    assert (status["run"]["outcome"], status["failed_documents"]) == ("cancelled", 0)
    assert status["pending_documents"] == DOCUMENTS

    proxy.rule = takes_everything
    status = await stack.ended(number)
    assert (status["status"], status["available_documents"]) == ("completed", DOCUMENTS)
    assert attempts_counted(stack, number) == attempts_counted(stack, cancelled) == 0
    # Once before the circuit opened, if at all, and once when it had closed.
    served = (await stack.court())["documents_served"]
    assert sum(served.values()) <= 2 * DOCUMENTS

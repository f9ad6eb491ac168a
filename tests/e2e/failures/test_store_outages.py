"""Outages of the object store: runs wait, no document is blamed, and nothing is downloaded in vain."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from domain.storage import StorageAddress
from tests.support.numbers import fresh_number
from tests.support.object_store import running_object_store
from tests.support.run_reports import count_failed_attempts
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
    """A store for these tests alone."""
    with running_object_store(tmp_path_factory.mktemp("refusing-s3")) as address:
        yield address


@pytest.fixture(scope="module")
def proxy(s3: StorageAddress) -> Iterator[StoreProxy]:
    """A proxy in front of the store, which a test can make refuse requests."""
    with store_proxy(s3) as proxy:
        yield proxy


@pytest.fixture(scope="module")
async def proxied_stack(
    s3: StorageAddress, proxy: StoreProxy, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningStack]:
    """A stack whose store is behind the proxy."""
    variables = {
        "AUTOS_S3_ENDPOINT_URL": proxy.url,
        "AUTOS_S3_BUCKET": s3.bucket,
        "AUTOS_S3_ACCESS_KEY_ID": str(s3.access_key_id),
        "AUTOS_S3_SECRET_ACCESS_KEY": str(s3.secret_access_key),
    }
    async with running_stack(tmp_path_factory.mktemp("proxied"), **variables) as stack:
        yield stack
        proxy.rule = takes_everything


async def test_a_document_that_the_store_refuses_is_downloaded_once_and_fails_alone(
    proxied_stack: RunningStack, proxy: StoreProxy
) -> None:
    stack, number = proxied_stack, fresh_number()
    refused: list[str] = []

    def refuses_one(request: StoreRequest) -> Refusal | None:
        if request.method != "PUT" or number not in request.path:
            return None
        if not refused:
            refused.append(request.path)
        return Refusal(400, "EntityTooLarge") if request.path == refused[0] else None

    await stack.create_process(number, DOCUMENTS, size_bytes=5_000)
    await stack.reset_court_stats()
    proxy.rule = refuses_one
    await stack.request_download(number)
    status = await stack.wait_until_ended(number)
    proxy.rule = takes_everything

    assert (status["status"], status["available_documents"]) == ("partial", DOCUMENTS - 1)
    assert status["failures_by_code"] == {"not_stored": 1}
    assert set((await stack.get_court_stats())["documents_served"].values()) == {1}


@pytest.mark.parametrize("kind", ["refuses-checksums", "implements-little"])
async def test_a_store_with_few_features_stores_a_process(
    proxied_stack: RunningStack, proxy: StoreProxy, kind: str
) -> None:
    stack, number = proxied_stack, fresh_number()
    await stack.create_process(number, DOCUMENTS, size_bytes=5_000)
    proxy.rule = STORE_KINDS[kind].rule
    await stack.request_download(number)
    status = await stack.wait_until_ended(number)
    proxy.rule = takes_everything
    assert (status["status"], status["available_documents"]) == ("completed", DOCUMENTS)


async def test_runs_wait_for_the_store_without_downloading_and_continue_by_themselves(
    proxied_stack: RunningStack, proxy: StoreProxy
) -> None:
    stack, number = proxied_stack, fresh_number()
    await stack.create_process(number, DOCUMENTS, size_bytes=5_000)
    await stack.request_download(number)
    await stack.wait_until_available(number, DOCUMENTS)
    await stack.wait_until_ended(number)

    number = fresh_number()
    await stack.create_process(number, DOCUMENTS, size_bytes=5_000)
    await stack.reset_court_stats()
    await stack.set_latency(0.3)
    proxy.rule = refuses_writes
    await stack.request_download(number)

    status = await stack.wait_until_phase(number, "waiting_for_store")
    assert (status["status"], status["failed_documents"]) == ("processing", 0)
    served = (await stack.get_court_stats())["documents_served"]
    assert set(served.values()) <= {1}
    assert (await stack.api.get("/health/live")).status_code == 200

    # A run that is cancelled while it waits counts nothing against its documents.
    cancelled = fresh_number()
    await stack.create_process(cancelled, DOCUMENTS, size_bytes=5_000)
    await stack.request_download(cancelled)
    await stack.wait_until_phase(cancelled, "waiting_for_store")
    await stack.api.post(f"/processes/{cancelled}/cancel")
    status = await stack.wait_until_ended(cancelled)
    assert (status["run"]["outcome"], status["failed_documents"]) == ("cancelled", 0)
    assert status["pending_documents"] == DOCUMENTS

    proxy.rule = takes_everything
    status = await stack.wait_until_ended(number)
    assert (status["status"], status["available_documents"]) == ("completed", DOCUMENTS)
    assert count_failed_attempts(stack, number) == count_failed_attempts(stack, cancelled) == 0
    # At most once before the circuit opened, and once after it had closed.
    served = (await stack.get_court_stats())["documents_served"]
    assert sum(served.values()) <= 2 * DOCUMENTS

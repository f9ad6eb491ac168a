"""Interrupted uploads are aborted: at once, by the next attempt, or by the sweep. On a real store."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Self

import pytest
from temporalio.testing import ActivityEnvironment

from activities.storage import StorageActivities
from activities.store_circuit import StoreCircuitBreaker
from adapters.database import Catalog
from adapters.storage import PART_BYTES, ObjectStore
from domain.audit import LEFTOVER_AGE
from domain.content import DocumentContent
from domain.errors import DocumentFailure, FailureCode, StorageFailure
from domain.storage import DOCUMENTS_PREFIX, StorageAddress, object_prefix
from tests.support.contents import PDF_HEAD, PDF_TAIL, content_of, pdf_of
from tests.support.store_kinds import STORE_KINDS, StoreKind
from workflows.options import DOWNLOAD

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

LARGE = pdf_of(2 * PART_BYTES + 12_345)


@pytest.fixture(scope="module", params=["plain", "refuses-checksums"])
def kind(request: pytest.FixtureRequest) -> StoreKind:
    """A kind of store. Two kinds are enough here."""
    return STORE_KINDS[request.param]


@pytest.fixture
async def bucket(s3_client: S3Client, s3: StorageAddress) -> AsyncIterator[str]:
    """The bucket. All unfinished uploads are aborted afterwards."""
    yield s3.bucket
    for key, upload_id in await list_uploads(s3_client, s3.bucket, ""):
        await s3_client.abort_multipart_upload(Bucket=s3.bucket, Key=key, UploadId=upload_id)


async def list_uploads(client: S3Client, bucket: str, prefix: str) -> list[tuple[str, str]]:
    listed = await client.list_multipart_uploads(Bucket=bucket, Prefix=prefix)
    return [(item["Key"], item["UploadId"]) for item in listed.get("Uploads", [])]


async def start_upload(client: S3Client, bucket: str, key: str) -> str:
    """Start an upload with one part and leave it, as a killed worker does. Returns its id."""
    upload = await client.create_multipart_upload(Bucket=bucket, Key=key)
    upload_id = upload["UploadId"]
    await client.upload_part(Bucket=bucket, Key=key, UploadId=upload_id, PartNumber=1, Body=b"a part")
    return upload_id


class FutureClock(datetime):
    """A clock that is ahead by more than the age of leftovers."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        """Return the future time."""
        return super().now(tz) + LEFTOVER_AGE + timedelta(minutes=1)


async def test_abort_uploads_aborts_only_uploads_of_the_same_document(
    kind_store: ObjectStore, s3_client: S3Client, bucket: str, prefix: str
) -> None:
    neighbour = object_prefix("another", "document")
    leftovers = [await start_upload(s3_client, bucket, f"{prefix}.pdf") for _ in range(2)]
    kept = await start_upload(s3_client, bucket, f"{neighbour}.pdf")
    stored = await kind_store.store(prefix, "a name", content_of(LARGE), lambda _: "application/pdf")
    head = await s3_client.head_object(Bucket=bucket, Key=stored.key)

    assert await kind_store.abort_uploads(prefix, older_than=timedelta(0)) == len(leftovers)

    assert await list_uploads(s3_client, bucket, DOCUMENTS_PREFIX) == [(f"{neighbour}.pdf", kept)]
    assert head == await s3_client.head_object(Bucket=bucket, Key=stored.key) | {
        "ResponseMetadata": head["ResponseMetadata"]
    }
    assert await kind_store.abort_uploads(prefix, older_than=timedelta(0)) == 0


async def test_abort_uploads_reads_every_page(
    kind_store: ObjectStore, s3_client: S3Client, bucket: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.storage.object_store._UPLOADS_PER_PAGE", 2)
    for copy in range(7):
        await start_upload(s3_client, bucket, f"{prefix}/{copy % 4}.pdf")
    assert await kind_store.abort_uploads(prefix, older_than=timedelta(0)) == 7
    assert await list_uploads(s3_client, bucket, prefix) == []


async def test_abort_uploads_ignores_uploads_that_ended_meanwhile(
    kind_store: ObjectStore, s3_client: S3Client, bucket: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id = await start_upload(s3_client, bucket, f"{prefix}.pdf")
    paginator = s3_client.get_paginator("list_multipart_uploads")
    pages = [page async for page in paginator.paginate(Bucket=bucket, Prefix=prefix)]
    # This store still accepts the id of an aborted upload. An unknown id simulates stores that do not.
    pages[0]["Uploads"].append({**pages[0]["Uploads"][0], "UploadId": "ended"})

    class StalePaginator:
        """A listing from before the upload ended."""

        async def paginate(self, **_: object) -> AsyncIterator[object]:
            for page in pages:
                yield page

    monkeypatch.setattr(kind_store._client, "get_paginator", lambda _: StalePaginator())
    assert await kind_store.abort_uploads(prefix, older_than=timedelta(0)) == 1
    assert (f"{prefix}.pdf", upload_id) not in await list_uploads(s3_client, bucket, prefix)


async def test_abort_uploads_error_does_not_contain_the_store_address(s3: StorageAddress, prefix: str) -> None:
    async with AsyncExitStack() as stack:
        unauthorized = await ObjectStore.open(stack, replace(s3, secret_access_key="wrong"))
        with pytest.raises(StorageFailure, match="SignatureDoesNotMatch") as refused:
            await unauthorized.abort_uploads(prefix, older_than=timedelta(0))
    assert "http" not in str(refused.value)


async def test_sweep_aborts_only_old_uploads_of_documents(
    kind_store: ObjectStore,
    catalog: Catalog,
    s3_client: S3Client,
    bucket: str,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sweep = StorageActivities(kind_store, StoreCircuitBreaker(catalog.store_circuit, kind_store)).sweep_uploads
    foreign_upload = await start_upload(s3_client, bucket, "not-ours.bin")
    await start_upload(s3_client, bucket, f"{prefix}.pdf")

    assert await ActivityEnvironment().run(sweep) == 0
    monkeypatch.setattr("adapters.storage.object_store.datetime", FutureClock)
    assert await ActivityEnvironment().run(sweep) == 1

    assert await list_uploads(s3_client, bucket, "") == [("not-ours.bin", foreign_upload)]


def test_download_timeout_is_shorter_than_leftover_age() -> None:
    assert DOWNLOAD["start_to_close_timeout"] < LEFTOVER_AGE


async def test_upload_over_the_size_limit_stops_early_and_leaves_nothing(
    kind_store: ObjectStore, s3_client: S3Client, bucket: str, prefix: str
) -> None:
    sent_mebibytes = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent_mebibytes
        yield PDF_HEAD
        while True:
            sent_mebibytes += 1
            yield b"x" * 1024**2

    content = DocumentContent(endless(), max_bytes=2 * PART_BYTES + len(PDF_HEAD))
    with pytest.raises(DocumentFailure) as failed:
        await kind_store.store(prefix, "a name", content, lambda _: "application/pdf")
    assert failed.value.code is FailureCode.TOO_LARGE
    assert sent_mebibytes == 2 * PART_BYTES // 1024**2 + 1
    assert await list_uploads(s3_client, bucket, prefix) == []
    assert await kind_store.find(prefix) is None


async def test_second_cancellation_does_not_stop_the_abort(
    kind_store: ObjectStore, s3_client: S3Client, bucket: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    aborting, release_abort = asyncio.Event(), asyncio.Event()
    abort = kind_store._client.abort_multipart_upload

    async def abort_when_released(**target: Any) -> object:
        aborting.set()
        await release_abort.wait()
        return await abort(**target)

    monkeypatch.setattr(kind_store._client, "abort_multipart_upload", abort_when_released)
    stalled = asyncio.Event()

    async def stalling() -> AsyncIterator[bytes]:
        yield LARGE
        stalled.set()
        await asyncio.Event().wait()

    content = DocumentContent(stalling(), max_bytes=10**9)
    upload = asyncio.create_task(kind_store.store(prefix, "a name", content, lambda _: "application/pdf"))
    await stalled.wait()
    upload.cancel()
    await aborting.wait()
    upload.cancel()
    release_abort.set()
    with pytest.raises(asyncio.CancelledError):
        await upload
    assert await list_uploads(s3_client, bucket, prefix) == []


async def test_failed_abort_does_not_hide_the_original_error(
    kind_store: ObjectStore, prefix: str, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never_answer(**_: str) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(kind_store._client, "abort_multipart_upload", never_answer)
    monkeypatch.setattr("adapters.storage.uploads._ABORT_SECONDS", 0.01)
    with pytest.raises(DocumentFailure) as failed:
        await kind_store.store(
            prefix, "a name", content_of(LARGE, declared_size=len(LARGE) + 1), lambda _: "application/pdf"
        )
    assert failed.value.code is FailureCode.TRUNCATED


async def test_upload_memory_is_bounded_by_a_few_parts(
    s3_client: S3Client, s3: StorageAddress, bucket: str, prefix: str
) -> None:
    store = ObjectStore(s3_client, s3)

    async def large() -> AsyncIterator[bytes]:
        yield PDF_HEAD
        for _ in range(10 * PART_BYTES // 65_536):
            yield b"x" * 65_536
        yield PDF_TAIL

    tracemalloc.start()
    try:
        content = DocumentContent(large(), max_bytes=10**9)
        await store.store(prefix, "a name", content, lambda _: "application/pdf")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert content.size_bytes > 10 * PART_BYTES
    assert peak < 3.5 * PART_BYTES
    assert (await store.find(prefix)) is not None

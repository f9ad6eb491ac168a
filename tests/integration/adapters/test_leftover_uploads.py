"""Uploads that are cut short are taken back: at once, by the next attempt, or by the sweep; on a real store."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

import pytest
from temporalio.testing import ActivityEnvironment

from activities.storage import LEFTOVER_AGE, StorageActivities
from activities.store_circuit import StoreCircuitBreaker
from adapters.database import Catalog
from adapters.storage import PART_BYTES, ObjectStore
from domain.content import DocumentContent
from domain.errors import DocumentFailure, FailureCode, StorageFailure
from domain.storage import DOCUMENTS_PREFIX, StorageAddress, object_prefix
from tests.support.contents import PDF_HEAD, PDF_TAIL, content_of, pdf_of
from tests.support.store_kinds import STORE_KINDS, StoreKind, store_of_kind
from workflows.options import DOWNLOAD

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

LARGE = pdf_of(2 * PART_BYTES + 12_345)


@pytest.fixture(scope="module", params=["plain", "refuses-checksums"])
async def kind(request: pytest.FixtureRequest) -> StoreKind:
    """A kind of store."""
    return STORE_KINDS[request.param]


@pytest.fixture(scope="module")
async def store(kind: StoreKind, s3: StorageAddress) -> AsyncIterator[ObjectStore]:
    """Our store, of each kind."""
    async with store_of_kind(kind, s3) as store:
        yield store


@pytest.fixture
def prefix(number: str) -> str:
    """A place for a document that no other test uses."""
    return object_prefix(number, str(uuid4()))


@pytest.fixture
async def bucket(s3_client: S3Client, s3: StorageAddress) -> AsyncIterator[str]:
    """The bucket, in which no upload is left afterwards."""
    yield s3.bucket
    for key, upload_id in await _uploads(s3_client, s3.bucket, ""):
        await s3_client.abort_multipart_upload(Bucket=s3.bucket, Key=key, UploadId=upload_id)


async def _uploads(client: S3Client, bucket: str, prefix: str) -> list[tuple[str, str]]:
    listed = await client.list_multipart_uploads(Bucket=bucket, Prefix=prefix)
    return [(item["Key"], item["UploadId"]) for item in listed.get("Uploads", [])]


async def begin(client: S3Client, bucket: str, key: str) -> str:
    """Leave an upload with one part, as a worker that is killed does."""
    upload = await client.create_multipart_upload(Bucket=bucket, Key=key)
    upload_id = upload["UploadId"]
    await client.upload_part(Bucket=bucket, Key=key, UploadId=upload_id, PartNumber=1, Body=b"a part")
    return upload_id


class Tomorrow(datetime):
    """A clock that is a day and more ahead."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        """Later than it is."""
        return super().now(tz) + LEFTOVER_AGE + timedelta(minutes=1)


async def test_the_next_attempt_takes_away_what_the_one_before_left_of_its_document(
    store: ObjectStore, s3_client: S3Client, bucket: str, prefix: str
) -> None:
    neighbour = object_prefix("another", "document")
    left = [await begin(s3_client, bucket, f"{prefix}.pdf") for _ in range(2)]
    kept = await begin(s3_client, bucket, f"{neighbour}.pdf")
    stored = await store.store(prefix, "a name", content_of(LARGE), lambda _: "application/pdf")
    head = await s3_client.head_object(Bucket=bucket, Key=stored.key)

    assert await store.abort_uploads(prefix, older_than=timedelta(0)) == len(left)

    assert await _uploads(s3_client, bucket, DOCUMENTS_PREFIX) == [(f"{neighbour}.pdf", kept)]
    assert head == await s3_client.head_object(Bucket=bucket, Key=stored.key) | {
        "ResponseMetadata": head["ResponseMetadata"]
    }
    assert await store.abort_uploads(prefix, older_than=timedelta(0)) == 0


async def test_every_page_of_uploads_is_seen(
    store: ObjectStore, s3_client: S3Client, bucket: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.storage.object_store._UPLOADS_PER_PAGE", 2)
    for copy in range(7):
        await begin(s3_client, bucket, f"{prefix}/{copy % 4}.pdf")
    assert await store.abort_uploads(prefix, older_than=timedelta(0)) == 7
    assert await _uploads(s3_client, bucket, prefix) == []


async def test_an_upload_that_has_ended_meanwhile_is_no_trouble(
    store: ObjectStore, s3_client: S3Client, bucket: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id = await begin(s3_client, bucket, f"{prefix}.pdf")
    paginator = s3_client.get_paginator("list_multipart_uploads")
    pages = [page async for page in paginator.paginate(Bucket=bucket, Prefix=prefix)]
    # This store forgets an upload that it has aborted; one that it never had stands for those that others forget.
    pages[0]["Uploads"].append({**pages[0]["Uploads"][0], "UploadId": "ended"})

    class Late:
        """A listing from before the end."""

        async def paginate(self, **_: object) -> AsyncIterator[object]:
            for page in pages:
                yield page

    monkeypatch.setattr(store._client, "get_paginator", lambda _: Late())
    assert await store.abort_uploads(prefix, older_than=timedelta(0)) == 1
    assert (f"{prefix}.pdf", upload_id) not in await _uploads(s3_client, bucket, prefix)


async def test_a_store_that_refuses_is_reported_without_its_address(s3: StorageAddress, prefix: str) -> None:
    async with AsyncExitStack() as stack:
        stranger = await ObjectStore.open(stack, replace(s3, secret_access_key="wrong"))
        with pytest.raises(StorageFailure, match="SignatureDoesNotMatch") as refused:
            await stranger.abort_uploads(prefix, older_than=timedelta(0))
    assert "http" not in str(refused.value)


async def test_the_sweep_takes_what_is_too_old_to_be_anybodys_and_nothing_else(
    store: ObjectStore,
    catalog: Catalog,
    s3_client: S3Client,
    bucket: str,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sweep = StorageActivities(store, StoreCircuitBreaker(catalog.store_circuit, store)).sweep_uploads
    elsewhere = await begin(s3_client, bucket, "not-ours.bin")
    await begin(s3_client, bucket, f"{prefix}.pdf")

    assert await ActivityEnvironment().run(sweep) == 0
    monkeypatch.setattr("adapters.storage.object_store.datetime", Tomorrow)
    assert await ActivityEnvironment().run(sweep) == 1

    assert await _uploads(s3_client, bucket, "") == [("not-ours.bin", elsewhere)]


def test_no_download_lives_as_long_as_what_the_sweep_takes() -> None:
    assert DOWNLOAD["start_to_close_timeout"] < LEFTOVER_AGE


async def test_a_document_over_the_limit_is_cut_while_it_flows_and_leaves_nothing(
    store: ObjectStore, s3_client: S3Client, bucket: str, prefix: str
) -> None:
    given = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal given
        yield PDF_HEAD
        while True:
            given += 1
            yield b"x" * 1024**2

    content = DocumentContent(endless(), max_bytes=2 * PART_BYTES + len(PDF_HEAD))
    with pytest.raises(DocumentFailure) as failed:
        await store.store(prefix, "a name", content, lambda _: "application/pdf")
    assert failed.value.code is FailureCode.TOO_LARGE
    assert given == 2 * PART_BYTES // 1024**2 + 1
    assert await _uploads(s3_client, bucket, prefix) == []
    assert await store.find(prefix) is None


async def test_cancelling_twice_does_not_stop_the_abort(
    store: ObjectStore, s3_client: S3Client, bucket: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    aborting, go_on = asyncio.Event(), asyncio.Event()
    abort = store._client.abort_multipart_upload

    async def held(**target: Any) -> object:
        aborting.set()
        await go_on.wait()
        return await abort(**target)

    monkeypatch.setattr(store._client, "abort_multipart_upload", held)
    stalled = asyncio.Event()

    async def stalling() -> AsyncIterator[bytes]:
        yield LARGE
        stalled.set()
        await asyncio.Event().wait()

    content = DocumentContent(stalling(), max_bytes=10**9)
    upload = asyncio.create_task(store.store(prefix, "a name", content, lambda _: "application/pdf"))
    await stalled.wait()
    upload.cancel()
    await aborting.wait()
    upload.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await upload
    assert await _uploads(s3_client, bucket, prefix) == []


async def test_an_abort_that_fails_does_not_hide_what_led_to_it(
    store: ObjectStore, prefix: str, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unanswered(**_: str) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(store._client, "abort_multipart_upload", unanswered)
    monkeypatch.setattr("adapters.storage.uploads._ABORT_SECONDS", 0.01)
    with pytest.raises(DocumentFailure) as failed:
        await store.store(
            prefix, "a name", content_of(LARGE, declared_size=len(LARGE) + 1), lambda _: "application/pdf"
        )
    assert failed.value.code is FailureCode.TRUNCATED


async def test_a_document_of_any_size_takes_the_memory_of_a_few_parts(
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

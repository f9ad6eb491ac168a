"""What is stored under a prefix is erased with its versions, on stores with and without versions."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from adapters.storage import ObjectStore, open_s3
from domain.errors import StorageFailure
from domain.storage import StorageAddress
from tests.support.process_traces import find_in_bucket
from tests.support.store_kinds import StoreKind, stand_in
from tests.support.store_proxy import Refusal, StoreRequest

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client


@pytest.fixture(params=["Enabled", "Suspended", None], ids=["versions", "suspended", "no-versions"])
async def bucket(request: pytest.FixtureRequest, s3: StorageAddress) -> StorageAddress:
    """A bucket of its own, with or without versions."""
    name = f"erasing-{uuid4().hex[:8]}"
    async with open_s3(s3) as client:
        await client.create_bucket(Bucket=name)
        if request.param is not None:
            for status in dict.fromkeys(("Enabled", request.param)):
                await client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": status})
                await client.put_object(Bucket=name, Key=f"processes/1/{status}.pdf", Body=b"old")
    return StorageAddress(name, s3.endpoint_url, s3.region, s3.access_key_id, s3.secret_access_key)


async def test_versions_markers_and_uploads_are_erased_under_the_prefix_alone(bucket: StorageAddress) -> None:
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(open_s3(bucket))
        store = await ObjectStore.open(stack, bucket)
        for body in (b"first", b"second"):
            await client.put_object(Bucket=bucket.bucket, Key="processes/1/a.pdf", Body=body)
        await client.put_object(Bucket=bucket.bucket, Key="processes/1/b.pdf", Body=b"deleted")
        await client.delete_object(Bucket=bucket.bucket, Key="processes/1/b.pdf")
        await client.create_multipart_upload(Bucket=bucket.bucket, Key="processes/1/c.pdf")
        await client.put_object(Bucket=bucket.bucket, Key="processes/10/a.pdf", Body=b"kept")
        objects, size_bytes = await store.measure("processes/1/")

        assert await store.has_any("processes/1/")
        assert objects >= 1
        assert size_bytes >= len(b"second")
        assert await store.erase("processes/1/") >= objects
        assert not await store.has_any("processes/1/")
        assert await find_in_bucket(client, bucket.bucket, ["processes/1/"]) == []
        assert await find_in_bucket(client, bucket.bucket, ["processes/10/a.pdf"]) != []
        assert await store.erase("processes/1/") == 0


async def test_a_store_without_versions_is_asked_for_its_objects(s3: StorageAddress, s3_client: S3Client) -> None:
    prefix = f"processes/{uuid4()}/"

    def knows_no_versions(request: StoreRequest) -> Refusal | None:
        return Refusal(501, "NotImplemented", "No versions") if "versions" in request.query else None

    for index in range(3):
        await s3_client.put_object(Bucket=s3.bucket, Key=f"{prefix}{index}.pdf", Body=b"bytes")
    with stand_in(StoreKind(knows_no_versions), s3) as (_, address):
        async with AsyncExitStack() as stack:
            store = await ObjectStore.open(stack, address)
            assert await store.measure(prefix) == (3, 15)
            assert await store.erase(prefix) == 3
    assert await find_in_bucket(s3_client, s3.bucket, [prefix]) == []


@pytest.mark.parametrize(
    ("refused", "right"),
    [("GET", "s3:ListBucketMultipartUploads"), ("DELETE", "s3:AbortMultipartUpload")],
    ids=["list", "abort"],
)
async def test_a_key_that_may_not_abort_uploads_erases_nothing(
    s3: StorageAddress, s3_client: S3Client, refused: str, right: str
) -> None:
    prefix = f"processes/{uuid4()}/"

    def denies(request: StoreRequest) -> Refusal | None:
        is_denied = request.method == refused and "upload" in request.query
        return Refusal(403, "AccessDenied", "Denied") if is_denied else None

    await s3_client.create_multipart_upload(Bucket=s3.bucket, Key=f"{prefix}a.pdf")
    with stand_in(StoreKind(denies), s3) as (_, address):
        async with AsyncExitStack() as stack:
            store = await ObjectStore.open(stack, address)
            with pytest.raises(StorageFailure, match=right):
                await store.erase(prefix)


async def test_a_store_that_does_not_list_uploads_is_erased(s3: StorageAddress, s3_client: S3Client) -> None:
    prefix = f"processes/{uuid4()}/"

    def lists_no_uploads(request: StoreRequest) -> Refusal | None:
        is_list = request.method == "GET" and "uploads" in request.query
        return Refusal(501, "NotImplemented", "No uploads") if is_list else None

    await s3_client.put_object(Bucket=s3.bucket, Key=f"{prefix}a.pdf", Body=b"bytes")
    with stand_in(StoreKind(lists_no_uploads), s3) as (_, address):
        async with AsyncExitStack() as stack:
            assert await (await ObjectStore.open(stack, address)).erase(prefix) == 1


@pytest.mark.parametrize("refused", ["GET", "DELETE"])
async def test_a_key_that_may_not_erase_fails_and_names_the_right(
    s3: StorageAddress, s3_client: S3Client, refused: str
) -> None:
    prefix = f"processes/{uuid4()}/"

    def denies(request: StoreRequest) -> Refusal | None:
        is_denied = request.method == refused and (refused == "DELETE" or "versions" in request.query)
        return Refusal(403, "AccessDenied", "Denied") if is_denied else None

    await s3_client.put_object(Bucket=s3.bucket, Key=f"{prefix}a.pdf", Body=b"bytes")
    with stand_in(StoreKind(denies), s3) as (_, address):
        async with AsyncExitStack() as stack:
            store = await ObjectStore.open(stack, address)
            with pytest.raises(StorageFailure, match="s3:ListBucketVersions and s3:DeleteObjectVersion"):
                await store.erase(prefix)
    assert await find_in_bucket(s3_client, s3.bucket, [prefix]) != []

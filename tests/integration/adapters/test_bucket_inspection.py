"""The probe object's round trip on a real store, and what stays behind: nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from adapters.storage.inspection import BucketInspector
from domain.errors import StorageFailure
from domain.storage import PROBE_PREFIX, StorageAddress
from tests.support.store_proxy import Refusal, StoreRequest, store_proxy

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

ORIGIN = "https://autos.example.org"


@asynccontextmanager
async def inspecting(address: StorageAddress) -> AsyncIterator[BucketInspector]:
    """Inspect a bucket for as long as the block lasts."""
    async with AsyncExitStack() as stack:
        yield await BucketInspector.open(stack, address, address)


async def count_versions(s3_client: S3Client, bucket: str) -> int:
    """Return how many versions and delete markers of probe objects there are."""
    listed = await s3_client.list_object_versions(Bucket=bucket, Prefix=PROBE_PREFIX)
    return len(listed.get("Versions", [])) + len(listed.get("DeleteMarkers", []))


@pytest.fixture(scope="module")
async def versioned(s3: StorageAddress, s3_client: S3Client) -> StorageAddress:
    """A bucket that keeps versions."""
    await s3_client.create_bucket(Bucket="versioned")
    await s3_client.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    return replace(s3, bucket="versioned")


@pytest.mark.parametrize("has_versions", [False, True], ids=["plain", "versioned"])
async def test_round_trip_leaves_nothing_behind(
    has_versions: bool, s3: StorageAddress, versioned: StorageAddress, s3_client: S3Client
) -> None:
    address = versioned if has_versions else s3
    async with inspecting(address) as inspector:
        await inspector.check()
        probe = await inspector.write_probe()
        await inspector.read_probe(probe)
        answer = await inspector.open_link(probe, origin=ORIGIN)
        assert await count_versions(s3_client, address.bucket) == 1
        assert await inspector.delete_probe(probe)
    assert await count_versions(s3_client, address.bucket) == 0
    assert (answer.status, answer.is_whole) == (200, True)
    assert inspector.clock_skew is not None
    assert abs(inspector.clock_skew) < timedelta(seconds=30)


async def test_a_key_that_may_not_delete_versions(versioned: StorageAddress, s3_client: S3Client) -> None:
    def keep_versions(request: StoreRequest) -> Refusal | None:
        refused = request.method == "DELETE" and "versionId" in request.query
        return Refusal(403, "AccessDenied") if refused else None

    with store_proxy(versioned) as proxy:
        proxy.rule = keep_versions
        async with inspecting(replace(versioned, endpoint_url=proxy.url)) as inspector:
            probe = await inspector.write_probe()
            assert not await inspector.delete_probe(probe)
    listed = await s3_client.list_object_versions(Bucket="versioned", Prefix=PROBE_PREFIX)
    assert [version["IsLatest"] for version in listed["DeleteMarkers"]] == [True]


async def test_a_clock_is_read_from_a_refusal(s3: StorageAddress) -> None:
    with store_proxy(s3) as proxy:
        proxy.rule = lambda _: Refusal(403, "RequestTimeTooSkewed")
        proxy.clock_offset = timedelta(hours=1)
        async with inspecting(replace(s3, endpoint_url=proxy.url)) as inspector:
            with pytest.raises(StorageFailure, match="Set this machine's clock"):
                await inspector.check()
    assert inspector.clock_skew is not None
    assert inspector.clock_skew > timedelta(minutes=59)


async def test_a_proxy_that_breaks_signatures_is_named(s3: StorageAddress) -> None:
    with store_proxy(s3) as proxy:
        proxy.rule = lambda request: (
            Refusal(403, "SignatureDoesNotMatch") if "X-Amz-Signature" in request.query else None
        )
        async with inspecting(replace(s3, endpoint_url=proxy.url)) as inspector:
            probe = await inspector.write_probe()
            answer = await inspector.open_link(probe, origin=ORIGIN)
            await inspector.delete_probe(probe)
    assert (answer.status, answer.reason, answer.is_whole) == (403, "SignatureDoesNotMatch", False)

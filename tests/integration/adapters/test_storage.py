"""Objects are stored whole and verified, or not at all. On a real store, and on simulated kinds of stores."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from adapters.storage import PART_BYTES, ObjectStore, read_document_name
from domain.content import DocumentContent
from domain.documents import StoredObject
from domain.errors import DependencyUnavailable, DocumentFailure, FailureCode, StorageFailure
from domain.storage import StorageAddress, object_prefix
from tests.support.contents import content_of, pdf_of
from tests.support.store_kinds import StoreKind

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

NAME = "Petição nº 1/2 – réplica; 100%.pdf"
SMALL = pdf_of(50_000)
LARGE = pdf_of(2 * PART_BYTES + 12_345)


def detect_pdf(_: bytes) -> str:
    """Return the media type of all test documents."""
    return "application/pdf"


async def list_leftovers(client: S3Client, s3: StorageAddress, prefix: str) -> tuple[list[str], list[str]]:
    """Return the keys of the objects and of the unfinished uploads under a prefix."""
    objects = await client.list_objects_v2(Bucket=s3.bucket, Prefix=prefix)
    uploads = await client.list_multipart_uploads(Bucket=s3.bucket, Prefix=prefix)
    return (
        [item["Key"] for item in objects.get("Contents", [])],
        [item["Key"] for item in uploads.get("Uploads", [])],
    )


async def read_object(client: S3Client, s3: StorageAddress, key: str) -> bytes:
    """Return the bytes of an object."""
    answer = await client.get_object(Bucket=s3.bucket, Key=key)
    async with answer["Body"] as body:
        return await body.read()


@pytest.mark.parametrize("body", [SMALL, LARGE, pdf_of(PART_BYTES), pdf_of(PART_BYTES + 1)], ids=len)
async def test_store_writes_the_exact_bytes(
    kind_store: ObjectStore, s3_client: S3Client, s3: StorageAddress, prefix: str, body: bytes
) -> None:
    stored = await kind_store.store(prefix, NAME, content_of(body), detect_pdf)
    digest = hashlib.sha256(body).hexdigest()
    assert stored == StoredObject(f"{prefix}.pdf", len(body), digest, "application/pdf")
    assert hashlib.sha256(await read_object(s3_client, s3, stored.key)).hexdigest() == digest
    assert await list_leftovers(s3_client, s3, prefix) == ([stored.key], [])


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
async def test_find_returns_the_object_of_an_earlier_attempt(
    kind_store: ObjectStore, kind: StoreKind, prefix: str, body: bytes
) -> None:
    stored = await kind_store.store(prefix, NAME, content_of(body), detect_pdf)
    # A large object has no digest in its metadata. Without a checksum of the store, it is unverified.
    found = stored if body is SMALL or kind.confirms else None
    assert await kind_store.find(prefix) == found


async def test_find_returns_none_if_nothing_was_stored(kind_store: ObjectStore, prefix: str) -> None:
    assert await kind_store.find(prefix) is None


async def test_find_ignores_an_object_without_digest(
    kind_store: ObjectStore, s3_client: S3Client, s3: StorageAddress, prefix: str
) -> None:
    await s3_client.put_object(Bucket=s3.bucket, Key=f"{prefix}.pdf", Body=SMALL, ContentType="application/pdf")
    assert await kind_store.find(prefix) is None


async def test_find_ignores_an_object_with_a_wrong_digest(
    kind_store: ObjectStore, s3_client: S3Client, s3: StorageAddress, prefix: str
) -> None:
    metadata = {"sha256": hashlib.sha256(SMALL).hexdigest()}
    await s3_client.put_object(Bucket=s3.bucket, Key=f"{prefix}.pdf", Body=SMALL[:-1] + b"x", Metadata=metadata)
    assert await kind_store.find(prefix) is None


async def test_find_ignores_an_object_of_another_size_than_listed(kind_store: ObjectStore, prefix: str) -> None:
    stored = await kind_store.store(prefix, NAME, content_of(SMALL), detect_pdf)
    assert await kind_store.find(prefix, size_bytes=len(SMALL) + 1) is None
    assert await kind_store.find(prefix, size_bytes=len(SMALL)) == stored


async def test_find_does_not_match_a_longer_document_id(kind_store: ObjectStore, number: str) -> None:
    await kind_store.store(object_prefix(number, "ab"), NAME, content_of(SMALL), detect_pdf)
    assert await kind_store.find(object_prefix(number, "a")) is None


async def test_storing_again_replaces_the_object(kind_store: ObjectStore, prefix: str) -> None:
    await kind_store.store(prefix, NAME, content_of(SMALL), detect_pdf)
    again = await kind_store.store(prefix, NAME, content_of(pdf_of(60_000)), detect_pdf)
    assert await kind_store.find(prefix) == again


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
async def test_object_has_name_and_media_type(
    kind_store: ObjectStore, s3_client: S3Client, s3: StorageAddress, prefix: str, body: bytes
) -> None:
    stored = await kind_store.store(prefix, NAME, content_of(body), detect_pdf)
    head = await s3_client.head_object(Bucket=s3.bucket, Key=stored.key)
    assert head["ContentType"] == "application/pdf"
    assert head["Metadata"]["name"].isascii()
    assert read_document_name(head["Metadata"]) == NAME


@pytest.mark.parametrize("name", ["文" * 2000, "ç" * 899 + "文", "\U0001f4c4" * 500, "a" * 5000, "a  b\tc\r\nd"])
async def test_long_and_unusual_names_fit_into_metadata(
    kind_store: ObjectStore, s3_client: S3Client, s3: StorageAddress, prefix: str, name: str
) -> None:
    stored = await kind_store.store(prefix, name, content_of(SMALL), detect_pdf)
    metadata = (await s3_client.head_object(Bucket=s3.bucket, Key=stored.key))["Metadata"]
    # S3 accepts two kilobytes of metadata names and values.
    assert sum(len(key) + len(value) for key, value in metadata.items()) <= 2048
    assert name.startswith((read_document_name(metadata) or "?")[:100])


async def test_small_object_has_a_checksum_if_the_store_supports_it(
    kind_store: ObjectStore, kind: StoreKind, s3_client: S3Client, s3: StorageAddress, prefix: str
) -> None:
    stored = await kind_store.store(prefix, NAME, content_of(SMALL), detect_pdf)
    head = await s3_client.head_object(Bucket=s3.bucket, Key=stored.key, ChecksumMode="ENABLED")
    assert ("ChecksumSHA256" in head) is kind.confirms
    assert head["Metadata"]["sha256"] == stored.sha256


class ContentWithWrongDigest(DocumentContent):
    """Content with a wrong digest, as if bytes had changed on their way to the store."""

    @property
    def sha256(self) -> bytes:
        """Return the digest of other bytes."""
        return hashlib.sha256(b"something else").digest()


async def test_bytes_with_a_wrong_checksum_are_not_kept(
    kind_store: ObjectStore, s3_client: S3Client, s3: StorageAddress, prefix: str
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield SMALL

    with pytest.raises(StorageFailure, match=r"BadDigest|other bytes than were written"):
        await kind_store.store(prefix, NAME, ContentWithWrongDigest(chunks(), max_bytes=10**9), detect_pdf)
    assert await list_leftovers(s3_client, s3, prefix) == ([], [])


async def test_part_with_a_wrong_checksum_is_refused(
    s3_client: S3Client, s3: StorageAddress, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ObjectStore(s3_client, s3)
    digest = hashlib.sha256(b"something else")
    monkeypatch.setattr("adapters.storage.uploads.hashlib.sha256", lambda _=b"": digest)
    with pytest.raises(StorageFailure, match="BadDigest"):
        await store.store(prefix, NAME, content_of(LARGE), detect_pdf)
    monkeypatch.undo()
    assert await list_leftovers(s3_client, s3, prefix) == ([], [])


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
async def test_truncated_document_leaves_nothing_behind(
    kind_store: ObjectStore, s3_client: S3Client, s3: StorageAddress, prefix: str, body: bytes
) -> None:
    with pytest.raises(DocumentFailure) as failed:
        await kind_store.store(prefix, NAME, content_of(body, declared_size=len(body) + 1), detect_pdf)
    assert failed.value.code is FailureCode.TRUNCATED
    assert await list_leftovers(s3_client, s3, prefix) == ([], [])


async def test_empty_document_leaves_nothing_behind(
    kind_store: ObjectStore, s3_client: S3Client, s3: StorageAddress, prefix: str
) -> None:
    with pytest.raises(DocumentFailure) as failed:
        await kind_store.store(prefix, NAME, content_of(b""), detect_pdf)
    assert failed.value.code is FailureCode.EMPTY_DOCUMENT
    assert await list_leftovers(s3_client, s3, prefix) == ([], [])


async def test_cancelled_upload_leaves_nothing_behind(
    kind_store: ObjectStore, s3_client: S3Client, s3: StorageAddress, prefix: str
) -> None:
    stalled = asyncio.Event()

    async def stalling() -> AsyncIterator[bytes]:
        yield LARGE
        yield LARGE
        stalled.set()
        await asyncio.Event().wait()

    content = DocumentContent(stalling(), max_bytes=10**9)
    upload = asyncio.create_task(kind_store.store(prefix, NAME, content, detect_pdf))
    await stalled.wait()
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload
    assert await list_leftovers(s3_client, s3, prefix) == ([], [])


@pytest.mark.parametrize(
    "change",
    [
        lambda address: replace(address, secret_access_key="wrong"),
        lambda address: replace(address, access_key_id="nobody"),
    ],
    ids=["secret", "key"],
)
async def test_storage_errors_contain_no_keys_or_signatures(
    s3: StorageAddress, prefix: str, change: Callable[[StorageAddress], StorageAddress]
) -> None:
    async with AsyncExitStack() as stack:
        unauthorized = await ObjectStore.open(stack, change(s3))
        with pytest.raises(StorageFailure) as refused:
            await unauthorized.store(prefix, NAME, content_of(SMALL), detect_pdf)
        with pytest.raises(StorageFailure) as unanswered:
            await unauthorized.find(prefix)
        with pytest.raises(DependencyUnavailable) as away:
            await unauthorized.check()
    for failed in (refused, unanswered, away):
        assert failed.value.__suppress_context__
        for secret in ("x-amz", "signature=", "http", "wrong", "a-synthetic-secret"):
            assert secret not in str(failed.value).lower()


async def test_check_fails_if_the_store_is_unreachable(s3: StorageAddress) -> None:
    async with AsyncExitStack() as stack:
        away = await ObjectStore.open(stack, replace(s3, endpoint_url="http://127.0.0.1:1"))
        with pytest.raises(DependencyUnavailable) as failed:
            await away.check()
    assert failed.value.dependency == "storage"
    assert "127.0.0.1" not in str(failed.value)


async def test_check_passes_if_the_bucket_exists(kind_store: ObjectStore) -> None:
    await kind_store.check()


async def test_check_fails_if_the_bucket_is_missing(s3: StorageAddress) -> None:
    async with AsyncExitStack() as stack:
        other = await ObjectStore.open(stack, replace(s3, bucket="no-such-bucket"))
        with pytest.raises(DependencyUnavailable, match="no-such-bucket"):
            await other.check()


async def test_an_object_is_read_in_pieces_and_verified(kind_store: ObjectStore, prefix: str) -> None:
    stored = await kind_store.store(prefix, NAME, content_of(LARGE), detect_pdf)
    pieces = [piece async for piece in kind_store.read(stored)]
    assert b"".join(pieces) == LARGE
    assert max(map(len, pieces)) <= 1024**2


@pytest.mark.parametrize(
    "expected", [{"sha256": "ab" * 32}, {"size_bytes": len(SMALL) - 1}, {"size_bytes": len(SMALL) + 1}]
)
async def test_another_object_than_expected_is_never_read_to_its_end(
    store: ObjectStore, prefix: str, expected: dict[str, str | int]
) -> None:
    stored = await store.store(prefix, NAME, content_of(SMALL), detect_pdf)
    changed = replace(stored, **expected)  # type: ignore[arg-type]  # Each case changes one field.
    with pytest.raises(StorageFailure, match="other bytes than were stored"):
        async for _ in store.read(changed):
            pass


async def test_a_lost_object_is_a_failure_of_the_store(store: ObjectStore, prefix: str) -> None:
    with pytest.raises(StorageFailure, match="NoSuchKey"):
        await anext(store.read(StoredObject(f"{prefix}.pdf", 1, "ab" * 32, "application/pdf")))

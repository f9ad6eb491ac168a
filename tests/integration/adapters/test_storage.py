"""Objects are put whole and verified, or not at all; on a real store, and on stand-ins for other kinds."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from adapters.storage import PART_BYTES, ObjectStore, read_document_name
from domain.content import DocumentContent
from domain.documents import StoredObject
from domain.errors import DependencyUnavailable, DocumentFailure, FailureCode, StorageFailure
from domain.storage import StorageAddress, object_prefix
from tests.support.contents import content_of, pdf_of
from tests.support.store_kinds import STORE_KINDS, StoreKind, store_of_kind

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

NAME = "Petição nº 1/2 – réplica; 100%.pdf"
SMALL = pdf_of(50_000)
LARGE = pdf_of(2 * PART_BYTES + 12_345)


def is_pdf(_: bytes) -> str:
    """The media type of everything here."""
    return "application/pdf"


@pytest.fixture(scope="module", params=STORE_KINDS)
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


async def remains(client: S3Client, s3: StorageAddress, prefix: str) -> tuple[list[str], list[str]]:
    """The objects and the unfinished uploads under a prefix."""
    objects = await client.list_objects_v2(Bucket=s3.bucket, Prefix=prefix)
    uploads = await client.list_multipart_uploads(Bucket=s3.bucket, Prefix=prefix)
    return (
        [item["Key"] for item in objects.get("Contents", [])],
        [item["Key"] for item in uploads.get("Uploads", [])],
    )


async def read(client: S3Client, s3: StorageAddress, key: str) -> bytes:
    """An object's bytes."""
    answer = await client.get_object(Bucket=s3.bucket, Key=key)
    async with answer["Body"] as body:
        return await body.read()


@pytest.mark.parametrize("body", [SMALL, LARGE, pdf_of(PART_BYTES), pdf_of(PART_BYTES + 1)], ids=len)
async def test_a_document_is_stored_with_its_very_bytes(
    store: ObjectStore, s3_client: S3Client, s3: StorageAddress, prefix: str, body: bytes
) -> None:
    stored = await store.store(prefix, NAME, content_of(body), is_pdf)
    digest = hashlib.sha256(body).hexdigest()
    assert stored == StoredObject(f"{prefix}.pdf", len(body), digest, "application/pdf")
    assert hashlib.sha256(await read(s3_client, s3, stored.key)).hexdigest() == digest
    assert await remains(s3_client, s3, prefix) == ([stored.key], [])


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
async def test_an_earlier_attempt_is_found_with_its_digest(
    store: ObjectStore, kind: StoreKind, prefix: str, body: bytes
) -> None:
    stored = await store.store(prefix, NAME, content_of(body), is_pdf)
    # The digest of a large one is not kept with it. Without the store's own, nobody says that it was read back.
    found = stored if body is SMALL or kind.confirms else None
    assert await store.find(prefix) == found


async def test_nothing_is_found_where_nothing_was_stored(store: ObjectStore, prefix: str) -> None:
    assert await store.find(prefix) is None


async def test_an_object_that_nothing_vouches_for_is_not_taken(
    store: ObjectStore, s3_client: S3Client, s3: StorageAddress, prefix: str
) -> None:
    await s3_client.put_object(Bucket=s3.bucket, Key=f"{prefix}.pdf", Body=SMALL, ContentType="application/pdf")
    assert await store.find(prefix) is None


async def test_an_object_with_other_bytes_than_the_noted_digest_is_not_taken(
    store: ObjectStore, s3_client: S3Client, s3: StorageAddress, prefix: str
) -> None:
    noted = {"sha256": hashlib.sha256(SMALL).hexdigest()}
    await s3_client.put_object(Bucket=s3.bucket, Key=f"{prefix}.pdf", Body=SMALL[:-1] + b"x", Metadata=noted)
    assert await store.find(prefix) is None


async def test_an_object_of_another_size_than_the_listing_says_is_not_taken(
    store: ObjectStore, prefix: str
) -> None:
    stored = await store.store(prefix, NAME, content_of(SMALL), is_pdf)
    assert await store.find(prefix, size_bytes=len(SMALL) + 1) is None
    assert await store.find(prefix, size_bytes=len(SMALL)) == stored


async def test_only_the_document_itself_is_found(store: ObjectStore, number: str) -> None:
    await store.store(object_prefix(number, "ab"), NAME, content_of(SMALL), is_pdf)
    assert await store.find(object_prefix(number, "a")) is None


async def test_storing_again_replaces_the_object(store: ObjectStore, prefix: str) -> None:
    await store.store(prefix, NAME, content_of(SMALL), is_pdf)
    again = await store.store(prefix, NAME, content_of(pdf_of(60_000)), is_pdf)
    assert await store.find(prefix) == again


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
async def test_the_object_carries_name_and_media_type(
    store: ObjectStore, s3_client: S3Client, s3: StorageAddress, prefix: str, body: bytes
) -> None:
    stored = await store.store(prefix, NAME, content_of(body), is_pdf)
    head = await s3_client.head_object(Bucket=s3.bucket, Key=stored.key)
    assert head["ContentType"] == "application/pdf"
    assert head["Metadata"]["name"].isascii()
    assert read_document_name(head["Metadata"]) == NAME


@pytest.mark.parametrize("name", ["文" * 2000, "ç" * 899 + "文", "\U0001f4c4" * 500, "a" * 5000, "a  b\tc\r\nd"])
async def test_no_name_is_too_long_or_too_strange_for_metadata(
    store: ObjectStore, s3_client: S3Client, s3: StorageAddress, prefix: str, name: str
) -> None:
    stored = await store.store(prefix, name, content_of(SMALL), is_pdf)
    metadata = (await s3_client.head_object(Bucket=s3.bucket, Key=stored.key))["Metadata"]
    # S3 itself takes two kilobytes of names and values.
    assert sum(len(key) + len(value) for key, value in metadata.items()) <= 2048
    assert name.startswith((read_document_name(metadata) or "?")[:100])


async def test_a_store_that_compares_checksums_keeps_that_of_a_small_document(
    store: ObjectStore, kind: StoreKind, s3_client: S3Client, s3: StorageAddress, prefix: str
) -> None:
    stored = await store.store(prefix, NAME, content_of(SMALL), is_pdf)
    head = await s3_client.head_object(Bucket=s3.bucket, Key=stored.key, ChecksumMode="ENABLED")
    assert ("ChecksumSHA256" in head) is kind.confirms
    assert head["Metadata"]["sha256"] == stored.sha256


class Corrupted(DocumentContent):
    """Content whose digest is another's, as if bytes had changed on their way to the store."""

    @property
    def sha256(self) -> bytes:
        """The digest of something else."""
        return hashlib.sha256(b"something else").digest()


async def test_bytes_that_do_not_fit_their_checksum_are_not_kept(
    store: ObjectStore, s3_client: S3Client, s3: StorageAddress, prefix: str
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield SMALL

    with pytest.raises(StorageFailure, match=r"BadDigest|other bytes than were written"):
        await store.store(prefix, NAME, Corrupted(chunks(), max_bytes=10**9), is_pdf)
    assert await remains(s3_client, s3, prefix) == ([], [])


async def test_a_part_that_does_not_fit_its_checksum_is_refused(
    s3_client: S3Client, s3: StorageAddress, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ObjectStore(s3_client, s3)
    digest = hashlib.sha256(b"something else")
    monkeypatch.setattr("adapters.storage.uploads.hashlib.sha256", lambda _=b"": digest)
    with pytest.raises(StorageFailure, match="BadDigest"):
        await store.store(prefix, NAME, content_of(LARGE), is_pdf)
    monkeypatch.undo()
    assert await remains(s3_client, s3, prefix) == ([], [])


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
async def test_a_truncated_document_leaves_nothing_behind(
    store: ObjectStore, s3_client: S3Client, s3: StorageAddress, prefix: str, body: bytes
) -> None:
    with pytest.raises(DocumentFailure) as failed:
        await store.store(prefix, NAME, content_of(body, declared_size=len(body) + 1), is_pdf)
    assert failed.value.code is FailureCode.TRUNCATED
    assert await remains(s3_client, s3, prefix) == ([], [])


async def test_an_empty_document_leaves_nothing_behind(
    store: ObjectStore, s3_client: S3Client, s3: StorageAddress, prefix: str
) -> None:
    with pytest.raises(DocumentFailure) as failed:
        await store.store(prefix, NAME, content_of(b""), is_pdf)
    assert failed.value.code is FailureCode.EMPTY_DOCUMENT
    assert await remains(s3_client, s3, prefix) == ([], [])


async def test_a_cancelled_upload_leaves_nothing_behind(
    store: ObjectStore, s3_client: S3Client, s3: StorageAddress, prefix: str
) -> None:
    far = asyncio.Event()

    async def stalling() -> AsyncIterator[bytes]:
        yield LARGE
        yield LARGE
        far.set()
        await asyncio.Event().wait()

    content = DocumentContent(stalling(), max_bytes=10**9)
    upload = asyncio.create_task(store.store(prefix, NAME, content, is_pdf))
    await far.wait()
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload
    assert await remains(s3_client, s3, prefix) == ([], [])


@pytest.mark.parametrize(
    "change",
    [
        lambda address: replace(address, secret_access_key="wrong"),
        lambda address: replace(address, access_key_id="nobody"),
    ],
    ids=["secret", "key"],
)
async def test_a_refusal_is_reported_without_keys_or_signatures(
    s3: StorageAddress, prefix: str, change: Callable[[StorageAddress], StorageAddress]
) -> None:
    async with AsyncExitStack() as stack:
        stranger = await ObjectStore.open(stack, change(s3))
        with pytest.raises(StorageFailure) as refused:
            await stranger.store(prefix, NAME, content_of(SMALL), is_pdf)
        with pytest.raises(StorageFailure) as unanswered:
            await stranger.find(prefix)
        with pytest.raises(DependencyUnavailable) as away:
            await stranger.check()
    for failed in (refused, unanswered, away):
        assert failed.value.__suppress_context__
        for secret in ("x-amz", "signature=", "http", "wrong", "a-synthetic-secret"):
            assert secret not in str(failed.value).lower()


async def test_a_store_that_is_away_is_not_well(s3: StorageAddress) -> None:
    async with AsyncExitStack() as stack:
        away = await ObjectStore.open(stack, replace(s3, endpoint_url="http://127.0.0.1:1"))
        with pytest.raises(DependencyUnavailable) as failed:
            await away.check()
    assert failed.value.dependency == "storage"
    assert "127.0.0.1" not in str(failed.value)


async def test_a_store_with_its_bucket_is_well(store: ObjectStore) -> None:
    await store.check()


async def test_a_store_without_the_bucket_is_not(s3: StorageAddress) -> None:
    async with AsyncExitStack() as stack:
        other = await ObjectStore.open(stack, replace(s3, bucket="no-such-bucket"))
        with pytest.raises(DependencyUnavailable, match="no-such-bucket"):
            await other.check()

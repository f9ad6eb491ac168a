"""What a store can do is found out once and remembered; what it does not verify is read back."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx
import pytest

from adapters.storage import PART_BYTES, ObjectStore
from adapters.storage.presigned_urls import LinkSigner
from domain.documents import Document, DocumentStatus, StoredObject
from domain.errors import StorageFailure
from domain.listings import Instance
from domain.secrecy import Secrecy
from domain.storage import WRITE_CHECK_KEY, AddressingStyle, StorageAddress, object_prefix
from tests.support.contents import content_of, pdf_of
from tests.support.store_kinds import STORE_KINDS, implements_little, refuses_path_style, stand_in
from tests.support.store_proxy import Refusal, StoreProxy, StoreRequest

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

SMALL = pdf_of(5_000)
LARGE = pdf_of(PART_BYTES + 12_345)
UNCONFIRMED = [name for name, kind in STORE_KINDS.items() if not kind.confirms]
BODIES = pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])


def is_pdf(_: bytes) -> str:
    """The media type of everything here."""
    return "application/pdf"


@dataclass(frozen=True)
class FreshStore:
    """A store that nobody has used yet."""

    store: ObjectStore
    proxy: StoreProxy
    address: StorageAddress

    def count(self, method: str, *, status: int | None = None, containing: str = "") -> int:
        """Return how many requests there were, optionally with an answer and about keys that contain a text."""
        return sum(
            asked.method == method and containing in asked.path and status in (None, answered)
            for asked, answered in self.proxy.requests
        )


@pytest.fixture
async def fresh(request: pytest.FixtureRequest, s3: StorageAddress) -> AsyncIterator[FreshStore]:
    """A store of a kind, which the test names."""
    with stand_in(STORE_KINDS[request.param], s3) as (proxy, address):
        async with AsyncExitStack() as stack:
            yield FreshStore(await ObjectStore.open(stack, address), proxy, address)


@pytest.fixture
def prefix(number: str) -> str:
    """A place for a document that no other test uses."""
    return object_prefix(number, str(uuid4()))


@pytest.mark.parametrize("fresh", STORE_KINDS, indirect=True)
async def test_a_refusal_is_met_once_and_what_is_not_confirmed_is_read_back(
    fresh: FreshStore, request: pytest.FixtureRequest, prefix: str
) -> None:
    kind = STORE_KINDS[request.node.callspec.params["fresh"]]
    await fresh.store.check_write()
    refused = fresh.count("PUT", status=400) + fresh.count("PUT", status=501)
    for place in range(3):
        await fresh.store.store(f"{prefix}-{place}", "a", content_of(SMALL), is_pdf)
    await fresh.store.store(f"{prefix}-4", "a", content_of(LARGE), is_pdf)

    assert refused == (kind.rule in {STORE_KINDS[name].rule for name in UNCONFIRMED[:2]})
    assert fresh.count("PUT", status=400) + fresh.count("PUT", status=501) == refused
    assert fresh.count("POST", status=400) + fresh.count("POST", status=501) == 0
    assert fresh.count("GET", containing=prefix) == (0 if kind.confirms else 4)


@pytest.mark.parametrize("fresh", ["refuses-checksums"], indirect=True)
async def test_a_large_document_may_be_the_first(fresh: FreshStore, prefix: str) -> None:
    stored = await fresh.store.store(prefix, "a", content_of(LARGE), is_pdf)
    assert stored.sha256 == hashlib.sha256(LARGE).hexdigest()


@pytest.mark.parametrize("fresh", ["refuses-checksums"], indirect=True)
async def test_many_first_writes_at_the_same_time_all_succeed(fresh: FreshStore, prefix: str) -> None:
    names = [f"{prefix}-{place}" for place in range(8)]
    await asyncio.gather(*(fresh.store.store(name, "a", content_of(SMALL), is_pdf) for name in names))
    found = await asyncio.gather(*(fresh.store.find(name) for name in names))
    assert {stored.sha256 for stored in found if stored} == {hashlib.sha256(SMALL).hexdigest()}
    assert None not in found


@BODIES
@pytest.mark.parametrize("fresh", UNCONFIRMED, indirect=True)
async def test_what_the_store_damages_is_not_taken_for_the_document(
    fresh: FreshStore, s3_client: S3Client, s3: StorageAddress, prefix: str, body: bytes
) -> None:
    fresh.proxy.damage = lambda asked, sent: sent[:-1] + b"x" if prefix in asked.path else sent
    with pytest.raises(StorageFailure, match="other bytes than were written") as failed:
        await fresh.store.store(prefix, "a", content_of(body), is_pdf)
    assert not failed.value.permanent
    assert "Contents" not in await s3_client.list_objects_v2(Bucket=s3.bucket, Prefix=prefix)


@pytest.mark.parametrize("fresh", ["refuses-checksums"], indirect=True)
async def test_what_is_damaged_is_not_found_by_the_next_attempt_either(
    fresh: FreshStore, s3_client: S3Client, s3: StorageAddress, prefix: str
) -> None:
    damaged = LARGE[:-1] + b"x"
    begun = await s3_client.create_multipart_upload(Bucket=s3.bucket, Key=f"{prefix}.pdf")
    upload_id = begun["UploadId"]
    part = await s3_client.upload_part(
        Bucket=s3.bucket, Key=f"{prefix}.pdf", UploadId=upload_id, PartNumber=1, Body=damaged
    )
    await s3_client.complete_multipart_upload(
        Bucket=s3.bucket,
        Key=f"{prefix}.pdf",
        UploadId=upload_id,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    assert await fresh.store.find(prefix, size_bytes=len(LARGE)) is None


@pytest.mark.parametrize("fresh", ["refuses-checksums", "ignores-checksums"], indirect=True)
@pytest.mark.parametrize("kept", [b"", None], ids=["empty", "lost"])
async def test_a_store_that_keeps_nothing_takes_no_writes(
    fresh: FreshStore, prefix: str, kept: bytes | None
) -> None:
    fresh.proxy.damage = lambda *_: kept
    with pytest.raises(StorageFailure):
        await fresh.store.store(prefix, "a", content_of(SMALL), is_pdf)
    with pytest.raises(StorageFailure):
        await fresh.store.check_write()


@pytest.mark.parametrize("fresh", ["refuses-path-style"], indirect=True)
async def test_a_store_that_wants_the_bucket_in_its_host_is_asked_otherwise_once(
    fresh: FreshStore, prefix: str
) -> None:
    stored = await fresh.store.store(prefix, "a", content_of(SMALL), is_pdf)
    signer = await LinkSigner.open(fresh.address, timedelta(minutes=5), fresh.store)
    url = await url_of(signer, stored)
    assert httpx.URL(url).host == f"{fresh.address.bucket}.s3.test"
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(url)).content == SMALL
    assert [asked.path for asked, status in fresh.proxy.requests if status == 403] == [f"/{fresh.address.bucket}"]


async def test_links_find_out_by_themselves_how_the_bucket_is_addressed(s3: StorageAddress) -> None:
    with stand_in(STORE_KINDS["refuses-path-style"], s3) as (_, address):
        async with AsyncExitStack() as stack:
            store = await ObjectStore.open(stack, address)
            signer = await LinkSigner.open(address, timedelta(minutes=5), store)
            url = await url_of(signer, StoredObject("processes/1/a.pdf", 1, "0" * 64, "application/pdf"))
    assert httpx.URL(url).host == f"{s3.bucket}.s3.test"


async def test_a_style_that_is_set_is_kept_and_not_asked_for(s3: StorageAddress, prefix: str) -> None:
    with stand_in(STORE_KINDS["refuses-path-style"], s3) as (proxy, address):
        async with AsyncExitStack() as stack:
            virtual = await ObjectStore.open(stack, replace(address, addressing_style=AddressingStyle.VIRTUAL))
            await virtual.store(prefix, "a", content_of(SMALL), is_pdf)
            assert {status for _, status in proxy.requests} == {200}
            path = await ObjectStore.open(stack, replace(address, addressing_style=AddressingStyle.PATH))
            with pytest.raises(StorageFailure, match="AUTOS_S3_ADDRESSING_STYLE=virtual"):
                await path.store(prefix, "a", content_of(SMALL), is_pdf)


async def test_links_are_signed_for_the_region_that_the_store_says(s3: StorageAddress, prefix: str) -> None:
    def other_region(request: StoreRequest) -> Refusal | None:
        if "/eu-central-1/s3/" in request.headers.get("authorization", ""):
            return None
        return Refusal(
            400,
            "AuthorizationHeaderMalformed",
            more="<Region>eu-central-1</Region>",
            headers={"x-amz-bucket-region": "eu-central-1"},
        )

    with stand_in(STORE_KINDS["plain"], s3) as (proxy, address):
        proxy.rule = other_region
        async with AsyncExitStack() as stack:
            store = await ObjectStore.open(stack, address)
            stored = await store.store(prefix, "a", content_of(SMALL), is_pdf)
            url = await url_of(await LinkSigner.open(address, timedelta(minutes=5), store), stored)
    assert "%2Feu-central-1%2Fs3%2F" in url


async def url_of(signer: LinkSigner, stored: StoredObject) -> str:
    """Return a link to a stored document."""
    document = Document(
        id="a",
        position=1,
        status=DocumentStatus.AVAILABLE,
        name="a.pdf",
        type_name=None,
        filed_at=None,
        instance=Instance("G1:45"),
        secrecy=Secrecy.PUBLIC,
        pages=None,
        stored=stored,
    )
    link = await signer.sign(document)
    assert link is not None
    return link.url


@pytest.mark.parametrize("fresh", ["plain"], indirect=True)
@pytest.mark.parametrize("refusal", [Refusal(403, "AccessDenied"), Refusal(501, "NotImplemented")], ids=str)
async def test_a_key_or_store_that_lists_nothing_can_still_store(
    fresh: FreshStore, prefix: str, refusal: Refusal
) -> None:
    fresh.proxy.rule = lambda asked: refusal if asked.method == "GET" else None
    stored = await fresh.store.store(prefix, "a", content_of(SMALL), is_pdf)
    assert stored.size_bytes == len(SMALL)
    assert await fresh.store.find(prefix) is None
    assert await fresh.store.abort_uploads(prefix, older_than=timedelta(0)) == 0


@pytest.mark.parametrize("fresh", ["plain"], indirect=True)
@pytest.mark.parametrize(
    ("status", "code", "advice"),
    [
        (403, "AccessDenied", "allow it s3:PutObject"),
        (403, "AllAccessDisabled", "allow it s3:PutObject"),
        (404, "NoSuchBucket", "AUTOS_S3_BUCKET"),
        (403, "InvalidAccessKeyId", "AUTOS_S3_ACCESS_KEY_ID"),
        (403, "SignatureDoesNotMatch", "AUTOS_S3_SECRET_ACCESS_KEY"),
        (400, "ExpiredToken", "temporary keys have expired"),
        (403, "RequestTimeTooSkewed", "clock"),
        (403, "QuotaExceeded", "quota"),
        (507, "XMinioStorageFull", "free space"),
        (418, "SomethingNew", ""),
    ],
)
async def test_a_store_that_refuses_everything_says_what_to_do_about_it(
    fresh: FreshStore, status: int, code: str, advice: str
) -> None:
    fresh.proxy.rule = lambda asked: Refusal(status, code) if asked.method in ("PUT", "POST") else None
    with pytest.raises(StorageFailure) as refused:
        await fresh.store.check_write()
    assert code in str(refused.value)
    assert advice in str(refused.value)


@pytest.mark.parametrize("fresh", ["plain"], indirect=True)
@pytest.mark.parametrize(
    ("status", "code", "permanent"),
    [
        (400, "EntityTooLarge", True),
        (400, "KeyTooLongError", True),
        (400, "InvalidObjectName", True),
        (403, "AccessDenied", True),
        (403, "QuotaExceeded", True),
        (507, "XMinioStorageFull", True),
        (501, "NotImplemented", True),
        (429, "TooManyRequests", False),
        (400, "BadDigest", False),
        (400, "RequestTimeout", False),
        (403, "SignatureDoesNotMatch", False),
        (400, "ExpiredToken", False),
    ],
)
async def test_a_refusal_of_one_object_is_told_from_one_that_passes(
    fresh: FreshStore, prefix: str, status: int, code: str, permanent: bool
) -> None:
    fresh.proxy.rule = lambda asked: Refusal(status, code) if prefix in asked.path else None
    with pytest.raises(StorageFailure, match=code) as failed:
        await fresh.store.store(prefix, "a", content_of(SMALL), is_pdf)
    assert failed.value.permanent is permanent
    # The probe is written where documents are.
    assert WRITE_CHECK_KEY.startswith(prefix.partition("/")[0] + "/")
    await fresh.store.check_write()


def test_the_stand_ins_refuse_what_they_should() -> None:
    asked = StoreRequest("PUT", "/b/k", "", {"host": "s3.test:1", "x-amz-checksum-sha256": "a"})
    for refusal in (implements_little(asked), refuses_path_style(asked)):
        assert refusal is not None

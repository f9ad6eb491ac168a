"""The capabilities of a store are detected once and cached. Writes that it does not verify are read back."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx2
import pytest

from adapters.storage import PART_BYTES, ObjectStore
from adapters.storage.presigned_urls import LinkSigner
from domain.documents import Document, DocumentStatus, StoredObject
from domain.errors import StorageFailure
from domain.listings import Instance
from domain.secrecy import Secrecy
from domain.storage import WRITE_CHECK_KEY, AddressingStyle, StorageAddress
from tests.support.contents import content_of, pdf_of
from tests.support.store_kinds import STORE_KINDS, implements_little, refuses_path_style, stand_in
from tests.support.store_proxy import Refusal, StoreProxy, StoreRequest

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

SMALL = pdf_of(5_000)
LARGE = pdf_of(PART_BYTES + 12_345)
UNCONFIRMED = [name for name, kind in STORE_KINDS.items() if not kind.confirms]
BODIES = pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])


def detect_pdf(_: bytes) -> str:
    """Return the media type of all test documents."""
    return "application/pdf"


@dataclass(frozen=True)
class FreshStore:
    """A store that has not been used yet."""

    store: ObjectStore
    proxy: StoreProxy
    address: StorageAddress

    def count(self, method: str, *, status: int | None = None, containing: str = "") -> int:
        """Return the number of requests, optionally only those with a status and a text in their path."""
        return sum(
            request.method == method and containing in request.path and status in (None, answer_status)
            for request, answer_status in self.proxy.requests
        )


@pytest.fixture
async def fresh(request: pytest.FixtureRequest, s3: StorageAddress) -> AsyncIterator[FreshStore]:
    """A new store of the kind that the test names."""
    with stand_in(STORE_KINDS[request.param], s3) as (proxy, address):
        async with AsyncExitStack() as stack:
            yield FreshStore(await ObjectStore.open(stack, address), proxy, address)


@pytest.mark.parametrize("fresh", STORE_KINDS, indirect=True)
async def test_capabilities_are_detected_once_and_unconfirmed_writes_are_read_back(
    fresh: FreshStore, request: pytest.FixtureRequest, prefix: str
) -> None:
    kind = STORE_KINDS[request.node.callspec.params["fresh"]]
    await fresh.store.check_write()
    refused = fresh.count("PUT", status=400) + fresh.count("PUT", status=501)
    for place in range(3):
        await fresh.store.store(f"{prefix}-{place}", "a", content_of(SMALL), detect_pdf)
    await fresh.store.store(f"{prefix}-4", "a", content_of(LARGE), detect_pdf)

    assert refused == (kind.rule in {STORE_KINDS[name].rule for name in UNCONFIRMED[:2]})
    assert fresh.count("PUT", status=400) + fresh.count("PUT", status=501) == refused
    assert fresh.count("POST", status=400) + fresh.count("POST", status=501) == 0
    assert fresh.count("GET", containing=prefix) == (0 if kind.confirms else 4)


@pytest.mark.parametrize("fresh", ["refuses-checksums"], indirect=True)
async def test_first_write_can_be_a_large_document(fresh: FreshStore, prefix: str) -> None:
    stored = await fresh.store.store(prefix, "a", content_of(LARGE), detect_pdf)
    assert stored.sha256 == hashlib.sha256(LARGE).hexdigest()


@pytest.mark.parametrize("fresh", ["refuses-checksums"], indirect=True)
async def test_concurrent_first_writes_all_succeed(fresh: FreshStore, prefix: str) -> None:
    names = [f"{prefix}-{place}" for place in range(8)]
    await asyncio.gather(*(fresh.store.store(name, "a", content_of(SMALL), detect_pdf) for name in names))
    found = await asyncio.gather(*(fresh.store.find(name) for name in names))
    assert {stored.sha256 for stored in found if stored} == {hashlib.sha256(SMALL).hexdigest()}
    assert None not in found


@BODIES
@pytest.mark.parametrize("fresh", UNCONFIRMED, indirect=True)
async def test_object_damaged_by_the_store_is_refused_and_deleted(
    fresh: FreshStore, s3_client: S3Client, s3: StorageAddress, prefix: str, body: bytes
) -> None:
    fresh.proxy.damage = lambda request, sent: sent[:-1] + b"x" if prefix in request.path else sent
    with pytest.raises(StorageFailure, match="other bytes than were written") as failed:
        await fresh.store.store(prefix, "a", content_of(body), detect_pdf)
    assert not failed.value.permanent
    assert "Contents" not in await s3_client.list_objects_v2(Bucket=s3.bucket, Prefix=prefix)


@pytest.mark.parametrize("fresh", ["refuses-checksums"], indirect=True)
async def test_find_ignores_a_damaged_object(
    fresh: FreshStore, s3_client: S3Client, s3: StorageAddress, prefix: str
) -> None:
    damaged = LARGE[:-1] + b"x"
    upload = await s3_client.create_multipart_upload(Bucket=s3.bucket, Key=f"{prefix}.pdf")
    upload_id = upload["UploadId"]
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
async def test_write_fails_if_the_store_loses_the_bytes(fresh: FreshStore, prefix: str, kept: bytes | None) -> None:
    fresh.proxy.damage = lambda *_: kept
    with pytest.raises(StorageFailure):
        await fresh.store.store(prefix, "a", content_of(SMALL), detect_pdf)
    with pytest.raises(StorageFailure):
        await fresh.store.check_write()


@pytest.mark.parametrize("fresh", ["refuses-path-style"], indirect=True)
async def test_virtual_host_style_is_detected_once(fresh: FreshStore, prefix: str) -> None:
    stored = await fresh.store.store(prefix, "a", content_of(SMALL), detect_pdf)
    signer = await LinkSigner.open(fresh.address, timedelta(minutes=5), fresh.store)
    url = await sign_url(signer, stored)
    assert httpx2.URL(url).host == f"{fresh.address.bucket}.s3.test"
    async with httpx2.AsyncClient(timeout=60, trust_env=False) as http:
        assert (await http.get(url)).content == SMALL
    assert [request.path for request, status in fresh.proxy.requests if status == 403] == [
        f"/{fresh.address.bucket}"
    ]


async def test_link_signer_detects_the_addressing_style(s3: StorageAddress) -> None:
    with stand_in(STORE_KINDS["refuses-path-style"], s3) as (_, address):
        async with AsyncExitStack() as stack:
            store = await ObjectStore.open(stack, address)
            signer = await LinkSigner.open(address, timedelta(minutes=5), store)
            url = await sign_url(signer, StoredObject("processes/1/a.pdf", 1, "0" * 64, "application/pdf"))
    assert httpx2.URL(url).host == f"{s3.bucket}.s3.test"


async def test_configured_addressing_style_is_not_detected(s3: StorageAddress, prefix: str) -> None:
    with stand_in(STORE_KINDS["refuses-path-style"], s3) as (proxy, address):
        async with AsyncExitStack() as stack:
            virtual = await ObjectStore.open(stack, replace(address, addressing_style=AddressingStyle.VIRTUAL))
            await virtual.store(prefix, "a", content_of(SMALL), detect_pdf)
            assert {status for _, status in proxy.requests} == {200}
            path = await ObjectStore.open(stack, replace(address, addressing_style=AddressingStyle.PATH))
            with pytest.raises(StorageFailure, match="AUTOS_S3_ADDRESSING_STYLE=virtual"):
                await path.store(prefix, "a", content_of(SMALL), detect_pdf)


async def test_links_are_signed_for_the_region_that_the_store_reports(s3: StorageAddress, prefix: str) -> None:
    def refuse_other_regions(request: StoreRequest) -> Refusal | None:
        if "/eu-central-1/s3/" in request.headers.get("authorization", ""):
            return None
        return Refusal(
            400,
            "AuthorizationHeaderMalformed",
            more="<Region>eu-central-1</Region>",
            headers={"x-amz-bucket-region": "eu-central-1"},
        )

    with stand_in(STORE_KINDS["plain"], s3) as (proxy, address):
        proxy.rule = refuse_other_regions
        async with AsyncExitStack() as stack:
            store = await ObjectStore.open(stack, address)
            stored = await store.store(prefix, "a", content_of(SMALL), detect_pdf)
            url = await sign_url(await LinkSigner.open(address, timedelta(minutes=5), store), stored)
    assert "%2Feu-central-1%2Fs3%2F" in url


async def sign_url(signer: LinkSigner, stored: StoredObject) -> str:
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
async def test_store_works_without_permission_to_list(fresh: FreshStore, prefix: str, refusal: Refusal) -> None:
    fresh.proxy.rule = lambda request: refusal if request.method == "GET" else None
    stored = await fresh.store.store(prefix, "a", content_of(SMALL), detect_pdf)
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
async def test_write_check_error_contains_advice(fresh: FreshStore, status: int, code: str, advice: str) -> None:
    fresh.proxy.rule = lambda request: Refusal(status, code) if request.method in ("PUT", "POST") else None
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
async def test_storage_errors_are_permanent_or_temporary(
    fresh: FreshStore, prefix: str, status: int, code: str, permanent: bool
) -> None:
    fresh.proxy.rule = lambda request: Refusal(status, code) if prefix in request.path else None
    with pytest.raises(StorageFailure, match=code) as failed:
        await fresh.store.store(prefix, "a", content_of(SMALL), detect_pdf)
    assert failed.value.permanent is permanent
    # The write check uses the same prefix as documents.
    assert WRITE_CHECK_KEY.startswith(prefix.partition("/")[0] + "/")
    await fresh.store.check_write()


def test_simulated_stores_refuse_unsupported_requests() -> None:
    request = StoreRequest("PUT", "/b/k", "", {"host": "s3.test:1", "x-amz-checksum-sha256": "a"})
    for refusal in (implements_little(request), refuses_path_style(request)):
        assert refusal is not None

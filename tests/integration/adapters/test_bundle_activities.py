"""Builds over a real catalog and a real store: odd files, files that are lost, and a store that is away."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pikepdf
import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.bundle_pieces import PieceSource
from activities.bundles import BundleActivities, BundleCatalogActivities
from activities.store_circuit import StoreCircuitBreaker
from adapters.bundles.conversion import convert
from adapters.bundles.pdf import build_pdf
from adapters.bundles.zip_archive import ZipBundle
from adapters.database import Catalog
from adapters.scratch import ScratchDisk
from adapters.storage import ObjectStore
from adapters.storage.bundle_store import BundleStore
from domain.bundle_contents import BuiltPdf, CoverFacts, OmissionReason, Piece
from domain.bundle_messages import BundleRequest, ConversionLot
from domain.bundle_selection import BundleFormat, BundleOptions, BundleOrder, select_documents
from domain.bundles import BundleProgress, BundleState
from domain.clients import ALL_SCOPES
from domain.documents import StoredObject
from domain.erasure import Author
from domain.errors import BundleFailureCode, FailureCode
from domain.filenames import file_extension
from domain.storage import StorageAddress
from tests.support.bundle_pieces import read_pages
from tests.support.conditions import eventually
from tests.support.listings import document_ids, listing_of

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

Result = TypeVar("Result")
Files = Mapping[str, tuple[bytes, str, OmissionReason | None]]


def pdf_bytes(pages: int = 1, password: str = "") -> bytes:
    """Return a PDF with so many pages, which asks for a password if there is one."""
    buffer = io.BytesIO()
    with pikepdf.new() as pdf:
        for _ in range(pages):
            pdf.add_blank_page()
        pdf.save(buffer, encryption=pikepdf.Encryption(owner="o", user=password) if password else None)
    return buffer.getvalue()


ODD_FILES: Files = {
    "a PDF": (pdf_bytes(2), "application/pdf", None),
    "HTML": (b"<html><body><h1>Despacho</h1><p>Vistos.</p></body></html>", "text/html", None),
    "a text": ("Certidão".encode(), "text/plain", None),
    "no pages": (pdf_bytes(0), "application/pdf", OmissionReason.EMPTY),
    "a password": (pdf_bytes(1, "secret"), "application/pdf", OmissionReason.ENCRYPTED),
    "half a PDF": (b"%PDF-1.7\n1 0 obj\n<<", "application/pdf", OmissionReason.DAMAGED),
    "a broken image": (b"\x89PNG\r\n\x1a\n" + bytes(50), "image/png", OmissionReason.DAMAGED),
    "a video": (b"\x00\x00\x00\x18ftypmp42", "video/mp4", OmissionReason.VIDEO),
    "an archive": (b"PK\x05\x06" + bytes(18), "application/zip", OmissionReason.ARCHIVE),
}


@dataclass(frozen=True)
class Builds:
    """The activities of bundles, and what they work on.

    Attributes:
        scratch: The folder of the scratch disk.
    """

    catalog: Catalog
    activities: BundleActivities
    client: S3Client
    bucket: str
    scratch: Path

    async def create_bundle(
        self,
        number: str,
        files: Mapping[str, tuple[bytes, str, OmissionReason | None]],
        bundle_format: BundleFormat,
    ) -> BundleRequest:
        """Store files as the documents of a process, add one that has failed, and request a bundle of all."""
        ids = document_ids(len(files) + 1)
        await self.catalog.listings.record(listing_of(number, ids))
        for document_id, (body, media_type, _) in zip(ids, files.values(), strict=False):
            key = f"processes/{number}/{document_id}{file_extension(media_type)}"
            await self.client.put_object(Bucket=self.bucket, Key=key, Body=body)
            stored = StoredObject(key, len(body), hashlib.sha256(body).hexdigest(), media_type)
            await self.catalog.documents.mark_available(number, document_id, stored)
        await self.catalog.documents.record_failed_attempt(
            number, ids[-1], FailureCode.SEALED, "HTTP 403", allowed_attempts=1
        )
        known = await self.catalog.bundle_builds.list_documents(number)
        options = BundleOptions(bundle_format, order=BundleOrder.LISTED)
        selection = select_documents(number, known, options, ALL_SCOPES)
        await self.catalog.bundles.request(selection, "local")
        return BundleRequest(selection.id, number)

    async def build(self, request: BundleRequest) -> bool:
        """Run the activities of a build as its workflow does."""
        plan = await run(BundleCatalogActivities(self.catalog).plan_bundle, request)
        assert plan.exists
        after: int | None = -1 if plan.conversions else None
        while after is not None:
            after = (await run(self.activities.convert_lot, ConversionLot(request, after))).following
        return await run(self.activities.assemble_bundle, request)

    async def read_texts(self, number: str, request: BundleRequest) -> list[str]:
        """Return the text of each page of a bundle that is ready."""
        bundle = await self.catalog.bundles.get(number, request.bundle_id)
        assert bundle is not None
        assert bundle.stored is not None
        body = await self.client.get_object(Bucket=self.bucket, Key=bundle.stored.key)
        file = self.scratch / "read.pdf"
        file.write_bytes(await body["Body"].read())
        return read_pages(file)

    async def list_keys(self, number: str) -> list[str]:
        """Return the keys of a process's bundles and of what was converted for them."""
        listed = await self.client.list_objects_v2(Bucket=self.bucket, Prefix=f"bundles/{number}/")
        return [item["Key"] for item in listed.get("Contents", [])]


async def run(activity: Callable[[Any], Awaitable[Result]], argument: object) -> Result:
    """Run an activity outside of a worker."""
    return await ActivityEnvironment().run(activity, argument)


@pytest.fixture
async def builds(
    catalog: Catalog, store: ObjectStore, s3: StorageAddress, s3_client: S3Client, tmp_path: Path
) -> AsyncIterator[Builds]:
    """The activities of bundles."""
    async with AsyncExitStack() as stack:
        bundles = await BundleStore.open(stack, s3)
        activities = BundleActivities(
            *(catalog, store, bundles, PieceSource(store, bundles, convert)),
            *(StoreCircuitBreaker(catalog.store_circuit, store), ScratchDisk(tmp_path)),
            build_pdf=build_pdf,
            build_zip=ZipBundle,
        )
        yield Builds(catalog, activities, s3_client, s3.bucket, tmp_path)


async def test_files_of_every_kind_end_in_one_pdf_that_says_what_is_not_inside(builds: Builds, number: str) -> None:
    request = await builds.create_bundle(number, ODD_FILES, BundleFormat.PDF)
    assert await builds.build(request)
    bundle = await builds.catalog.bundles.get(number, request.bundle_id)
    assert bundle is not None
    assert bundle.stored is not None
    assert bundle.state is BundleState.READY
    expected = [
        *(reason for _, _, reason in ODD_FILES.values() if reason is not None),
        OmissionReason.FAILED,
    ]
    assert [omission.reason for omission in bundle.omitted] == expected
    body = await builds.client.get_object(Bucket=builds.bucket, Key=bundle.stored.key)
    with pikepdf.open(io.BytesIO(await body["Body"].read())) as pdf:
        assert len(pdf.pages) == bundle.pages
    assert list(builds.scratch.glob("bundle-*")) == []
    # Converted once, also what cannot be converted.
    converted = [key for key in await builds.list_keys(number) if "/converted/" in key]
    assert sorted(key.rpartition("-")[2] for key in converted) == ["1.pdf", "1.pdf", "1.pdf.txt"]


async def test_the_same_bytes_with_two_media_types_are_converted_twice(builds: Builds, number: str) -> None:
    page = b"<html><body><p>Vistos.</p></body></html>"
    files: Files = {"HTML": (page, "text/html", None), "a text": (page, "text/plain", None)}
    request = await builds.create_bundle(number, files, BundleFormat.PDF)
    assert await builds.build(request)
    html, text = [line for line in await builds.read_texts(number, request) if "Vistos." in line]
    assert ("<p>" in html, "<p>" in text) == (False, True)


async def test_what_is_converted_counts_as_progress(
    builds: Builds, number: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.bundles._REPORT_SECONDS", 0.0)
    request = await builds.create_bundle(number, ODD_FILES, BundleFormat.PDF)
    plan = await run(BundleCatalogActivities(builds.catalog).plan_bundle, request)
    seen: list[BundleProgress] = []
    record = builds.catalog.bundles.record_progress

    async def record_and_see(bundle_id: str, progress: BundleProgress) -> bool:
        seen.append(progress)
        return await record(bundle_id, progress)

    monkeypatch.setattr(builds.catalog.bundles, "record_progress", record_and_see)
    await run(builds.activities.convert_lot, ConversionLot(request))
    assert [progress.documents for progress in seen] == list(range(1, plan.conversions + 1))

    await run(builds.activities.assemble_bundle, request)
    bundle = await builds.catalog.bundles.get(number, request.bundle_id)
    assert bundle is not None
    for unit in ("documents", "bytes"):
        counts = [getattr(progress, unit) for progress in [*seen, bundle.progress]]
        assert counts == sorted(counts)
    assert (seen[-1].documents, seen[-1].bytes) == (bundle.total_documents, bundle.total_bytes)


@pytest.mark.parametrize("ending", [".pdf", ".pdf.txt"])
async def test_a_kept_conversion_that_is_damaged_is_made_again(builds: Builds, number: str, ending: str) -> None:
    files = {name: ODD_FILES[name] for name in ("HTML", "a broken image")}
    request = await builds.create_bundle(number, files, BundleFormat.PDF)
    await run(builds.activities.convert_lot, ConversionLot(request))
    [kept] = [key for key in await builds.list_keys(number) if key.endswith(ending)]
    whole = await builds.client.head_object(Bucket=builds.bucket, Key=kept)
    await builds.client.put_object(
        Bucket=builds.bucket, Key=kept, Body=bytes(whole["ContentLength"]), Metadata=whole["Metadata"]
    )
    assert await run(builds.activities.assemble_bundle, request)
    assert any("Vistos." in line for line in await builds.read_texts(number, request))
    bundle = await builds.catalog.bundles.get(number, request.bundle_id)
    assert bundle is not None
    assert [omission.reason for omission in bundle.omitted] == [OmissionReason.DAMAGED, OmissionReason.FAILED]
    repaired = await builds.client.head_object(Bucket=builds.bucket, Key=kept)
    body = await builds.client.get_object(Bucket=builds.bucket, Key=kept)
    assert hashlib.sha256(await body["Body"].read()).hexdigest() == repaired["Metadata"]["sha256"]


async def test_a_zip_has_files_of_every_kind_as_they_are(builds: Builds, number: str) -> None:
    request = await builds.create_bundle(number, ODD_FILES, BundleFormat.ZIP)
    assert await builds.build(request)
    bundle = await builds.catalog.bundles.get(number, request.bundle_id)
    assert bundle is not None
    assert [omission.reason for omission in bundle.omitted] == [OmissionReason.FAILED]
    assert [key for key in await builds.list_keys(number) if "/converted/" in key] == []


@pytest.mark.parametrize("is_gone", [True, False])
async def test_a_document_that_the_store_has_lost_or_changed_ends_the_build(
    builds: Builds, number: str, is_gone: bool
) -> None:
    request = await builds.create_bundle(number, {"a PDF": ODD_FILES["a PDF"]}, BundleFormat.PDF)
    [document, _] = await builds.catalog.bundle_builds.list_documents(number)
    assert document.stored is not None
    if is_gone:
        await builds.client.delete_object(Bucket=builds.bucket, Key=document.stored.key)
    else:
        await builds.client.put_object(Bucket=builds.bucket, Key=document.stored.key, Body=b"other bytes")
    with pytest.raises(ApplicationError) as failed:
        await builds.build(request)
    assert (failed.value.type, failed.value.non_retryable) == (BundleFailureCode.SOURCE_DAMAGED, True)
    assert list(builds.scratch.glob("bundle-*")) == []
    assert await builds.list_keys(number) == []


async def test_an_erasure_that_takes_a_document_from_a_build_leaves_nothing_of_it(
    builds: Builds, store: ObjectStore, s3: StorageAddress, number: str
) -> None:
    request = await builds.create_bundle(
        number, {name: ODD_FILES[name] for name in ("HTML", "a text")}, BundleFormat.PDF
    )

    async def erase_meanwhile(*paths: Any) -> OmissionReason | None:
        await builds.catalog.erasures.request(number, Author("local", None), None)
        await store.erase(f"processes/{number}/")
        return await convert(*paths)

    async with AsyncExitStack() as stack:
        bundles = await BundleStore.open(stack, s3)
        activities = BundleActivities(
            *(builds.catalog, store, bundles, PieceSource(store, bundles, erase_meanwhile)),
            *(StoreCircuitBreaker(builds.catalog.store_circuit, store), ScratchDisk(builds.scratch)),
            build_pdf=build_pdf,
            build_zip=ZipBundle,
        )
        with pytest.raises(ApplicationError) as failed:
            await run(activities.convert_lot, ConversionLot(request))
    assert failed.value.type == BundleFailureCode.SOURCE_DAMAGED
    assert await builds.list_keys(number) == []


class StallingStore(BundleStore):
    """A store whose caller stalls after each bundle that it has uploaded, until it is let go on."""

    def __init__(self, client: S3Client, address: StorageAddress) -> None:
        super().__init__(client, address)
        self.uploaded, self.goes_on = asyncio.Event(), asyncio.Event()

    async def write(self, key: str, chunks: AsyncIterable[bytes], media_type: str) -> StoredObject:
        """Store bytes, then stall."""
        stored = await super().write(key, chunks, media_type)
        self.uploaded.set()
        await self.goes_on.wait()
        return stored


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_the_file_of_a_bundle_is_that_of_the_attempt_that_was_recorded(
    builds: Builds, store: ObjectStore, s3: StorageAddress, number: str, order: tuple[int, int]
) -> None:
    request = await builds.create_bundle(number, {"a PDF": ODD_FILES["a PDF"]}, BundleFormat.PDF)

    async def build_other(facts: CoverFacts, pieces: Sequence[Piece], output: Path, scratch: Path) -> BuiltPdf:
        built = await build_pdf(facts, pieces, output, scratch)
        with output.open("ab") as file:
            file.write(b"%another attempt\n")
        return built

    async with AsyncExitStack() as stack:
        stores = [await StallingStore.open(stack, s3) for _ in range(2)]
        attempts = []
        for bundles, build in zip(stores, (build_pdf, build_other), strict=True):
            activities = BundleActivities(
                *(builds.catalog, store, bundles, PieceSource(store, bundles, convert)),
                *(StoreCircuitBreaker(builds.catalog.store_circuit, store), ScratchDisk(builds.scratch)),
                build_pdf=build,
                build_zip=ZipBundle,
            )
            attempts.append(asyncio.ensure_future(run(activities.assemble_bundle, request)))
            await asyncio.wait_for(bundles.uploaded.wait(), 60)
        for index in order:
            stores[index].goes_on.set()
            # Also for the one whose file is not taken, the bundle is ready.
            assert await attempts[index]
    bundle = await builds.catalog.bundles.get(number, request.bundle_id)
    assert bundle is not None
    assert bundle.stored is not None
    body = await builds.client.get_object(Bucket=builds.bucket, Key=bundle.stored.key)
    content = await body["Body"].read()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (bundle.stored.size_bytes, bundle.stored.sha256)
    assert content.endswith(b"%another attempt\n") is (order[0] == 1)
    assert await builds.list_keys(number) == [bundle.stored.key]


async def test_an_attempt_after_one_that_was_recorded_is_ready(builds: Builds, number: str) -> None:
    request = await builds.create_bundle(number, {"a PDF": ODD_FILES["a PDF"]}, BundleFormat.PDF)
    # Its worker dies before it tells Temporal.
    assert await run(builds.activities.assemble_bundle, request)
    kept = await builds.list_keys(number)
    assert await run(builds.activities.assemble_bundle, request)
    assert await builds.list_keys(number) == kept


async def test_what_a_killed_attempt_has_stored_goes_with_the_next(builds: Builds, number: str) -> None:
    request = await builds.create_bundle(number, {"a PDF": ODD_FILES["a PDF"]}, BundleFormat.PDF)
    left = f"bundles/{number}/{request.bundle_id}.killed.pdf"
    await builds.client.put_object(Bucket=builds.bucket, Key=left, Body=b"%PDF")
    await builds.client.create_multipart_upload(Bucket=builds.bucket, Key=left)
    assert await run(builds.activities.assemble_bundle, request)
    bundle = await builds.catalog.bundles.get(number, request.bundle_id)
    assert bundle is not None
    assert bundle.stored is not None
    assert await builds.list_keys(number) == [bundle.stored.key]
    assert await uploads(builds, number) == []


class EndlessStore(BundleStore):
    """A store that an upload reaches whole, but for its end."""

    async def write(self, key: str, chunks: AsyncIterable[bytes], media_type: str) -> StoredObject:
        """Store bytes that do not end."""
        return await super().write(key, _without_an_end(chunks), media_type)


async def _without_an_end(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        yield chunk
    await asyncio.Event().wait()


async def test_a_build_that_is_cut_off_leaves_no_folder_and_no_upload(
    builds: Builds, store: ObjectStore, s3: StorageAddress, number: str
) -> None:
    large = {str(place): (pdf_bytes(place) + bytes(4_000_000), "application/pdf", None) for place in range(1, 9)}
    request, environment = await builds.create_bundle(number, large, BundleFormat.ZIP), ActivityEnvironment()
    async with AsyncExitStack() as stack:
        bundles = await EndlessStore.open(stack, s3)
        activities = BundleActivities(
            *(builds.catalog, store, bundles, PieceSource(store, bundles, convert)),
            *(StoreCircuitBreaker(builds.catalog.store_circuit, store), ScratchDisk(builds.scratch)),
            build_pdf=build_pdf,
            build_zip=ZipBundle,
        )
        building = asyncio.ensure_future(environment.run(activities.assemble_bundle, request))
        await eventually(lambda: uploads(builds, number), "an upload has begun")
        environment.cancel()
        with pytest.raises(asyncio.CancelledError):
            await building
    assert list(builds.scratch.glob("bundle-*")) == []
    assert await uploads(builds, number) == []
    assert await builds.list_keys(number) == []


async def uploads(builds: Builds, number: str) -> list[str]:
    """Return the keys of unfinished uploads of a process's bundles."""
    listed = await builds.client.list_multipart_uploads(Bucket=builds.bucket, Prefix=f"bundles/{number}/")
    return [upload["Key"] for upload in listed.get("Uploads", [])]

"""What asks the court: listing a process, downloading a document. Runs on the ``court`` task queue."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from temporalio import activity

from activities.failures import blamed, final, giving_up_on_defects, own_failures, passing
from activities.heartbeats import heartbeating, seconds_at_work
from activities.unrecognized_levels import UnrecognizedLevels
from domain.content import DocumentContent, FileKind, InspectPdf
from domain.documents import ContentOffer, DocumentSource, DocumentStatus, StoredObject
from domain.errors import (
    CourtError,
    CourtFailure,
    DocumentFailure,
    FailureCode,
    ProcessFailure,
    StorageFailure,
)
from domain.messages import DocumentRef, DownloadedDocument, ListingSummary, ProcessRef
from domain.process_number import ProcessNumber
from domain.secrecy import UNLISTING_CODES
from domain.storage import object_prefix

if TYPE_CHECKING:
    from activities.court_access import CourtAccess
    from activities.store_gate import StoreGate
    from adapters.court_pdpj import PdpjCourt
    from adapters.database import Catalog
    from adapters.storage import ObjectStore

ALLOWED_ATTEMPTS = 5
# A listing that the court alone fails to give is asked for so often before the run ends.
_LISTING_ATTEMPTS = 3
_DEFECT_ATTEMPTS = 5
# Each of the court's systems has its own copy, and its own troubles. What one of them seals is sealed.
_ANOTHER_SOURCE_MAY_HAVE_IT = frozenset(
    {
        FailureCode.SOURCE_UNAVAILABLE,
        FailureCode.DOCUMENT_NOT_FOUND,
        FailureCode.PORTAL_PAGE,
        FailureCode.INVALID_CONTENT,
        FailureCode.EMPTY_DOCUMENT,
        FailureCode.TRUNCATED,
        FailureCode.CONNECTION_LOST,
        FailureCode.FOREIGN_ADDRESS,
    }
)
_FIRST_DELAY_SECONDS = 2.0
_LONGEST_DELAY_SECONDS = 60.0
# All attempts together, without the time in the task queue. A document of a gigabyte takes some minutes; what never
# comes back, such as one that kills its worker each time, ends here.
_LONGEST_DOWNLOAD_SECONDS = 6 * 3600.0
_LONGEST_LISTING_SECONDS = 3600.0

_log = structlog.get_logger()


class _Received:
    """What has arrived of a document so far."""

    content: DocumentContent | None = None

    @property
    def size_bytes(self) -> int:
        """How many bytes have arrived."""
        return self.content.size_bytes if self.content else 0


class CourtActivities:
    """The activities of the ``court`` queue.

    Args:
        court: the court.
        access: whether the court may be asked, and where it is said that it does not answer.
        catalog: where the listing goes, and what became of each document.
        store: where documents go.
        store_gate: says whether they can be kept.
        media_type_of: tells a media type from first bytes, the declared type, and whether it is the court's text.
        file_kind: tells a media type from first bytes alone.
        inspect_pdf: opens a PDF whose marks leave a doubt.
        max_document_bytes: larger documents are refused.
    """

    def __init__(
        self,
        court: PdpjCourt,
        access: CourtAccess,
        catalog: Catalog,
        store: ObjectStore,
        store_gate: StoreGate,
        media_type_of: Callable[[bytes, str | None, bool], str],
        *,
        file_kind: FileKind,
        inspect_pdf: InspectPdf,
        max_document_bytes: int,
    ) -> None:
        self._court = court
        self._access = access
        self._catalog = catalog
        self._store = store
        self._store_gate = store_gate
        self._media_type_of = media_type_of
        self._file_kind = file_kind
        self._inspect_pdf = inspect_pdf
        self._max_document_bytes = max_document_bytes
        self._levels = UnrecognizedLevels()

    @activity.defn
    async def list_documents(self, process: ProcessRef) -> ListingSummary:
        """List a process at the court and record the listing in the catalog. What is available stays available."""
        number = process.process_number
        generation = 0
        with giving_up_on_defects(after_attempts=_DEFECT_ATTEMPTS), own_failures():
            try:
                if seconds_at_work() > _LONGEST_LISTING_SECONDS:
                    raise ProcessFailure(FailureCode.LISTING_UNAVAILABLE, "The listing did not end in time.")
                async with heartbeating():
                    generation = await self._access.check()
                    listing = await self._court.list_documents(ProcessNumber.parse(number))
            except CourtFailure as failure:
                if await self._access.report(failure, process_number=number, generation=generation):
                    raise final(failure) from None
                raise _unlisted(number, blamed(failure, ProcessFailure, FailureCode.LISTING_UNAVAILABLE)) from None
            except ProcessFailure as failure:
                if failure.code in UNLISTING_CODES:
                    # At once, not when the run ends: from now on nothing of it is shown.
                    await self._catalog.listings.mark_unlisted(number, datetime.now(UTC))
                raise _unlisted(number, failure) from None
            summary = await self._catalog.listings.record(listing)
        self._levels.log(listing.unrecognized_levels)
        _log.info(
            "listed",
            process=process.process_number,
            documents=summary.total_documents,
            new=summary.new_documents,
        )
        return summary

    @activity.defn
    async def download_document(self, document: DocumentRef) -> DownloadedDocument:
        """Bring one document from the court into the store, verified, and record it in the catalog.

        Doing it again is harmless: a document that is stored already is not asked for again. A failure that is the
        document's own is counted in the catalog, and after five the document is ``failed`` there. Trouble at the
        court or in the store is reported without being counted.
        """
        with giving_up_on_defects(after_attempts=_DEFECT_ATTEMPTS), own_failures():
            source = await self._catalog.documents.source(document.process_number, document.document_id)
            if source is None:
                raise LookupError(f"no document {document.document_id} in {document.process_number}")
            if source.status is DocumentStatus.AVAILABLE:
                return DownloadedDocument(size_bytes=0, fetched=False)
            received = _Received()
            # Until the end, so that a second look at the court or at the store does not look like a dead worker.
            async with heartbeating(lambda: received.size_bytes):
                return await self._download(source, received)

    async def _download(self, source: DocumentSource, received: _Received) -> DownloadedDocument:
        generation = 0
        prefix = object_prefix(source.process_number, source.id, source.version)
        store_generation = await self._store_gate.check()
        try:
            # Only an earlier attempt that died between the store and the catalog can have left the object.
            stored = await self._recover(source, prefix) if activity.info().attempt > 1 else None
            fetched = stored is None
            if stored is None:
                generation = await self._access.check()
                stored = await self._fetch(source, prefix, received)
        except DocumentFailure as error:
            raise await self._counted(source, error) from None
        except CourtFailure as error:
            number = source.process_number
            if await self._access.report(error, process_number=number, generation=generation):
                raise final(error) from None
            own = blamed(error, DocumentFailure, FailureCode.SOURCE_UNAVAILABLE)
            raise await self._counted(source, own) from None
        except StorageFailure as error:
            await self._store_gate.judge(error, generation=store_generation)
            own = DocumentFailure(FailureCode.NOT_STORED, f"{error} It takes other objects.")
            raise await self._counted(source, own, permanent=error.permanent) from None
        self._store_gate.note_success()
        await self._catalog.documents.mark_available(
            source.process_number, source.id, stored, version=source.version
        )
        return DownloadedDocument(size_bytes=stored.size_bytes, fetched=fetched)

    async def _recover(self, source: DocumentSource, prefix: str) -> StoredObject | None:
        """Take a whole object that an earlier attempt has left, and throw away parts of one."""
        await self._store.abort_uploads(prefix, older_than=timedelta(0))
        sizes = {offer.size_bytes for offer in source.offers}
        return await self._store.find(prefix, size_bytes=sizes.pop() if len(sizes) == 1 else None)

    async def _fetch(self, source: DocumentSource, prefix: str, received: _Received) -> StoredObject:
        """Fetch a document from the best place that has it: one that fails is not yet the document's failure."""
        if seconds_at_work() > _LONGEST_DOWNLOAD_SECONDS:
            raise DocumentFailure(FailureCode.TIMED_OUT, "The download did not end in time.")
        failures: list[DocumentFailure] = []
        for offer in source.offers:
            if offer.is_text and any(each.code is not FailureCode.DOCUMENT_NOT_FOUND for each in failures):
                # There is a file; its text would not be the document.
                break
            try:
                return await self._fetch_offer(source, offer, prefix, received)
            except DocumentFailure as failure:
                failures.append(failure)
                if failure.code not in _ANOTHER_SOURCE_MAY_HAVE_IT:
                    raise
        raise _failure_of_all(source, failures)

    async def _fetch_offer(
        self, source: DocumentSource, offer: ContentOffer, prefix: str, received: _Received
    ) -> StoredObject:
        if offer.size_bytes is not None and offer.size_bytes > self._max_document_bytes:
            raise DocumentFailure(FailureCode.TOO_LARGE, f"The court lists it with {offer.size_bytes} bytes.")
        number = ProcessNumber.parse(source.process_number)
        async with self._court.open_document(number, offer) as opened:
            received.content = DocumentContent(
                opened.chunks,
                max_bytes=self._max_document_bytes,
                expected=source.expected(offer),
                file_kind=self._file_kind,
                inspect_pdf=self._inspect_pdf,
                served_type=lambda: opened.media_type,
            )
            return await self._store.store(
                prefix,
                source.name or source.id,
                received.content,
                lambda head: self._media_type_of(head, offer.media_type, offer.is_text),
            )

    async def _counted(self, source: DocumentSource, error: CourtError, *, permanent: bool = False) -> Exception:
        again = error.code.retryable and error.code is not FailureCode.TIMED_OUT and not permanent
        allowed = ALLOWED_ATTEMPTS if again else 1
        failed = await self._catalog.documents.record_failed_attempt(
            source.process_number, source.id, error.code, error.answer, allowed_attempts=allowed
        )
        last = failed >= allowed
        _log.warning(
            "document failed" if last else "document attempt failed",
            process=source.process_number,
            document=source.id,
            code=error.code,
            answer=error.answer,
            attempt=failed,
        )
        return final(error) if last else passing(error, next_attempt_in=_delay(failed, error.retry_after))


def _failure_of_all(source: DocumentSource, failures: Sequence[DocumentFailure]) -> DocumentFailure:
    """Return the document's failure after every place that could have its content has failed."""
    if not failures:
        return DocumentFailure(FailureCode.NO_CONTENT_ADDRESS, "The listing gives no address for this document.")
    absent = all(failure.code is FailureCode.DOCUMENT_NOT_FOUND for failure in failures)
    if absent and source.offers[-1].is_text:
        return DocumentFailure(
            FailureCode.NO_CONTENT, "The court lists this piece, and has neither a file nor a text of it."
        )
    return next((failure for failure in failures if failure.code.retryable), failures[0])


def _unlisted(number: str, failure: ProcessFailure) -> Exception:
    attempt = activity.info().attempt
    _log.warning("listing failed", process=number, code=failure.code, answer=failure.answer, attempt=attempt)
    if failure.code.retryable and attempt < _LISTING_ATTEMPTS:
        return passing(failure, next_attempt_in=_delay(attempt, failure.retry_after))
    return final(failure)


def _delay(failed_attempts: int, retry_after: float | None) -> timedelta:
    """How long to wait after so many failed attempts: growing, capped, with jitter, never less than was asked."""
    growing = min(_FIRST_DELAY_SECONDS * 2 ** max(failed_attempts - 1, 0), _LONGEST_DELAY_SECONDS)
    jittered = growing * random.uniform(1.0, 1.25)  # noqa: S311 - spreads load, guards nothing.
    return timedelta(seconds=max(min(jittered, _LONGEST_DELAY_SECONDS), retry_after or 0.0))

"""The activities that send requests to the court: list a process, download a document. Task queue ``court``."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from temporalio import activity

from activities.document_fetching import DocumentFetcher, DownloadProgress
from activities.errors import (
    attribute_to,
    giving_up_on_defects,
    non_retryable,
    retryable,
    translating_infrastructure_errors,
)
from activities.heartbeats import heartbeating, seconds_at_work
from activities.metrics import NO_METRICS, DownloadOutcome, WorkerMetrics
from activities.unrecognized_secrecy import UnrecognizedSecrecyLog
from domain.content import InspectPdf, MediaTypeDetector
from domain.documents import DocumentSource, DocumentStatus
from domain.errors import (
    CourtError,
    CourtFailure,
    DocumentFailure,
    FailureCode,
    ProcessErased,
    ProcessFailure,
    StorageFailure,
    StoreUnavailable,
)
from domain.process_number import ProcessNumber
from domain.run_messages import DocumentRef, DownloadedDocument, ListingSummary, ProcessRef
from domain.secrecy import UNLISTING_CODES

if TYPE_CHECKING:
    from activities.court_circuit import CourtCircuitBreaker
    from activities.store_circuit import StoreCircuitBreaker
    from adapters.court_pdpj import PdpjClient
    from adapters.database import Catalog
    from adapters.storage import ObjectStore

_DOWNLOAD_ATTEMPTS = 5
# How often the run asks for a listing when the court works but does not return this one.
_LISTING_ATTEMPTS = 3
_DEFECT_ATTEMPTS = 5
_FIRST_DELAY_SECONDS = 2.0
_MAX_DELAY_SECONDS = 60.0
# All attempts together, without the time in the task queue.
_MAX_LISTING_SECONDS = 3600.0

_log = structlog.get_logger()


class CourtActivities:
    """The activities of the ``court`` queue.

    Args:
        court: The court.
        court_circuit: The circuit breaker of the court.
        catalog: Keeps the listing, and the result of each download.
        store: Keeps the documents.
        store_circuit: The circuit breaker of the store.
        choose_media_type: See `DocumentFetcher`, also for the arguments that follow.
        metrics: Counts attempts and bytes.
    """

    def __init__(
        self,
        court: PdpjClient,
        court_circuit: CourtCircuitBreaker,
        catalog: Catalog,
        store: ObjectStore,
        store_circuit: StoreCircuitBreaker,
        choose_media_type: Callable[[bytes, str | None, bool], str],
        *,
        detect_media_type: MediaTypeDetector,
        inspect_pdf: InspectPdf,
        max_document_bytes: int,
        metrics: WorkerMetrics = NO_METRICS,
    ) -> None:
        self._court = court
        self._court_circuit = court_circuit
        self._catalog = catalog
        self._store_circuit = store_circuit
        self._fetcher = DocumentFetcher(
            court,
            store,
            choose_media_type,
            detect_media_type=detect_media_type,
            inspect_pdf=inspect_pdf,
            max_document_bytes=max_document_bytes,
        )
        self._unrecognized_secrecy = UnrecognizedSecrecyLog()
        self._metrics = metrics

    @activity.defn
    async def list_documents(self, process: ProcessRef) -> ListingSummary:
        """Request a process's listing from the court and record it. What is available stays available."""
        number = process.process_number
        generation = 0
        with giving_up_on_defects(after_attempts=_DEFECT_ATTEMPTS), translating_infrastructure_errors():
            try:
                if seconds_at_work() > _MAX_LISTING_SECONDS:
                    raise ProcessFailure(FailureCode.LISTING_UNAVAILABLE, "The listing did not end in time.")
                async with heartbeating():
                    generation = await self._court_circuit.check()
                    listing = await self._court.list_documents(ProcessNumber.parse(number))
            except CourtFailure as failure:
                if await self._court_circuit.record_failure(failure, process_number=number, generation=generation):
                    raise non_retryable(failure) from None
                raise _listing_error(
                    number, attribute_to(failure, ProcessFailure, FailureCode.LISTING_UNAVAILABLE)
                ) from None
            except ProcessFailure as failure:
                if failure.code in UNLISTING_CODES:
                    # At once, not when the run ends: from now on no document of the process may be shown.
                    await self._catalog.listings.mark_unlisted(number, datetime.now(UTC))
                raise _listing_error(number, failure) from None
            summary = await self._catalog.listings.record(listing)
        self._unrecognized_secrecy.log(listing.unrecognized_levels)
        _log.info(
            "listed",
            process=process.process_number,
            documents=summary.total_documents,
            new=summary.new_documents,
        )
        return summary

    @activity.defn
    async def download_document(self, document: DocumentRef) -> DownloadedDocument:
        """Download one document from the court into the store, verify it, and record it in the catalog.

        Idempotent: a document that is stored already is not requested again. A failure of the document itself is
        counted in the catalog, and after five the document is ``failed`` there. A failure of the court or of the
        store is recorded in its circuit breaker and not counted.
        """
        with giving_up_on_defects(after_attempts=_DEFECT_ATTEMPTS), translating_infrastructure_errors():
            source = await self._catalog.documents.get_source(document.process_number, document.document_id)
            if source is None:
                # Raises ProcessErased if that is why.
                await self._catalog.processes.get(document.process_number)
                raise LookupError(f"no document {document.document_id} in {document.process_number}")
            if source.status is DocumentStatus.AVAILABLE:
                return DownloadedDocument(size_bytes=0, fetched=False)
            progress = DownloadProgress()
            # To the very end: otherwise a health check of the court or the store would look like a dead worker.
            async with heartbeating(lambda: progress.size_bytes):
                try:
                    return await self._download(source, progress)
                except StoreUnavailable as failure:
                    self._metrics.count_failed_document(failure.code, DownloadOutcome.INTERRUPTED)
                    raise

    async def _download(self, source: DocumentSource, progress: DownloadProgress) -> DownloadedDocument:
        generation = 0
        store_generation = await self._store_circuit.check()
        try:
            # Only an earlier attempt that died between the store and the catalog can have left the object.
            stored = await self._fetcher.recover(source) if activity.info().attempt > 1 else None
            fetched = stored is None
            if stored is None:
                generation = await self._court_circuit.check()
                stored = await self._fetcher.fetch(source, progress)
        except DocumentFailure as error:
            raise await self._record_failed_attempt(source, error) from None
        except CourtFailure as error:
            number = source.process_number
            if await self._court_circuit.record_failure(error, process_number=number, generation=generation):
                self._metrics.count_failed_document(error.code, DownloadOutcome.INTERRUPTED)
                raise non_retryable(error) from None
            document_error = attribute_to(error, DocumentFailure, FailureCode.SOURCE_UNAVAILABLE)
            raise await self._record_failed_attempt(source, document_error) from None
        except StorageFailure as error:
            await self._store_circuit.record_failure(error, generation=store_generation)
            document_error = DocumentFailure(FailureCode.NOT_STORED, f"{error} It takes other objects.")
            raise await self._record_failed_attempt(source, document_error, permanent=error.permanent) from None
        self._store_circuit.record_success()
        try:
            await self._catalog.documents.mark_available(
                source.process_number, source.id, stored, version=source.version
            )
        except ProcessErased:
            # The erasure may have listed the store before this object was there.
            await self._fetcher.discard(source)
            raise
        self._metrics.count_document(stored.size_bytes)
        return DownloadedDocument(size_bytes=stored.size_bytes, fetched=fetched)

    async def _record_failed_attempt(
        self, source: DocumentSource, error: CourtError, *, permanent: bool = False
    ) -> Exception:
        """Count the failure in the catalog, and return the exception with which the activity fails."""
        can_retry = error.code.retryable and error.code is not FailureCode.TIMED_OUT and not permanent
        allowed = _DOWNLOAD_ATTEMPTS if can_retry else 1
        attempts = await self._catalog.documents.record_failed_attempt(
            source.process_number, source.id, error.code, error.answer, allowed_attempts=allowed
        )
        is_last = attempts >= allowed
        outcome = DownloadOutcome.FAILED if is_last else DownloadOutcome.RETRIED
        self._metrics.count_failed_document(error.code, outcome)
        _log.warning(
            "document failed" if is_last else "document attempt failed",
            process=source.process_number,
            document=source.id,
            code=error.code,
            answer=error.answer,
            attempt=attempts,
        )
        return non_retryable(error) if is_last else retryable(error, retry_in=_backoff(attempts, error.retry_after))


def _listing_error(number: str, failure: ProcessFailure) -> Exception:
    """Log a failed listing, and return the exception with which the activity fails."""
    attempt = activity.info().attempt
    _log.warning("listing failed", process=number, code=failure.code, answer=failure.answer, attempt=attempt)
    if failure.code.retryable and attempt < _LISTING_ATTEMPTS:
        return retryable(failure, retry_in=_backoff(attempt, failure.retry_after))
    return non_retryable(failure)


def _backoff(failed_attempts: int, retry_after: float | None) -> timedelta:
    """Return the exponential backoff with jitter: 2 s, doubling, at most 60 s, at least `retry_after`."""
    delay = min(_FIRST_DELAY_SECONDS * 2 ** max(failed_attempts - 1, 0), _MAX_DELAY_SECONDS)
    jittered = delay * random.uniform(1.0, 1.25)  # noqa: S311 - spreads load, guards nothing.
    return timedelta(seconds=max(min(jittered, _MAX_DELAY_SECONDS), retry_after or 0.0))

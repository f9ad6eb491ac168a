"""What asks the court: listing a process, downloading a document. Runs on the ``court`` task queue."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from temporalio import activity

from activities.failures import blamed, final, own_failures, passing
from activities.heartbeats import heartbeating
from domain.content import DocumentContent
from domain.documents import DocumentSource, DocumentStatus, StoredObject
from domain.errors import CourtError, CourtFailure, DocumentFailure, FailureCode, ProcessFailure
from domain.messages import DocumentRef, DownloadedDocument, ListingSummary, ProcessRef
from domain.process_number import ProcessNumber
from domain.storage import object_prefix

if TYPE_CHECKING:
    from activities.court_access import CourtAccess
    from adapters.court_pdpj import PdpjCourt
    from adapters.database import Catalog
    from adapters.storage import ObjectStore

ALLOWED_ATTEMPTS = 5
# A listing that the court alone fails to give is asked for so often before the run ends.
_LISTING_ATTEMPTS = 3
_FIRST_DELAY_SECONDS = 2.0
_LONGEST_DELAY_SECONDS = 60.0

_log = structlog.get_logger()


class CourtActivities:
    """The activities of the ``court`` queue.

    Args:
        court: the court.
        access: whether the court may be asked, and where it is said that it does not answer.
        catalog: where the listing goes, and what became of each document.
        store: where documents go.
        media_type_of: tells a media type from first bytes, the declared type, and whether it is the court's text.
        max_document_bytes: larger documents are refused.
    """

    def __init__(
        self,
        court: PdpjCourt,
        access: CourtAccess,
        catalog: Catalog,
        store: ObjectStore,
        media_type_of: Callable[[bytes, str | None, bool], str],
        *,
        max_document_bytes: int,
    ) -> None:
        self._court = court
        self._access = access
        self._catalog = catalog
        self._store = store
        self._media_type_of = media_type_of
        self._max_document_bytes = max_document_bytes

    @activity.defn
    async def list_documents(self, process: ProcessRef) -> ListingSummary:
        """List a process at the court and lay the listing over the catalog; what is available stays so."""
        number = process.process_number
        asked_at = datetime.now(UTC)
        with own_failures():
            try:
                await self._access.check()
                async with heartbeating():
                    listing = await self._court.list_documents(ProcessNumber.parse(number))
            except CourtFailure as failure:
                if await self._access.report(failure, process_number=number, asked_at=asked_at):
                    raise final(failure) from None
                raise _unlisted(number, blamed(failure, ProcessFailure, FailureCode.LISTING_UNAVAILABLE)) from None
            except ProcessFailure as failure:
                raise _unlisted(number, failure) from None
        with own_failures():
            summary = await self._catalog.listings.record(listing)
        _log.info(
            "listed",
            process=process.process_number,
            documents=summary.total_documents,
            new=summary.new_documents,
        )
        return summary

    @activity.defn
    async def download_document(self, document: DocumentRef) -> DownloadedDocument:
        """Bring one document from the court into the store, verified, and say so in the catalog.

        Doing it again is harmless: a document that is stored already is not asked for again. A failure that is the
        document's own is counted in the catalog, and after five the document is ``failed`` there; trouble at the
        court is reported without being counted.
        """
        asked_at = datetime.now(UTC)
        with own_failures():
            source = await self._catalog.documents.source(document.process_number, document.document_id)
            if source is None:
                raise LookupError(f"no document {document.document_id} in {document.process_number}")
            if source.status is DocumentStatus.AVAILABLE:
                return DownloadedDocument(size_bytes=0, fetched=False)
            prefix = object_prefix(source.process_number, source.id)
            # Only an earlier attempt that died between the store and the catalog can have left the object.
            stored = await self._recover(prefix) if activity.info().attempt > 1 else None
            fetched = stored is None
            if stored is None:
                try:
                    await self._access.check()
                    stored = await self._fetch(source, prefix)
                except DocumentFailure as error:
                    raise await self._counted(source, error) from None
                except CourtFailure as error:
                    number = source.process_number
                    if await self._access.report(error, process_number=number, asked_at=asked_at):
                        raise final(error) from None
                    own = blamed(error, DocumentFailure, FailureCode.SOURCE_UNAVAILABLE)
                    raise await self._counted(source, own) from None
            await self._catalog.documents.mark_available(source.process_number, source.id, stored)
        return DownloadedDocument(size_bytes=stored.size_bytes, fetched=fetched)

    async def _recover(self, prefix: str) -> StoredObject | None:
        """What an earlier attempt has left: a whole object is taken, parts of one are thrown away."""
        await self._store.abort_uploads(prefix, older_than=timedelta(0))
        return await self._store.find(prefix)

    async def _fetch(self, source: DocumentSource, prefix: str) -> StoredObject:
        declared_size = None if source.is_text else source.declared_size_bytes
        if declared_size is not None and declared_size > self._max_document_bytes:
            raise DocumentFailure(FailureCode.TOO_LARGE, f"The court lists it with {declared_size} bytes.")
        async with self._court.open_document(source) as chunks:
            content = DocumentContent(
                chunks,
                declared_size=declared_size,
                max_bytes=self._max_document_bytes,
                claims_pdf=source.claims_pdf,
            )
            async with heartbeating(lambda: content.size_bytes):
                return await self._store.store(
                    prefix,
                    source.name or source.id,
                    content,
                    lambda head: self._media_type_of(head, source.declared_media_type, source.is_text),
                )

    async def _counted(self, source: DocumentSource, error: CourtError) -> Exception:
        failed = await self._catalog.documents.record_failed_attempt(
            source.process_number,
            source.id,
            error.code,
            error.answer,
            allowed_attempts=ALLOWED_ATTEMPTS if error.code.retryable else 1,
        )
        last = failed >= ALLOWED_ATTEMPTS or not error.code.retryable
        _log.warning(
            "document failed" if last else "document attempt failed",
            process=source.process_number,
            document=source.id,
            code=error.code,
            answer=error.answer,
            attempt=failed,
        )
        return final(error) if last else passing(error, next_attempt_in=_delay(failed, error.retry_after))


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

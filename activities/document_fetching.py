"""Fetch one document's content from the court into the object store, from whichever source has it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from activities.heartbeats import seconds_at_work
from domain.content import DocumentContent, InspectPdf, MediaTypeDetector
from domain.documents import ContentOffer, DocumentSource, StoredObject
from domain.errors import DocumentFailure, FailureCode
from domain.process_number import ProcessNumber
from domain.storage import object_prefix

if TYPE_CHECKING:
    from adapters.court_pdpj import PdpjClient
    from adapters.storage import ObjectStore

# Each of the court's systems has its own copy and its own failures, so another source may have what one has not.
# SEALED is not in the set: what one system seals is sealed.
_TRY_ANOTHER_SOURCE_CODES = frozenset(
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
# All attempts together, without the time in the task queue. A document of a gigabyte takes some minutes. A document
# that never arrives, for example because it kills its worker each time, is given up after this.
_MAX_DOWNLOAD_SECONDS = 6 * 3600.0


class DownloadProgress:
    """The content of a document while it arrives. `size_bytes` is what heartbeats report."""

    content: DocumentContent | None = None

    @property
    def size_bytes(self) -> int:
        """How many bytes have arrived."""
        return self.content.size_bytes if self.content else 0


class DocumentFetcher:
    """Streams documents from the court into the object store and verifies them on the way.

    Args:
        court: The court.
        store: Where documents go.
        choose_media_type: Returns a media type, given the first bytes, the declared type, and whether the content
            is the court's text.
        detect_media_type: Returns a media type, given the first bytes alone.
        inspect_pdf: Opens a PDF whose size or end mark leaves a doubt.
        max_document_bytes: Larger documents are refused.
    """

    def __init__(
        self,
        court: PdpjClient,
        store: ObjectStore,
        choose_media_type: Callable[[bytes, str | None, bool], str],
        *,
        detect_media_type: MediaTypeDetector,
        inspect_pdf: InspectPdf,
        max_document_bytes: int,
    ) -> None:
        self._court = court
        self._store = store
        self._choose_media_type = choose_media_type
        self._detect_media_type = detect_media_type
        self._inspect_pdf = inspect_pdf
        self._max_document_bytes = max_document_bytes

    async def recover(self, source: DocumentSource) -> StoredObject | None:
        """Return the complete object that an earlier attempt has left, and abort its unfinished uploads.

        Returns:
            The object. None if there is no complete one.
        """
        prefix = _prefix(source)
        await self._store.abort_uploads(prefix, older_than=timedelta(0))
        sizes = {offer.size_bytes for offer in source.offers}
        return await self._store.find(prefix, size_bytes=sizes.pop() if len(sizes) == 1 else None)

    async def discard(self, source: DocumentSource) -> None:
        """Delete everything that is stored of a document.

        Raises:
            StorageFailure: The store refused or lost a request.
        """
        await self._store.erase(_prefix(source))

    async def fetch(self, source: DocumentSource, progress: DownloadProgress) -> StoredObject:
        """Fetch and store a document from the best source that has it.

        The failure of one source is not yet the document's failure.

        Raises:
            DocumentFailure: No source has the document, or the attempts have taken too long.
            CourtFailure: The court does not answer now.
            StorageFailure: The store did not take the document.
        """
        if seconds_at_work() > _MAX_DOWNLOAD_SECONDS:
            raise DocumentFailure(FailureCode.TIMED_OUT, "The download did not end in time.")
        failures: list[DocumentFailure] = []
        for offer in source.offers:
            if offer.is_text and any(each.code is not FailureCode.DOCUMENT_NOT_FOUND for each in failures):
                # The document has a file, so its text would not be the document.
                break
            try:
                return await self._fetch_offer(source, offer, progress)
            except DocumentFailure as failure:
                failures.append(failure)
                if failure.code not in _TRY_ANOTHER_SOURCE_CODES:
                    raise
        raise _combine_failures(source, failures)

    async def _fetch_offer(
        self, source: DocumentSource, offer: ContentOffer, progress: DownloadProgress
    ) -> StoredObject:
        if offer.size_bytes is not None and offer.size_bytes > self._max_document_bytes:
            raise DocumentFailure(FailureCode.TOO_LARGE, f"The court lists it with {offer.size_bytes} bytes.")
        number = ProcessNumber.parse(source.process_number)
        async with self._court.open_document(number, offer) as opened:
            progress.content = DocumentContent(
                opened.chunks,
                max_bytes=self._max_document_bytes,
                expected=source.expected(offer),
                detect_media_type=self._detect_media_type,
                inspect_pdf=self._inspect_pdf,
                served_type=lambda: opened.media_type,
            )
            return await self._store.store(
                _prefix(source),
                source.name or source.id,
                progress.content,
                lambda head: self._choose_media_type(head, offer.media_type, offer.is_text),
            )


def _prefix(source: DocumentSource) -> str:
    return object_prefix(source.process_number, source.id, source.version)


def _combine_failures(source: DocumentSource, failures: Sequence[DocumentFailure]) -> DocumentFailure:
    """Return the document's failure after every source that could have its content has failed."""
    if not failures:
        return DocumentFailure(FailureCode.NO_CONTENT_ADDRESS, "The listing gives no address for this document.")
    all_not_found = all(failure.code is FailureCode.DOCUMENT_NOT_FOUND for failure in failures)
    if all_not_found and source.offers[-1].is_text:
        return DocumentFailure(
            FailureCode.NO_CONTENT, "The court lists this piece, and has neither a file nor a text of it."
        )
    return next((failure for failure in failures if failure.code.retryable), failures[0])

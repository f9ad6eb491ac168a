"""Documents at the court, as downloads are told of them."""

from __future__ import annotations

from adapters.court_pdpj import PdpjCourt
from adapters.media_types import file_kind
from domain.content import DocumentContent
from domain.documents import DocumentOrigin, DocumentSource, DocumentStatus, ListedDocument, content_offers
from domain.process_number import ProcessNumber


def source_of(number: str, document: ListedDocument, *, text_only: bool = False) -> DocumentSource:
    """A listed document as a download is told of it."""
    described = DocumentOrigin(
        document.id,
        binary_href=None if text_only else document.binary_href,
        text_href=document.text_href,
        media_type=document.declared_media_type,
        size_bytes=document.declared_size_bytes,
    )
    return DocumentSource(
        process_number=number,
        id=document.id,
        position=1,
        status=DocumentStatus.PENDING,
        name=document.name,
        offers=content_offers(described, () if text_only else document.sources),
        failed_attempts=0,
    )


def source_at(number: str, href: str | None, text_href: str | None = None) -> DocumentSource:
    """A document of which nothing but its addresses is known."""
    document = ListedDocument("0f1e2d3c-4b5a-5678-9abc-def012345678", "G1:", binary_href=href, text_href=text_href)
    return source_of(number, document)


async def sources(court: PdpjCourt, number: str) -> list[DocumentSource]:
    """The documents of a process, to download."""
    listing = await court.list_documents(ProcessNumber.parse(number))
    return [source_of(number, document) for document in listing.documents]


async def fetched(court: PdpjCourt, source: DocumentSource) -> DocumentContent:
    """Read a document to its end, from the first place that is offered."""
    offer = source.offers[0]
    async with court.open_document(ProcessNumber.parse(source.process_number), offer) as opened:
        content = DocumentContent(
            opened.chunks,
            expected=source.expected(offer),
            max_bytes=2**30,
            file_kind=file_kind,
            served_type=lambda: opened.media_type,
        )
        async for _ in content:
            pass
    return content

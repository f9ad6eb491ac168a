"""Documents at the court, in the form that downloads take them."""

from __future__ import annotations

from adapters.content.media_types import detect_media_type
from adapters.court_pdpj import PdpjClient
from domain.content import DocumentContent
from domain.documents import DocumentSource, DocumentStatus, content_offers
from domain.listings import DocumentOrigin, ListedDocument
from domain.process_number import ProcessNumber


def source_of(number: str, document: ListedDocument, *, text_only: bool = False) -> DocumentSource:
    """Return the download source of a listed document."""
    origin = DocumentOrigin(
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
        offers=content_offers(origin, () if text_only else document.sources),
        failed_attempts=0,
    )


def source_at(number: str, href: str | None, text_href: str | None = None) -> DocumentSource:
    """Return the download source of a document with nothing but its addresses."""
    document = ListedDocument("0f1e2d3c-4b5a-5678-9abc-def012345678", "G1:", binary_href=href, text_href=text_href)
    return source_of(number, document)


async def sources(court: PdpjClient, number: str) -> list[DocumentSource]:
    """List a process at the court, and return the download sources of its documents."""
    listing = await court.list_documents(ProcessNumber.parse(number))
    return [source_of(number, document) for document in listing.documents]


async def fetched(court: PdpjClient, source: DocumentSource) -> DocumentContent:
    """Read a document to its end from the first of its offers."""
    offer = source.offers[0]
    async with court.open_document(ProcessNumber.parse(source.process_number), offer) as opened:
        content = DocumentContent(
            opened.chunks,
            expected=source.expected(offer),
            max_bytes=2**30,
            detect_media_type=detect_media_type,
            served_type=lambda: opened.media_type,
        )
        async for _ in content:
            pass
    return content

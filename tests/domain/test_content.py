"""Documents and what only looks like them, judged while their bytes flow by."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.content import DocumentContent
from domain.documents import DocumentSource, DocumentStatus
from domain.errors import DocumentFailure, FailureCode

PDF = b"%PDF-1.4\n" + b"x" * 3000 + b"\nstartxref\n9\n%%EOF\n"
PORTAL_PAGE = (
    '<!DOCTYPE html><html lang="pt-br"><head><title>Portal de Serviços do Poder Judiciário</title></head>'
    "<body><app-root></app-root></body></html>"
).encode()
FRAGMENT = b"<div><p>Vistos. Diante do exposto, julgo procedente o pedido.</p></div>"


async def chunked(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Chunks as a response gives them."""
    for chunk in chunks:
        yield chunk


def content_of(
    *chunks: bytes, declared_size: int | None = None, max_bytes: int = 10_000_000, claims_pdf: bool = False
) -> DocumentContent:
    """Content that arrives in these chunks."""
    return DocumentContent(chunked(chunks), declared_size=declared_size, max_bytes=max_bytes, claims_pdf=claims_pdf)


async def verdict(content: DocumentContent) -> FailureCode | None:
    """Read to the end; the code of the failure, or none for a document."""
    try:
        async for _ in content:
            pass
    except DocumentFailure as failure:
        return failure.code
    return None


GENUINE = {
    "a PDF": PDF,
    "a PDF with bytes behind its end mark": PDF + b"\r\n" * 200,
    "an HTML fragment": FRAGMENT,
    "an HTML fragment that names the portal": "<p>Portal de Serviços do Poder Judiciário</p>".encode(),
    "a whole HTML page of a court": b"<!DOCTYPE html><html><body><p>Certidao</p></body></html>",
    "RTF": b"{\\rtf1\\ansi Ata}",
    "text": b"Vistos etc.",
    "text that begins with a bracket": b"[1] Vistos etc.",
    "text that begins with a brace": b"{Assinado eletronicamente}",
    "a ZIP": b"PK\x03\x04....",
    "one byte": b"x",
    "text with NUL": b"a\x00b",
}
IMPOSTORS = {
    "nothing": (b"", FailureCode.EMPTY_DOCUMENT),
    "a PDF without its end": (PDF[:2000], FailureCode.TRUNCATED),
    "a PDF whose end mark is far from its end": (b"%PDF-1.4 %%EOF" + b"x" * 5000, FailureCode.TRUNCATED),
    "the portal's page": (PORTAL_PAGE, FailureCode.PORTAL_PAGE),
    "the portal's page behind blanks": (b"\xef\xbb\xbf\r\n  " + PORTAL_PAGE, FailureCode.PORTAL_PAGE),
    "another version of the portal's page": (
        b'<!doctype html><html><body><x-app ng-version="19"></x-app></body></html>',
        FailureCode.PORTAL_PAGE,
    ),
    "a JSON object": (b'{"status":"MANUTENCAO"}', FailureCode.INVALID_CONTENT),
    "an empty JSON list": (b"[]", FailureCode.INVALID_CONTENT),
    "a JSON list behind blanks": (b'\r\n [\n{"code": 1}]', FailureCode.INVALID_CONTENT),
}


@pytest.mark.parametrize("body", GENUINE.values(), ids=GENUINE.keys())
async def test_a_document_passes(body: bytes) -> None:
    assert await verdict(content_of(body)) is None


@pytest.mark.parametrize(("body", "code"), IMPOSTORS.values(), ids=IMPOSTORS.keys())
async def test_what_is_no_document_is_refused_at_its_end(body: bytes, code: FailureCode) -> None:
    assert await verdict(content_of(body)) is code


async def test_no_chunk_at_all_is_an_empty_document() -> None:
    assert await verdict(content_of()) is FailureCode.EMPTY_DOCUMENT


async def test_fewer_bytes_than_the_listing_states_are_truncated() -> None:
    assert await verdict(content_of(FRAGMENT, declared_size=len(FRAGMENT) + 1)) is FailureCode.TRUNCATED


@pytest.mark.parametrize(("body", "code"), IMPOSTORS.values(), ids=IMPOSTORS.keys())
async def test_what_stands_in_a_documents_place_is_named_although_it_is_shorter(
    body: bytes, code: FailureCode
) -> None:
    assert await verdict(content_of(body, declared_size=10_000)) is code


FILES = {
    "a PDF": PDF,
    "a PDF behind a line of its maker": b"%!Made by a scanner\r\n" + PDF,
    "RTF": b"{\\rtf1\\ansi Ata}",
    "a ZIP": b"PK\x03\x04....",
    "an older Word document": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    "a picture": b"\x89PNG\r\n\x1a\n",
}
NO_FILES = {
    "an HTML fragment": FRAGMENT,
    "a page": b"<html><body>Manutencao</body></html>",
    "text": b"Servico indisponivel",
    "bytes of no known kind": b"\x01\x02\x03",
    "a mark that comes too late": b" " * 1024 + PDF,
}


@pytest.mark.parametrize("body", FILES.values(), ids=FILES.keys())
async def test_a_file_passes_where_a_pdf_is_claimed(body: bytes) -> None:
    assert await verdict(content_of(body, claims_pdf=True)) is None


@pytest.mark.parametrize("body", NO_FILES.values(), ids=NO_FILES.keys())
async def test_anything_else_does_not(body: bytes) -> None:
    assert await verdict(content_of(body, claims_pdf=True)) is FailureCode.INVALID_CONTENT
    assert await verdict(content_of(body)) is None


@pytest.mark.parametrize("body", [b" ", b"\r\n\t \n", b"\xef\xbb\xbf"])
async def test_nothing_but_blanks_is_an_empty_document(body: bytes) -> None:
    assert await verdict(content_of(body)) is FailureCode.EMPTY_DOCUMENT


@pytest.mark.parametrize(
    ("name", "declared", "binary", "claims"),
    [
        ("Petição.pdf", None, True, True),
        ("PETIÇÃO.PDF ", None, True, True),
        ("Petição", "application/pdf", True, True),
        ("Petição", "APPLICATION_PDF", True, True),
        ("Petição", "Application/PDF; version=1", True, True),
        ("Petição.pdf", None, False, False),
        ("Sentença.html", "text/html", True, False),
        (None, None, True, False),
    ],
)
def test_a_pdf_is_claimed_by_type_or_by_name(
    name: str | None, declared: str | None, binary: bool, claims: bool
) -> None:
    href = "/1" if binary else None
    source = DocumentSource("1", "2", 1, DocumentStatus.PENDING, name, href, "/2", declared, None, 0)
    assert (source.claims_pdf, source.is_text) == (claims, not binary)


@pytest.mark.parametrize("declared", [None, len(FRAGMENT), len(FRAGMENT) - 1])
async def test_as_many_bytes_as_the_listing_states_or_more_are_not(declared: int | None) -> None:
    assert await verdict(content_of(FRAGMENT, declared_size=declared)) is None


async def test_exactly_the_limit_is_not_too_large() -> None:
    assert await verdict(content_of(b"x" * 1000, max_bytes=1000)) is None


async def test_too_large_is_noticed_before_the_rest_is_read() -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 100

    content = DocumentContent(endless(), declared_size=None, max_bytes=1000)
    assert await verdict(content) is FailureCode.TOO_LARGE
    assert taken == 11


async def test_the_head_is_known_after_the_first_chunk() -> None:
    content = content_of(PDF[:100], PDF[100:])
    async for _ in content:
        assert content.head == PDF[:100]
        break


async def test_size_and_digest_are_those_of_all_bytes() -> None:
    content = content_of(PDF[:17], b"", PDF[17:])
    assert await verdict(content) is None
    assert content.size_bytes == len(PDF)
    assert content.sha256 == hashlib.sha256(PDF).digest()


bodies = st.sampled_from([*GENUINE.values(), *(body for body, _ in IMPOSTORS.values())]) | st.binary(max_size=9000)


@given(bodies, st.lists(st.integers(0, 9000)), st.integers(0, 9000) | st.none())
@example(PDF, list(range(4000)), None)
@example(PORTAL_PAGE, list(range(400)), None)
async def test_how_the_bytes_are_cut_changes_nothing(body: bytes, cuts: list[int], declared: int | None) -> None:
    places = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    whole = content_of(body, declared_size=declared)
    pieces = content_of(*(body[a:b] for a, b in pairwise(places)), declared_size=declared)
    assert await verdict(whole) == await verdict(pieces)
    assert (whole.head, whole.size_bytes, whole.sha256) == (pieces.head, pieces.size_bytes, pieces.sha256)
    assert whole.sha256 == hashlib.sha256(body).digest()

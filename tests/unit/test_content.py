"""Valid documents and invalid content, checked while the bytes are streamed."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.content.media_types import detect_media_type
from domain.content import DocumentContent, Expected, InspectPdf
from domain.errors import DocumentFailure, FailureCode

PDF = b"%PDF-1.4\n" + b"x" * 3000 + b"\nstartxref\n9\n%%EOF\n"
PORTAL_PAGE = (
    '<!DOCTYPE html><html lang="pt-br"><head><title>Portal de Serviços do Poder Judiciário</title></head>'
    "<body><app-root></app-root></body></html>"
).encode()
FRAGMENT = b"<div><p>Vistos. Diante do exposto, julgo procedente o pedido.</p></div>"


LISTED_PDF = Expected("application/pdf")


async def stream_chunks(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Yield chunks as a response does."""
    for chunk in chunks:
        yield chunk


def content_of(
    *chunks: bytes,
    expected: Expected | None = None,
    max_bytes: int = 10_000_000,
    inspect_pdf: InspectPdf | None = None,
    served: str | None = None,
) -> DocumentContent:
    """Return content that arrives in these chunks."""
    return DocumentContent(
        stream_chunks(chunks),
        expected=expected,
        max_bytes=max_bytes,
        detect_media_type=detect_media_type,
        inspect_pdf=inspect_pdf,
        served_type=lambda: served,
    )


def expect_size(size_bytes: int | None) -> Expected:
    """Return the expectation for a document listed with this size."""
    return Expected(size_bytes=size_bytes)


async def read_failure_code(content: DocumentContent) -> FailureCode | None:
    """Read the content to its end. Returns the failure code, or `None` for a valid document."""
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
async def test_valid_document_passes(body: bytes) -> None:
    assert await read_failure_code(content_of(body)) is None


@pytest.mark.parametrize(("body", "code"), IMPOSTORS.values(), ids=IMPOSTORS.keys())
async def test_invalid_document_is_refused_at_its_end(body: bytes, code: FailureCode) -> None:
    assert await read_failure_code(content_of(body)) is code


async def test_content_without_chunks_is_an_empty_document() -> None:
    assert await read_failure_code(content_of()) is FailureCode.EMPTY_DOCUMENT


async def test_fewer_bytes_than_listed_are_truncated() -> None:
    assert (
        await read_failure_code(content_of(FRAGMENT, expected=expect_size(len(FRAGMENT) + 1)))
        is FailureCode.TRUNCATED
    )


@pytest.mark.parametrize(("body", "code"), IMPOSTORS.values(), ids=IMPOSTORS.keys())
async def test_short_substitute_content_gets_its_specific_code(body: bytes, code: FailureCode) -> None:
    assert await read_failure_code(content_of(body, expected=expect_size(10_000))) is code


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
async def test_other_known_files_pass_if_a_pdf_is_listed(body: bytes) -> None:
    assert await read_failure_code(content_of(body, expected=LISTED_PDF)) is None


@pytest.mark.parametrize("body", NO_FILES.values(), ids=NO_FILES.keys())
async def test_unknown_content_fails_if_a_pdf_is_listed(body: bytes) -> None:
    assert await read_failure_code(content_of(body, expected=LISTED_PDF)) is FailureCode.INVALID_CONTENT
    assert await read_failure_code(content_of(body)) is None


@pytest.mark.parametrize("body", [b" ", b"\r\n\t \n", b"\xef\xbb\xbf"])
async def test_blank_content_is_an_empty_document(body: bytes) -> None:
    assert await read_failure_code(content_of(body)) is FailureCode.EMPTY_DOCUMENT


@pytest.mark.parametrize(
    ("name", "listed", "stated"),
    [
        ("Petição.pdf", None, "application/pdf"),
        ("PETIÇÃO.PDF ", None, "application/pdf"),
        ("Petição", "application/pdf", "application/pdf"),
        ("Petição", "Application/PDF; version=1", "application/pdf"),
        ("Petição.pdf", "text/html", "text/html"),
        ("Petição.pdf", "application/octet-stream", "application/pdf"),
        ("Sentença.html", None, "text/html"),
        ("mensagens.json", None, "application/json"),
        ("Petição", None, None),
        (None, None, None),
    ],
)
def test_listed_media_type_takes_precedence_over_the_extension(
    name: str | None, listed: str | None, stated: str | None
) -> None:
    assert Expected(listed, name).stated_type == stated


MESSAGES = b'{"mensagens":[{"de":"A"}]}'
GIF = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00"
SIGNED = b"0\x82 \x00\x06\t*\x86H\x86\xf7\r\x01\x07\x02\xa0\x82\x1f\xf00\x82\x1f\xec\x02\x01\x011\x0f" + PDF
AGREED = {
    "HTML that is named as a PDF": (FRAGMENT, "text/html", "Decisao.pdf", "text/html"),
    "JSON that is listed as JSON": (MESSAGES, "application/json", "mensagens.json", "application/json"),
    "JSON that is listed and sent as bytes": (MESSAGES, "application/json", None, "application/octet-stream"),
    "text that looks like JSON": (
        MESSAGES + b"\nlinha 2\n",
        "text/plain",
        "registro.txt",
        "text/plain; charset=UTF-8",
    ),
    "a picture that is listed as a PDF": (GIF, "application/pdf", "Foto.pdf", "application/pdf"),
    "a signed file that is listed as a PDF": (SIGNED, "application/pdf", "Peticao.pdf", "application/pdf"),
}
APOLOGIES = {
    "JSON where a PDF is listed": (MESSAGES, "application/pdf", None, "application/json"),
    "JSON where HTML is listed": (MESSAGES, "text/html", None, "application/json"),
    "JSON where nothing is listed": (MESSAGES, None, None, "application/json"),
    "JSON that is sent as JSON where a text is listed": (MESSAGES, "text/plain", None, "application/json"),
    "JSON that is sent as a page where JSON is listed": (MESSAGES, "application/json", None, "text/html"),
    "HTML where a PDF is listed": (FRAGMENT, "application/pdf", "Decisao.pdf", "text/html"),
    "HTML where only the name says PDF": (FRAGMENT, None, "Decisao.pdf", "text/html"),
}


@pytest.mark.parametrize(("body", "listed", "name", "served"), AGREED.values(), ids=AGREED.keys())
async def test_content_passes_if_listing_answer_and_bytes_agree(
    body: bytes, listed: str | None, name: str | None, served: str
) -> None:
    assert await read_failure_code(content_of(body, expected=Expected(listed, name), served=served)) is None


@pytest.mark.parametrize(("body", "listed", "name", "served"), APOLOGIES.values(), ids=APOLOGIES.keys())
async def test_error_page_instead_of_a_document_is_refused(
    body: bytes, listed: str | None, name: str | None, served: str
) -> None:
    content = content_of(body, expected=Expected(listed, name), served=served)
    assert await read_failure_code(content) is FailureCode.INVALID_CONTENT


@pytest.mark.parametrize("declared", [None, len(FRAGMENT), len(FRAGMENT) - 1])
async def test_at_least_the_listed_bytes_are_not_truncated(declared: int | None) -> None:
    assert await read_failure_code(content_of(FRAGMENT, expected=expect_size(declared))) is None


async def test_content_at_the_limit_is_not_too_large() -> None:
    assert await read_failure_code(content_of(b"x" * 1000, max_bytes=1000)) is None


async def test_too_large_content_stops_before_the_rest_is_read() -> None:
    taken = 0

    async def stream_endlessly() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 100

    content = DocumentContent(stream_endlessly(), max_bytes=1000)
    assert await read_failure_code(content) is FailureCode.TOO_LARGE
    assert taken == 11


async def test_head_is_available_after_the_first_chunk() -> None:
    content = content_of(PDF[:100], PDF[100:])
    async for _ in content:
        assert content.head == PDF[:100]
        break


async def test_size_and_digest_cover_all_bytes() -> None:
    content = content_of(PDF[:17], b"", PDF[17:])
    assert await read_failure_code(content) is None
    assert content.size_bytes == len(PDF)
    assert content.sha256 == hashlib.sha256(PDF).digest()


bodies = st.sampled_from([*GENUINE.values(), *(body for body, _ in IMPOSTORS.values())]) | st.binary(max_size=9000)


@given(bodies, st.lists(st.integers(0, 9000)), st.integers(0, 9000) | st.none())
@example(PDF, list(range(4000)), None)
@example(PORTAL_PAGE, list(range(400)), None)
async def test_chunk_boundaries_change_nothing(body: bytes, cuts: list[int], declared: int | None) -> None:
    places = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    whole = content_of(body, expected=expect_size(declared))
    pieces = content_of(*(body[a:b] for a, b in pairwise(places)), expected=expect_size(declared))
    assert await read_failure_code(whole) == await read_failure_code(pieces)
    assert (whole.head, whole.size_bytes, whole.sha256) == (pieces.head, pieces.size_bytes, pieces.sha256)
    assert whole.sha256 == hashlib.sha256(body).digest()

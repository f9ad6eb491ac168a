"""PDFs with missing or misplaced markers are opened with a library, in a separate operating-system process."""

from __future__ import annotations

import io
import tempfile
from collections.abc import AsyncIterator

import pikepdf
import pytest

from adapters.content.media_types import detect_media_type
from adapters.content.pdf_inspection import PdfInspector
from domain.content import DocumentContent, Expected, PdfCondition
from domain.errors import DocumentFailure, FailureCode


def make_pdf(pages: int) -> bytes:
    """Return a valid PDF with blank pages."""
    buffer = io.BytesIO()
    with pikepdf.new() as pdf:
        for _ in range(pages):
            pdf.add_blank_page()
        pdf.save(buffer, static_id=True)
    return buffer.getvalue()


WHOLE = make_pdf(5)
END = WHOLE.rindex(b"%%EOF")
CASES = {
    "as it is": (WHOLE, PdfCondition.INTACT),
    "blanks behind its end": (WHOLE + b" " * 1500, PdfCondition.INTACT),
    "NUL behind its end": (WHOLE + b"\0" * 2000, PdfCondition.INTACT),
    "a page behind its end": (WHOLE + b"<!-- rastreamento -->\n" * 300, PdfCondition.INTACT),
    "no end mark": (WHOLE[:END], PdfCondition.INTACT),
    "a line before its beginning": (b"%!Made by a scanner\r\n" + WHOLE, PdfCondition.INTACT),
    "a part of it, with all pages but not their content": (WHOLE[: len(WHOLE) // 2], PdfCondition.REPAIRED),
    "a part of it, without all pages": (WHOLE[:100], PdfCondition.BROKEN),
    "nothing but its mark": (b"%PDF-1.4\n", PdfCondition.BROKEN),
    "noise": (b"%PDF-1.4\n" + bytes(range(256)) * 20, PdfCondition.BROKEN),
}


@pytest.fixture(scope="module")
def inspector() -> PdfInspector:
    """The PDF inspector."""
    return PdfInspector()


@pytest.mark.parametrize(("body", "condition"), CASES.values(), ids=CASES.keys())
async def test_inspector_classifies_pdfs(inspector: PdfInspector, body: bytes, condition: PdfCondition) -> None:
    with tempfile.SpooledTemporaryFile(1024) as file:
        file.write(body)
        assert await inspector.inspect(file) is condition


async def read_failure_code(
    inspector: PdfInspector, body: bytes, listed_size: int | None, *, chunk_bytes: int = 100
) -> FailureCode | None:
    """Read content to its end. Returns the failure code, or `None` for a valid document."""

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), chunk_bytes):
            yield body[start : start + chunk_bytes]

    content = DocumentContent(
        chunks(),
        max_bytes=10**9,
        expected=Expected("application/pdf", size_bytes=listed_size),
        detect_media_type=detect_media_type,
        inspect_pdf=inspector.inspect,
    )
    try:
        async for _ in content:
            pass
    except DocumentFailure as failure:
        return failure.code
    return None


@pytest.mark.parametrize(
    ("body", "listed_size", "failure"),
    [
        (WHOLE + b" " * 1500, len(WHOLE) + 1500, None),
        (WHOLE + b"<p>x</p>" * 600, None, None),
        (WHOLE[:END], END, None),
        (WHOLE, len(WHOLE) + 7, None),
        (WHOLE, len(WHOLE) - 7, None),
        # Complete, but much shorter than listed: an earlier revision of the file.
        (WHOLE, len(WHOLE) + 5000, FailureCode.TRUNCATED),
        (WHOLE[: len(WHOLE) // 2], len(WHOLE), FailureCode.TRUNCATED),
        (WHOLE[: len(WHOLE) // 2], None, FailureCode.TRUNCATED),
        # As long as listed, so the court has no more, and it opens.
        (WHOLE[: len(WHOLE) // 2], len(WHOLE) // 2, None),
        # As long as listed, but it does not open.
        (WHOLE[:100], 100, FailureCode.TRUNCATED),
    ],
    ids=[
        *("blanks behind", "page behind", "no end mark", "few bytes short", "few bytes long"),
        *("much too short", "half", "half, unlisted", "half, listed so", "broken, listed so"),
    ],
)
@pytest.mark.parametrize("chunk_bytes", [3, 100_000])
async def test_pdf_is_refused_only_if_it_is_truncated(
    inspector: PdfInspector, body: bytes, listed_size: int | None, failure: FailureCode | None, chunk_bytes: int
) -> None:
    assert await read_failure_code(inspector, body, listed_size, chunk_bytes=chunk_bytes) is failure


async def test_pdf_that_exhausts_the_parser_is_not_intact(inspector: PdfInspector) -> None:
    # An object table that refers to itself, and endless pages.
    bomb = (
        b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n"
        b"2 0 obj\n<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 9999999999 >>\nendobj\n"
        b"trailer\n<< /Size 99999999 /Root 1 0 R /Prev 9 >>\nstartxref\n9\n"
    )
    with tempfile.SpooledTemporaryFile(1024) as file:
        file.write(bomb)
        assert await inspector.inspect(file) in (PdfCondition.BROKEN, PdfCondition.REPAIRED)

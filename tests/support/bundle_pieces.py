"""Pieces of a bundle: PDFs that say on each page which one it is, and what can be wrong with them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pikepdf
import pypdfium2
from pikepdf import Array, Dictionary, Name, Pdf, String

from domain.bundle_contents import CoverFacts, CoverParty, Piece

LISTED_AT = datetime(2026, 10, 5, 18, 30, tzinfo=UTC)
FILED_AT = datetime(2024, 5, 2, 13, tzinfo=UTC)
A4 = (0, 0, 595, 842)


def cover_facts(total: int) -> CoverFacts:
    """Return the facts of an invented process."""
    return CoverFacts(
        number="1011745-77.2025.8.11.0041",
        court="TJMT",
        listed_at=LISTED_AT,
        total_documents=total,
        class_name="Procedimento Comum Cível",
        court_units=("1ª Vara Cível de Cuiabá",),
        parties=(CoverParty("Autora", "Conceição Invenção"), CoverParty("Réu", "Banco Fictício S.A.")),
    )


def make_pdf(
    path: Path, text: str, pages: int = 1, *, rotate: int = 0, media: tuple[float, ...] = A4, **page_keys: object
) -> Path:
    """Write a PDF whose pages say ``text`` and their number."""
    pdf = Pdf.new()
    font = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica, Encoding=Name.WinAnsiEncoding)
    for number in range(1, pages + 1):
        page = pdf.add_blank_page(page_size=(100, 100)).obj
        page.MediaBox = Array(list(media))
        if rotate:
            page.Rotate = rotate
        page.Resources = Dictionary(Font=Dictionary(F1=font))
        for key, value in page_keys.items():
            page[f"/{key}"] = value
        x, y = media[0] + 60, media[1] + 60
        page.Contents = pdf.make_stream(f"BT /F1 14 Tf {x} {y} Td ({text} {number}) Tj ET".encode("cp1252"))
    pdf.save(path, deterministic_id=True)
    return path


def make_form(path: Path, value: str) -> Path:
    """Write a PDF with one filled form field."""
    make_pdf(path, "form")
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        field = pdf.make_indirect(
            Dictionary(
                Type=Name.Annot, Subtype=Name.Widget, FT=Name.Tx, T=String("nome"), V=String(value), F=4,
                Rect=Array([60, 200, 300, 220]), P=pdf.pages[0].obj,
            )
        )  # fmt: skip
        pdf.pages[0].obj.Annots = Array([field])
        pdf.Root.AcroForm = Dictionary(Fields=Array([field]), DA=String("/Helv 10 Tf 0 g"))
        pdf.save()
    return path


def piece_of(path: Path, position: int, name: str | None, **facts: Any) -> Piece:
    """Return the piece of a file."""
    body = path.read_bytes()
    known: dict[str, Any] = {
        "document_id": f"00000000-0000-4000-8000-{position:012d}",
        "position": position,
        "instance": "1° Grau",
        "name": name,
        "type_name": "Petição",
        "filed_at": FILED_AT + timedelta(days=position),
        "media_type": "application/pdf",
        "size_bytes": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
        "path": path,
    }
    return Piece(**{**known, **facts})


def read_pages(path: Path) -> list[str]:
    """Return the text of each page, as PDFium reads it."""
    with pypdfium2.PdfDocument(path) as pdf:
        return [page.get_textpage().get_text_range() for page in pdf]


def read_bookmarks(path: Path) -> list[tuple[int, str, int]]:
    """Return the level, the title and the page, from 1, of each bookmark, as PDFium reads them."""
    with pypdfium2.PdfDocument(path) as pdf:
        return [(mark.level, mark.get_title(), mark.get_dest().get_index() + 1) for mark in pdf.get_toc()]

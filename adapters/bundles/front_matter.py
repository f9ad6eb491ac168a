"""The pages that are ours: the cover, the table of documents, and the pages in place of what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from adapters.bundles import texts
from adapters.bundles.entries import Entry, first_pages, list_omissions
from adapters.bundles.sheets import HEIGHT_MM, MARGIN_MM, WIDTH_MM, Sheets, points
from domain.bundle_contents import CoverFacts

_MAX_PARTIES = 12
_MAX_OMISSIONS_ON_COVER = 12
_MAX_UNITS = 4

_BOTTOM = HEIGHT_MM - MARGIN_MM
_WIDTH = WIDTH_MM - 2 * MARGIN_MM
_NUMBER_WIDTH, _DATE_WIDTH, _PAGES_WIDTH = 12.0, 21.0, 24.0
_TITLE_WIDTH = _WIDTH - _NUMBER_WIDTH - _DATE_WIDTH - _PAGES_WIDTH
_LINE, _SMALL_LINE, _ROW_GAP = 4.6, 3.6, 1.6
_TOP_OF_ROWS = MARGIN_MM + 22


@dataclass(frozen=True, slots=True)
class TableLink:
    """A row of the table that leads to its document.

    Attributes:
        page: The page of the row, from 0.
        entry: Index of the entry.
        area: Left, bottom, right and top in points, from the lower left corner of the page.
    """

    page: int
    entry: int
    area: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """The pages before the first document.

    Attributes:
        cover_pages: How many of them are the cover.
    """

    pages: int
    cover_pages: int
    links: tuple[TableLink, ...]


def write_front_matter(facts: CoverFacts, entries: Sequence[Entry], output: Path) -> FrontMatter:
    """Write the cover and the table of documents as one PDF."""
    sheets = Sheets()
    _write_cover(sheets, facts, entries)
    cover_pages = sheets.page
    places = _place_rows(entries)
    table_pages = max(place.page for place in places) + 1 if places else 1
    first = first_pages(entries, cover_pages + table_pages)
    links = _write_table(sheets, facts, entries, places, first)
    sheets.output(str(output))
    return FrontMatter(cover_pages + table_pages, cover_pages, links)


def write_placeholders(entries: Sequence[Entry], output: Path) -> None:
    """Write one page for each entry that is omitted, in their order, as one PDF."""
    sheets = Sheets()
    for entry in entries:
        if omission := entry.omission:
            sheets.add_page()
            sheets.set_y(80)
            sheets.write_text(f"{entry.piece.position:03d}", size=14, gray=110)
            sheets.write_text(entry.title, size=20, bold=True, gap=1)
            sheets.write_text("Este documento não está neste PDF.", size=13, gap=4)
            sheets.write_text(omission.text, size=13, gap=2)
            for label, value in _describe(entry):
                sheets.write_text(f"{label}: {value}", size=9, gray=80, gap=1.5)
    if not sheets.page:
        sheets.add_page()
    sheets.output(str(output))


def _describe(entry: Entry) -> list[tuple[str, str]]:
    piece = entry.piece
    facts = [
        ("Instância", piece.instance),
        ("Tipo", piece.type_name),
        ("Juntado em", texts.day(piece.filed_at)),
        ("Formato", piece.media_type),
        ("Tamanho", texts.size(piece.size_bytes) if piece.size_bytes is not None else None),
        ("Identificador", piece.document_id),
        ("SHA-256 do original", piece.sha256),
    ]
    return [(label, value) for label, value in facts if value]


def _write_cover(sheets: Sheets, facts: CoverFacts, entries: Sequence[Entry]) -> None:
    omissions = list_omissions(entries)
    sheets.add_page()
    sheets.set_y(38)
    sheets.write_text("Autos do processo", size=13, gray=90)
    sheets.write_text(facts.number, size=25, bold=True)
    sheets.write_text(facts.court, size=14, gap=1)
    sheets.set_draw_color(150)
    sheets.line(MARGIN_MM, sheets.get_y() + 5, WIDTH_MM - MARGIN_MM, sheets.get_y() + 5)
    sheets.ln(8)
    if facts.class_name:
        _write_fact(sheets, "Classe", facts.class_name)
    _write_some(sheets, "Órgão julgador", facts.court_units, _MAX_UNITS)
    _write_some(sheets, "Partes", [f"{party.role}: {party.name}" for party in facts.parties], _MAX_PARTIES)
    _write_fact(sheets, "Listado pelo tribunal em", texts.day_and_time(facts.listed_at))
    inside = len(entries) - len(omissions)
    text = f"{inside} de {texts.counted(len(entries), 'documento', 'documentos')}"
    if len(entries) != facts.total_documents:
        text += f", escolhidos entre os {facts.total_documents} do processo"
    _write_fact(sheets, "Documentos incluídos", text)
    _write_missing(sheets, entries)
    sheets.write_text("Assinaturas digitais", size=9, gray=90, gap=4)
    sheets.write_text(texts.SIGNATURES_NOTE, size=10)
    sheets.write_text(texts.SIGNATURES_NOTE_ENGLISH, size=8.5, gray=110, gap=0.5)


def _write_fact(sheets: Sheets, label: str, text: str) -> None:
    sheets.write_text(label, size=9, gray=90, gap=2.5)
    sheets.write_text(text, size=11.5)


def _write_some(sheets: Sheets, label: str, lines: Sequence[str], limit: int) -> None:
    if lines:
        _write_fact(sheets, label, lines[0])
    for line in lines[1:limit]:
        sheets.write_text(line, size=11.5)
    if len(lines) > limit:
        sheets.write_text(f"e mais {len(lines) - limit}", size=9, gray=90)


def _write_missing(sheets: Sheets, entries: Sequence[Entry]) -> None:
    notes = [
        f"{entry.piece.position:03d} · {entry.title}: {omission.text}"
        for entry in entries
        if (omission := entry.omission)
    ]
    if notes:
        _write_notes(sheets, "Não incluídos (cada um tem uma página em seu lugar)", notes)
    else:
        _write_fact(sheets, "Não incluídos", "Nenhum.")
    repaired = [f"{entry.piece.position:03d} · {entry.title}" for entry in entries if entry.finding.repaired]
    if repaired:
        _write_notes(sheets, f"Reparados. {texts.REPAIRED_NOTE}", repaired)


def _write_notes(sheets: Sheets, label: str, notes: Sequence[str]) -> None:
    sheets.write_text(label, size=9, gray=90, gap=2.5)
    for note in notes[:_MAX_OMISSIONS_ON_COVER]:
        sheets.write_text(note, size=9.5)
    if len(notes) > _MAX_OMISSIONS_ON_COVER:
        more = len(notes) - _MAX_OMISSIONS_ON_COVER
        sheets.write_text(f"e mais {more}, indicados no índice", size=9, gray=90)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a row of the table is.

    Attributes:
        page: The page of the table, from 0.
        heading: The instance to name above the row. Empty if the row above is of the same one.
    """

    page: int
    y: float
    heading: str


def _place_rows(entries: Sequence[Entry]) -> list[_Place]:
    """Return the place of each row, so that the number of pages is known before the first row is written."""
    places: list[_Place] = []
    page, y = 0, _TOP_OF_ROWS
    for instance, rows in groupby(entries, key=lambda entry: entry.instance):
        heading = instance
        for entry in rows:
            height = (2 * _LINE if heading else 0) + _row_height(entry)
            if y + height > _BOTTOM:
                page, y, heading = page + 1, _TOP_OF_ROWS, instance
                height = 2 * _LINE + _row_height(entry)
            places.append(_Place(page, y, heading))
            y += height
            heading = ""
    return places


def _row_height(entry: Entry) -> float:
    return _LINE + _SMALL_LINE * len(_small_lines(entry)) + _ROW_GAP


def _small_lines(entry: Entry) -> list[str]:
    """Return what the table says below a title."""
    lines = []
    piece = entry.piece
    if piece.type_name and piece.type_name != entry.title:
        lines.append(piece.type_name)
    if omission := entry.omission:
        lines.append(f"Não incluído. {omission.text}")
    elif entry.finding.repaired:
        lines.append(texts.REPAIRED_NOTE)
    elif piece.media_type and piece.media_type != "application/pdf":
        lines.append(f"Convertido de {piece.media_type}")
    if piece.sha256:
        lines.append(f"SHA-256 {piece.sha256}")
    return lines


def _write_table(
    sheets: Sheets, facts: CoverFacts, entries: Sequence[Entry], places: Sequence[_Place], first: Sequence[int]
) -> tuple[TableLink, ...]:
    sheets.set_auto_page_break(auto=False)
    links: list[TableLink] = []
    page = -1
    for index, (entry, place) in enumerate(zip(entries, places, strict=True)):
        while page < place.page:
            page += 1
            _write_heads(sheets, facts, continued=page > 0)
        top = place.y
        if place.heading:
            sheets.set_xy(MARGIN_MM, top + 1)
            sheets.set_font("sans", "B", 11)
            sheets.set_text_color(0)
            sheets.cell(_WIDTH, _LINE, sheets.fit(place.heading, _WIDTH))
            top += 2 * _LINE
        _write_row(sheets, entry, top, first[index])
        links.append(TableLink(sheets.page - 1, index, _area(top, _row_height(entry))))
    if not entries:
        _write_heads(sheets, facts, continued=False)
        sheets.set_xy(MARGIN_MM, _TOP_OF_ROWS)
        sheets.write_text("Nenhum documento.", size=11)
    return tuple(links)


def _write_heads(sheets: Sheets, facts: CoverFacts, *, continued: bool) -> None:
    sheets.add_page()
    sheets.write_text(
        f"{texts.TABLE} dos documentos{' (continuação)' if continued else ''}", size=15, bold=True, gap=0
    )
    sheets.set_xy(MARGIN_MM, MARGIN_MM + 11)
    sheets.set_font("sans", "", 8.5)
    sheets.set_text_color(90)
    for width, text, align in (
        (_NUMBER_WIDTH, "Nº", "L"),
        (_DATE_WIDTH, "Juntado em", "L"),
        (_TITLE_WIDTH, f"Documento · {facts.number}", "L"),
        (_PAGES_WIDTH, "Páginas", "R"),
    ):
        sheets.cell(width, _LINE, text, align=align)
    sheets.set_draw_color(150)
    sheets.line(MARGIN_MM, MARGIN_MM + 17, WIDTH_MM - MARGIN_MM, MARGIN_MM + 17)


def _write_row(sheets: Sheets, entry: Entry, top: float, first: int) -> None:
    sheets.set_xy(MARGIN_MM, top)
    sheets.set_font("sans", "", 10)
    sheets.set_text_color(130 if entry.omission else 0)
    last = first + entry.pages - 1
    pages = str(first) if last == first else f"{first}–{last}"
    sheets.cell(_NUMBER_WIDTH, _LINE, f"{entry.piece.position:03d}")
    sheets.cell(_DATE_WIDTH, _LINE, texts.day(entry.piece.filed_at))
    sheets.cell(_TITLE_WIDTH, _LINE, sheets.fit(entry.title, _TITLE_WIDTH - 2))
    sheets.cell(_PAGES_WIDTH, _LINE, pages, align="R")
    sheets.set_text_color(110)
    sheets.set_font("sans", "", 7)
    for index, line in enumerate(_small_lines(entry)):
        sheets.set_xy(MARGIN_MM + _NUMBER_WIDTH + _DATE_WIDTH, top + _LINE + index * _SMALL_LINE)
        sheets.cell(_TITLE_WIDTH + _PAGES_WIDTH, _SMALL_LINE, sheets.fit(line, _TITLE_WIDTH + _PAGES_WIDTH))


def _area(top: float, height: float) -> tuple[float, float, float, float]:
    bottom = HEIGHT_MM - top - height + _ROW_GAP
    return points(MARGIN_MM), points(bottom), points(WIDTH_MM - MARGIN_MM), points(HEIGHT_MM - top)

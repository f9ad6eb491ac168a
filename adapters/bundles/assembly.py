"""Assembling the PDF: merged pages, footers, bookmarks, links of the table, the manifest, and a seal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path

import pikepdf
from pikepdf import Array, AttachedFileSpec, Dictionary, Name, OutlineItem, Pdf, String

from adapters.bundles import texts
from adapters.bundles.entries import Entry, Finding, first_pages, list_omissions
from adapters.bundles.footers import FooterText, add_footers
from adapters.bundles.front_matter import FrontMatter, write_front_matter, write_placeholders
from adapters.bundles.manifest import MANIFEST_NAME, Inside, write_manifest
from adapters.bundles.merging import UnmergeableFiles, merge
from adapters.bundles.sealing import sealed_file
from domain.bundle_contents import BuiltPdf, CoverFacts, OmissionReason, PageRange
from domain.text import printable

_MAX_BOOKMARK_LETTERS = 200
# What documents of courts may need. qpdf begins an empty file with 1.3.
_PDF_VERSION = "1.7"
# In qpdf's warnings.
_NO_MEMORY = "std::bad_alloc"


def assemble(facts: CoverFacts, entries: Sequence[Entry], output: Path, scratch: Path) -> BuiltPdf:
    """Write the PDF of entries that were inspected.

    Raises:
        pikepdf.PdfError: It failed, and no file is to blame.
    """
    while True:
        try:
            return _assemble(facts, entries, output, scratch)
        except UnmergeableFiles as error:
            entries = [
                replace(entry, finding=error.findings.get(index, entry.finding))
                for index, entry in enumerate(entries)
            ]


def _assemble(facts: CoverFacts, entries: Sequence[Entry], output: Path, scratch: Path) -> BuiltPdf:
    front_file, placeholders_file = scratch / "front.pdf", scratch / "placeholders.pdf"
    front = write_front_matter(facts, entries, front_file)
    write_placeholders(entries, placeholders_file)
    pdf = merge(front_file, placeholders_file, front.pages, entries)
    first = first_pages(entries, front.pages)
    ranges = tuple(
        PageRange(entry.piece.position, entry.piece.document_id, start, entry.pages, entry.finding.repaired)
        for entry, start in zip(entries, first, strict=True)
    )
    pages = len(pdf.pages)
    add_footers(pdf, _list_footers(facts, entries, front, pages))
    _add_links(pdf, front, first)
    _add_bookmarks(pdf, front, entries, first)
    _describe(pdf, facts)
    manifest = _write_manifest(facts, entries, ranges)
    pdf.attachments[MANIFEST_NAME] = AttachedFileSpec(
        pdf, manifest, filename=MANIFEST_NAME, mime_type="application/json", description="Autos bundle"
    )
    # Streams are copied as they are: that is faster, and a damaged one does not stop the others.
    with sealed_file(output, manifest) as file:
        pdf.save(
            file,
            min_version=_PDF_VERSION,
            static_id=True,
            compress_streams=False,
            stream_decode_level=pikepdf.StreamDecodeLevel.none,
            object_stream_mode=pikepdf.ObjectStreamMode.disable,
            fix_metadata_version=False,
        )
    if starved := _find_starved(pdf, entries):
        raise UnmergeableFiles(starved)
    return BuiltPdf(pages, output.stat().st_size, ranges, list_omissions(entries))


def _find_starved(pdf: Pdf, entries: Sequence[Entry]) -> dict[int, Finding]:
    """Return the files of which a stream did not fit into the memory: qpdf only warns, and leaves its bytes out.

    Raises:
        MemoryError: It is a stream of no entry.
    """
    warnings = [warning for warning in map(str, pdf.get_warnings()) if _NO_MEMORY in warning]
    starved = {
        index: Finding(reason=OmissionReason.TOO_LARGE)
        for index, entry in enumerate(entries)
        if entry.piece.path is not None and any(warning.startswith(f"{entry.piece.path} ") for warning in warnings)
    }
    if warnings and not starved:
        raise MemoryError(warnings[0])
    return starved


def _write_manifest(facts: CoverFacts, entries: Sequence[Entry], ranges: Sequence[PageRange]) -> bytes:
    inside = [
        Inside(
            entry.piece,
            {"pages": {"first": place.first, "count": place.count}, "repaired": entry.finding.repaired},
        )
        for entry, place in zip(entries, ranges, strict=True)
        if entry.omission is None
    ]
    return write_manifest("pdf", facts, inside, list_omissions(entries))


def _list_footers(facts: CoverFacts, entries: Sequence[Entry], front: FrontMatter, pages: int) -> list[FooterText]:
    names = chain(
        repeat(texts.COVER, front.cover_pages),
        repeat(texts.TABLE, front.pages - front.cover_pages),
        *(repeat(_numbered_title(entry), entry.pages) for entry in entries),
    )
    return [
        FooterText(f"Autos {facts.number} · {name}", f"p. {number}/{pages}")
        for number, name in enumerate(names, start=1)
    ]


def _numbered_title(entry: Entry) -> str:
    return printable(f"{entry.piece.position:03d} {entry.title}")


def _add_links(pdf: Pdf, front: FrontMatter, first: Sequence[int]) -> None:
    pages = [page.obj for page in pdf.pages]
    for link in front.links:
        page = pages[link.page]
        annotation = Dictionary(
            Type=Name.Annot,
            Subtype=Name.Link,
            Rect=Array([round(each, 2) for each in link.area]),
            Border=Array([0, 0, 0]),
            Dest=Array([pages[first[link.entry] - 1], Name.Fit]),
        )
        if "/Annots" not in page:
            page.Annots = Array()
        page.Annots.append(pdf.make_indirect(annotation))


def _add_bookmarks(pdf: Pdf, front: FrontMatter, entries: Sequence[Entry], first: Sequence[int]) -> None:
    instances: dict[str, OutlineItem] = {}
    with pdf.open_outline() as outline:
        outline.root.append(OutlineItem(texts.COVER, 0))
        outline.root.append(OutlineItem(texts.TABLE, front.cover_pages))
        for entry, page in zip(entries, first, strict=True):
            if entry.instance not in instances:
                instances[entry.instance] = OutlineItem(printable(entry.instance), page - 1)
                outline.root.append(instances[entry.instance])
            title = _numbered_title(entry)[:_MAX_BOOKMARK_LETTERS]
            if entry.omission:
                title += " (não incluído)"
            instances[entry.instance].children.append(OutlineItem(title, page - 1))


def _describe(pdf: Pdf, facts: CoverFacts) -> None:
    pdf.docinfo["/Title"] = String(f"Autos {facts.number}")
    pdf.docinfo["/Creator"] = String("Autos")
    pdf.Root.PageMode = Name.UseOutlines
    pdf.Root.ViewerPreferences = Dictionary(DisplayDocTitle=True)
    pdf.Root.Lang = String("pt-BR")

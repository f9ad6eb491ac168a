"""Looking at one PDF by itself: does it open, has it pages, is it damaged? A bad one would sink the whole merge."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pikepdf

from adapters.bundles.entries import Finding
from domain.bundle_contents import OmissionReason

# What pikepdf raises for bytes that are no PDF, or a PDF with an odd structure.
PDF_ERRORS = (
    *(pikepdf.PdfError, pikepdf.ForeignObjectError, pikepdf.DataDecodingError, pikepdf.DeletedObjectError),
    *(
        AttributeError,
        IndexError,
        KeyError,
        TypeError,
        ValueError,
        RuntimeError,
        RecursionError,
        MemoryError,
        OSError,
    ),
)


def inspect(path: Path) -> Finding:
    """Return how many pages a PDF has, or why it cannot be merged."""
    try:
        with pikepdf.open(path, access_mode=pikepdf.AccessMode.stream) as pdf:
            pages = len(pdf.pages)
            blank = sum(not _has_content(page.obj) for page in pdf.pages)
            stated = _stated_pages(pdf)
            # A truncated file may open too, with fewer pages than it states or with pages that lost their content.
            repaired = bool(pdf.get_warnings()) or (stated is not None and stated > pages)
    except pikepdf.PasswordError:
        return Finding(reason=OmissionReason.ENCRYPTED)
    except PDF_ERRORS:
        return Finding(reason=OmissionReason.DAMAGED)
    if pages == 0:
        return Finding(reason=OmissionReason.EMPTY)
    if blank == pages and repaired:
        return Finding(reason=OmissionReason.DAMAGED)
    return Finding(pages=pages, repaired=repaired)


def _stated_pages(pdf: pikepdf.Pdf) -> int | None:
    try:
        return int(pdf.Root.Pages.Count)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _has_content(page: pikepdf.Object) -> bool:
    """Return whether there is anything on a page. Reads its content and images once, so that qpdf may complain."""
    for stream in _streams_of_resources(page):
        stream.get("/Length")
    contents = page.get("/Contents")
    if isinstance(contents, pikepdf.Array):
        return any(isinstance(each, pikepdf.Stream) for each in contents.as_list())
    return isinstance(contents, pikepdf.Stream)


def _streams_of_resources(page: pikepdf.Object) -> Iterator[pikepdf.Stream]:
    resources = page.get("/Resources")
    images = resources.get("/XObject") if isinstance(resources, pikepdf.Dictionary) else None
    if isinstance(images, pikepdf.Dictionary):
        yield from (each for each in images.as_dict().values() if isinstance(each, pikepdf.Stream))

"""Merging PDFs with qpdf into one that is not written yet."""

from __future__ import annotations

import resource
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pikepdf

from adapters.bundles.entries import Entry, Finding
from adapters.bundles.inspection import PDF_ERRORS
from domain.bundle_contents import OmissionReason

# With more inputs than this, qpdf opens each one again whenever it reads from it.
_MAX_OPEN_FILES = 4096
_SPARE_FILES = 64


class UnmergeableFiles(Exception):
    """Some files, which open by themselves, cannot be merged.

    Attributes:
        findings: What was found of them, by index of their entries.
    """

    def __init__(self, findings: dict[int, Finding]) -> None:
        super().__init__(f"{len(findings)} files cannot be merged")
        self.findings = findings


def merge(front: Path, placeholders: Path, front_pages: int, entries: Sequence[Entry]) -> pikepdf.Pdf:
    """Return the pages of all entries behind the front matter, with the values of their forms.

    The pages are read from their files when the result is written, so those must stay.

    Args:
        front: The front matter.
        placeholders: One page for each omitted entry.
        front_pages: Number of pages of the front matter.
        entries: The entries.

    Raises:
        UnmergeableFiles: Some files are to blame.
        pikepdf.PdfError: It failed, and no file is to blame.
    """
    try:
        job = _job(_list_inputs(front, placeholders, entries))
        pdf = job.create_pdf()
    except PDF_ERRORS:
        if findings := _find_culprits(entries):
            raise UnmergeableFiles(findings) from None
        raise
    expected = front_pages + sum(entry.pages for entry in entries)
    warned = job.has_warnings and not any(entry.finding.repaired for entry in entries)
    if (len(pdf.pages) != expected or warned) and (findings := _find_culprits(entries)):
        raise UnmergeableFiles(findings)
    if len(pdf.pages) != expected:
        raise pikepdf.PdfError(f"{len(pdf.pages)} pages instead of {expected}")
    return pdf


def _list_inputs(front: Path, placeholders: Path, entries: Sequence[Entry]) -> Iterator[str]:
    yield from (str(front), "1-z")
    placeholder = 0
    for entry in entries:
        if entry.omission or entry.piece.path is None:
            placeholder += 1
            yield from (str(placeholders), str(placeholder))
        else:
            yield from (str(entry.piece.path), "1-z")


def _job(inputs: Iterator[str]) -> pikepdf.Job:
    files = [*inputs]
    # Thousands of documents are more than a process may have open by default.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(len(files) // 2 + _SPARE_FILES, _MAX_OPEN_FILES, hard)
    if wanted > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    keep_open = "y" if len(files) // 2 + _SPARE_FILES <= max(wanted, soft) else "n"
    return pikepdf.Job(["qpdf", "--empty", f"--keep-files-open={keep_open}", "--pages", *files, "--", "-"])


def _find_culprits(entries: Sequence[Entry]) -> dict[int, Finding]:
    """Merge each file by itself, and return what differs from what its inspection found."""
    found: dict[int, Finding] = {}
    for index, entry in enumerate(entries):
        if entry.omission or entry.piece.path is None:
            continue
        try:
            job = _job(iter((str(entry.piece.path), "1-z")))
            pages = len(job.create_pdf().pages)
        except PDF_ERRORS:
            found[index] = Finding(reason=OmissionReason.DAMAGED)
            continue
        if pages != entry.finding.pages or (job.has_warnings and not entry.finding.repaired):
            reason = None if pages else OmissionReason.EMPTY
            found[index] = replace(entry.finding, pages=pages, repaired=job.has_warnings, reason=reason)
    return found

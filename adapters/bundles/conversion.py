"""Conversion of documents that are no PDF, each in a process of its own with limits."""

from __future__ import annotations

from pathlib import Path

from domain.bundle_contents import OmissionReason


async def convert(source: Path, media_type: str, output: Path, scratch: Path) -> OmissionReason | None:
    """Convert a document to a PDF. Returns why there is none, or None if there is one.

    Args:
        source: The document's bytes, which may be hostile.
        media_type: Their media type. `domain.bundle_contents.needs_conversion` says which ones are converted.
        output: Where to write the PDF.
        scratch: A folder for intermediate files. The conversion leaves nothing there.
    """
    raise NotImplementedError

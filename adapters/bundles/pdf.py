"""One PDF of all pieces: inspected one by one, then merged, stamped and bookmarked, in processes with limits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from domain.bundle_contents import BuiltPdf, CoverFacts, Piece


async def build_pdf(facts: CoverFacts, pieces: Sequence[Piece], output: Path, scratch: Path) -> BuiltPdf:
    """Build one PDF of pieces, in their order. A piece that cannot be merged has a page that says why.

    Args:
        facts: What the cover says.
        pieces: The chosen documents. Those that are no PDF have been converted.
        output: Where to write the PDF.
        scratch: An empty folder for intermediate files. The caller deletes it.

    Raises:
        BundleNotBuilt: The building process failed or exceeded its limits.
    """
    raise NotImplementedError

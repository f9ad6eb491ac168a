"""The entries of a bundle: each piece with what was found when it was looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from adapters.bundles.texts import NO_INSTANCE, omission_of, title_of
from domain.bundle_contents import Omission, OmissionReason, Piece


@dataclass(frozen=True, slots=True)
class Finding:
    """What an inspection found of one file.

    Attributes:
        pages: Number of pages. 0 if it cannot be merged.
        repaired: It is damaged, but could be repaired.
        reason: Why it cannot be merged.
    """

    pages: int = 0
    repaired: bool = False
    reason: OmissionReason | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A piece in its place in the PDF.

    Attributes:
        finding: What was found, also for a piece without a file.
    """

    piece: Piece
    finding: Finding

    @property
    def pages(self) -> int:
        """Number of pages that it takes. A piece that is omitted has one, which says so."""
        return self.finding.pages or 1

    @property
    def title(self) -> str:
        """What it is called."""
        return title_of(self.piece)

    @property
    def instance(self) -> str:
        """The heading that it belongs to."""
        return self.piece.instance or NO_INSTANCE

    @property
    def omission(self) -> Omission | None:
        """What is said of it if it is not inside."""
        return omission_of(self.piece, self.finding.reason) if self.finding.reason else None


def list_omissions(entries: Sequence[Entry]) -> tuple[Omission, ...]:
    """Return the omissions of entries, in their order."""
    return tuple(omission for entry in entries if (omission := entry.omission))


def first_pages(entries: Sequence[Entry], front_pages: int) -> list[int]:
    """Return the page, from 1, on which each entry begins."""
    first, found = front_pages + 1, []
    for entry in entries:
        found.append(first)
        first += entry.pages
    return found

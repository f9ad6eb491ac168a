"""One ZIP of all pieces with a manifest and SHA256SUMS, streamed from the scratch disk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from domain.bundle_contents import BuiltZip, CoverFacts, Piece


class ZipBundle:
    """A ZIP of pieces, in their order: the same pieces are the same bytes.

    Attributes:
        built: Its size, and what is missing from it.
    """

    def __init__(self, facts: CoverFacts, pieces: Sequence[Piece]) -> None:
        self.built: BuiltZip

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the bytes of the archive.

        Raises:
            BundleNotBuilt: A file on the scratch disk is not what its piece states.
        """
        raise NotImplementedError

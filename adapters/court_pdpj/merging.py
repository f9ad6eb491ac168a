"""Merge the entries of one listing that are the same document, fed to the court by two of its systems."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from domain.listings import DocumentOrigin, ListedDocument
from domain.secrecy import Secrecy, strictest


@dataclass
class _MergedDocument:
    """A document as its first source describes it, and the sources that feed it."""

    document: ListedDocument
    sources: set[object]
    origins: list[DocumentOrigin] = field(default_factory=list)


class DocumentMerger:
    """Collects documents, and merges a copy from another source into the document that it is a copy of.

    Two entries are the same document if they have the same degree and the same ``idOrigem``, come from different
    sources, and their names, dates and sizes do not contradict each other. Otherwise they are two documents.
    """

    def __init__(self) -> None:
        self._merged: list[_MergedDocument] = []
        self._by_origin: dict[tuple[str | None, str], list[_MergedDocument]] = {}
        self._secrecy_by_id: dict[str, Secrecy] = {}

    def add(self, document: ListedDocument, degree: str | None, source: object) -> None:
        """Add a document, unless its id was added before. Its secrecy level counts in any case.

        Args:
            document: One entry of the listing.
            degree: The court degree of its instance.
            source: Identifies the system that feeds the entry.
        """
        is_known = document.id in self._secrecy_by_id
        self._secrecy_by_id[document.id] = strictest(
            [document.secrecy, self._secrecy_by_id.get(document.id, document.secrecy)]
        )
        if is_known:
            return
        candidates: list[_MergedDocument] = []
        if document.origin_id is not None:
            candidates = self._by_origin.setdefault((degree, document.origin_id), [])
        # One source may feed two entries with the same `idOrigem`: both are documents, and a copy of one of them is
        # not a copy of the other.
        description = document.description
        merged = next(
            (
                candidate
                for candidate in candidates
                if source not in candidate.sources and not candidate.document.description.contradicts(description)
            ),
            None,
        )
        if merged is None:
            merged = _MergedDocument(document, set())
            self._merged.append(merged)
            candidates.append(merged)
        merged.sources.add(source)
        merged.origins += document.sources

    def merged_documents(self) -> Iterator[ListedDocument]:
        """Yield each document once, with all its sources and the strictest level that any of them states.

        A binary is preferred to a text: if the first source has only a text, the href, type and size come from the
        first source that has a binary.
        """
        for merged in self._merged:
            origins = merged.origins
            levels = [self._secrecy_by_id[origin.id] for origin in origins]
            if len(origins) > 1:
                origins = [replace(origin, secrecy=level) for origin, level in zip(origins, levels, strict=True)]
            document = _prefer_binary(merged.document, origins)
            yield replace(document, secrecy=strictest(levels), sources=tuple(origins))


def _prefer_binary(document: ListedDocument, origins: Iterable[DocumentOrigin]) -> ListedDocument:
    other = next((origin for origin in origins if origin.binary_href), None)
    if document.binary_href or other is None:
        return document
    return replace(
        document,
        binary_href=other.binary_href,
        declared_media_type=other.media_type,
        declared_size_bytes=other.size_bytes,
    )

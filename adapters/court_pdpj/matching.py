"""Which pieces of one listing are the same document, fed to the court by two of its systems."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from domain.documents import DocumentOrigin, ListedDocument
from domain.secrecy import Secrecy, strictest


@dataclass
class _Original:
    """A document as its first source describes it, and the sources that feed it."""

    document: ListedDocument
    fed_by: set[object]
    origins: list[DocumentOrigin] = field(default_factory=list)


class SameDocuments:
    """The documents found so far. What another source feeds again is joined to what it is a copy of.

    Two pieces are the same document if they have the same degree and the same ``idOrigem``, come from different
    sources, and their names, dates and sizes do not contradict each other. Otherwise they are two.
    """

    def __init__(self) -> None:
        self._originals: list[_Original] = []
        self._by_origin: dict[tuple[str | None, str], list[_Original]] = {}
        self._levels: dict[str, Secrecy] = {}

    def add(self, document: ListedDocument, degree: str | None, source: object) -> None:
        """Take a document, unless it was taken before under this id. Its level of secrecy is taken in any case."""
        known = document.id in self._levels
        self._levels[document.id] = strictest([document.secrecy, self._levels.get(document.id, document.secrecy)])
        if known:
            return
        namesakes: list[_Original] = []
        if document.origin_id is not None:
            namesakes = self._by_origin.setdefault((degree, document.origin_id), [])
        # A source may have twins of one origin: each is a document, and a copy of one is no copy of both.
        description = document.description
        original = next(
            (
                each
                for each in namesakes
                if source not in each.fed_by and not each.document.description.contradicts(description)
            ),
            None,
        )
        if original is None:
            original = _Original(document, set())
            self._originals.append(original)
            namesakes.append(original)
        original.fed_by.add(source)
        original.origins += document.sources

    def documents(self) -> Iterator[ListedDocument]:
        """Yield each document once, with all its sources and the strictest level that one of them states.

        A binary beats a text: what the first source has as text only is described as the source that has a binary
        describes it.
        """
        for original in self._originals:
            origins = original.origins
            levels = [self._levels[origin.id] for origin in origins]
            if len(origins) > 1:
                origins = [replace(origin, secrecy=level) for origin, level in zip(origins, levels, strict=True)]
            document = _with_binary(original.document, origins)
            yield replace(document, secrecy=strictest(levels), sources=tuple(origins))


def _with_binary(document: ListedDocument, origins: Iterable[DocumentOrigin]) -> ListedDocument:
    other = next((origin for origin in origins if origin.binary_href), None)
    if document.binary_href or other is None:
        return document
    return replace(
        document,
        binary_href=other.binary_href,
        declared_media_type=other.media_type,
        declared_size_bytes=other.size_bytes,
    )

"""Finds listed documents that the catalog already knows under another id.

Two of the court's systems may feed the same document, each under its own id, and which of them is current may
change from one listing to the next. The court may also index its documents again under new ids. A document keeps
the id under which it was first listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from domain.listings import ListedDocument
from domain.same_document import Description


@dataclass(frozen=True, slots=True)
class KnownDocument:
    """The identifying data of a document in the catalog.

    Attributes:
        ids: Its own id first, then the ids under which the court's last listing had it.
        degree: The court degree it was filed in.
        origin_id: Its id in the court's own system.
        sources: The systems that fed it in the last listing.
        description: Distinguishes it from other documents with the same ``origin_id``.
    """

    ids: tuple[str, ...]
    degree: str | None
    origin_id: str | None
    sources: frozenset[int]
    description: Description


def match_known_documents(
    documents: Sequence[ListedDocument], degrees: dict[str, str | None], known: Iterable[KnownDocument]
) -> dict[str, str]:
    """Match listed documents with documents that the catalog has under another id.

    Two documents match by any id under which the known one was listed before. They also match by their degree and
    their id in the court's own system: from other sources than before if their descriptions do not contradict each
    other, from the same source only if they agree. Each document of the catalog is matched at most once.

    Args:
        documents: Listed documents, without those that the catalog has under the same id.
        degrees: The degree of each listed instance, by the instance's key.
        known: Documents of the catalog, without those that are listed under the same id.

    Returns:
        The catalog's ids, by the listed ids.
    """
    by_id: dict[str, KnownDocument] = {}
    by_origin: dict[tuple[str | None, str], list[KnownDocument]] = {}
    for candidate in known:
        by_id.update(dict.fromkeys(candidate.ids, candidate))
        if candidate.origin_id is not None:
            by_origin.setdefault((candidate.degree, candidate.origin_id), []).append(candidate)
    catalog_ids: dict[str, str] = {}
    matched: set[str] = set()

    def match_first(document: ListedDocument, candidates: Iterable[KnownDocument]) -> None:
        match = next((candidate for candidate in candidates if candidate.ids[0] not in matched), None)
        if match is not None:
            matched.add(match.ids[0])
            catalog_ids[document.id] = match.ids[0]

    for document in documents:
        ids = chain([document.id], (origin.id for origin in document.sources))
        match_first(document, (by_id[listed_id] for listed_id in ids if listed_id in by_id))
    for document in documents:
        if document.id not in catalog_ids and document.origin_id is not None:
            same_origin = by_origin.get((degrees[document.instance_key], document.origin_id), [])
            match_first(document, (candidate for candidate in same_origin if _is_same(candidate, document)))
    return catalog_ids


def _is_same(known: KnownDocument, document: ListedDocument) -> bool:
    sources = {origin.source for origin in document.sources if origin.source is not None}
    if sources and known.sources and not sources & known.sources:
        return not known.description.contradicts(document.description)
    # One system may give two documents one id, and may replace a document under the id that it had.
    return known.description.agrees(document.description)

"""Which documents of a listing the catalog knows already, when the court lists them under another id.

Two of the court's systems may feed the same document, each under an id of its own, and which of them is current
may change from one listing to the next. A document keeps the id under which it was first listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from domain.documents import ListedDocument
from domain.same_document import Description


@dataclass(frozen=True, slots=True)
class KnownDocument:
    """A document of the catalog, by all that tells it from others.

    Attributes:
        ids: its own first, then those under which the court's last listing had it.
        degree: the degree that it was filed in.
        origin_id: its id in the court's own system.
        sources: the systems that fed it at that listing.
        description: What tells it from others with the same ``origin_id``.
    """

    ids: tuple[str, ...]
    degree: str | None
    origin_id: str | None
    sources: frozenset[int]
    description: Description


def known_ids(
    documents: Sequence[ListedDocument], degrees: dict[str, str | None], known: Iterable[KnownDocument]
) -> dict[str, str]:
    """The catalog's ids of listed documents that it knows under another id, by the ids in the listing.

    A document is known by any id under which it was listed before, or by its id in the court's own system if it
    now comes, in the same degree, from other sources than before, and the two descriptions do not contradict each
    other. No document of the catalog is given to two.

    Args:
        documents: the listing's, without those that the catalog knows by their own ids.
        degrees: the degree of each instance of the listing, by its key.
        known: the catalog's, without those that the listing names by their own ids.
    """
    by_id: dict[str, KnownDocument] = {}
    by_origin: dict[tuple[str | None, str], list[KnownDocument]] = {}
    for one in known:
        by_id.update(dict.fromkeys(one.ids, one))
        if one.origin_id is not None:
            by_origin.setdefault((one.degree, one.origin_id), []).append(one)
    found: dict[str, str] = {}
    taken: set[str] = set()

    def take(document: ListedDocument, candidates: Iterable[KnownDocument]) -> None:
        match = next((one for one in candidates if one.ids[0] not in taken), None)
        if match is not None:
            taken.add(match.ids[0])
            found[document.id] = match.ids[0]

    for document in documents:
        ids = chain([document.id], (origin.id for origin in document.sources))
        take(document, (by_id[each] for each in ids if each in by_id))
    for document in documents:
        if document.id not in found and document.origin_id is not None:
            namesakes = by_origin.get((degrees[document.instance_key], document.origin_id), [])
            take(document, _from_elsewhere(namesakes, document))
    return found


def _from_elsewhere(known: Iterable[KnownDocument], document: ListedDocument) -> Iterator[KnownDocument]:
    # One system gives one id to one document: from the same one, another id is another document.
    sources = {origin.source for origin in document.sources if origin.source is not None}
    return (
        one
        for one in known
        if sources
        and one.sources
        and not sources & one.sources
        and not one.description.contradicts(document.description)
    )

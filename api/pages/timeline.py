"""The timeline on a process's page: movements and documents, the latest first, by days."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import groupby
from typing import TYPE_CHECKING

from api.pages.document_list import DocumentList
from api.schemas.cases import TimelineEntryBody, TimelineQuery
from api.services.cases import CaseService
from domain.brasilia import in_brasilia
from domain.clients import Client, Scope
from domain.documents import Document
from domain.process_number import ProcessNumber

if TYPE_CHECKING:
    from adapters.database import Catalog

_ENTRIES_PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class LinkedDocuments:
    """Documents that entries of the timeline or changes are about, as a client sees them.

    Attributes:
        documents: The list that has their places and states.
    """

    documents: DocumentList

    def get(self, document_id: str | None) -> Document | None:
        """Return a document. None if it is not there, or if the client may not see what describes it."""
        found = (each for each in self.documents.found.documents if each.id == document_id)
        return next((each for each in found if self.documents.shows(each)), None)


@dataclass(frozen=True, slots=True)
class Timeline:
    """A page of the timeline.

    Attributes:
        cursor: The cursor that led here. None on the first page.
        following: The cursor of the next page. None on the last page.
        linked: The documents of the page.
        leaves_out: Whether the client's key may leave out what others see.
    """

    entries: tuple[TimelineEntryBody, ...]
    cursor: str | None
    following: str | None
    linked: LinkedDocuments
    leaves_out: bool

    @property
    def days(self) -> tuple[tuple[datetime | None, tuple[TimelineEntryBody, ...]], ...]:
        """The entries by days in Brasília: a time of each day, and its entries. None for those without a time."""
        days = groupby(self.entries, key=lambda entry: _day_of(entry.at))
        groups = (tuple(entries) for _, entries in days)
        return tuple((group[0].at, group) for group in groups)

    def has_entry_of(self, document_id: str | None) -> bool:
        """Return whether a document has an entry of its own on this page."""
        return any(entry.document is not None and entry.document.id == document_id for entry in self.entries)


async def read_timeline(
    cases: CaseService, number: ProcessNumber, client: Client, cursor: str | None, documents: DocumentList
) -> Timeline:
    """Read a page of the timeline.

    Raises:
        InvalidInput: The cursor is not valid.
        Problem: 404, the process is unknown.
        DependencyUnavailable: The database does not answer.
    """
    body = await cases.read_timeline(client, number, TimelineQuery(cursor=cursor, limit=_ENTRIES_PER_PAGE))
    ids = {
        document_id
        for entry in body.entries
        for document_id in (entry.document and entry.document.id, entry.movement and entry.movement.document_id)
        if document_id
    }
    return Timeline(
        entries=tuple(body.entries),
        cursor=cursor,
        following=body.next_cursor,
        linked=await read_linked(cases.catalog, number, documents, ids),
        leaves_out=not client.may(Scope.SEALED),
    )


async def read_linked(
    catalog: Catalog, number: ProcessNumber, documents: DocumentList, document_ids: Iterable[str]
) -> LinkedDocuments:
    """Read documents by their ids.

    Args:
        catalog: The catalog.
        number: The process.
        documents: A list of documents of the process, for what is known of all of them.
        document_ids: The ids.
    """
    ids = set(document_ids)
    found = await catalog.document_search.find_ids(number.canonical, ids) if ids else None
    listed = replace(
        documents.found,
        documents=found.documents if found else (),
        numbers=found.numbers if found else {},
    )
    return LinkedDocuments(replace(documents, found=listed))


def _day_of(moment: datetime | None) -> date | None:
    return moment and in_brasilia(moment).date()

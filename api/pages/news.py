"""What is new in a process since a person's last visit of its page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from api.pages.document_list import DocumentList
from api.pages.timeline import LinkedDocuments, read_linked
from api.pages.visits import Visit
from api.schemas.cases import ChangeBody
from api.services.cases import CaseService
from domain.clients import Client
from domain.process_number import ProcessNumber

_MAX_SHOWN = 20


@dataclass(frozen=True, slots=True)
class News:
    """The changes that are new to a person, the latest first.

    Attributes:
        since: When the visit before this one ended.
        is_cut: Whether there are more than those that are shown.
        linked: The documents that they are about.
    """

    changes: tuple[ChangeBody, ...]
    since: datetime
    is_cut: bool
    linked: LinkedDocuments

    @property
    def by_listing(self) -> tuple[tuple[datetime, tuple[ChangeBody, ...]], ...]:
        """The changes by the listing that shows them, the latest first."""
        groups = groupby(self.changes, key=lambda change: change.seen_at)
        return tuple((seen_at, tuple(changes)) for seen_at, changes in groups)


async def read_news(
    cases: CaseService, number: ProcessNumber, client: Client, visit: Visit, documents: DocumentList
) -> News | None:
    """Read what is new to a person. None if nothing is.

    Raises:
        DependencyUnavailable: The database does not answer.
    """
    if visit.seen <= visit.known:
        return None
    changes = await cases.list_latest_changes(client, number, visit.known, _MAX_SHOWN + 1)
    if not changes:
        return None
    shown = tuple(changes[:_MAX_SHOWN])
    ids = {
        document_id
        for change in shown
        for document_id in (change.document and change.document.id, change.movement and change.movement.document_id)
        if document_id
    }
    linked = await read_linked(cases.catalog, number, documents, ids)
    return News(shown, visit.since, len(changes) > _MAX_SHOWN, linked)

"""The changes of a process that events tell those who watch it, and which of them wait."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.changes import last_sequence, read_changes
from adapters.database.tables import documents
from domain.cases import Change, ChangeKind
from domain.documents import DocumentStatus
from domain.errors import FailureCode
from domain.events import DocumentState, News
from domain.webhooks import EventType

# How many ids one statement names.
_CHUNK_SIZE = 500
_SECRECY_FIELD = "secrecy"
_STATE_COLUMNS = (
    documents.c.id,
    documents.c.status,
    documents.c.failure_code,
    documents.c.withdrawn,
    documents.c.unlisting_reported_at,
    documents.c.replaced_by,
)

# No event tells the others. One listing may add a hundred thousand movements, which are not read for nothing.
_TOLD_KINDS = (
    ChangeKind.DOCUMENT_ADDED,
    ChangeKind.DOCUMENT_UNLISTED,
    ChangeKind.DOCUMENT_CHANGED,
    ChangeKind.SECRECY_CHANGED,
)


@dataclass(frozen=True, slots=True)
class ChangeLog:
    """Changes of a process that events tell, in their order.

    Attributes:
        changes: The changes. A document that turned out to be known under another id is none.
        documents: The states of the documents that were added, by id.
        missing: The ids of those that the last listing lacks, but no second one a day later.
        last: The sequence of the last change of any kind.
    """

    changes: Sequence[Change]
    documents: dict[str, DocumentState]
    missing: frozenset[str]
    last: int

    @classmethod
    async def read(
        cls, connection: AsyncConnection, number: str, *, after: int, until: int | None = None
    ) -> ChangeLog:
        every = await read_changes(connection, number, after=after, until=until, kinds=_TOLD_KINDS)
        told = [change for change in every if _type_of(change) is not None]
        added = {change.document.id for change in told if _is_added(change) and change.document is not None}
        # Changes that are not shown count as well.
        last = max(await last_sequence(connection, number), after)
        return cls(told, *await _read_states(connection, number, sorted(added)), last)

    @property
    def is_unlisted(self) -> bool:
        """Whether there is something to tell, but the court no longer shows the process."""
        return any(change.process_unlisted_at is not None for change in self.changes)

    def last_told(self, watch: Row[Any]) -> int:
        """Return the last sequence that is told now: all, or those before a document that is still to be stored.

        While the court does not show the process, nothing is: a reader without `sealed` may see nothing of it, and
        would not be told again. For the same reason a document waits that a short listing lacks.
        """
        if self.is_unlisted:
            return int(watch.announced_sequence)
        return min(
            (
                change.sequence - 1
                for change in self._new_to(watch)
                if self._is_missing(change) or self._is_to_be_stored(change, watch)
            ),
            default=self.last,
        )

    def waits_for_downloads(self, watch: Row[Any]) -> bool:
        """Whether a watch waits for documents that the court shows, so that it is to look again soon."""
        return not self.is_unlisted and any(self._is_to_be_stored(change, watch) for change in self._new_to(watch))

    def _new_to(self, watch: Row[Any]) -> Iterator[Change]:
        return (
            change for change in self.changes if change.sequence > watch.announced_sequence and _is_added(change)
        )

    def _is_missing(self, change: Change) -> bool:
        return change.document is not None and change.document.id in self.missing

    def _is_to_be_stored(self, change: Change, watch: Row[Any]) -> bool:
        document = change.document
        return (
            document is not None
            and watch.download
            and document.listed
            and self.documents.get(document.id) is DocumentState.PENDING
        )

    def news(self, event_type: EventType, after: int, until: int) -> News:
        """Return what an event of a type tells of the changes after one sequence, up to another."""
        within = [change for change in self.changes if after < change.sequence <= until]
        return News(tuple(change for change in within if _type_of(change) is event_type), self.documents)


def _is_added(change: Change) -> bool:
    return change.kind is ChangeKind.DOCUMENT_ADDED


def _type_of(change: Change) -> EventType | None:
    """Return the type of the event that tells a change. None if none does."""
    match change.kind:
        case ChangeKind.DOCUMENT_ADDED:
            return EventType.DOCUMENTS_ADDED
        case ChangeKind.DOCUMENT_UNLISTED:
            return EventType.DOCUMENTS_UNLISTED
        case ChangeKind.SECRECY_CHANGED:
            return EventType.SECRECY_CHANGED
        case ChangeKind.DOCUMENT_CHANGED if change.details.get("field") == _SECRECY_FIELD:
            return EventType.SECRECY_CHANGED
    return None


async def _read_states(
    connection: AsyncConnection, number: str, ids: Sequence[str]
) -> tuple[dict[str, DocumentState], frozenset[str]]:
    found: dict[str, DocumentState] = {}
    missing: set[str] = set()
    for start in range(0, len(ids), _CHUNK_SIZE):
        chunk = ids[start : start + _CHUNK_SIZE]
        result = await connection.execute(
            select(*_STATE_COLUMNS).where(documents.c.process_number == number, documents.c.id.in_(chunk))
        )
        for row in result:
            has_no_content = row.status == DocumentStatus.FAILED and row.failure_code == FailureCode.NO_CONTENT
            found[row.id] = DocumentState.NO_CONTENT if has_no_content else DocumentState(row.status)
            if row.withdrawn and row.unlisting_reported_at is None and row.replaced_by is None:
                missing.add(row.id)
    return found, frozenset(missing)

"""The case of a process, its timeline and its changes, as far as a key may read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.pagination import CHANGE_CURSOR, TIMELINE_CURSOR, page_url
from api.presenters import process_unknown
from api.schemas.cases import (
    CaseBody,
    CaseDocumentBody,
    CaseInstanceBody,
    ChangeBody,
    ChangesBody,
    ChangesQuery,
    MovementBody,
    PartyBody,
    RelatedProcessBody,
    TimelineBody,
    TimelineEntryBody,
    TimelineQuery,
)
from domain.cases import CaseData, Change, Movement, TimelineEntry
from domain.clients import Client, Scope
from domain.process_number import ProcessNumber
from domain.secrecy import is_withheld, readable

if TYPE_CHECKING:
    from adapters.database import Catalog


@dataclass(frozen=True, slots=True)
class CaseService:
    """Reads cases. No method hands out links, so none is in the access trail."""

    catalog: Catalog

    async def get(self, client: Client, number: ProcessNumber) -> CaseBody:
        """Return what the last listing says of a case besides its documents and movements.

        Raises:
            Problem: 404, the process is unknown.
            ProcessErased: It was erased, or is being erased.
        """
        case = await self.catalog.cases.get(number.canonical)
        if case is None:
            raise process_unknown(number)
        return _case_body(case, client)

    async def read_timeline(self, client: Client, number: ProcessNumber, query: TimelineQuery) -> TimelineBody:
        """Return a page of movements and documents, the latest first.

        Raises:
            InvalidInput: The cursor is not valid.
            Problem: 404, the process is unknown.
            ProcessErased: It was erased, or is being erased.
        """
        after = TIMELINE_CURSOR.decode(query.cursor)
        await self._require(number)
        entries = await self.catalog.cases.timeline(
            number.canonical, after=after, limit=query.limit + 1, open_only=not client.may(Scope.SEALED)
        )
        page = entries[: query.limit]
        cursor = TIMELINE_CURSOR.encode(page[-1].key) if len(entries) > query.limit else None
        return TimelineBody(
            process_number=number.canonical,
            entries=[_entry_body(entry, client) for entry in page if not is_withheld(entry.content, client.scopes)],
            next_cursor=cursor,
            timeline_next=_next_url(number, "timeline", query.limit, cursor),
        )

    async def list_changes(self, client: Client, number: ProcessNumber, query: ChangesQuery) -> ChangesBody:
        """Return a page of changes, the earliest first.

        Raises:
            InvalidInput: The cursor is not valid.
            Problem: 404, the process is unknown.
            ProcessErased: It was erased, or is being erased.
        """
        after = CHANGE_CURSOR.decode(query.cursor)
        await self._require(number)
        changes = await self.catalog.changes.page(
            number.canonical,
            query.after if after is None else after,
            query.limit + 1,
            open_only=not client.may(Scope.SEALED),
        )
        page = changes[: query.limit]
        cursor = CHANGE_CURSOR.encode(page[-1].sequence) if len(changes) > query.limit else None
        return ChangesBody(
            process_number=number.canonical,
            changes=[_change_body(change, client) for change in readable(page, client.scopes)],
            next_cursor=cursor,
            changes_next=_next_url(number, "changes", query.limit, cursor),
        )

    async def _require(self, number: ProcessNumber) -> None:
        if not await self.catalog.cases.exists(number.canonical):
            raise process_unknown(number)


def _case_body(case: CaseData, client: Client) -> CaseBody:
    withheld = is_withheld(case, client.scopes)
    # The process's own data are those of its current instance, and as closed as that.
    head_withheld = withheld or any(
        each.instance.current and is_withheld(each, client.scopes) for each in case.instances
    )
    shown = {each.instance.key for each in readable(case.instances, client.scopes)}
    return CaseBody(
        process_number=case.number,
        court=case.court,
        listed_at=case.listed_at,
        listed=case.listed,
        unlisted_at=case.unlisted_at,
        secrecy=case.secrecy,
        withheld=withheld,
        class_code=None if head_withheld else case.class_code,
        class_name=None if head_withheld else case.class_name,
        subjects=[] if head_withheld else list(case.subjects),
        filed_at=None if head_withheld else case.filed_at,
        value=None if head_withheld or case.value is None else f"{case.value:.2f}",
        instances=[CaseInstanceBody.of(each, withheld=each.instance.key not in shown) for each in case.instances],
        parties=[PartyBody.of(each) for each in case.parties if each.instance_key in shown],
        related=[RelatedProcessBody.of(each) for each in case.related if each.instance_key in shown],
    )


def _entry_body(entry: TimelineEntry, client: Client) -> TimelineEntryBody:
    content = entry.content
    if isinstance(content, Movement):
        movement = MovementBody.of(content, sees_sealed=client.may(Scope.SEALED))
        return TimelineEntryBody(at=content.occurred_at, movement=movement, document=None)
    document = CaseDocumentBody.of(content, withheld=False)
    return TimelineEntryBody(at=content.filed_at, movement=None, document=document)


def _change_body(change: Change, client: Client) -> ChangeBody:
    document = change.document
    return ChangeBody.of(
        change,
        document_withheld=document is not None and is_withheld(document, client.scopes),
        sees_sealed=client.may(Scope.SEALED),
    )


def _next_url(number: ProcessNumber, resource: str, limit: int, cursor: str | None) -> str | None:
    return cursor and page_url(f"/processes/{number}/{resource}", {"cursor": cursor, "limit": limit})

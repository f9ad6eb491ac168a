"""Looks at watched processes in the catalog alone, without Temporal, and what they tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import select, update

from adapters.database import Catalog, Database
from adapters.database.watch_tables import events, watches
from domain.clients import ALL_SCOPES, Scope
from domain.completeness import Outcome
from domain.errors import FailureCode
from domain.events import ClientEvent, is_visible, watch_data
from domain.listings import ListedDocument
from domain.run_messages import ClosedRun, RunClosing, RunEnding, RunOpening
from domain.serializers import Json
from domain.watches import Watch, WatchWish
from domain.webhooks import EventType
from tests.support.listings import listing_of, stored_object

COMPLETED = RunEnding(Outcome.COMPLETED)
CANCELLED = RunEnding(Outcome.CANCELLED)
NO_ACCESS = RunEnding(Outcome.FAILED, FailureCode.NO_ACCESS, "HTTP 401")
HOUR = timedelta(hours=1)
READER = frozenset({Scope.READ, Scope.DOWNLOAD})


async def look(
    catalog: Catalog,
    number: str,
    documents: Sequence[str | ListedDocument] | None = None,
    *,
    hour: int = 0,
    ending: RunEnding = COMPLETED,
    stores: bool = True,
    client: str = "local",
) -> ClosedRun:
    """Make a look: a run with this listing, whose documents are stored. Without a listing, the court refuses."""
    run_id = str(uuid4())
    await catalog.runs.open(RunOpening(number, run_id, client, is_look=True))
    if documents is not None:
        await catalog.listings.record(listing_of(number, documents, hour=hour))
    for document in documents if documents and stores else ():
        document_id = document if isinstance(document, str) else document.id
        await catalog.documents.mark_available(number, document_id, stored_object(number, document_id), version=1)
    return await catalog.runs.close(RunClosing(number, run_id, ending))


async def watch(catalog: Catalog, number: str, client: str = "local", **wish: Any) -> Watch:
    """Watch a process whose documents are listed and stored already."""
    return await catalog.watches.put(number, client, replace(WatchWish(), **wish))


async def get_watch(catalog: Catalog, number: str, client: str = "local") -> Watch:
    """Return a watch that must exist."""
    found = await catalog.watches.get(number, client)
    assert found is not None
    return found


async def make_due(database: Database, number: str) -> None:
    """Have every watch of a process due since a moment ago, and not late yet."""
    now = datetime.now(UTC)
    async with database.writing() as connection:
        await connection.execute(
            update(watches)
            .where(watches.c.process_number == number)
            .values(next_look_at=now, late_at=now + HOUR, not_before=None, looking_since=None)
        )


async def read_events(database: Database, number: str, client: str = "local") -> list[ClientEvent]:
    """Return what a client was told about a process, in order."""
    async with database.reading() as connection:
        rows = await connection.execute(
            select(events)
            .where(events.c.process_number == number, events.c.client == client)
            .order_by(events.c.number)
        )
        return [
            ClientEvent(
                client,
                row.number,
                row.id,
                EventType(row.event_type),
                row.created_at,
                number,
                row.run_id,
                row.run_end,
                row.details,
            )
            for row in rows
        ]


async def read_data(catalog: Catalog, event: ClientEvent, scopes: frozenset[Scope] = ALL_SCOPES) -> Json | None:
    """Return the data of an event for a reader, None if the reader may see nothing of it."""
    assert event.process_number is not None
    news = await catalog.events.read_news(event.process_number, event.type, event.details)
    if not is_visible(event.type, news, scopes):
        return None
    return watch_data(
        event.type, event.process_number, event.run_id, event.details, news, scopes, "https://autos.example.org"
    )

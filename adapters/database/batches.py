"""Batches: what was asked for, and what became of each item."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Row, and_, case, delete, exists, func, literal, select, update

from adapters.database.client_tables import batch_items, batches
from adapters.database.engine import Database
from adapters.database.tables import documents, processes, runs
from adapters.database.upserts import insert_into
from domain.batches import Batch, BatchItem, BatchItemRef, BatchRequest, ItemDecision, UnendedBatches
from domain.completeness import Decision, Outcome
from domain.documents import DocumentStatus

_PAGE = 100


class Batches:
    """The two tables of batches."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, batch: Batch) -> None:
        """Store a new batch with its items, all or nothing."""
        async with self._database.writing() as connection:
            await connection.execute(
                insert_into(connection, batches),
                {
                    "id": batch.id,
                    "client": batch.client,
                    "webhook_url": batch.webhook_url,
                    "max_age_seconds": None if batch.max_age is None else int(batch.max_age.total_seconds()),
                    "priority": batch.priority,
                    "duplicates": batch.duplicates,
                    "created_at": batch.created_at,
                },
            )
            await connection.execute(
                insert_into(connection, batch_items),
                [
                    {
                        "batch_id": batch.id,
                        "position": item.position,
                        "given": item.given,
                        "process_number": item.process_number,
                        "problem_code": item.problem_code,
                        "problem_detail": item.problem_detail,
                    }
                    for item in batch.items
                ],
            )

    async def remove(self, batch_id: str) -> None:
        """Take a batch back with its items; one that is not there is none."""
        async with self._database.writing() as connection:
            await connection.execute(delete(batches).where(batches.c.id == batch_id))

    async def get(self, batch_id: str) -> Batch | None:
        """A batch with its items, in their order, as they are now; none if it is unknown."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(batches).where(batches.c.id == batch_id))).one_or_none()
            if row is None:
                return None
            items = await connection.execute(
                select(batch_items, _outcome().label("outcome"))
                .where(batch_items.c.batch_id == batch_id)
                .order_by(batch_items.c.position)
            )
            return _batch(row, tuple(_item(item) for item in items))

    async def terms(self, batch_id: str) -> Batch | None:
        """A batch without its items; none if it is unknown."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(batches).where(batches.c.id == batch_id))).one_or_none()
        return None if row is None else _batch(row, ())

    async def unended(self, after_id: str, *, before: datetime) -> UnendedBatches:
        """Return a page of the batches that were asked for before a moment and have not ended.

        Args:
            after_id: the last batch of the page before; empty for the first page.
            before: leave out what was asked for later.
        """
        async with self._database.reading() as connection:
            rows = await connection.execute(
                select(batches.c.id, batches.c.client, batches.c.priority)
                .where(batches.c.ended_at.is_(None), batches.c.created_at < before, batches.c.id > after_id)
                .order_by(batches.c.id)
                .limit(_PAGE)
            )
            found = tuple(BatchRequest(row.id, row.client, row.priority) for row in rows)
        return UnendedBatches(found, found[-1].batch_id if len(found) == _PAGE else None)

    async def undecided(self, batch_id: str) -> tuple[BatchItemRef, ...]:
        """The items whose turn has not come, in their order."""
        async with self._database.reading() as connection:
            rows = await connection.execute(
                select(batch_items.c.position, batch_items.c.process_number)
                .where(
                    batch_items.c.batch_id == batch_id,
                    batch_items.c.process_number.is_not(None),
                    batch_items.c.decision.is_(None),
                )
                .order_by(batch_items.c.position)
            )
            return tuple(BatchItemRef(batch_id, row.position, row.process_number) for row in rows)

    async def decide(self, decided: ItemDecision) -> None:
        """Record what was done about an item. What was recorded first stays."""
        item = decided.item
        async with self._database.writing() as connection:
            await connection.execute(
                update(batch_items)
                .where(
                    batch_items.c.batch_id == item.batch_id,
                    batch_items.c.position == item.position,
                    batch_items.c.decision.is_(None),
                )
                .values(decision=decided.decision, run_id=decided.run_id, decided_at=datetime.now(UTC))
            )

    async def end(self, batch_id: str) -> None:
        """Note that a batch has ended; the first end stays."""
        async with self._database.writing() as connection:
            await connection.execute(
                update(batches)
                .where(batches.c.id == batch_id, batches.c.ended_at.is_(None))
                .values(ended_at=datetime.now(UTC))
            )


def _outcome() -> ColumnElement[str | None]:
    """How an item's run ended, or what the catalog had already. Each question is answered from an index."""
    own = select(runs.c.outcome).where(runs.c.id == batch_items.c.run_id).scalar_subquery()
    # The run that was joined had not come to the catalog yet when that was noted.
    latest = (
        select(runs.c.outcome)
        .where(runs.c.process_number == batch_items.c.process_number)
        .order_by(runs.c.started_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    failed = exists().where(
        processes.c.number == batch_items.c.process_number, processes.c.failure_code.is_not(None)
    )
    lacking = exists().where(
        and_(
            documents.c.process_number == batch_items.c.process_number,
            documents.c.status == DocumentStatus.FAILED,
            documents.c.withdrawn.is_(False),
        )
    )
    settled = case((failed, literal(Outcome.FAILED.value)), (lacking, Outcome.PARTIAL.value))
    return case(
        (batch_items.c.decision == Decision.COMPLETE, literal(Outcome.COMPLETED.value)),
        (batch_items.c.decision == Decision.SETTLED, func.coalesce(settled, Outcome.COMPLETED.value)),
        (batch_items.c.run_id.is_not(None), own),
        (batch_items.c.decision.is_not(None), latest),
    )


def _batch(row: Row[tuple[object, ...]], items: tuple[BatchItem, ...]) -> Batch:
    return Batch(
        id=row.id,
        client=row.client,
        created_at=row.created_at,
        priority=row.priority,
        items=items,
        duplicates=row.duplicates,
        webhook_url=row.webhook_url,
        max_age=None if row.max_age_seconds is None else timedelta(seconds=row.max_age_seconds),
        ended_at=row.ended_at,
    )


def _item(row: Row[tuple[object, ...]]) -> BatchItem:
    return BatchItem(
        position=row.position,
        given=row.given,
        process_number=row.process_number,
        decision=Decision(row.decision) if row.decision else None,
        run_id=row.run_id,
        outcome=Outcome(row.outcome) if row.outcome else None,
        problem_code=row.problem_code,
        problem_detail=row.problem_detail,
    )

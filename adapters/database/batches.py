"""Batches of processes: the request, and the result of each item."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Row, and_, case, delete, exists, func, literal, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.client_tables import batch_items, batches
from adapters.database.engine import Database
from adapters.database.tables import UtcDateTime, documents, processes, runs
from adapters.database.upserts import insert_into
from domain.batch_messages import BatchItemRef, BatchRequest, ItemDecision, UnendedBatches
from domain.batches import (
    ERASED_PROBLEM,
    ERASED_PROBLEM_DETAIL,
    Batch,
    BatchItem,
    BatchSummary,
    ItemState,
    item_state,
)
from domain.completeness import Decision, Outcome
from domain.documents import DocumentStatus

_PAGE_SIZE = 100


class BatchRepository:
    """The tables of batches and their items."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, batch: Batch) -> None:
        """Insert a new batch with its items, in one transaction."""
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

    async def delete(self, batch_id: str) -> None:
        """Delete a batch with its items. No effect if there is no such batch."""
        async with self._database.writing() as connection:
            await connection.execute(delete(batches).where(batches.c.id == batch_id))

    async def get(self, batch_id: str) -> Batch | None:
        """Return a batch with its items in order, with their current outcomes. None if there is no such batch."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(batches).where(batches.c.id == batch_id))).one_or_none()
            if row is None:
                return None
            items = await connection.execute(
                select(batch_items, _build_outcome().label("outcome"))
                .where(batch_items.c.batch_id == batch_id)
                .order_by(batch_items.c.position)
            )
            return _to_batch(row, tuple(_to_item(item) for item in items))

    async def get_without_items(self, batch_id: str) -> Batch | None:
        """Return a batch with ``items`` left empty. None if there is no such batch."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(batches).where(batches.c.id == batch_id))).one_or_none()
        return None if row is None else _to_batch(row, ())

    async def page(
        self, client: str | None, *, after: tuple[datetime, str] | None = None, limit: int
    ) -> list[BatchSummary]:
        """Return a page of batches with the current counts of their items, newest first, from one snapshot.

        Args:
            client: Only the batches of this client. None means all.
            after: ``sort_key`` of the last batch of the page before. None for the first page.
            limit: Maximum number of batches.
        """
        statement = select(batches).order_by(batches.c.created_at.desc(), batches.c.id.desc()).limit(limit)
        if client is not None:
            statement = statement.where(batches.c.client == client)
        if after is not None:
            key = tuple_(batches.c.created_at, batches.c.id)
            statement = statement.where(key < tuple_(literal(after[0], UtcDateTime()), literal(after[1])))
        async with self._database.reading() as connection:
            rows = (await connection.execute(statement)).all()
            counts = await _count_items(connection, [row.id for row in rows])
        return [BatchSummary(_to_batch(row, ()), counts[row.id]) for row in rows]

    async def list_unended(self, after_id: str, *, before: datetime) -> UnendedBatches:
        """Return a page of batches that have not ended, ordered by id.

        Args:
            after_id: The last batch of the page before. Empty for the first page.
            before: Leave out batches that were created later.
        """
        async with self._database.reading() as connection:
            rows = await connection.execute(
                select(batches.c.id, batches.c.client, batches.c.priority)
                .where(batches.c.ended_at.is_(None), batches.c.created_at < before, batches.c.id > after_id)
                .order_by(batches.c.id)
                .limit(_PAGE_SIZE)
            )
            page = tuple(BatchRequest(row.id, row.client, row.priority) for row in rows)
        return UnendedBatches(page, page[-1].batch_id if len(page) == _PAGE_SIZE else None)

    async def list_undecided_items(self, batch_id: str) -> tuple[BatchItemRef, ...]:
        """Return the valid items of a batch without a decision, in order."""
        async with self._database.reading() as connection:
            rows = await connection.execute(
                select(batch_items.c.position, batch_items.c.process_number)
                .where(
                    batch_items.c.batch_id == batch_id,
                    batch_items.c.process_number.is_not(None),
                    batch_items.c.problem_code.is_(None),
                    batch_items.c.decision.is_(None),
                )
                .order_by(batch_items.c.position)
            )
            return tuple(BatchItemRef(batch_id, row.position, row.process_number) for row in rows)

    async def record_decision(self, decision: ItemDecision) -> None:
        """Record the decision about an item. The first recorded decision stays."""
        item = decision.item
        async with self._database.writing() as connection:
            await connection.execute(
                update(batch_items)
                .where(_is_item(item), batch_items.c.decision.is_(None), batch_items.c.problem_code.is_(None))
                .values(decision=decision.decision, run_id=decision.run_id, decided_at=datetime.now(UTC))
            )

    async def is_undecided(self, item: BatchItemRef) -> bool:
        """Return whether an item is still without a decision. False if its process was erased."""
        async with self._database.reading() as connection:
            undecided = select(batch_items.c.position).where(
                _is_item(item), batch_items.c.decision.is_(None), batch_items.c.problem_code.is_(None)
            )
            return await connection.scalar(undecided) is not None

    async def mark_erased(self, item: BatchItemRef) -> None:
        """Record that an item's process was erased, so that no run is started for it."""
        async with self._database.writing() as connection:
            await connection.execute(
                update(batch_items)
                .where(_is_item(item), batch_items.c.decision.is_(None))
                .values(
                    problem_code=ERASED_PROBLEM,
                    problem_detail=ERASED_PROBLEM_DETAIL,
                    decided_at=datetime.now(UTC),
                )
            )

    async def mark_ended(self, batch_id: str) -> None:
        """Record that a batch has ended. The first recorded end stays."""
        async with self._database.writing() as connection:
            await connection.execute(
                update(batches)
                .where(batches.c.id == batch_id, batches.c.ended_at.is_(None))
                .values(ended_at=datetime.now(UTC))
            )

    async def count_open(self) -> int:
        """Count the batches that have not ended."""
        async with self._database.reading() as connection:
            statement = select(func.count()).select_from(batches).where(batches.c.ended_at.is_(None))
            return await connection.scalar(statement) or 0


async def _count_items(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, dict[ItemState, int]]:
    """Count the items of each batch by state."""
    items = (
        select(
            batch_items.c.batch_id,
            batch_items.c.process_number.is_not(None).label("is_valid"),
            batch_items.c.decision.is_not(None).label("is_decided"),
            (func.coalesce(batch_items.c.problem_code, "") == ERASED_PROBLEM).label("is_erased"),
            _build_outcome().label("outcome"),
        )
        .where(batch_items.c.batch_id.in_(ids))
        .subquery()
    )
    counts = {batch_id: dict.fromkeys(ItemState, 0) for batch_id in ids}
    for row in await connection.execute(select(items, func.count().label("items")).group_by(*items.c)):
        state = item_state(row.outcome, is_valid=row.is_valid, is_decided=row.is_decided, is_erased=row.is_erased)
        counts[row.batch_id][state] += row.items
    return counts


def _is_item(item: BatchItemRef) -> ColumnElement[bool]:
    return (batch_items.c.batch_id == item.batch_id) & (batch_items.c.position == item.position)


def _build_outcome() -> ColumnElement[str | None]:
    """Return an expression for an item's outcome: how its run ended, or what the catalog had already.

    Each subquery uses an index.
    """
    outcome_of_run = select(runs.c.outcome).where(runs.c.id == batch_items.c.run_id).scalar_subquery()
    # Without a run id: the run that the item joined was not in the catalog yet when the decision was recorded.
    outcome_of_latest_run = (
        select(runs.c.outcome)
        .where(runs.c.process_number == batch_items.c.process_number)
        .order_by(runs.c.started_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    process_failed = exists().where(
        processes.c.number == batch_items.c.process_number, processes.c.failure_code.is_not(None)
    )
    has_failed_document = exists().where(
        and_(
            documents.c.process_number == batch_items.c.process_number,
            documents.c.status == DocumentStatus.FAILED,
            documents.c.withdrawn.is_(False),
        )
    )
    settled = case((process_failed, literal(Outcome.FAILED.value)), (has_failed_document, Outcome.PARTIAL.value))
    return case(
        (batch_items.c.decision == Decision.COMPLETE, literal(Outcome.COMPLETED.value)),
        (batch_items.c.decision == Decision.SETTLED, func.coalesce(settled, Outcome.COMPLETED.value)),
        (batch_items.c.run_id.is_not(None), outcome_of_run),
        (batch_items.c.decision.is_not(None), outcome_of_latest_run),
    )


def _to_batch(row: Row[tuple[object, ...]], items: tuple[BatchItem, ...]) -> Batch:
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


def _to_item(row: Row[tuple[object, ...]]) -> BatchItem:
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

"""Runs: opened once, closed once, and each subscriber told once."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.announcements import claim_subscriptions, forget_told
from adapters.database.documents import reopen_failed
from adapters.database.engine import Database
from adapters.database.listings import mark_unlisted
from adapters.database.processes import count_documents
from adapters.database.tables import processes, runs
from adapters.database.upserts import insert_into, refreshing
from adapters.database.webhook_tables import attempts, deliveries
from domain.completeness import Completeness, Outcome
from domain.errors import FailureCode
from domain.messages import ClosedRun, DeliveryRef, RunClosing, RunOpening
from domain.process_number import ProcessNumber
from domain.secrecy import UNLISTING_CODES

_PAGE = 100


class Runs:
    """The runs' table, and the moment in which a run's end becomes its subscribers' events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def register(self, opening: RunOpening) -> None:
        """Note that a run has been started. Saying so again changes nothing."""
        async with self._database.writing() as connection:
            await _register(connection, opening)

    async def open(self, opening: RunOpening) -> None:
        """Note that a run works, and give its documents their full attempts.

        Runs of the same process that never said how they ended were killed, since Temporal lets only one be
        open: they are closed as cancelled. Saying it again changes nothing.
        """
        async with self._database.writing() as connection:
            await _register(connection, opening)
            # A run may have been asked for more since then.
            await connection.execute(
                update(runs)
                .where(runs.c.id == opening.run_id, runs.c.outcome.is_(None))
                .values(chosen_documents=len(opening.document_ids) or None)
            )
            await connection.execute(
                update(runs)
                .where(
                    runs.c.process_number == opening.process_number,
                    runs.c.id != opening.run_id,
                    runs.c.outcome.is_(None),
                )
                .values(outcome=Outcome.CANCELLED, ended_at=datetime.now(UTC))
            )
            await reopen_failed(connection, opening.process_number, opening.document_ids)

    async def close(self, closing: RunClosing) -> ClosedRun:
        """Record how a run ended, and turn every waiting subscription of its process into a delivery.

        May be called again, for subscriptions that came meanwhile and for further pages: each subscription
        becomes one delivery, whose id is the same however often this is asked.

        Returns:
            The count of the documents, and up to a page of deliveries behind ``closing.after_delivery``.
        """
        async with self._database.writing() as connection:
            counts = await count_documents(connection, closing.process_number)
            await _record_end(connection, closing, counts)
            await claim_subscriptions(connection, closing.process_number, closing.run_id, closing.ending.outcome)
            result = await connection.execute(
                select(deliveries.c.id, deliveries.c.number)
                .where(
                    deliveries.c.run_id == closing.run_id,
                    deliveries.c.number > closing.after_delivery,
                )
                .order_by(deliveries.c.number)
                .limit(_PAGE)
            )
            page = tuple(DeliveryRef(row.id, row.number) for row in result)
        return ClosedRun(counts, page)

    async def announce_ended(self, run_id: str) -> tuple[DeliveryRef, ...]:
        """Turn the waiting subscriptions of an ended run's process into deliveries of that run's end.

        For subscribers that asked while the run went on, but whose request came to the catalog only after its
        end. Asking again changes nothing.

        Returns:
            The new deliveries and those that nobody has attempted yet, all of which the caller starts: whoever
            made them may not have lived to do so.
        """
        async with self._database.writing() as connection:
            row = (await connection.execute(select(runs).where(runs.c.id == run_id))).one()
            await claim_subscriptions(connection, row.process_number, run_id, Outcome(row.outcome))
            await forget_told(connection, row.process_number, run_id)
            result = await connection.execute(
                select(deliveries.c.id, deliveries.c.number)
                .where(
                    deliveries.c.run_id == run_id,
                    ~exists().where(attempts.c.delivery_number == deliveries.c.number),
                )
                .order_by(deliveries.c.number)
            )
            return tuple(DeliveryRef(row.id, row.number) for row in result)


async def _register(connection: AsyncConnection, opening: RunOpening) -> None:
    now = datetime.now(UTC)
    # A process is known from its first run on, though the court may not have listed it yet.
    await connection.execute(
        insert_into(connection, processes).on_conflict_do_nothing(index_elements=["number"]),
        {
            "number": opening.process_number,
            "court": ProcessNumber.parse(opening.process_number).court,
            "created_at": now,
        },
    )
    await connection.execute(
        insert_into(connection, runs).on_conflict_do_nothing(index_elements=["id"]),
        {
            "id": opening.run_id,
            "process_number": opening.process_number,
            "client": opening.client,
            "started_at": now,
            "chosen_documents": len(opening.document_ids) or None,
        },
    )


async def _record_end(connection: AsyncConnection, closing: RunClosing, counts: Completeness) -> None:
    ending = closing.ending
    await connection.execute(
        update(runs)
        .where(runs.c.id == closing.run_id, runs.c.outcome.is_(None))
        .values(
            ended_at=datetime.now(UTC),
            outcome=ending.outcome,
            chosen_documents=closing.chosen_documents or None,
            failure_code=ending.failure_code,
            failure_answer=ending.answer or None,
            total_documents=counts.total,
            available_documents=counts.available,
            failed_documents=counts.failed,
            available_bytes=counts.available_bytes,
        )
    )
    if ending.failure_code is not None:
        await _record_process_failure(connection, closing.process_number, ending.failure_code, ending.answer)


async def _record_process_failure(connection: AsyncConnection, number: str, code: FailureCode, answer: str) -> None:
    now = datetime.now(UTC)
    failure = {"failure_code": code, "failure_answer": answer, "failed_at": now}
    await connection.execute(
        refreshing(insert_into(connection, processes), key=("number",), columns=tuple(failure)),
        {
            "number": number,
            "court": ProcessNumber.parse(number).court,
            "secrecy": "unknown",
            "subjects": [],
            "created_at": now,
            **failure,
        },
    )
    if code in UNLISTING_CODES:
        await mark_unlisted(connection, number, now)

"""Runs: opened once, closed once per end. Each subscriber is notified once of each end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row, exists, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.documents import reopen_failed
from adapters.database.engine import Database
from adapters.database.listings import mark_unlisted
from adapters.database.outbox import find_followers, find_unannounced, publish, reopen_deliveries
from adapters.database.processes import count_documents
from adapters.database.run_ends import (
    announce_ends,
    close_killed_runs,
    is_other_run,
    lock_run,
    reopen_if_reset,
)
from adapters.database.settling import settle_added
from adapters.database.tables import processes, runs
from adapters.database.tombstones import claim_process
from adapters.database.upserts import insert_into, on_conflict_overwrite
from adapters.database.watch_tables import run_followers
from adapters.database.webhook_tables import deliveries, subscriptions
from domain.completeness import Completeness
from domain.delivery_messages import DeliveryRef
from domain.errors import FailureCode
from domain.process_number import ProcessNumber
from domain.run_messages import ClosedRun, RunClosing, RunOpening, RunRef, count_chosen, read_chosen_count
from domain.secrecy import UNLISTING_CODES
from domain.sweep_messages import UnendedRunsPage
from domain.webhooks import DeliveryStatus

_PAGE_SIZE = 100


class RunRepository:
    """The table of runs. It writes all events and deliveries in the transaction that records a run's end.

    Recording an end and subscribing to a run both lock the run's row, and both write the events (``outbox``).

    `register`, `open`, `subscribe` and `follow` raise ProcessErased for a process that was erased, and change
    nothing.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def register(self, opening: RunOpening) -> None:
        """Record that a run has been started. Idempotent."""
        async with self._database.writing() as connection:
            await _register(connection, opening)

    async def open(self, opening: RunOpening, *, execution: str = "") -> None:
        """Record that a run works, and reset the attempts of its documents. Idempotent.

        Temporal allows only one open run of a process. So other runs of the process without an end were killed, and
        are closed as cancelled.

        Args:
            opening: The run.
            execution: Temporal's id of the execution that works.
        """
        async with self._database.writing() as connection:
            await _register(connection, opening)
            run = (await lock_run(connection, opening.run_id)).one()
            await announce_ends(connection, await reopen_if_reset(connection, run, execution) or ())
            # More documents may have been requested of the run since it was registered.
            await connection.execute(
                update(runs)
                .where(runs.c.id == opening.run_id, runs.c.outcome.is_(None))
                # A client that has joined a look may have registered it as its own run.
                .values(
                    chosen_documents=read_chosen_count(count_chosen(opening.document_ids)),
                    is_look=opening.is_look,
                )
            )
            await close_killed_runs(connection, is_other_run(opening.process_number, opening.run_id))
            await reopen_failed(
                connection,
                opening.process_number,
                opening.document_ids,
                permanent=opening.retry_permanent or bool(opening.document_ids),
            )
            if opening.named:
                await reopen_failed(connection, opening.process_number, opening.named, permanent=True)

    async def reopen(self, run_id: str, *, execution: str) -> bool:
        """Remove the end of a run that works again because it was reset in Temporal.

        Args:
            run_id: The run.
            execution: The execution that works. Nothing happens if it is the one that recorded the end.

        Returns:
            True if an end was removed.
        """
        async with self._database.writing() as connection:
            run = (await lock_run(connection, run_id)).one_or_none()
            killed = None if run is None else await reopen_if_reset(connection, run, execution)
            await announce_ends(connection, killed or ())
        return killed is not None

    async def close(self, closing: RunClosing) -> ClosedRun:
        """Record how a run ended, and create a delivery for each of its subscriptions.

        The same execution may call this again for further pages: the first end stays. Another execution of the same
        run means a reset in Temporal: it records another end.

        Returns:
            The counts of the documents, and up to 100 deliveries after ``closing.after_delivery``.
        """
        async with self._database.writing() as connection:
            # Before anybody is notified of what is new.
            await settle_added(connection, closing.process_number)
            counts = await count_documents(connection, closing.process_number)
            run = (await lock_run(connection, closing.run_id)).one_or_none()
            if run is None:
                return ClosedRun(counts, ())
            killed = await reopen_if_reset(connection, run, closing.execution)
            if run.outcome is None or killed is not None:
                run = await _record_end(connection, closing, counts)
                # Together: to publish locks the counters of all whom it tells.
                await announce_ends(connection, [*(killed or ()), run])
            return ClosedRun(counts, await _list_deliveries(connection, run, after=closing.after_delivery))

    async def close_killed(self, run_id: str) -> tuple[DeliveryRef, ...]:
        """Close a run as cancelled that is no longer open in Temporal, unless it recorded its end.

        Returns:
            Up to 100 of the new deliveries, for the caller to start. The sweep finds the others.
        """
        async with self._database.writing() as connection:
            closed = await close_killed_runs(connection, runs.c.id == run_id)
            return await _list_deliveries(connection, closed[0], after=0) if closed else ()

    async def subscribe(
        self, opening: RunOpening, client: str, url: str, *, again: bool = False
    ) -> DeliveryRef | None:
        """Subscribe a webhook URL to the end of a run. Idempotent.

        Args:
            opening: The run. It is registered if the catalog does not have it yet.
            client: The client that the URL belongs to.
            url: The webhook URL.
            again: If the URL was already notified of this end, notify it again, with the same event id.

        Returns:
            The delivery, for the caller to start. None while the run is open, or if the URL was already notified.
        """
        async with self._database.writing() as connection:
            await _register(connection, opening)
            run = (await lock_run(connection, opening.run_id)).one()
            await connection.execute(
                insert_into(connection, subscriptions).on_conflict_do_nothing(),
                {
                    "process_number": opening.process_number,
                    "client": client,
                    "url": url,
                    "run_id": run.id,
                    "created_at": datetime.now(UTC),
                },
            )
            await publish(connection, await find_unannounced(connection, run))
            delivery = (
                await connection.execute(
                    select(deliveries.c.id, deliveries.c.number, deliveries.c.status)
                    .join(subscriptions, deliveries.c.subscription_id == subscriptions.c.id)
                    .where(
                        subscriptions.c.run_id == run.id,
                        subscriptions.c.client == client,
                        subscriptions.c.url == url,
                        deliveries.c.run_end == run.end_count,
                    )
                )
            ).one_or_none()
            if run.outcome is None or delivery is None:
                return None
            if delivery.status == DeliveryStatus.PENDING:
                return DeliveryRef(delivery.id, delivery.number)
            if not again:
                return None
            return (await reopen_deliveries(connection, deliveries.c.number == delivery.number))[0]

    async def follow(self, opening: RunOpening, client: str) -> None:
        """Have the end of a run in a client's events, without a webhook. Idempotent.

        Args:
            opening: The run. It is registered if the catalog does not have it yet.
            client: The client.
        """
        async with self._database.writing() as connection:
            await _register(connection, opening)
            run = (await lock_run(connection, opening.run_id)).one()
            await connection.execute(
                insert_into(connection, run_followers).on_conflict_do_nothing(),
                {"run_id": run.id, "client": client, "process_number": run.process_number},
            )
            await publish(connection, await find_followers(connection, run, client))

    async def is_followed(self, run_id: str, client: str) -> bool:
        """Return whether the end of a run will be in a client's events."""
        is_own = exists().where(runs.c.id == run_id, runs.c.client == client, runs.c.is_look.is_(False))
        follows = exists().where(run_followers.c.run_id == run_id, run_followers.c.client == client)
        async with self._database.reading() as connection:
            return bool(await connection.scalar(select(or_(is_own, follows))))

    async def has_ended(self, run_id: str) -> bool:
        """Return whether a run has recorded its end: it then accepts nothing more, even if open in Temporal."""
        async with self._database.reading() as connection:
            return await connection.scalar(select(runs.c.outcome).where(runs.c.id == run_id)) is not None

    async def has_latest_ended(self, number: str) -> bool:
        """Return whether the latest run of a process has recorded its end."""
        latest = select(runs.c.outcome).where(runs.c.process_number == number).order_by(runs.c.started_at.desc())
        async with self._database.reading() as connection:
            return await connection.scalar(latest.limit(1)) is not None

    async def list_unended(self, after: RunRef | None, *, older_than: timedelta) -> UnendedRunsPage:
        """Return a page of runs without a recorded end, oldest first: open in Temporal, or killed.

        Args:
            after: The last run of the page before. None for the first page.
            older_than: Leave out runs that were started more recently.
        """
        key = (runs.c.started_at, runs.c.id)
        statement = select(runs.c.process_number, *key).where(
            runs.c.outcome.is_(None), runs.c.started_at < datetime.now(UTC) - older_than
        )
        if after is not None:
            statement = statement.where(
                tuple_(*key) > tuple_(datetime.fromisoformat(after.started_at), after.run_id)
            )
        async with self._database.reading() as connection:
            rows = (await connection.execute(statement.order_by(*key).limit(_PAGE_SIZE))).all()
        page = tuple(RunRef(row.process_number, row.id, row.started_at.isoformat()) for row in rows)
        return UnendedRunsPage(page, page[-1] if len(page) == _PAGE_SIZE else None)


async def _register(connection: AsyncConnection, opening: RunOpening) -> None:
    # A process is in the catalog from its first run on, even if the court has not listed it yet.
    await claim_process(connection, opening.process_number)
    await connection.execute(
        insert_into(connection, runs).on_conflict_do_nothing(index_elements=["id"]),
        {
            "id": opening.run_id,
            "process_number": opening.process_number,
            "client": opening.client,
            "started_at": datetime.now(UTC),
            "chosen_documents": read_chosen_count(count_chosen(opening.document_ids)),
            "is_look": opening.is_look,
        },
    )


async def _list_deliveries(connection: AsyncConnection, run: Row[Any], *, after: int) -> tuple[DeliveryRef, ...]:
    """Return a page of the deliveries of a run's current end, after the delivery with the number ``after``."""
    result = await connection.execute(
        select(deliveries.c.id, deliveries.c.number)
        .where(deliveries.c.run_id == run.id, deliveries.c.run_end == run.end_count, deliveries.c.number > after)
        .order_by(deliveries.c.number)
        .limit(_PAGE_SIZE)
    )
    return tuple(DeliveryRef(row.id, row.number) for row in result)


async def _record_end(connection: AsyncConnection, closing: RunClosing, counts: Completeness) -> Row[Any]:
    ending = closing.ending
    ended = await connection.execute(
        update(runs)
        .where(runs.c.id == closing.run_id)
        .values(
            ended_at=datetime.now(UTC),
            ended_by=closing.execution or None,
            end_count=runs.c.end_count + 1,
            outcome=ending.outcome,
            chosen_documents=read_chosen_count(closing.chosen_documents),
            failure_code=ending.failure_code,
            failure_answer=ending.answer or None,
            total_documents=counts.total,
            available_documents=counts.available,
            failed_documents=counts.failed,
            no_content_documents=counts.no_content,
            available_bytes=counts.available_bytes,
        )
        .returning(runs)
    )
    if ending.failure_code is not None:
        await _record_process_failure(connection, closing.process_number, ending.failure_code, ending.answer)
    run: Row[Any] = ended.one()
    return run


async def _record_process_failure(connection: AsyncConnection, number: str, code: FailureCode, answer: str) -> None:
    now = datetime.now(UTC)
    failure = {"failure_code": code, "failure_answer": answer, "failed_at": now}
    await connection.execute(
        on_conflict_overwrite(insert_into(connection, processes), key=("number",), columns=tuple(failure)),
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

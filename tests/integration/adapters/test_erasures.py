"""Tombstones, receipts and legal holds, in both kinds of databases."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import insert

from adapters.database import Catalog, Database
from adapters.database.erasure_tables import ERASED_ROWS, KEPT_TABLES
from adapters.database.tables import metadata, runs
from adapters.database.tombstones import claim_process
from domain.accesses import Access, AccessFilter, AccessKind, Recipient
from domain.batch_messages import BatchItemRef
from domain.batches import Batch, BatchItem, ItemState
from domain.clients import ALL_SCOPES, Client
from domain.completeness import Outcome
from domain.erasure import Author, Erasure, ErasureState
from domain.errors import CourtFailure, FailureCode, ProcessErased, ProcessHeld, TransactionConflict
from domain.listings import ListedMovement, Party, RelatedProcess
from domain.run_messages import RunClosing, RunEnding, RunOpening
from tests.support.listings import FIRST_DEGREE, document_ids, listing_of, stored_object
from tests.support.numbers import fresh_number
from tests.support.process_traces import find_in_tables

AUTHOR = Author("office", "k3x9p2ab")
OTHER = Author("operator")
READER = Recipient(Client("desk", ALL_SCOPES))


def opening_of(number: str) -> RunOpening:
    return RunOpening(number, str(uuid4()), "office")


async def request(catalog: Catalog, number: str) -> Erasure:
    """Request the erasure of a process that is known."""
    erasure = await catalog.erasures.request(number, AUTHOR, "over")
    assert erasure is not None
    return erasure


async def erase(catalog: Catalog, number: str) -> Erasure:
    """Erase the rows of a process, and complete the erasure."""
    await request(catalog, number)
    await catalog.erased_rows.erase_all(number)
    receipt = await catalog.erasures.complete(number)
    assert receipt is not None
    return receipt


def test_every_table_with_a_process_number_is_erased_or_kept_for_a_reason() -> None:
    erased = {rows.table.name for rows in ERASED_ROWS}
    with_number = {
        table.name
        for table in metadata.tables.values()
        for column in table.columns
        if "process_number" in column.name
    }
    assert len(with_number) >= 9
    assert with_number - erased == KEPT_TABLES.keys()


async def test_an_erasure_leaves_the_number_in_its_receipt_alone(
    catalog: Catalog, database: Database, number: str
) -> None:
    kept, failed, replaced = document_ids(3)
    opening = opening_of(number)
    named = ListedMovement("m1", FIRST_DEGREE.key, text=number, document_id=kept)
    await catalog.listings.record(listing_of(number, [kept, failed]))
    await catalog.listings.record(
        replace(
            listing_of(number, [kept, failed, replaced], hour=1),
            movements=(named,),
            parties=(Party(FIRST_DEGREE.key, "PARTE SINTÉTICA"),),
            related=(RelatedProcess(FIRST_DEGREE.key, fresh_number()),),
        )
    )
    for document_id in (kept, replaced):
        await catalog.documents.mark_available(number, document_id, stored_object(number, document_id))
    await catalog.documents.record_failed_attempt(number, failed, FailureCode.SEALED, "closed", allowed_attempts=1)
    await catalog.runs.subscribe(opening, "office", "https://receiver.example.org/events")
    await catalog.runs.close(RunClosing(number, opening.run_id, RunEnding(Outcome.PARTIAL)))
    batch = Batch(
        uuid4().hex,
        "office",
        datetime.now(UTC),
        4,
        (BatchItem(1, number, number), BatchItem(2, "x", fresh_number())),
    )
    await catalog.batches.add(batch)
    await catalog.court_state.open_circuit(
        CourtFailure(FailureCode.COURT_UNAVAILABLE, "down"),
        process_number=number,
        generation=(await catalog.court_state.read_state()).generation,
        token=None,
    )
    traces = [number, kept, failed, replaced, opening.run_id]
    async with database.reading() as connection:
        found = await find_in_tables(connection, traces)
    assert {"documents.object_key", "court.process_number", "batch_items.given"} <= found
    assert {
        f"{table}.process_number" for table in ("movements", "parties", "related_processes", "changes")
    } <= found

    receipt = await erase(catalog, number)

    async with database.reading() as connection:
        assert await find_in_tables(connection, traces) == {"erasures.process_number", "erasures.blocked_number"}
    assert (receipt.counts.documents, receipt.counts.runs, receipt.counts.deliveries) == (3, 1, 1)
    assert receipt.requested_by == AUTHOR
    assert receipt.state is ErasureState.COMPLETED
    stored = await catalog.batches.get(batch.id)
    assert stored is not None
    assert [item.state for item in stored.items] == [ItemState.ERASED, ItemState.QUEUED]
    await catalog.court_state.close_circuit()
    assert await catalog.batches.list_undecided_items(batch.id) == (
        BatchItemRef(batch.id, 2, str(stored.items[1].process_number)),
    )
    [summary] = [page for page in await catalog.batches.page(None, limit=50) if page.batch.id == batch.id]
    assert summary.counts == stored.counts


async def test_nothing_of_an_erased_process_is_stored_or_read(catalog: Catalog, number: str) -> None:
    [document_id] = document_ids(1)
    await catalog.listings.record(listing_of(number, [document_id]))
    stored = stored_object(number, document_id)

    async def refuse_all() -> None:
        for write in (
            catalog.runs.register(opening_of(number)),
            catalog.runs.open(opening_of(number)),
            catalog.runs.subscribe(opening_of(number), "office", "https://receiver.example.org"),
            catalog.listings.record(listing_of(number, [document_id], hour=1)),
            catalog.documents.mark_available(number, document_id, stored),
            catalog.holds.place(number, OTHER, None),
            catalog.accesses.record(Access(READER, number, AccessKind.LINK, (document_id,))),
            catalog.processes.get(number),
            catalog.documents.get(number, document_id),
        ):
            with pytest.raises(ProcessErased):
                await write

    async def is_listed() -> bool:
        entries = await catalog.lists.list_processes(limit=500)
        return number in [entry.process.number for entry in entries]

    assert await is_listed()
    erasure = await request(catalog, number)
    assert not await is_listed()
    await refuse_all()
    with pytest.raises(ProcessErased):
        await catalog.erasures.allow_again(number, OTHER)
    await catalog.erased_rows.erase_all(number)
    await refuse_all()
    completed = await catalog.erasures.complete(number)
    await refuse_all()

    assert completed is not None
    # Another request changes neither the author nor the reason.
    assert await catalog.erasures.request(number, OTHER, "again") == completed
    assert (completed.id, completed.requested_at) == (erasure.id, erasure.requested_at)
    allowed = await catalog.erasures.allow_again(number, OTHER)
    assert allowed is not None
    assert (allowed.blocking, allowed.allowed_again_by, allowed.requested_by) == (False, OTHER, AUTHOR)
    assert await catalog.erasures.allow_again(number, AUTHOR) == allowed
    await catalog.runs.register(opening_of(number))
    assert (await request(catalog, number)).id > erasure.id


async def test_answers_that_an_erasure_overtakes_hand_nothing_over(catalog: Catalog) -> None:
    erased, expired, kept = fresh_number(), fresh_number(), fresh_number()
    for number in (erased, expired, kept):
        await catalog.listings.record(listing_of(number, document_ids(1)))
    await erase(catalog, erased)
    # What retention has erased is not blocked, and no longer in the catalog.
    await erase(catalog, expired)
    await catalog.erasures.allow_again(expired, OTHER)
    of_each = [Access(READER, number, AccessKind.LINK, ("a",)) for number in (erased, expired, kept)]
    # Together, they are one transaction.
    answers = await asyncio.gather(*(catalog.accesses.record(access) for access in of_each), return_exceptions=True)
    assert [type(answer) for answer in answers] == [ProcessErased, TransactionConflict, type(None)]
    trails = [await catalog.accesses.page(AccessFilter(each.process_number), limit=10) for each in of_each]
    assert [len(trail) for trail in trails] == [0, 0, 1]


async def test_an_object_of_a_process_without_rows_is_refused(catalog: Catalog, number: str) -> None:
    # A retention no longer blocks, but the object has no row either.
    [document_id] = document_ids(1)
    with pytest.raises(ProcessErased):
        await catalog.documents.mark_available(number, document_id, stored_object(number, document_id))


async def test_an_unknown_process_is_not_erased(catalog: Catalog, number: str) -> None:
    assert await catalog.erasures.request(number, AUTHOR, None) is None
    assert await catalog.erasures.get_latest(number) is None
    assert await catalog.erasures.allow_again(number, AUTHOR) is None
    assert await catalog.erasures.request(number, AUTHOR, None, known=True) is not None


async def test_a_write_that_races_with_an_erasure_leaves_nothing(catalog: Catalog, database: Database) -> None:
    numbers = [fresh_number() for _ in range(40)]

    async def register(number: str) -> None:
        with suppress(ProcessErased):
            await catalog.runs.register(opening_of(number))

    async def record(number: str) -> None:
        with suppress(ProcessErased):
            await catalog.listings.record(listing_of(number, document_ids(1)))

    async def erase_known(number: str) -> None:
        await catalog.erasures.request(number, AUTHOR, None, known=True)
        await catalog.erased_rows.erase_all(number)

    await asyncio.gather(*(race(number) for number in numbers for race in (register, erase_known, record)))

    async with database.reading() as connection:
        found = await find_in_tables(connection, numbers)
    assert found == {"erasures.process_number", "erasures.blocked_number"}


async def test_an_erasure_waits_for_a_write_under_way(catalog: Catalog, database: Database, number: str) -> None:
    await catalog.runs.register(opening_of(number))
    late = opening_of(number)

    async def erase_known() -> None:
        await catalog.erasures.request(number, AUTHOR, None)
        await catalog.erased_rows.erase_all(number)

    async with database.writing() as connection:
        await claim_process(connection, number)
        erasing = asyncio.create_task(erase_known())
        # It ends within this time unless it waits.
        await asyncio.wait({erasing}, timeout=1)
        await connection.execute(
            insert(runs).values(
                id=late.run_id, process_number=number, client="office", started_at=datetime.now(UTC)
            )
        )
    await erasing

    async with database.reading() as connection:
        assert await find_in_tables(connection, [late.run_id]) == set()


async def test_either_the_hold_or_the_erasure_wins(catalog: Catalog) -> None:
    numbers = [fresh_number() for _ in range(20)]
    for number in numbers:
        await catalog.runs.register(opening_of(number))

    async def place(number: str) -> bool:
        try:
            return await catalog.holds.place(number, OTHER, "evidence")
        except ProcessErased:
            return False

    async def take(number: str) -> bool:
        try:
            return await catalog.erasures.request(number, AUTHOR, None) is not None
        except ProcessHeld:
            return False

    results = await asyncio.gather(*(race for number in numbers for race in (place(number), take(number))))

    for number, held, erased in zip(numbers, results[::2], results[1::2], strict=True):
        assert held is not erased
        assert (await catalog.holds.get(number) is not None) is held
        assert await catalog.erasures.is_blocked(number) is erased


async def test_a_hold_keeps_its_author_until_it_is_released(catalog: Catalog, number: str) -> None:
    assert not await catalog.holds.place(number, AUTHOR, None)
    await catalog.runs.register(opening_of(number))
    assert await catalog.holds.place(number, AUTHOR, "evidence")
    assert await catalog.holds.place(number, OTHER, None)
    hold = await catalog.holds.get(number)
    assert hold is not None
    assert (hold.placed_by, hold.reason) == (AUTHOR, "evidence")
    with pytest.raises(ProcessHeld):
        await catalog.erasures.request(number, AUTHOR, None)
    assert await catalog.erasures.get_latest(number) is None
    assert await catalog.holds.release(number)
    assert not await catalog.holds.release(number)
    await request(catalog, number)


async def test_running_erasures_are_listed_until_they_are_complete(catalog: Catalog, number: str) -> None:
    erasure = await catalog.erasures.request(number, AUTHOR, None, known=True)
    assert erasure is not None
    now = datetime.now(UTC)

    async def is_listed(before: datetime) -> bool:
        page = await catalog.erasures.list_running(after=erasure.id - 1, before=before)
        return number in [running.process_number for running in page]

    assert await is_listed(now + timedelta(minutes=1))
    assert not await is_listed(now - timedelta(minutes=1))
    await catalog.erased_rows.erase_all(number)
    await catalog.erasures.complete(number)
    assert not await is_listed(now + timedelta(minutes=1))


async def test_an_erasure_is_complete_only_once_no_row_is_left(catalog: Catalog, number: str) -> None:
    async def complete() -> Erasure:
        receipt = await catalog.erasures.complete(number)
        assert receipt is not None
        return receipt

    await catalog.runs.register(opening_of(number))
    await request(catalog, number)
    assert (await complete()).state is ErasureState.RUNNING
    await catalog.erased_rows.erase_all(number)
    assert (await complete()).state is ErasureState.COMPLETED
    await catalog.erasures.allow_again(number, OTHER)
    await catalog.runs.register(opening_of(number))
    await request(catalog, number)
    # The first erasure's worker has died after its commit, and its activity is repeated.
    assert (await complete()).state is ErasureState.RUNNING

"""Pages over all processes and over all failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import insert, text

from adapters.database import Catalog, Database
from adapters.database.client_tables import batches
from adapters.database.failure_queries import FailureEntry
from adapters.database.list_queries import ListRepository, ProcessEntry
from adapters.database.migrate import upgrade
from domain.clients import Scope
from domain.completeness import Completeness, Outcome
from domain.errors import FailureCode
from domain.run_messages import RunClosing, RunEnding, RunOpening
from domain.secrecy import Secrecy, is_withheld
from tests.integration.adapters.conftest import NewDatabase
from tests.support.listings import document_ids, listed, listing_of, stored_object
from tests.support.numbers import fresh_number
from tests.support.statements import statements

NOT_FOUND = RunEnding(Outcome.FAILED, FailureCode.NOT_FOUND, "HTTP 404")


@pytest.fixture(scope="module")
async def own_database(new_database: NewDatabase) -> AsyncIterator[Database]:
    """A database for this module alone, so that lists contain only the rows of its tests."""
    url = await new_database()
    await asyncio.to_thread(upgrade, url)
    database = Database(url)
    yield database
    await database.close()


@pytest.fixture
async def empty(own_database: Database) -> AsyncIterator[Catalog]:
    """An empty catalog on that database."""
    yield Catalog(own_database)
    async with own_database.writing() as connection:
        for table in ("documents", "instances", "runs", "processes", "batches"):
            await connection.execute(text(f"DELETE FROM {table}"))


@pytest.fixture
def lists(own_database: Database) -> ListRepository:
    """The lists of that database."""
    return ListRepository(own_database)


async def open_run(catalog: Catalog, number: str) -> str:
    """Open a run and return its id."""
    run_id = str(uuid4())
    await catalog.runs.open(RunOpening(number, run_id, "local"))
    return run_id


async def run_to_end(catalog: Catalog, number: str, ending: RunEnding) -> None:
    """Open a run and close it."""
    await catalog.runs.close(RunClosing(number, await open_run(catalog, number), ending))


async def fail(catalog: Catalog, number: str, document_id: str, code: FailureCode = FailureCode.SEALED) -> None:
    """Make a document fail."""
    await catalog.documents.record_failed_attempt(number, document_id, code, "HTTP 500", allowed_attempts=1)


async def set_all_timestamps(database: Database, table: str, column: str, moment: datetime) -> None:
    """Set a timestamp column of all rows to the same value."""
    stored = moment.replace(tzinfo=None).isoformat(" ") if database.dialect == "sqlite" else moment.isoformat()
    async with database.writing() as connection:
        await connection.execute(text(f"UPDATE {table} SET {column} = '{stored}'"))


async def read_all_processes(lists: ListRepository, limit: int, court: str | None = None) -> list[ProcessEntry]:
    """Return all processes, read in pages of ``limit``."""
    found: list[ProcessEntry] = []
    after: tuple[datetime, str] | None = None
    while page := await lists.list_processes(after=after, limit=limit, court=court):
        assert len(page) <= limit
        found += page
        after = page[-1].created_at, page[-1].process.number
    return found


async def read_all_failures(
    lists: ListRepository, limit: int, code: FailureCode | None = None
) -> list[FailureEntry]:
    """Return all failures, read in pages of ``limit``."""
    found: list[FailureEntry] = []
    after: tuple[datetime, str, str] | None = None
    while page := await lists.list_failures(after=after, limit=limit, code=code):
        assert len(page) <= limit
        found += page
        after = page[-1].sort_key
    return found


async def test_a_process_is_listed_from_its_first_run_on(
    empty: Catalog, lists: ListRepository, number: str
) -> None:
    run_id = str(uuid4())
    await empty.runs.register(RunOpening(number, run_id, "local"))
    [known] = await lists.list_processes(limit=10)
    assert (known.process.number, known.process.court, known.process.listed_at) == (number, "TJMT", None)
    assert known.process.latest_run is not None
    assert known.process.latest_run.id == run_id
    assert datetime.now(UTC) - known.created_at < timedelta(minutes=1)


async def test_the_list_shows_a_process_as_it_is_read_alone(empty: Catalog, lists: ListRepository) -> None:
    listed_only, with_everything, never_listed = fresh_number(), fresh_number(), fresh_number()
    await empty.listings.record(listing_of(listed_only, document_ids(2)))
    ids = document_ids(6)
    await empty.listings.record(listing_of(with_everything, ids))
    await empty.listings.record(listing_of(with_everything, ids[:5], hour=1))
    await empty.documents.mark_available(with_everything, ids[0], stored_object(with_everything, ids[0]))
    await fail(empty, with_everything, ids[1])
    await fail(empty, with_everything, ids[2], FailureCode.TRUNCATED)
    await run_to_end(empty, with_everything, RunEnding(Outcome.PARTIAL))
    await fail(empty, with_everything, ids[3], FailureCode.TRUNCATED)
    await open_run(empty, with_everything)
    await fail(empty, with_everything, ids[3], FailureCode.TRUNCATED)
    await run_to_end(empty, never_listed, NOT_FOUND)

    known = {one.process.number: one.process for one in await lists.list_processes(limit=10)}
    assert known == {number: await empty.processes.get(number) for number in known}
    assert known.keys() == {listed_only, with_everything, never_listed}
    assert known[with_everything].documents == Completeness(
        available=1, pending=2, failed_for_good=1, failed_retryable=1, available_bytes=1000
    )


async def test_processes_are_listed_newest_first_without_gap_or_overlap(
    empty: Catalog, lists: ListRepository
) -> None:
    numbers = [fresh_number() for _ in range(7)]
    for number in numbers:
        await open_run(empty, number)
    assert [one.process.number for one in await read_all_processes(lists, 3)] == numbers[::-1]


async def test_processes_with_the_same_timestamp_are_all_listed(
    empty: Catalog, lists: ListRepository, own_database: Database
) -> None:
    numbers = [fresh_number() for _ in range(5)]
    for number in numbers:
        await open_run(empty, number)
    await set_all_timestamps(own_database, "processes", "created_at", datetime(2026, 3, 1, 12, 0, 0, 123457, UTC))
    assert [one.process.number for one in await read_all_processes(lists, 2)] == sorted(numbers, reverse=True)


async def test_processes_are_filtered_by_court(empty: Catalog, lists: ListRepository) -> None:
    ours, theirs = fresh_number(), "0000001-39.2024.8.26.0100"
    await open_run(empty, ours)
    await open_run(empty, theirs)
    assert [one.process.number for one in await read_all_processes(lists, 1, "TJSP")] == [theirs]
    assert [one.process.number for one in await read_all_processes(lists, 1, "TJMT")] == [ours]
    assert await read_all_processes(lists, 1, "tjmt") == []


async def test_a_page_of_processes_takes_a_fixed_number_of_statements(
    empty: Catalog, lists: ListRepository
) -> None:
    for _ in range(5):
        await open_run(empty, fresh_number())
    with statements() as said:
        assert len(await lists.list_processes(limit=10)) == 5
    assert len([one for one in said if one.sql.startswith("SELECT")]) == 3


async def test_failures_of_documents_and_processes_are_listed_newest_first(
    empty: Catalog, lists: ListRepository
) -> None:
    first, second = fresh_number(), fresh_number()
    ids = document_ids(4)
    await empty.listings.record(listing_of(first, ids))
    await fail(empty, first, ids[2])
    await run_to_end(empty, second, NOT_FOUND)
    await fail(empty, first, ids[0], FailureCode.TRUNCATED)
    for limit in (1, 2, 10):
        found = await read_all_failures(lists, limit)
        assert [(one.process_number, one.document and one.document.id) for one in found] == [
            (first, ids[0]),
            (second, None),
            (first, ids[2]),
        ]
    assert {one.court for one in found} == {"TJMT"}
    assert [(one.failure.code, one.failure.attempts, one.failure.answer) for one in found] == [
        (FailureCode.TRUNCATED, 1, "HTTP 500"),
        (FailureCode.NOT_FOUND, 1, "HTTP 404"),
        (FailureCode.SEALED, 1, "HTTP 500"),
    ]


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_failures_with_the_same_timestamp_are_all_listed(
    empty: Catalog, lists: ListRepository, own_database: Database, limit: int
) -> None:
    for _ in range(2):
        number, ids = fresh_number(), document_ids(2)
        await empty.listings.record(listing_of(number, ids))
        for document_id in ids:
            await fail(empty, number, document_id)
        await run_to_end(empty, number, NOT_FOUND)
    await run_to_end(empty, fresh_number(), NOT_FOUND)
    for table in ("documents", "processes"):
        await set_all_timestamps(own_database, table, "failed_at", datetime(2026, 3, 1, 12, 0, 0, 123457, UTC))
    whole = await lists.list_failures(limit=100)
    assert len(whole) == 7
    assert [one.sort_key for one in whole] == sorted({one.sort_key for one in whole}, reverse=True)
    assert await read_all_failures(lists, limit) == whole


async def test_failures_are_filtered_by_code(empty: Catalog, lists: ListRepository) -> None:
    number, ids = fresh_number(), document_ids(3)
    await empty.listings.record(listing_of(number, ids))
    for document_id, code in zip(ids, (FailureCode.SEALED, FailureCode.TRUNCATED, FailureCode.SEALED), strict=True):
        await fail(empty, number, document_id, code)
    await run_to_end(empty, fresh_number(), NOT_FOUND)
    found = {code: await read_all_failures(lists, 1, code) for code in FailureCode}
    assert {code: len(failures) for code, failures in found.items() if failures} == {
        FailureCode.SEALED: 2,
        FailureCode.TRUNCATED: 1,
        FailureCode.NOT_FOUND: 1,
    }


async def test_retried_withdrawn_and_stored_documents_are_not_failures(
    empty: Catalog, lists: ListRepository
) -> None:
    number, ids = fresh_number(), document_ids(4)
    await empty.listings.record(listing_of(number, ids))
    attempted, again, withdrawn, stored = ids
    await empty.documents.record_failed_attempt(
        number, attempted, FailureCode.TRUNCATED, "HTTP 500", allowed_attempts=5
    )
    for document_id in (again, withdrawn, stored):
        await fail(empty, number, document_id, FailureCode.TRUNCATED)
    assert len(await lists.list_failures(limit=10)) == 3
    await empty.documents.mark_available(number, stored, stored_object(number, stored))
    await empty.listings.record(listing_of(number, [attempted, again, stored], hour=1))
    assert [one.document and one.document.id for one in await lists.list_failures(limit=10)] == [again]
    await empty.documents.retry_failed(number)
    assert await lists.list_failures(limit=10) == []


async def test_a_process_that_is_listed_later_is_not_a_failure(
    empty: Catalog, lists: ListRepository, number: str
) -> None:
    await run_to_end(empty, number, NOT_FOUND)
    assert len(await lists.list_failures(limit=10)) == 1
    await empty.listings.record(listing_of(number, document_ids(1)))
    assert await lists.list_failures(limit=10) == []


@pytest.mark.parametrize(
    ("of_document", "of_process", "restricted"),
    [
        (Secrecy.PUBLIC, Secrecy.UNKNOWN, False),
        (Secrecy.MINIMUM, Secrecy.PUBLIC, True),
        (Secrecy.UNKNOWN, Secrecy.JUSTICE_SECRET, True),
    ],
)
async def test_a_failure_holds_the_secrecy_of_its_document(
    empty: Catalog,
    lists: ListRepository,
    number: str,
    of_document: Secrecy,
    of_process: Secrecy,
    restricted: bool,
) -> None:
    [document_id] = document_ids(1)
    document = replace(listed(document_id), secrecy=of_document, type_name="Petição")
    await empty.listings.record(replace(listing_of(number, [document]), secrecy=of_process))
    await fail(empty, number, document_id)
    [known] = await lists.list_failures(limit=10)
    assert known.document is not None
    assert (known.document.name, known.document.type_name) == ("Petição.pdf", "Petição")
    assert is_withheld(known.document, {Scope.READ}) is restricted


async def test_batches_are_open_until_they_end(empty: Catalog, own_database: Database) -> None:
    assert await empty.batches.count_open() == 0
    now = datetime.now(UTC)
    rows = [
        {"id": f"batch{place}", "client": "local", "priority": 4, "created_at": now, "ended_at": ended_at}
        for place, ended_at in enumerate((None, now, None))
    ]
    async with own_database.writing() as connection:
        await connection.execute(insert(batches), rows)
    assert await empty.batches.count_open() == 2

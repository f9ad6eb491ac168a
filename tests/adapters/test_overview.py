"""Pages over all processes: what is there, and what failed."""

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
from adapters.database.migrate import upgrade
from adapters.database.overview import KnownFailure, KnownProcess, Overview
from domain.clients import Scope
from domain.completeness import Completeness, Outcome
from domain.errors import FailureCode
from domain.messages import RunClosing, RunEnding, RunOpening
from domain.secrecy import Secrecy, is_withheld
from tests.adapters.conftest import NewDatabase
from tests.support.listings import document_ids, listed, listing_of, stored_object
from tests.support.numbers import fresh_number
from tests.support.statements import statements

NOT_FOUND = RunEnding(Outcome.FAILED, FailureCode.NOT_FOUND, "HTTP 404")


@pytest.fixture(scope="module")
async def own_database(new_database: NewDatabase) -> AsyncIterator[Database]:
    """A database of this module alone: what is there is what its tests put there."""
    url = await new_database()
    await asyncio.to_thread(upgrade, url)
    database = Database(url)
    yield database
    await database.close()


@pytest.fixture
async def empty(own_database: Database) -> AsyncIterator[Catalog]:
    """The catalog on it, with nothing in it."""
    yield Catalog(own_database)
    async with own_database.writing() as connection:
        for table in ("documents", "instances", "runs", "processes", "batches"):
            await connection.execute(text(f"DELETE FROM {table}"))


@pytest.fixture
def overview(own_database: Database) -> Overview:
    """The overview of it."""
    return Overview(own_database)


async def opened(catalog: Catalog, number: str) -> str:
    """Open a run; gives its id."""
    run_id = str(uuid4())
    await catalog.runs.open(RunOpening(number, run_id, "local"))
    return run_id


async def closed(catalog: Catalog, number: str, ending: RunEnding) -> None:
    """Open a run and end it."""
    await catalog.runs.close(RunClosing(number, await opened(catalog, number), ending))


async def fail(catalog: Catalog, number: str, document_id: str, code: FailureCode = FailureCode.SEALED) -> None:
    """Have a document fail."""
    await catalog.documents.record_failed_attempt(number, document_id, code, "HTTP 500", allowed_attempts=1)


async def set_moments(database: Database, table: str, column: str, moment: datetime) -> None:
    """Have all rows of a table bear the same moment."""
    stored = moment.replace(tzinfo=None).isoformat(" ") if database.dialect == "sqlite" else moment.isoformat()
    async with database.writing() as connection:
        await connection.execute(text(f"UPDATE {table} SET {column} = '{stored}'"))


async def every_process(overview: Overview, limit: int, court: str | None = None) -> list[KnownProcess]:
    """All processes, over pages of so many."""
    found: list[KnownProcess] = []
    after: tuple[datetime, str] | None = None
    while page := await overview.processes(after=after, limit=limit, court=court):
        assert len(page) <= limit
        found += page
        after = page[-1].created_at, page[-1].process.number
    return found


async def every_failure(overview: Overview, limit: int, code: FailureCode | None = None) -> list[KnownFailure]:
    """All failures, over pages of so many."""
    found: list[KnownFailure] = []
    after: tuple[datetime, str, str] | None = None
    while page := await overview.failures(after=after, limit=limit, code=code):
        assert len(page) <= limit
        found += page
        after = page[-1].place
    return found


async def test_a_process_is_there_from_its_first_run_on(empty: Catalog, overview: Overview, number: str) -> None:
    run_id = str(uuid4())
    await empty.runs.register(RunOpening(number, run_id, "local"))
    [known] = await overview.processes(limit=10)
    assert (known.process.number, known.process.court, known.process.listed_at) == (number, "TJMT", None)
    assert known.process.latest_run is not None
    assert known.process.latest_run.id == run_id
    assert datetime.now(UTC) - known.created_at < timedelta(minutes=1)


async def test_a_process_is_listed_as_it_is_read_alone(empty: Catalog, overview: Overview) -> None:
    listed_only, with_everything, never_listed = fresh_number(), fresh_number(), fresh_number()
    await empty.listings.record(listing_of(listed_only, document_ids(2)))
    ids = document_ids(6)
    await empty.listings.record(listing_of(with_everything, ids))
    await empty.listings.record(listing_of(with_everything, ids[:5], hour=1))
    await empty.documents.mark_available(with_everything, ids[0], stored_object(with_everything, ids[0]))
    await fail(empty, with_everything, ids[1])
    await fail(empty, with_everything, ids[2], FailureCode.TRUNCATED)
    await closed(empty, with_everything, RunEnding(Outcome.PARTIAL))
    await fail(empty, with_everything, ids[3], FailureCode.TRUNCATED)
    await opened(empty, with_everything)
    await fail(empty, with_everything, ids[3], FailureCode.TRUNCATED)
    await closed(empty, never_listed, NOT_FOUND)

    known = {one.process.number: one.process for one in await overview.processes(limit=10)}
    assert known == {number: await empty.processes.get(number) for number in known}
    assert known.keys() == {listed_only, with_everything, never_listed}
    assert known[with_everything].documents == Completeness(
        available=1, pending=2, failed_for_good=1, failed_retryable=1, available_bytes=1000
    )


async def test_processes_come_the_newest_first_without_gap_or_overlap(empty: Catalog, overview: Overview) -> None:
    numbers = [fresh_number() for _ in range(7)]
    for number in numbers:
        await opened(empty, number)
    assert [one.process.number for one in await every_process(overview, 3)] == numbers[::-1]


async def test_processes_of_one_moment_are_all_listed(
    empty: Catalog, overview: Overview, own_database: Database
) -> None:
    numbers = [fresh_number() for _ in range(5)]
    for number in numbers:
        await opened(empty, number)
    await set_moments(own_database, "processes", "created_at", datetime(2026, 3, 1, 12, 0, 0, 123457, UTC))
    assert [one.process.number for one in await every_process(overview, 2)] == sorted(numbers, reverse=True)


async def test_only_processes_of_the_court_that_is_asked_for(empty: Catalog, overview: Overview) -> None:
    ours, theirs = fresh_number(), "0000001-39.2024.8.26.0100"
    await opened(empty, ours)
    await opened(empty, theirs)
    assert [one.process.number for one in await every_process(overview, 1, "TJSP")] == [theirs]
    assert [one.process.number for one in await every_process(overview, 1, "TJMT")] == [ours]
    assert await every_process(overview, 1, "tjmt") == []


async def test_a_page_of_processes_takes_as_many_statements_whatever_its_size(
    empty: Catalog, overview: Overview
) -> None:
    for _ in range(5):
        await opened(empty, fresh_number())
    with statements() as said:
        assert len(await overview.processes(limit=10)) == 5
    assert len([one for one in said if one.sql.startswith("SELECT")]) == 3


async def test_failures_of_documents_and_processes_come_the_newest_first(
    empty: Catalog, overview: Overview
) -> None:
    first, second = fresh_number(), fresh_number()
    ids = document_ids(4)
    await empty.listings.record(listing_of(first, ids))
    await fail(empty, first, ids[2])
    await closed(empty, second, NOT_FOUND)
    await fail(empty, first, ids[0], FailureCode.TRUNCATED)
    for limit in (1, 2, 10):
        found = await every_failure(overview, limit)
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
async def test_failures_of_one_moment_are_all_listed(
    empty: Catalog, overview: Overview, own_database: Database, limit: int
) -> None:
    for _ in range(2):
        number, ids = fresh_number(), document_ids(2)
        await empty.listings.record(listing_of(number, ids))
        for document_id in ids:
            await fail(empty, number, document_id)
        await closed(empty, number, NOT_FOUND)
    await closed(empty, fresh_number(), NOT_FOUND)
    for table in ("documents", "processes"):
        await set_moments(own_database, table, "failed_at", datetime(2026, 3, 1, 12, 0, 0, 123457, UTC))
    whole = await overview.failures(limit=100)
    assert len(whole) == 7
    assert [one.place for one in whole] == sorted({one.place for one in whole}, reverse=True)
    assert await every_failure(overview, limit) == whole


async def test_only_failures_with_the_code_that_is_asked_for(empty: Catalog, overview: Overview) -> None:
    number, ids = fresh_number(), document_ids(3)
    await empty.listings.record(listing_of(number, ids))
    for document_id, code in zip(ids, (FailureCode.SEALED, FailureCode.TRUNCATED, FailureCode.SEALED), strict=True):
        await fail(empty, number, document_id, code)
    await closed(empty, fresh_number(), NOT_FOUND)
    found = {code: await every_failure(overview, 1, code) for code in FailureCode}
    assert {code: len(failures) for code, failures in found.items() if failures} == {
        FailureCode.SEALED: 2,
        FailureCode.TRUNCATED: 1,
        FailureCode.NOT_FOUND: 1,
    }


async def test_what_is_tried_again_withdrawn_or_stored_has_not_failed(empty: Catalog, overview: Overview) -> None:
    number, ids = fresh_number(), document_ids(4)
    await empty.listings.record(listing_of(number, ids))
    attempted, again, withdrawn, stored = ids
    await empty.documents.record_failed_attempt(
        number, attempted, FailureCode.TRUNCATED, "HTTP 500", allowed_attempts=5
    )
    for document_id in (again, withdrawn, stored):
        await fail(empty, number, document_id, FailureCode.TRUNCATED)
    assert len(await overview.failures(limit=10)) == 3
    await empty.documents.mark_available(number, stored, stored_object(number, stored))
    await empty.listings.record(listing_of(number, [attempted, again, stored], hour=1))
    assert [one.document and one.document.id for one in await overview.failures(limit=10)] == [again]
    await empty.documents.retry_failed(number)
    assert await overview.failures(limit=10) == []


async def test_a_process_that_is_listed_at_last_has_not_failed(
    empty: Catalog, overview: Overview, number: str
) -> None:
    await closed(empty, number, NOT_FOUND)
    assert len(await overview.failures(limit=10)) == 1
    await empty.listings.record(listing_of(number, document_ids(1)))
    assert await overview.failures(limit=10) == []


@pytest.mark.parametrize(
    ("of_document", "of_process", "restricted"),
    [
        (Secrecy.PUBLIC, Secrecy.UNKNOWN, False),
        (Secrecy.MINIMUM, Secrecy.PUBLIC, True),
        (Secrecy.UNKNOWN, Secrecy.JUSTICE_SECRET, True),
    ],
)
async def test_a_failure_says_whether_its_document_is_for_everybody(
    empty: Catalog,
    overview: Overview,
    number: str,
    of_document: Secrecy,
    of_process: Secrecy,
    restricted: bool,
) -> None:
    [document_id] = document_ids(1)
    document = replace(listed(document_id), secrecy=of_document, type_name="Petição")
    await empty.listings.record(replace(listing_of(number, [document]), secrecy=of_process))
    await fail(empty, number, document_id)
    [known] = await overview.failures(limit=10)
    assert known.document is not None
    assert (known.document.name, known.document.type_name) == ("Petição.pdf", "Petição")
    assert is_withheld(known.document, {Scope.READ}) is restricted


async def test_batches_are_open_until_they_end(empty: Catalog, overview: Overview, own_database: Database) -> None:
    assert await overview.open_batches() == 0
    now = datetime.now(UTC)
    rows = [
        {"id": f"batch{place}", "client": "local", "priority": 4, "created_at": now, "ended_at": ended_at}
        for place, ended_at in enumerate((None, now, None))
    ]
    async with own_database.writing() as connection:
        await connection.execute(insert(batches), rows)
    assert await overview.open_batches() == 2

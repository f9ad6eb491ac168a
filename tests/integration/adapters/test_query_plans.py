"""Frequent queries use an index, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import cycle
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from adapters.database import Catalog, Database
from domain.clients import Scope
from domain.completeness import Outcome
from domain.document_search import DocumentFilters, DocumentOrder
from domain.documents import DocumentStatus
from domain.errors import FailureCode
from domain.run_messages import RunClosing, RunEnding, RunOpening
from tests.support.listings import document_ids, listing_of, stored_object
from tests.support.numbers import fresh_number
from tests.support.statements import plan, statements

Query = Callable[[Catalog, str], Awaitable[Any]]

POSITIONS = "uq_documents_process_number_position"
COUNTED = "ix_documents_counted"
BY_STATUS = "ix_documents_process_number_status"
# Later than the listings of other tests in the same database, so that a page after `MOMENT` starts with these rows.
LATER_HOURS = 1000
FAILURES = (FailureCode.SEALED, FailureCode.TRUNCATED)
QUERIES: dict[str, tuple[Query, str]] = {
    "a page": (lambda catalog, number: catalog.documents.page(number, after=100, limit=20), POSITIONS),
    "what is pending": (
        lambda catalog, number: catalog.documents.list_pending(number, after=100, limit=20),
        BY_STATUS,
    ),
    "a search": (
        lambda catalog, number: catalog.document_search.find(
            number,
            DocumentFilters(text="petição"),
            DocumentOrder.NEWEST,
            scopes=frozenset({Scope.READ}),
            after=100,
            limit=20,
        ),
        "documents",
    ),
    "one document": (lambda catalog, number: catalog.documents.get(number, str(uuid4())), "documents"),
    "a page of an audit": (
        lambda catalog, number: catalog.audits.page(after=(number, str(uuid4())), limit=20),
        "documents",
    ),
    "the count": (lambda catalog, number: catalog.processes.count_documents(number), COUNTED),
    # Two indexes start with the process and the status. The database may choose either.
    "failures by code": (lambda catalog, number: catalog.processes.count_failures_by_code(number), "ix_documents_"),
    "runs without an end": (
        lambda catalog, _: catalog.runs.list_unended(None, older_than=timedelta(minutes=3)),
        "ix_runs_unended",
    ),
    "the process with its latest run": (
        lambda catalog, number: catalog.processes.get(number),
        "ix_runs_process_number_started_at",
    ),
}


@pytest.fixture(scope="session")
async def large_process(database_url: str, catalog: Catalog) -> str:
    """Create a process with many documents, runs and deliveries among others, and run ANALYZE."""
    numbers = [fresh_number() for _ in range(5)]
    for number in numbers:
        ids = document_ids(400)
        await catalog.listings.record(listing_of(number, ids, hour=LATER_HOURS))
        # Only few documents are pending: if most were, any index would be chosen.
        await asyncio.gather(
            *(
                catalog.documents.mark_available(number, document_id, stored_object(number, document_id))
                for place, document_id in enumerate(ids)
                if place % 10
            )
        )
        await asyncio.gather(
            *(
                catalog.documents.record_failed_attempt(number, document_id, code, "", allowed_attempts=1)
                for document_id, code in zip(ids[::40], cycle(FAILURES), strict=False)
            )
        )
        for run in range(20):
            opening = RunOpening(number, str(uuid4()), "local")
            await catalog.runs.open(opening)
            for place in range(3):
                await catalog.runs.subscribe(opening, "local", f"https://example.com/{run}/{place}")
            await catalog.runs.close(RunClosing(number, opening.run_id, RunEnding(Outcome.COMPLETED)))
    for _ in range(40):
        number = fresh_number()
        opening = RunOpening(number, str(uuid4()), "local")
        await catalog.runs.open(opening)
        ending = RunEnding(Outcome.FAILED, FailureCode.NOT_FOUND, "")
        await catalog.runs.close(RunClosing(number, opening.run_id, ending))
    engine = create_async_engine(database_url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            await connection.execute(text("VACUUM"))
        await connection.execute(text("ANALYZE"))
    await engine.dispose()
    return numbers[2]


@pytest.mark.parametrize(("query", "index"), QUERIES.values(), ids=QUERIES.keys())
async def test_a_query_uses_its_index(
    database: Database, catalog: Catalog, large_process: str, query: Query, index: str
) -> None:
    with statements() as executed:
        await query(catalog, large_process)
    plans = [await plan(database, one) for one in executed if one.sql.startswith("SELECT")]
    assert any(index in one for one in plans), plans
    for one in plans:
        assert "Seq Scan" not in one
        assert "SCAN documents" not in one
        assert "SCAN runs" not in one


async def test_a_page_is_read_in_order_without_sorting(
    database: Database, catalog: Catalog, large_process: str
) -> None:
    with statements() as executed:
        await catalog.documents.page(large_process, after=10, limit=20)
    [one] = [await plan(database, one) for one in executed if one.sql.startswith("SELECT")]
    assert "Sort" not in one
    assert "ORDER BY" not in one


async def test_a_page_of_a_rare_status_uses_an_index(
    database: Database, catalog: Catalog, large_process: str
) -> None:
    with statements() as executed:
        await catalog.documents.page(large_process, after=10, limit=20, status=DocumentStatus.PENDING)
    [one] = [await plan(database, one) for one in executed if one.sql.startswith("SELECT")]
    assert BY_STATUS in one
    assert "Sort" not in one
    assert "ORDER BY" not in one


async def test_the_deliveries_of_a_run_use_an_index(
    database: Database, catalog: Catalog, large_process: str
) -> None:
    opening = RunOpening(large_process, str(uuid4()), "local")
    await catalog.runs.open(opening)
    with statements() as executed:
        await catalog.runs.close(RunClosing(large_process, opening.run_id, RunEnding(Outcome.COMPLETED)))
    [page] = [one for one in executed if one.sql.startswith("SELECT webhook_deliveries")]
    assert "ix_webhook_deliveries_run_id_number" in await plan(database, page)


async def test_a_page_takes_one_statement_whatever_its_size(catalog: Catalog, large_process: str) -> None:
    with statements() as executed:
        await catalog.documents.page(large_process, limit=200)
    assert len([one for one in executed if one.sql.startswith("SELECT")]) == 1


# A little after the listings were made.
MOMENT = datetime(2026, 3, 1, 12, 1, tzinfo=UTC) + timedelta(hours=LATER_HOURS)
LISTS: dict[str, tuple[Query, list[str]]] = {
    "processes": (
        # The newest processes have no documents, which any index can tell.
        lambda catalog, _: catalog.lists.list_processes(limit=20),
        ["ix_processes_created_at_number", "_documents_", "runs"],
    ),
    "more processes": (
        lambda catalog, number: catalog.lists.list_processes(after=(MOMENT, number), limit=20),
        ["ix_processes_created_at_number", COUNTED, "runs"],
    ),
    "more processes of a court": (
        lambda catalog, number: catalog.lists.list_processes(after=(MOMENT, number), limit=20, court="TJMT"),
        ["ix_processes_court_created_at_number", COUNTED, "runs"],
    ),
    "failures": (
        lambda catalog, _: catalog.lists.list_failures(limit=20),
        ["ix_documents_failed", "ix_processes_failed"],
    ),
    "more failures of one code": (
        lambda catalog, number: catalog.lists.list_failures(
            after=(MOMENT, number, str(uuid4())), limit=20, code=FailureCode.SEALED
        ),
        ["ix_documents_failed", "ix_processes_failed"],
    ),
}


@pytest.mark.parametrize(("query", "indexes"), LISTS.values(), ids=LISTS.keys())
async def test_the_lists_over_all_processes_use_indexes(
    database: Database, catalog: Catalog, large_process: str, query: Query, indexes: list[str]
) -> None:
    with statements() as executed:
        await query(catalog, large_process)
    plans = [await plan(database, one) for one in executed if one.sql.startswith("SELECT")]
    assert [index in one for index, one in zip(indexes, plans, strict=True)] == [True] * len(indexes), plans
    for one in plans:
        assert "Seq Scan" not in one

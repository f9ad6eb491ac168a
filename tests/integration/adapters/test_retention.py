"""Processes past their retention period, in both kinds of databases."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, cast
from uuid import uuid4

import pytest
from sqlalchemy import update
from temporalio.testing import ActivityEnvironment

from activities.erasure import ErasureActivities
from adapters.database import Catalog, Database
from adapters.database import erasures as erasure_repository
from adapters.database.tables import processes, runs
from domain.batches import Batch, BatchItem
from domain.completeness import Outcome
from domain.erasure import ErasureKind
from domain.erasure_messages import ErasureSweepProgress
from domain.errors import ProcessErased
from domain.watches import WatchWish
from tests.integration.adapters.test_erasures import AUTHOR, opening_of, request
from tests.support.numbers import fresh_number

if TYPE_CHECKING:
    from adapters.storage import ObjectStore
    from adapters.temporal.erasure_client import ErasureClient
    from adapters.temporal.run_client import RunClient


LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


async def make_idle(database: Database, number: str, *, ended: bool = True) -> None:
    """Make all activity of a process old."""
    async with database.writing() as connection:
        await connection.execute(
            update(processes).where(processes.c.number == number).values(created_at=LONG_AGO, listed_at=LONG_AGO)
        )
        await connection.execute(
            update(runs)
            .where(runs.c.process_number == number)
            .values(
                started_at=LONG_AGO,
                ended_at=LONG_AGO if ended else None,
                outcome=Outcome.COMPLETED if ended else None,
            )
        )


async def test_only_idle_processes_expire(catalog: Catalog, database: Database) -> None:
    idle, recent, recent_run, open_run, held, erased = numbers = [fresh_number() for _ in range(6)]
    for number in numbers:
        await catalog.runs.register(opening_of(number))
        if number != recent:
            await make_idle(database, number, ended=number != open_run)
    await catalog.runs.register(opening_of(recent_run))
    await catalog.holds.place(held, AUTHOR, None)
    await catalog.erasures.request(erased, AUTHOR, None)
    before = datetime.now(UTC) - timedelta(days=1)

    found, _ = await catalog.erasures.list_expired(before=before, after=None, limit=50)
    receipts = {number: await catalog.erasures.expire(number, before=before) for number in numbers}

    assert [number for number in found if number in numbers] == [idle]
    assert [number for number, receipt in receipts.items() if receipt is not None] == [idle]
    with pytest.raises(ProcessErased):
        await catalog.processes.get(idle)
    await catalog.erased_rows.erase_all(idle)
    receipt = await catalog.erasures.complete(idle)
    assert receipt is not None
    assert (receipt.kind, receipt.requested_by.client, receipt.blocking) == (
        ErasureKind.RETENTION,
        "retention",
        False,
    )
    # Somebody may request it again, and erase it for good.
    assert await catalog.processes.get(idle) is None
    await catalog.runs.register(opening_of(idle))
    assert (await request(catalog, idle)).kind is ErasureKind.REQUEST


@pytest.mark.parametrize("limit", [1, 50])
async def test_a_page_looks_at_a_bounded_number_of_processes(
    catalog: Catalog, database: Database, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(erasure_repository, "_SCANNED_PER_PAGE", 3)
    numbers = [fresh_number() for _ in range(8)]
    for number in numbers:
        await catalog.runs.register(opening_of(number))
        await make_idle(database, number)
    for number in numbers[:6]:
        # Old, and active.
        await catalog.runs.register(opening_of(number))
    found: list[str] = []
    after, pages = None, 0
    while pages == 0 or after is not None:
        page, after = await catalog.erasures.list_expired(
            before=datetime.now(UTC) - timedelta(days=1), after=after, limit=limit
        )
        assert len(page) <= min(limit, 3)
        found += page
        pages += 1
    assert sorted(set(found) & set(numbers)) == sorted(numbers[6:])
    assert len(found) == len(set(found))
    assert pages >= 3


async def test_a_process_that_a_batch_has_still_to_come_to_does_not_expire(
    catalog: Catalog, database: Database, number: str
) -> None:
    await catalog.runs.register(opening_of(number))
    await make_idle(database, number)
    batch = Batch(uuid4().hex, "office", datetime.now(UTC), 4, (BatchItem(1, number, number),))
    await catalog.batches.add(batch)
    before = datetime.now(UTC) - timedelta(days=1)

    assert await catalog.erasures.expire(number, before=before) is None
    await catalog.batches.mark_ended(batch.id)
    assert await catalog.erasures.expire(number, before=before) is not None


async def test_a_watched_process_does_not_expire(catalog: Catalog, database: Database, number: str) -> None:
    await catalog.watches.put(number, "office", WatchWish())
    await make_idle(database, number)
    before = datetime.now(UTC) - timedelta(days=1)

    assert await catalog.erasures.expire(number, before=before) is None
    await catalog.watches.remove(number, "office")
    assert await catalog.erasures.expire(number, before=before) is not None


async def test_nothing_expires_by_a_clock_that_is_ahead(catalog: Catalog, database: Database, number: str) -> None:
    await catalog.runs.register(opening_of(number))
    await make_idle(database, number)
    # Nothing is looked for in Temporal unless something has expired.
    activities = ErasureActivities(
        catalog,
        cast("ObjectStore", None),
        cast("ErasureClient", None),
        cast("RunClient", None),
        retention=timedelta(days=30),
    )
    environment = ActivityEnvironment()
    # Temporal's clock. This machine's is years ahead.
    environment.info = replace(environment.info, scheduled_time=LONG_AGO + timedelta(days=29))

    page = await environment.run(activities.expire_processes, ErasureSweepProgress())

    assert page.process_numbers == ()
    assert await catalog.erasures.expire(number, before=LONG_AGO + timedelta(days=1)) is not None


async def test_a_request_takes_over_an_erasure_by_retention(
    catalog: Catalog, database: Database, number: str
) -> None:
    await catalog.runs.register(opening_of(number))
    await make_idle(database, number)
    expired = await catalog.erasures.expire(number, before=datetime.now(UTC) - timedelta(days=1))
    assert expired is not None

    requested = await request(catalog, number)
    await catalog.erased_rows.erase_all(number)
    completed = await catalog.erasures.complete(number)

    assert completed is not None
    assert (completed.id, completed.kind, completed.requested_by) == (expired.id, ErasureKind.REQUEST, AUTHOR)
    assert (completed.reason, completed.requested_at) == ("over", requested.requested_at)
    assert requested.requested_at > expired.requested_at
    assert completed.blocking
    with pytest.raises(ProcessErased):
        await catalog.runs.register(opening_of(number))


async def test_a_request_that_races_with_the_end_of_a_retention_blocks_the_process(
    catalog: Catalog, database: Database
) -> None:
    numbers = [fresh_number() for _ in range(20)]
    for number in numbers:
        await catalog.runs.register(opening_of(number))
        await make_idle(database, number)
        await catalog.erasures.expire(number, before=datetime.now(UTC) - timedelta(days=1))
        await catalog.erased_rows.erase_all(number)

    await asyncio.gather(
        *(race(number) for number in numbers for race in (partial(request, catalog), catalog.erasures.complete))
    )

    assert [number for number in numbers if not await catalog.erasures.is_blocked(number)] == []

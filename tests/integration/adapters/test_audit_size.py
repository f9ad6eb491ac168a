"""An audit of many documents needs no more memory than one of few."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import update

from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
from adapters.database.tables import documents
from domain.audit import FindingKind
from domain.documents import DocumentStatus
from domain.storage import StorageAddress
from tests.integration.adapters.conftest import NewDatabase
from tests.support.audits import FULL_AUDIT, AuditedPlace, audit_all, audited_place
from tests.support.listings import document_ids, listing_of
from tests.support.numbers import fresh_number

pytestmark = pytest.mark.thorough

PER_PROCESS = 500
OBJECTS = 1_200


@pytest.fixture
async def database(new_database: NewDatabase) -> AsyncIterator[Database]:
    """An empty database."""
    url = await new_database()
    await asyncio.to_thread(upgrade, url)
    database = Database(url)
    yield database
    await database.close()


@pytest.fixture
async def place(database: Database, s3: StorageAddress) -> AsyncIterator[AuditedPlace]:
    """A catalog and a bucket that hold nothing else."""
    async with audited_place(Catalog(database), s3, str(uuid4())) as place:
        yield place


async def add_rows(place: AuditedPlace, database: Database, rows: int) -> None:
    """Add documents that the catalog calls stored, without objects."""
    for _ in range(rows // PER_PROCESS):
        number = fresh_number()
        await place.catalog.listings.record(listing_of(number, document_ids(PER_PROCESS)))
        async with database.writing() as connection:
            await connection.execute(
                update(documents)
                .where(documents.c.process_number == number)
                .values(
                    status=DocumentStatus.AVAILABLE,
                    object_key="processes/" + documents.c.process_number + "/" + documents.c.id + ".pdf",
                    size_bytes=2_000,
                    sha256="ab" * 32,
                    media_type="application/pdf",
                    stored_at=datetime.now(UTC),
                )
            )


async def measure(place: AuditedPlace) -> tuple[int, int, int]:
    """Audit, and return the peak of memory, the contents and the objects."""
    tracemalloc.start()
    try:
        # No details: what is kept of findings has its own limit.
        counts, findings = await audit_all(place.auditor(), replace(FULL_AUDIT, findings_left=0))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert findings == []
    assert counts.found.get(FindingKind.MISSING, 0) == counts.contents
    return peak, counts.contents, counts.objects


async def test_ten_thousand_documents_need_the_memory_of_a_thousand(
    place: AuditedPlace, database: Database
) -> None:
    slots = asyncio.Semaphore(32)

    async def put_stray() -> None:
        async with slots:
            await place.put(f"processes/strays/{uuid4()}", b"")

    await asyncio.gather(*(put_stray() for _ in range(OBJECTS)))
    await add_rows(place, database, 1_000)
    await measure(place)  # Fills caches of the libraries.
    few, contents, objects = await measure(place)
    assert (contents, objects) == (1_000, OBJECTS)
    await add_rows(place, database, 9_000)
    many, contents, objects = await measure(place)
    assert (contents, objects) == (10_000, OBJECTS)
    assert many < 1.5 * few

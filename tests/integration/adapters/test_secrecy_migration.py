"""After the migration, documents listed before instance levels existed are withheld until the next listing."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, text

from domain.clients import Scope
from domain.secrecy import is_withheld
from tests.integration.adapters.conftest import NewDatabase
from tests.support.listings import listing_of
from tests.support.migrations import open_upgraded_catalog

LISTED = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
FAILED = datetime(2026, 3, 3, 10, 0, tzinfo=UTC)
OPEN, REFUSED = "0000001-56.2026.8.11.0041", "0000002-41.2026.8.11.0041"


def insert_processes(connection: Connection) -> None:
    """Insert a process that is listed and one that the court refuses now."""
    for place, (number, code, failed_at) in enumerate([(OPEN, None, None), (REFUSED, "no_access", FAILED)], 1):
        values = {"number": number, "code": code, "failed": failed_at, "listed": LISTED, "place": place}
        for statement in (
            (
                "INSERT INTO processes (number, court, secrecy, listed_at, failure_code, failed_at, created_at)"
                " VALUES (:number, 'TJMT', 'unknown', :listed, :code, :failed, :listed)"
            ),
            "INSERT INTO instances (id, process_number, key, current) VALUES (:place, :number, 'G1:45', true)",
            (
                "INSERT INTO documents (process_number, id, position, instance_id, secrecy, first_listed_at,"
                " last_listed_at, withdrawn, status)"
                " VALUES (:number, 'kept', 1, :place, 'public', :listed, :listed, false, 'available'),"
                " (:number, 'gone', 2, :place, 'public', :listed, :listed, true, 'available')"
            ),
        ):
            connection.execute(
                text(statement), {key: value for key, value in values.items() if f":{key}" in statement}
            )


async def test_documents_listed_before_are_withheld_until_listed_again(new_database: NewDatabase) -> None:
    async with open_upgraded_catalog(await new_database(), "0004", insert_processes) as catalog:
        kept, gone = await catalog.documents.page(OPEN, limit=9)
        assert (kept.listed, gone.unlisted_at) == (True, LISTED)
        refused = await catalog.documents.page(REFUSED, limit=9)
        assert [document.unlisted_at for document in refused] == [FAILED, LISTED]
        assert all(is_withheld(document, {Scope.READ}) for document in (kept, gone, *refused))
        assert (await catalog.lists.count_unrecognized_levels())["instances"] == 2
        for number in (OPEN, REFUSED):
            await catalog.listings.record(listing_of(number, ["kept"], hour=48))
            kept, gone = await catalog.documents.page(number, limit=9)
            assert not is_withheld(kept, {Scope.READ})
            assert is_withheld(gone, {Scope.READ})

"""An event has the scopes that all keys of a client have in common, including revoked keys."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from adapters.database import Catalog, Database
from adapters.database.client_tables import api_keys, clients
from domain.clients import Scope
from tests.integration.adapters.test_deliveries import create_test_delivery

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


@pytest.fixture
def client() -> str:
    """A client that no other test uses."""
    return f"client-{uuid4().hex[:8]}"


@pytest.mark.parametrize(
    ("scopes", "revoked", "sealed"),
    [([Scope.SEALED], False, True), ([Scope.SEALED], True, False), ([Scope.READ, Scope.ADMIN], False, False)],
)
async def test_sealed_scope_requires_an_active_key_with_it(
    database: Database, catalog: Catalog, client: str, scopes: list[Scope], revoked: bool, sealed: bool
) -> None:
    async with database.writing() as connection:
        await connection.execute(clients.insert().values(name=client, webhook_secret="-", created_at=NOW))
        await connection.execute(
            api_keys.insert().values(
                id=uuid4().hex[:8],
                client=client,
                digest="-",
                scopes=scopes,
                created_at=NOW,
                revoked_at=NOW if revoked else None,
            )
        )
    event = await catalog.deliveries.get_event((await create_test_delivery(catalog, client)).id)
    assert event is not None
    assert (Scope.SEALED in event.scopes) is sealed


async def test_revoked_key_still_limits_the_event_scopes(database: Database, catalog: Catalog, client: str) -> None:
    async with database.writing() as connection:
        await connection.execute(clients.insert().values(name=client, webhook_secret="-", created_at=NOW))
        key = {"client": client, "digest": "-", "created_at": NOW}
        for scopes, revoked_at in (([Scope.READ, Scope.SEALED], None), ([Scope.READ], NOW)):
            values = {**key, "id": uuid4().hex[:8], "scopes": scopes, "revoked_at": revoked_at}
            await connection.execute(api_keys.insert().values(**values))
    event = await catalog.deliveries.get_event((await create_test_delivery(catalog, client)).id)
    assert event is not None
    assert event.scopes == {Scope.READ}


@pytest.mark.parametrize(("client", "sealed"), [("local", True), ("operator", True), ("stranger", False)])
async def test_operator_gets_sealed_fields_and_unknown_client_does_not(
    catalog: Catalog, client: str, sealed: bool
) -> None:
    event = await catalog.deliveries.get_event((await create_test_delivery(catalog, client)).id)
    assert event is not None
    assert (Scope.SEALED in event.scopes) is sealed

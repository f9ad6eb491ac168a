"""The catalog behind PgBouncer in transaction mode: each transaction may use another server connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from uuid import uuid4

import pytest
from sqlalchemy import text

from adapters.database import Catalog, Database
from adapters.database.connections import open_engine
from adapters.database.migrate import upgrade
from domain.accesses import Access, AccessKind, Recipient
from domain.clients import ALL_SCOPES, Client
from domain.errors import ConfigurationError
from domain.run_messages import RunOpening
from tests.support.listings import document_ids, listing_of
from tests.support.numbers import fresh_number
from tests.support.pgbouncer import running_pgbouncer
from tests.support.postgres import create_database

_COUNTER = count(1)


@pytest.fixture(scope="module")
async def pooled_url(postgres: str) -> AsyncIterator[str]:
    """The address of a migrated database behind a pooler with two connections to the server."""
    direct = await create_database(postgres, f"pooled_{next(_COUNTER)}")
    with running_pgbouncer(direct) as url:
        await asyncio.to_thread(upgrade, url)
        yield url


async def test_concurrent_transactions_share_few_server_connections(pooled_url: str) -> None:
    database = Database(pooled_url, pool_size=8)
    catalog = Catalog(database)

    async def record_and_count() -> None:
        number = fresh_number()
        await catalog.listings.record(listing_of(number, document_ids(3)))
        for _ in range(10):
            assert (await catalog.processes.count_documents(number)).pending == 3

    try:
        await asyncio.gather(*(record_and_count() for _ in range(16)))
    finally:
        await database.close()


async def test_an_access_has_a_transaction_behind_a_pooler(pooled_url: str) -> None:
    # Without one, its statement may be prepared at one server and executed at another.
    database, sent, number = Database(pooled_url, pool_size=1), list[str](), fresh_number()
    await Catalog(database).runs.register(RunOpening(number, str(uuid4()), "desk"))
    async with database.writing() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        driver.add_query_logger(lambda logged: sent.append(logged.query))
    access = Access(Recipient(Client("desk", ALL_SCOPES)), number, AccessKind.LINK, ("a",))
    await Catalog(database).accesses.record(access)
    await database.close()
    assert sent.count("COMMIT;") == 1


async def test_services_share_the_server_connections(pooled_url: str) -> None:
    databases = [Database(pooled_url, pool_size=4) for _ in range(3)]
    number = fresh_number()
    await Catalog(databases[0]).listings.record(listing_of(number, document_ids(5)))
    try:
        found = await asyncio.gather(
            *(Catalog(each).processes.count_documents(number) for each in databases for _ in range(20))
        )
    finally:
        for each in databases:
            await each.close()
    assert {each.pending for each in found} == {5}


async def test_no_named_prepared_statement_remains_on_the_server(pooled_url: str) -> None:
    database = Database(pooled_url)
    await Catalog(database).processes.count_documents(fresh_number())
    await database.close()
    engine = open_engine(pooled_url)
    try:
        for _ in range(4):
            async with engine.connect() as connection:
                statement_names = (
                    (await connection.execute(text("SELECT name FROM pg_prepared_statements"))).scalars().all()
                )
                assert [name for name in statement_names if name] == []
    finally:
        await engine.dispose()


async def test_migrating_again_behind_a_pooler_changes_nothing(pooled_url: str) -> None:
    await asyncio.to_thread(upgrade, pooled_url)


async def test_without_a_pooler_statements_stay_prepared(postgres: str) -> None:
    direct = await create_database(postgres, f"pooled_{next(_COUNTER)}")
    engine = open_engine(direct)
    try:
        async with engine.connect() as connection:
            for _ in range(2):
                await connection.execute(text("SELECT 1"))
            kept = await connection.scalar(
                text("SELECT count(*) FROM pg_prepared_statements WHERE statement = 'SELECT 1'")
            )
            assert kept == 1
    finally:
        await engine.dispose()


@pytest.mark.parametrize(("parameter", "kept"), [("prepared_statement_cache_size=0", 0), ("pgbouncer=true", 0)])
async def test_url_parameter_disables_prepared_statements(postgres: str, parameter: str, kept: int) -> None:
    direct = await create_database(postgres, f"pooled_{next(_COUNTER)}")
    engine = open_engine(f"{direct}{'&' if '?' in direct else '?'}{parameter}")
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
            found = await connection.scalar(text("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''"))
            assert found == kept
    finally:
        await engine.dispose()


async def test_required_tls_is_not_downgraded_to_plain_text(pooled_url: str) -> None:
    with pytest.raises(ConfigurationError, match="TLS"):
        await asyncio.to_thread(upgrade, f"{pooled_url}?sslmode=require")


async def test_parameter_refused_by_the_pooler_is_reported(pooled_url: str) -> None:
    with pytest.raises(ConfigurationError, match="pooler"):
        await asyncio.to_thread(upgrade, f"{pooled_url}?options=-csearch_path%3Dpublic")

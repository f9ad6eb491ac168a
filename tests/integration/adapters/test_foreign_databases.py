"""A database that is not ours, or not ours any more, is refused before anything is made in it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import Connection, inspect, text

from adapters.database.migrate import upgrade
from domain.errors import ConfigurationError, DependencyUnavailable
from tests.integration.adapters.conftest import NewDatabase
from tests.integration.adapters.test_migrations import list_tables, run_in_transaction


def run_all(*statements: str) -> object:
    """Run statements on a plain connection."""

    def run(connection: Connection) -> None:
        for statement in statements:
            connection.execute(text(statement))

    return run


async def refused(url: str) -> str:
    """Return the one sentence by which a database is refused, and see that nothing was made."""
    before = await run_in_transaction(url, list_tables)
    with pytest.raises(ConfigurationError) as error:
        await asyncio.to_thread(upgrade, url)
    assert await run_in_transaction(url, list_tables) == before
    assert "\n" not in str(error.value)
    return str(error.value)


VERSION = "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)"


@pytest.mark.parametrize("revision", ["ae1027a6acf", "0001", "0003", "9999"])
async def test_another_applications_alembic_version(new_database: NewDatabase, revision: str) -> None:
    url = await new_database()
    await run_in_transaction(url, run_all(VERSION, f"INSERT INTO alembic_version VALUES ('{revision}')"))
    assert "another application" in await refused(url)


@pytest.mark.parametrize("table", ["documents", "processes", "court"])
async def test_a_table_with_one_of_our_names(new_database: NewDatabase, table: str) -> None:
    url = await new_database()
    await run_in_transaction(url, run_all(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY)"))
    assert f"table {table}" in await refused(url)


async def test_a_view_with_one_of_our_names(new_database: NewDatabase) -> None:
    url = await new_database()
    await run_in_transaction(url, run_all("CREATE VIEW documents AS SELECT 1 AS id"))
    assert "table documents" in await refused(url)


async def test_both_at_once(new_database: NewDatabase) -> None:
    url = await new_database()
    await run_in_transaction(
        url,
        run_all(
            "CREATE TABLE documents (id INTEGER)", VERSION, "INSERT INTO alembic_version VALUES ('ae1027a6acf')"
        ),
    )
    assert "another application" in await refused(url)


async def test_tables_with_other_names_are_nobodys_business(new_database: NewDatabase) -> None:
    url = await new_database()
    await run_in_transaction(url, run_all("CREATE TABLE invoices (id INTEGER)"))
    await asyncio.to_thread(upgrade, url)
    assert await run_in_transaction(url, lambda connection: inspect(connection).has_table("documents"))


async def test_a_newer_version_is_left_alone(new_database: NewDatabase) -> None:
    url = await new_database()
    await asyncio.to_thread(upgrade, url)
    await run_in_transaction(url, run_all("UPDATE alembic_version SET version_num = '9999'"))
    assert "newer version" in await refused(url)


async def test_ours_with_a_foreign_revision(new_database: NewDatabase) -> None:
    url = await new_database()
    await asyncio.to_thread(upgrade, url)
    await run_in_transaction(url, run_all("UPDATE alembic_version SET version_num = 'ae1027a6acf'"))
    assert "another application" in await refused(url)


async def test_a_schema_of_its_own_beside_another_application(postgres: str, new_database: NewDatabase) -> None:
    url = await new_database()
    if url.startswith("sqlite"):
        pytest.skip("SQLite has no schemas.")
    await run_in_transaction(
        url,
        run_all(
            *("CREATE TABLE documents (id INTEGER)", VERSION, "INSERT INTO alembic_version VALUES ('ae1027a6acf')"),
            "CREATE SCHEMA autos",
        ),
    )
    own = f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3Dautos"
    await asyncio.to_thread(upgrade, own)
    await asyncio.to_thread(upgrade, own)
    assert await run_in_transaction(url, list_tables) == {"documents", "alembic_version"}


async def test_a_schema_that_is_missing(new_database: NewDatabase) -> None:
    url = await new_database()
    if url.startswith("sqlite"):
        pytest.skip("SQLite has no schemas.")
    with pytest.raises(ConfigurationError, match="search_path"):
        await asyncio.to_thread(upgrade, f"{url}{'&' if '?' in url else '?'}search_path=nowhere")


async def test_a_user_without_rights(new_database: NewDatabase) -> None:
    url = await new_database()
    if url.startswith("sqlite"):
        pytest.skip("SQLite has no users.")
    await run_in_transaction(url, run_all("CREATE ROLE guest LOGIN", "REVOKE CREATE ON SCHEMA public FROM PUBLIC"))
    with pytest.raises(ConfigurationError, match="rights"):
        await asyncio.to_thread(upgrade, f"{url}{'&' if '?' in url else '?'}user=guest")
    await run_in_transaction(url, run_all("DROP OWNED BY guest", "DROP ROLE guest"))


@pytest.mark.parametrize("content", [b"this is no database at all, but a text of some length" * 30])
async def test_a_file_that_is_no_database(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "autos.db"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match="not an SQLite database"):
        await asyncio.to_thread(upgrade, f"sqlite:///{file}")
    assert file.read_bytes() == content


async def test_a_folder_and_a_place_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "autos.db"):
        with pytest.raises(ConfigurationError):
            await asyncio.to_thread(upgrade, f"sqlite:///{path}")


async def test_a_certificate_that_nobody_names(tmp_path: Path) -> None:
    with pytest.raises((ConfigurationError, DependencyUnavailable)):
        await asyncio.to_thread(upgrade, "postgresql://a@127.0.0.1:1/b?sslmode=verify-full")

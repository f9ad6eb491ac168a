"""A database of another application or a newer version is refused before anything is created in it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import Connection, inspect, text

from adapters.database.migrate import upgrade
from domain.errors import ConfigurationError, DependencyUnavailable
from tests.integration.adapters.conftest import NewDatabase
from tests.integration.adapters.test_migrations import list_tables, run_in_transaction


def build_script(*statements: str) -> object:
    """Return a function that runs statements on a plain connection."""

    def run(connection: Connection) -> None:
        for statement in statements:
            connection.execute(text(statement))

    return run


async def read_refusal(url: str) -> str:
    """Return the error by which a database is refused. Checks that no table was created."""
    before = await run_in_transaction(url, list_tables)
    with pytest.raises(ConfigurationError) as error:
        await asyncio.to_thread(upgrade, url)
    assert await run_in_transaction(url, list_tables) == before
    assert "\n" not in str(error.value)
    return str(error.value)


VERSION = "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)"


@pytest.mark.parametrize("revision", ["ae1027a6acf", "0001", "0003", "9999"])
async def test_alembic_version_of_another_application_is_refused(new_database: NewDatabase, revision: str) -> None:
    url = await new_database()
    await run_in_transaction(url, build_script(VERSION, f"INSERT INTO alembic_version VALUES ('{revision}')"))
    assert "another application" in await read_refusal(url)


@pytest.mark.parametrize("table", ["documents", "processes", "court"])
async def test_existing_table_with_our_name_is_refused(new_database: NewDatabase, table: str) -> None:
    url = await new_database()
    await run_in_transaction(url, build_script(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY)"))
    assert f"table {table}" in await read_refusal(url)


async def test_existing_view_with_our_name_is_refused(new_database: NewDatabase) -> None:
    url = await new_database()
    await run_in_transaction(url, build_script("CREATE VIEW documents AS SELECT 1 AS id"))
    assert "table documents" in await read_refusal(url)


async def test_foreign_table_and_alembic_version_together_are_refused(new_database: NewDatabase) -> None:
    url = await new_database()
    await run_in_transaction(
        url,
        build_script(
            "CREATE TABLE documents (id INTEGER)", VERSION, "INSERT INTO alembic_version VALUES ('ae1027a6acf')"
        ),
    )
    assert "another application" in await read_refusal(url)


async def test_tables_with_other_names_are_ignored(new_database: NewDatabase) -> None:
    url = await new_database()
    await run_in_transaction(url, build_script("CREATE TABLE invoices (id INTEGER)"))
    await asyncio.to_thread(upgrade, url)
    assert await run_in_transaction(url, lambda connection: inspect(connection).has_table("documents"))


async def test_newer_schema_version_is_refused(new_database: NewDatabase) -> None:
    url = await new_database()
    await asyncio.to_thread(upgrade, url)
    await run_in_transaction(url, build_script("UPDATE alembic_version SET version_num = '9999'"))
    assert "newer version" in await read_refusal(url)


async def test_our_schema_with_a_foreign_revision_is_refused(new_database: NewDatabase) -> None:
    url = await new_database()
    await asyncio.to_thread(upgrade, url)
    await run_in_transaction(url, build_script("UPDATE alembic_version SET version_num = 'ae1027a6acf'"))
    assert "another application" in await read_refusal(url)


async def test_own_schema_beside_another_application_is_migrated(postgres: str, new_database: NewDatabase) -> None:
    url = await new_database()
    if url.startswith("sqlite"):
        pytest.skip("SQLite has no schemas.")
    await run_in_transaction(
        url,
        build_script(
            *("CREATE TABLE documents (id INTEGER)", VERSION, "INSERT INTO alembic_version VALUES ('ae1027a6acf')"),
            "CREATE SCHEMA autos",
        ),
    )
    own = f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3Dautos"
    await asyncio.to_thread(upgrade, own)
    await asyncio.to_thread(upgrade, own)
    assert await run_in_transaction(url, list_tables) == {"documents", "alembic_version"}


async def test_missing_schema_is_refused(new_database: NewDatabase) -> None:
    url = await new_database()
    if url.startswith("sqlite"):
        pytest.skip("SQLite has no schemas.")
    with pytest.raises(ConfigurationError, match="search_path"):
        await asyncio.to_thread(upgrade, f"{url}{'&' if '?' in url else '?'}search_path=nowhere")


async def test_user_without_rights_is_refused(new_database: NewDatabase) -> None:
    url = await new_database()
    if url.startswith("sqlite"):
        pytest.skip("SQLite has no users.")
    await run_in_transaction(
        url, build_script("CREATE ROLE guest LOGIN", "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    )
    with pytest.raises(ConfigurationError, match="rights"):
        await asyncio.to_thread(upgrade, f"{url}{'&' if '?' in url else '?'}user=guest")
    await run_in_transaction(url, build_script("DROP OWNED BY guest", "DROP ROLE guest"))


@pytest.mark.parametrize("content", [b"this is no database at all, but a text of some length" * 30])
async def test_file_that_is_not_a_database_is_refused_unchanged(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "autos.db"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match="not an SQLite database"):
        await asyncio.to_thread(upgrade, f"sqlite:///{file}")
    assert file.read_bytes() == content


async def test_folder_and_path_below_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "autos.db"):
        with pytest.raises(ConfigurationError):
            await asyncio.to_thread(upgrade, f"sqlite:///{path}")


async def test_verify_full_without_certificate_fails(tmp_path: Path) -> None:
    with pytest.raises((ConfigurationError, DependencyUnavailable)):
        await asyncio.to_thread(upgrade, "postgresql://a@127.0.0.1:1/b?sslmode=verify-full")

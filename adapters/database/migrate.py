"""Migration of a database to the schema of this version."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import func, inspect, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.connections import open_engine
from adapters.database.engine import WRITE_LOCK_OPTION, Database, begin_explicitly
from adapters.database.error_mapping import translate_error
from adapters.database.search_texts import fill_search_texts
from adapters.database.tables import metadata
from domain.database_address import VARIABLE, DatabaseAddress
from domain.errors import AutosError, ConfigurationError, DependencyUnavailable

_MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
# The first migration creates these tables, and no later one drops them.
_PERMANENT_TABLES = frozenset({"processes", "documents", "court_credentials"})
# Any number that no other program uses in our database: "autos" in ASCII.
_POSTGRES_LOCK = 0x6175746F73
# How long to wait for another service that migrates the same SQLite file.
_TURN_TIMEOUT_MS = 60_000
# How long to wait for a table that another transaction holds on Postgres.
_LOCK_TIMEOUT_MS = 3_000
# For the driver of Postgres: how long a statement may take.
_UNLIMITED: dict[str, Any] = {"command_timeout": None}
_OWN_DATABASE = (
    f"Nothing was changed. Create a database or a schema of its own for Autos, and name it in {VARIABLE}."
)


def upgrade(url: str) -> None:
    """Run every migration that has not been applied, then fill what needs no lock. Idempotent.

    All migrations are one transaction: one that is interrupted changes nothing. Several services may migrate at
    once: they take turns.

    Args:
        url: The database URL, as in AUTOS_DATABASE_URL.

    Raises:
        DependencyUnavailable: The database does not answer, or another transaction holds one of its tables.
        ConfigurationError: The database refuses the user, does not exist, belongs to another application, or was
            migrated by a newer version.
    """
    address = DatabaseAddress.parse(url)
    if address.path is not None:
        _create_folder(Path(address.path))
    try:
        asyncio.run(_upgrade(url))
    except AutosError:
        raise
    except (SQLAlchemyError, OSError, ValueError) as error:
        failure = translate_error(error) or DependencyUnavailable(
            "database", f"The catalog's database cannot be migrated ({type(error).__name__})."
        )
        if isinstance(failure, DependencyUnavailable):
            failure.place = address.describe()
        raise failure from None


def _create_folder(file: Path) -> None:
    if file.is_dir():
        raise ConfigurationError(f"{VARIABLE} names a folder: name a file in it.")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"The folder of the database's file cannot be created: {error.strerror or type(error).__name__}."
        ) from None


async def _upgrade(url: str) -> None:
    config = _create_config()
    # An index of a large table takes longer than a statement of a service may.
    engine = open_engine(url, connect_args=_UNLIMITED if DatabaseAddress.parse(url).path is None else None)
    if engine.dialect.name == "sqlite":
        # Foreign keys stay off: a table that is made anew is dropped meanwhile, and with it what refers to it.
        begin_explicitly(engine, pragmas=(f"busy_timeout = {_TURN_TIMEOUT_MS}",))
    try:
        async with engine.connect() as connection, _begin_in_turn(connection):
            await connection.run_sync(check_owner, open_scripts())
            await connection.run_sync(lambda sync: command.upgrade(_attach_connection(config, sync), "head"))
    finally:
        await engine.dispose()
    database = Database(url, pool_size=1)
    try:
        await fill_search_texts(database)
    finally:
        await database.close()


@asynccontextmanager
async def _begin_in_turn(connection: AsyncConnection) -> AsyncIterator[None]:
    """Open the transaction once no other service migrates this database."""
    if connection.dialect.name == "sqlite":
        await connection.execution_options(**WRITE_LOCK_OPTION)
    async with connection.begin():
        if connection.dialect.name == "postgresql":
            # Released at the transaction's end, also behind a pooler.
            await connection.execute(select(func.pg_advisory_xact_lock(_POSTGRES_LOCK)))
            # Whoever asks for a table after this transaction waits behind it. A backup, which holds all tables for
            # as long as it takes, must not stop the services.
            await connection.execute(select(func.set_config("lock_timeout", str(_LOCK_TIMEOUT_MS), True)))
        yield


def open_scripts() -> ScriptDirectory:
    """Return the migrations of this version."""
    return ScriptDirectory.from_config(_create_config())


def _create_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config


def check_owner(connection: Connection, scripts: ScriptDirectory) -> None:
    """Check that the database is empty, or belongs to Autos and is not newer than this version.

    Raises:
        ConfigurationError: It has tables of another application, or of a newer version.
    """
    inspector = inspect(connection)
    present = {*inspector.get_table_names(), *inspector.get_view_names()}
    known = {script.revision for script in scripts.walk_revisions()}
    applied = set(MigrationContext.configure(connection).get_current_heads())
    if not applied:
        if conflicting := sorted(present & metadata.tables.keys()):
            raise ConfigurationError(
                f"The database has a table {conflicting[0]} that Autos did not create. {_OWN_DATABASE}"
            )
        return
    if not present >= _PERMANENT_TABLES:
        raise ConfigurationError(
            f"The database belongs to another application: its alembic_version is not from Autos. {_OWN_DATABASE}"
        )
    if not applied <= known:
        newest = max(known)
        if all(revision.isdigit() and len(revision) == len(newest) and revision > newest for revision in applied):
            raise ConfigurationError(
                "The database was migrated by a newer version of Autos than this one: run that version. "
                "Nothing was changed."
            )
        raise ConfigurationError(
            f"The database belongs to another application: its alembic_version is not from Autos. {_OWN_DATABASE}"
        )


def _attach_connection(config: Config, connection: object) -> Config:
    config.attributes["connection"] = connection
    return config

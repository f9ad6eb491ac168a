"""Bringing a database to the schema that this version works on."""

from __future__ import annotations

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from adapters.database.connections import open_engine
from adapters.database.engine import translated
from adapters.database.tables import metadata
from domain.database_address import VARIABLE, DatabaseAddress
from domain.errors import AutosError, ConfigurationError, DependencyUnavailable

_MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
# The first migration makes them, and no later one takes them away.
_ALWAYS_OURS = frozenset({"processes", "documents", "court_credentials"})
_OWN_DATABASE = (
    f"Nothing was changed. Create a database or a schema of its own for Autos, and name it in {VARIABLE}."
)


def upgrade(url: str) -> None:
    """Run every migration that the database has not seen. Doing it again changes nothing.

    Args:
        url: The address, as in AUTOS_DATABASE_URL.

    Raises:
        DependencyUnavailable: The database does not answer.
        ConfigurationError: It refuses us, does not exist, belongs to another application, or to a newer version.
    """
    address = DatabaseAddress.parse(url)
    if address.path is not None:
        _make_folder(Path(address.path))
    try:
        asyncio.run(_upgrade(url))
    except AutosError:
        raise
    except (SQLAlchemyError, OSError, ValueError) as error:
        raise translated(error) or DependencyUnavailable(
            "database", f"The catalog's database cannot be brought up to date ({type(error).__name__})."
        ) from None


def _make_folder(file: Path) -> None:
    if file.is_dir():
        raise ConfigurationError(f"{VARIABLE} names a folder: name a file in it.")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"The folder of the database's file cannot be made: {error.strerror or type(error).__name__}."
        ) from None


async def _upgrade(url: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    engine = open_engine(url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_check_owner, ScriptDirectory.from_config(config))
            await connection.run_sync(lambda sync: command.upgrade(_with_connection(config, sync), "head"))
    finally:
        await engine.dispose()


def _check_owner(connection: Connection, scripts: ScriptDirectory) -> None:
    """Let only an empty database pass, or one of ours that is not newer than this version.

    Raises:
        ConfigurationError: Another application's tables are there, or a newer version's.
    """
    looked = inspect(connection)
    present = {*looked.get_table_names(), *looked.get_view_names()}
    known = {script.revision for script in scripts.walk_revisions()}
    applied = set(MigrationContext.configure(connection).get_current_heads())
    if not applied:
        if taken := sorted(present & metadata.tables.keys()):
            raise ConfigurationError(
                f"The database has a table {taken[0]} that Autos has not made. {_OWN_DATABASE}"
            )
        return
    if not present >= _ALWAYS_OURS:
        raise ConfigurationError(
            f"The database belongs to another application: its alembic_version is not of Autos. {_OWN_DATABASE}"
        )
    if not applied <= known:
        newest = max(known)
        if all(revision.isdigit() and len(revision) == len(newest) and revision > newest for revision in applied):
            raise ConfigurationError(
                "The database was brought up to date by a newer version of Autos than this one: run that version. "
                "Nothing was changed."
            )
        raise ConfigurationError(
            f"The database belongs to another application: its alembic_version is not of Autos. {_OWN_DATABASE}"
        )


def _with_connection(config: Config, connection: object) -> Config:
    config.attributes["connection"] = connection
    return config

"""An operator's questions about a database that may not be ours, or not be ready. Nothing is written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from alembic.migration import MigrationContext
from sqlalchemy import delete, false
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.connections import open_engine
from adapters.database.engine import read_clock
from adapters.database.error_mapping import TranslatingDriverErrors
from adapters.database.migrate import check_owner, open_scripts
from adapters.database.tables import processes
from domain.database_address import DatabaseAddress
from domain.errors import DependencyUnavailable


@dataclass(frozen=True, slots=True)
class SchemaVersion:
    """The schema of a database.

    Attributes:
        applied: Its last migration. None if it has none of ours.
        newest: The last migration of this version of Autos.
    """

    applied: str | None
    newest: str


class DatabaseInspector:
    """Looks at a database without the catalog's own engine, which sets a journal mode on SQLite files.

    Args:
        url: The database URL, as in AUTOS_DATABASE_URL.

    Raises:
        ConfigurationError: The URL cannot be used.
    """

    def __init__(self, url: str) -> None:
        self._address = DatabaseAddress.parse(url)
        self._file = Path(self._address.path) if self._address.path is not None else None
        self._engine = open_engine(url)

    async def read_clock(self) -> datetime:
        """Return the database's time, or raise because it does not answer.

        Raises:
            DependencyUnavailable: It does not answer, or its file does not exist.
            ConfigurationError: It refuses the user, or does not exist.
        """
        async with self._connect() as connection:
            return await read_clock(connection)

    async def read_schema(self) -> SchemaVersion:
        """Return the schema's version.

        Raises:
            DependencyUnavailable: The database does not answer.
            ConfigurationError: It belongs to another application, or was migrated by a newer version of Autos.
        """
        async with self._connect() as connection:
            return await connection.run_sync(_read_schema)

    async def check_writes(self) -> None:
        """Check that our user may write, with a statement that changes no row.

        Raises:
            DependencyUnavailable: The database is read-only, or does not answer.
            ConfigurationError: The user lacks permissions.
        """
        async with self._connect() as connection:
            await connection.execute(delete(processes).where(false()))
            await connection.rollback()

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[AsyncConnection]:
        if self._file is not None and not await asyncio.to_thread(self._file.exists):
            # The driver would create it.
            missing = DependencyUnavailable("database", "The catalog's database does not exist yet.")
            missing.place = self._address.describe()
            raise missing
        with TranslatingDriverErrors(self._address.describe()):
            async with self._engine.connect() as connection:
                yield connection

    async def close(self) -> None:
        """Close the connections."""
        await self._engine.dispose()


def _read_schema(connection: Connection) -> SchemaVersion:
    scripts = open_scripts()
    check_owner(connection, scripts)
    applied = MigrationContext.configure(connection).get_current_heads()
    return SchemaVersion(max(applied, default=None), str(scripts.get_current_head()))

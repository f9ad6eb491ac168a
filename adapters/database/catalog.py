"""The catalog as one thing to hand around."""

from __future__ import annotations

from sqlalchemy import text

from adapters.database.documents import Documents
from adapters.database.engine import Database
from adapters.database.listings import Listings
from adapters.database.processes import Processes
from adapters.database.runs import Runs
from adapters.database.webhooks import Webhooks


class Catalog:
    """Every table's room over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.processes = Processes(database)
        self.listings = Listings(database)
        self.documents = Documents(database)
        self.runs = Runs(database)
        self.webhooks = Webhooks(database)

    async def check(self) -> None:
        """Ask the database for a sign of life, and whether it has been migrated at all.

        Raises:
            DependencyUnavailable: there is none, or it has not.
        """
        async with self._database.reading() as connection:
            await connection.execute(text("SELECT version_num FROM alembic_version"))

    async def close(self) -> None:
        """Close every connection."""
        await self._database.close()

"""The catalog as one thing to hand around."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from adapters.database.alerts import Alerts
from adapters.database.batches import Batches
from adapters.database.clients import Clients
from adapters.database.conflicts import retry_conflicts
from adapters.database.court import Court
from adapters.database.court_candidate import CourtCandidateRepository
from adapters.database.court_pace import CourtPaceRepository
from adapters.database.delivery_log import DeliveryLog
from adapters.database.documents import Documents
from adapters.database.endpoints import Endpoints
from adapters.database.engine import Database
from adapters.database.listings import Listings
from adapters.database.overview import Overview
from adapters.database.processes import Processes
from adapters.database.runs import Runs
from adapters.database.store_circuit import StoreCircuitRepository
from adapters.database.webhooks import Webhooks

if TYPE_CHECKING:
    from adapters.sealing import Seal

for _repository in (
    *(Alerts, Batches, Clients, Court, Documents, Listings, Overview, Processes, Runs),
    *(CourtCandidateRepository, CourtPaceRepository, StoreCircuitRepository),
    *(Webhooks, DeliveryLog, Endpoints),
):
    retry_conflicts(_repository)


class Catalog:
    """Every table's room over one database.

    Args:
        seal: for the court's credentials and the clients' webhook secrets; none on a deployment that stores none.
    """

    def __init__(self, database: Database, seal: Seal | None = None) -> None:
        self._database = database
        self.processes = Processes(database)
        self.listings = Listings(database)
        self.documents = Documents(database)
        self.overview = Overview(database)
        self.runs = Runs(database)
        self.webhooks = Webhooks(database)
        self.court = Court(database, seal)
        self.court_candidate = CourtCandidateRepository(database, seal)
        self.court_pace = CourtPaceRepository(database)
        self.clients = Clients(database, seal)
        self.batches = Batches(database)
        self.alerts = Alerts(database)
        self.store_circuit = StoreCircuitRepository(database)

    @property
    def transactions(self) -> int:
        """How many transactions this process has begun; grows."""
        return self._database.transactions

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

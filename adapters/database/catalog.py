"""The catalog: all repositories over one database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from adapters.database.accesses import AccessRepository
from adapters.database.alerts import AlertRepository
from adapters.database.audits import AuditRepository
from adapters.database.batches import BatchRepository
from adapters.database.bundle_builds import BundleBuildRepository
from adapters.database.bundles import BundleRepository
from adapters.database.candidate_credentials import CandidateCredentialsRepository
from adapters.database.cases import CaseRepository
from adapters.database.changes import ChangeRepository
from adapters.database.clients import ClientRepository
from adapters.database.conflicts import retry_conflicts
from adapters.database.court_rate_limit import CourtRateLimitRepository
from adapters.database.court_state import CourtStateRepository
from adapters.database.deliveries import DeliveryRepository
from adapters.database.delivery_log import DeliveryLogRepository
from adapters.database.document_search import DocumentSearchRepository
from adapters.database.documents import DocumentRepository
from adapters.database.endpoints import EndpointRepository
from adapters.database.engine import Database
from adapters.database.erased_rows import ErasedRowsRepository
from adapters.database.erasures import ErasureRepository
from adapters.database.events import EventRepository
from adapters.database.history import HistoryRepository
from adapters.database.holds import HoldRepository
from adapters.database.list_queries import ListRepository
from adapters.database.listings import ListingRepository
from adapters.database.processes import ProcessRepository
from adapters.database.runs import RunRepository
from adapters.database.store_circuit import StoreCircuitRepository
from adapters.database.watches import WatchRepository

if TYPE_CHECKING:
    from adapters.security.encryption import Encryptor

for _repository in (
    AccessRepository,
    AlertRepository,
    AuditRepository,
    BatchRepository,
    BundleBuildRepository,
    BundleRepository,
    CaseRepository,
    ChangeRepository,
    CandidateCredentialsRepository,
    ClientRepository,
    CourtRateLimitRepository,
    CourtStateRepository,
    DeliveryLogRepository,
    DeliveryRepository,
    DocumentRepository,
    DocumentSearchRepository,
    EndpointRepository,
    HistoryRepository,
    ErasedRowsRepository,
    ErasureRepository,
    EventRepository,
    HoldRepository,
    ListRepository,
    ListingRepository,
    ProcessRepository,
    RunRepository,
    StoreCircuitRepository,
    WatchRepository,
):
    retry_conflicts(_repository)


class Catalog:
    """Every repository over one database.

    Args:
        database: The database that all repositories share.
        encryptor: Encrypts the court's credentials and the clients' webhook secrets. None if the deployment stores
            neither.

    Attributes:
        accesses: The access trail.
        bundle_builds: What builds and sweeps of bundles read.
        cases: What the last listing says of a case, and its timeline.
        changes: The log of what each listing changes.
        document_search: Filtered and sorted documents of one process.
        history: Old rows, for the sweep that prunes them.
        lists: Pages over all processes and over all failures.
        deliveries: Webhook deliveries, with their log and the failing endpoints.
        court_state: The circuit breaker in front of the court, and the credentials in use.
        candidate_credentials: New credentials that have not been tried at the court yet.
        court_rate_limit: The rate limiter of requests to the court.
        store_circuit: The circuit breaker of the object store.
        erasures: Receipts of erasures, which are the tombstones of processes.
        erased_rows: The rows that an erasure deletes.
        holds: Legal holds.
        events: What each client was told.
        watches: The processes that clients watch.
    """

    def __init__(self, database: Database, encryptor: Encryptor | None = None) -> None:
        self._database = database
        self.accesses = AccessRepository(database)
        self.processes = ProcessRepository(database)
        self.listings = ListingRepository(database)
        self.cases = CaseRepository(database)
        self.changes = ChangeRepository(database)
        self.documents = DocumentRepository(database)
        self.document_search = DocumentSearchRepository(database)
        self.lists = ListRepository(database)
        self.runs = RunRepository(database)
        self.history = HistoryRepository(database)
        self.deliveries = DeliveryRepository(database)
        self.court_state = CourtStateRepository(database, encryptor)
        self.candidate_credentials = CandidateCredentialsRepository(database, encryptor)
        self.court_rate_limit = CourtRateLimitRepository(database)
        self.clients = ClientRepository(database, encryptor)
        self.batches = BatchRepository(database)
        self.bundles = BundleRepository(database)
        self.bundle_builds = BundleBuildRepository(database)
        self.alerts = AlertRepository(database)
        self.audits = AuditRepository(database)
        self.store_circuit = StoreCircuitRepository(database)
        self.erasures = ErasureRepository(database)
        self.erased_rows = ErasedRowsRepository(database)
        self.holds = HoldRepository(database)
        self.events = EventRepository(database)
        self.watches = WatchRepository(database)

    @property
    def transactions(self) -> int:
        """Number of transactions begun since this service started."""
        return self._database.transactions

    async def check(self) -> None:
        """Check that the database answers and has been migrated.

        Raises:
            DependencyUnavailable: It does not answer, or has no tables.
        """
        async with self._database.reading() as connection:
            await connection.execute(text("SELECT version_num FROM alembic_version"))

    async def close(self) -> None:
        """Finish what is written in the background, and close every connection."""
        await self.clients.close()
        await self._database.close()

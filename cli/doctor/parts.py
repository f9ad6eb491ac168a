"""The parts that the checks look at, opened by the adapters of the services with the services' own settings."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from adapters.database import Catalog, Database
from adapters.database.inspection import DatabaseInspector
from adapters.security.encryption import Encryptor
from adapters.storage.inspection import BucketInspector, LinkAnswer
from cli.doctor.findings import CheckName, State
from domain.errors import ConfigurationError, CourtFailure
from settings import Settings

if TYPE_CHECKING:
    from temporalio.client import Client

    from adapters.court_pdpj import PdpjClient
    from domain.court import CourtState


class Parts:
    """What the checks share. Each part is opened by the check that needs it first, and closed with the stack.

    Args:
        settings: The settings of the service.
        webhook_url: The address that the operator wants to be tried. None means the alerts' address.
        stack: Closes the parts.

    Attributes:
        states: How the checks have ended that are over.
        database_skew: How far the database's clock is ahead of ours. None on SQLite, which has no other clock.
        temporal: Set by the check ``temporal``.
        bucket: Set by the check ``bucket``.
        link_answer: Set by the check ``bucket_round_trip``.
        court_state: Set by the check ``circuits``.
        court: Set by the check ``court``.
        court_failure: How the court failed in the check ``court``.
        token_accepted: The court has accepted the token in the check ``court``.
    """

    def __init__(self, settings: Settings, webhook_url: str | None, stack: AsyncExitStack) -> None:
        self.settings = settings
        self.webhook_url = webhook_url
        self.stack = stack
        self.states: dict[CheckName, State] = {}
        self.database_skew: timedelta | None = None
        self.temporal: Client | None = None
        self.bucket: BucketInspector | None = None
        self.link_answer: LinkAnswer | None = None
        self.court_state: CourtState | None = None
        self.court: PdpjClient | None = None
        self.court_failure: CourtFailure | None = None
        self.token_accepted = False

    def is_usable(self, name: CheckName) -> bool:
        """Return whether a check has ended without a failure."""
        return self.states.get(name) in (State.OK, State.WARNING)

    @cached_property
    def database(self) -> DatabaseInspector:
        """The database, before it is known to be ours.

        Raises:
            ConfigurationError: AUTOS_DATABASE_URL cannot be used.
        """
        inspector = DatabaseInspector(self.settings.effective_database_url)
        self.stack.push_async_callback(inspector.close)
        return inspector

    @cached_property
    def encryptor(self) -> Encryptor | None:
        """What decrypts the stored credentials. None without AUTOS_SECRET_KEY.

        Raises:
            ConfigurationError: AUTOS_SECRET_KEY holds something that is no key.
        """
        return Encryptor(self.settings.secret_keys) if self.settings.secret_keys else None

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog. Only for checks that need the schema."""
        try:
            encryptor = self.encryptor
        except ConfigurationError:  # The check of the secret key says so.
            encryptor = None
        catalog = Catalog(Database(self.settings.effective_database_url, pool_size=4), encryptor)
        self.stack.push_async_callback(catalog.close)
        return catalog

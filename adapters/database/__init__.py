"""The catalog on SQLAlchemy: processes, documents, runs, clients, batches, webhooks; a module per table or list."""

from adapters.database import client_tables  # noqa: F401 - its tables belong to the schema.
from adapters.database.catalog import Catalog
from adapters.database.engine import Database

__all__ = ["Catalog", "Database"]

"""The catalog: processes, documents, runs, clients, batches and webhooks, on SQLAlchemy Core."""

from adapters.database import client_tables  # noqa: F401 - registers its tables in the schema.
from adapters.database.catalog import Catalog
from adapters.database.engine import Database

__all__ = ["Catalog", "Database"]

"""The catalog on SQLAlchemy: what is known of processes, documents, runs and webhooks.

engine      the connection and its transactions     listings   what the court says a process holds
tables      the schema                              documents  what became of each document
migrate     bringing a database to the schema       runs       opening and closing runs
processes   counts and snapshots                    webhooks   subscriptions and deliveries
"""

from adapters.database.catalog import Catalog
from adapters.database.engine import Database

__all__ = ["Catalog", "Database"]

"""Tables with a single row each, shared by the whole deployment: circuit breakers, credentials, rate limiter.

A deployment has one court, one identity at that court, and one object store.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Double, Integer, String, Table, Text, text

from adapters.database.tables import UtcDateTime, metadata

# The primary key of the only row.
SINGLE_ROW_ID = 1

# The circuit breaker in front of the court, and what is known about the token in use.
court = Table(
    "court",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("generation", Integer, nullable=False, server_default="0"),
    Column("failure_code", String(32)),
    Column("failure_answer", Text),
    # The process whose request failed. Probes ask for the same one.
    Column("process_number", String(25)),
    Column("since", UtcDateTime),
    Column("not_before", UtcDateTime),
    Column("probes", Integer, nullable=False, server_default="0"),
    Column("next_probe_at", UtcDateTime),
    Column("asked_at", UtcDateTime),
    # A truncated digest of the token.
    Column("refused_token", String(16)),
    Column("relapses", Integer, nullable=False, server_default="0"),
    # The token in use, as a worker last saw it. Nothing here is secret.
    Column("token_source", String(16)),
    Column("token_expires_at", UtcDateTime),
    Column("token_renewable", Boolean, nullable=False, server_default=text("false")),
    Column("token_rejected", Boolean, nullable=False, server_default=text("false")),
)

court_credentials = Table(
    "court_credentials",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    # Both tokens are encrypted: a copy of the database gives no access to the court.
    Column("access_token", Text),
    Column("refresh_token", Text),
    Column("expires_at", UtcDateTime),
    Column("refresh_expires_at", UtcDateTime),
    Column("stored_at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False),
)

# Credentials brought while valid ones were in use, until they have been tried at the court.
court_candidate = Table(
    "court_candidate",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    # Encrypted, and set to NULL once there is a verdict.
    Column("access_token", Text),
    Column("refresh_token", Text),
    Column("expires_at", UtcDateTime),
    Column("refresh_expires_at", UtcDateTime),
    Column("version", Integer, nullable=False),
    Column("verdict", String(16), nullable=False),
)

# The circuit breaker of the object store.
store_circuit = Table(
    "store_circuit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("generation", Integer, nullable=False),
    Column("reason", Text),
    Column("since", UtcDateTime),
    Column("probes", Integer, nullable=False),
    Column("next_probe_at", UtcDateTime),
)

# The rate limiter of requests to the court.
court_pace = Table(
    "court_pace",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    # When the next request may be sent, in epoch seconds of the database's clock.
    Column("next_slot", Double, nullable=False),
)

"""The catalog's tables. Uniqueness is kept by constraints, counts are made by queries."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    TypeDecorator,
    text,
)

# SQLite numbers rows by itself only for its own INTEGER type.
_Number = BigInteger().with_variant(Integer, "sqlite")


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: aware on both sides, UTC in between. SQLite has no zones, so there it is stored without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive times: they would be read as another zone's."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise TypeError("naive datetime given to the catalog")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the moment back in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

processes = Table(
    "processes",
    metadata,
    Column("number", String(25), primary_key=True),
    Column("court", String(16), nullable=False),
    Column("secrecy", String(16), nullable=False, server_default="unknown"),
    Column("class_code", Integer),
    Column("class_name", Text),
    Column("subjects", JSON, nullable=False, server_default="[]"),
    Column("filed_at", UtcDateTime),
    Column("value", Numeric(18, 2, asdecimal=True)),
    Column("listed_at", UtcDateTime),
    # What the court's last listing named, so that rows lost since then are noticed.
    Column("listed_documents", Integer),
    Column("failure_code", String(32)),
    Column("failure_answer", Text),
    Column("failed_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
)

instances = Table(
    "instances",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("process_number", ForeignKey("processes.number", ondelete="CASCADE"), nullable=False),
    Column("key", String(64), nullable=False),
    Column("degree", String(16)),
    Column("name", Text),
    Column("court_unit", Text),
    Column("filed_at", UtcDateTime),
    Column("current", Boolean, nullable=False),
    Index("uq_instances_process_number_key", "process_number", "key", unique=True),
)

documents = Table(
    "documents",
    metadata,
    Column("process_number", ForeignKey("processes.number", ondelete="CASCADE"), primary_key=True),
    Column("id", String(36), primary_key=True),
    # The place in the process, given when the document is first listed and never changed: pages stand on it.
    Column("position", Integer, nullable=False),
    Column("instance_id", ForeignKey("instances.id"), nullable=False),
    Column("name", Text),
    Column("sequence", Integer),
    Column("type_code", Integer),
    Column("type_name", Text),
    Column("filed_at", UtcDateTime),
    Column("secrecy", String(16), nullable=False),
    Column("binary_href", Text),
    Column("text_href", Text),
    Column("declared_media_type", Text),
    Column("declared_size_bytes", BigInteger),
    Column("pages", Integer),
    Column("origin_id", Text),
    # Every id under which the last listing has the document, as it comes from several of the court's systems.
    Column("sources", JSON, nullable=False, server_default="[]"),
    Column("first_listed_at", UtcDateTime, nullable=False),
    Column("last_listed_at", UtcDateTime, nullable=False),
    # True once a listing no longer names the document: then it counts only if it is stored already.
    Column("withdrawn", Boolean, nullable=False, server_default=text("false")),
    Column("status", String(16), nullable=False),
    Column("failed_attempts", Integer, nullable=False, server_default="0"),
    Column("failure_code", String(32)),
    Column("failure_answer", Text),
    Column("failed_at", UtcDateTime),
    Column("object_key", Text),
    Column("size_bytes", BigInteger),
    Column("sha256", String(64)),
    Column("media_type", Text),
    Column("stored_at", UtcDateTime),
    Index("uq_documents_process_number_position", "process_number", "position", unique=True),
    # Pages of one status, and of what is still to be downloaded.
    Index("ix_documents_process_number_status", "process_number", "status", "position"),
    # Counts, from the index alone.
    Index(
        "ix_documents_counted",
        "process_number",
        "status",
        "withdrawn",
        "failure_code",
        "position",
        "size_bytes",
    ),
)

runs = Table(
    "runs",
    metadata,
    # Temporal's id of the first execution, the same over every continue-as-new.
    Column("id", String(36), primary_key=True),
    Column("process_number", String(25), nullable=False),
    Column("client", String(64), nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("outcome", String(16)),
    Column("failure_code", String(32)),
    Column("failure_answer", Text),
    Column("total_documents", Integer),
    Column("available_documents", Integer),
    Column("failed_documents", Integer),
    Column("available_bytes", BigInteger),
    Index("ix_runs_process_number_started_at", "process_number", "started_at"),
)

subscriptions = Table(
    "webhook_subscriptions",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("process_number", String(25), nullable=False),
    Column("client", String(64), nullable=False),
    Column("url", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    # The run whose end was announced to it; none while it waits for one.
    Column("run_id", ForeignKey("runs.id")),
    # One open subscription per address: a client that asks again is not called twice.
    Index(
        "uq_webhook_subscriptions_waiting",
        "process_number",
        "client",
        "url",
        unique=True,
        sqlite_where=text("run_id IS NULL"),
        postgresql_where=text("run_id IS NULL"),
    ),
)

deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("subscription_id", ForeignKey("webhook_subscriptions.id"), nullable=False, unique=True),
    Column("run_id", ForeignKey("runs.id"), nullable=False),
    Column("process_number", String(25), nullable=False),
    Column("client", String(64), nullable=False),
    Column("url", Text, nullable=False),
    Column("event_type", String(32), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("delivered_at", UtcDateTime),
    Column("given_up_at", UtcDateTime),
    Index("ix_webhook_deliveries_run_id_number", "run_id", "number"),
)

attempts = Table(
    "webhook_attempts",
    metadata,
    Column("delivery_number", ForeignKey("webhook_deliveries.number"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("sent_at", UtcDateTime, nullable=False),
    Column("status_code", Integer),
    Column("latency_ms", Integer),
    Column("excerpt", Text),
    Column("error", Text),
    Column("next_attempt_at", UtcDateTime),
)

# One row each: a deployment has one court and one identity there.
court = Table(
    "court",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("failure_code", String(32)),
    Column("failure_answer", Text),
    # Where the trouble was met: probes ask for the same process.
    Column("process_number", String(25)),
    Column("since", UtcDateTime),
    Column("not_before", UtcDateTime),
    Column("probes", Integer, nullable=False, server_default="0"),
    Column("next_probe_at", UtcDateTime),
    Column("asked_at", UtcDateTime),
    # A digest of the token, cut short.
    Column("refused_token", String(16)),
    Column("relapses", Integer, nullable=False, server_default="0"),
    Column("answered_at", UtcDateTime),
    # What may be told of the token in use, as a worker last saw it.
    Column("token_source", String(16)),
    Column("token_expires_at", UtcDateTime),
    Column("token_renewable", Boolean, nullable=False, server_default=text("false")),
    Column("token_rejected", Boolean, nullable=False, server_default=text("false")),
)

court_credentials = Table(
    "court_credentials",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    # Both are sealed: a copy of the database is no way into the court.
    Column("access_token", Text),
    Column("refresh_token", Text),
    Column("expires_at", UtcDateTime),
    Column("refresh_expires_at", UtcDateTime),
    Column("stored_at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False),
)

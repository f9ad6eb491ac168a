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
    Double,
    ForeignKey,
    ForeignKeyConstraint,
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
RowNumber = BigInteger().with_variant(Integer, "sqlite")


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


def _unrecognized_secrecy(table: str) -> Index:
    """The rows whose level of secrecy was not understood, which are counted for the operator."""
    condition = text("secrecy = 'unrecognized'")
    return Index(f"ix_{table}_unrecognized_secrecy", "secrecy", sqlite_where=condition, postgresql_where=condition)


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
    # Since when the court shows nothing of a process that it listed before; null from the next listing on.
    Column("unlisted_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    # What is there, the newest first.
    Index("ix_processes_created_at_number", "created_at", "number"),
    Index("ix_processes_court_created_at_number", "court", "created_at", "number"),
    # What failed, everywhere.
    Index(
        "ix_processes_failed",
        "failed_at",
        "number",
        sqlite_where=text("failure_code IS NOT NULL"),
        postgresql_where=text("failure_code IS NOT NULL"),
    ),
    _unrecognized_secrecy("processes"),
)

instances = Table(
    "instances",
    metadata,
    Column("id", RowNumber, primary_key=True, autoincrement=True),
    Column("process_number", ForeignKey("processes.number", ondelete="CASCADE"), nullable=False),
    Column("key", String(64), nullable=False),
    Column("degree", String(16)),
    Column("name", Text),
    Column("court_unit", Text),
    Column("filed_at", UtcDateTime),
    Column("current", Boolean, nullable=False),
    Column("secrecy", String(16), nullable=False, server_default="unknown"),
    Index("uq_instances_process_number_key", "process_number", "key", unique=True),
    _unrecognized_secrecy("instances"),
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
    # The strictest level of all sources, former ones too. The process and the instance have their own.
    Column("secrecy", String(16), nullable=False),
    Column("binary_href", Text),
    Column("text_href", Text),
    Column("declared_media_type", Text),
    Column("declared_size_bytes", BigInteger),
    Column("pages", Integer),
    Column("origin_id", Text),
    # Every id under which the last listing has the document, as it comes from several of the court's systems.
    Column("sources", JSON, nullable=False, server_default="[]"),
    # The levels of sources that are gone from the listing and had closed the document, by their ids.
    Column("former_sources", JSON, nullable=False, server_default="{}"),
    Column("first_listed_at", UtcDateTime, nullable=False),
    Column("last_listed_at", UtcDateTime, nullable=False),
    # True once a listing no longer names the document: then it counts only if it is stored already.
    Column("withdrawn", Boolean, nullable=False, server_default=text("false")),
    # Since when. Not null exactly while it is withdrawn.
    Column("unlisted_at", UtcDateTime),
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
    # Counts the contents that the court has listed under this id.
    Column("version", Integer, nullable=False, server_default="1"),
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
    # What failed, everywhere.
    Index(
        "ix_documents_failed",
        "failed_at",
        "process_number",
        "id",
        sqlite_where=text("status = 'failed'"),
        postgresql_where=text("status = 'failed'"),
    ),
    _unrecognized_secrecy("documents"),
)

# Contents that the court has replaced under the same id.
document_versions = Table(
    "document_versions",
    metadata,
    Column("process_number", String(25), primary_key=True),
    Column("document_id", String(36), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("name", Text),
    Column("filed_at", UtcDateTime),
    Column("object_key", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("media_type", Text, nullable=False),
    Column("stored_at", UtcDateTime, nullable=False),
    Column("replaced_at", UtcDateTime, nullable=False),
    ForeignKeyConstraint(
        ["process_number", "document_id"],
        ["documents.process_number", "documents.id"],
        name="fk_document_versions_document",
        ondelete="CASCADE",
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
    # Listed without a file or a text.
    Column("no_content_documents", Integer, nullable=False, server_default="0"),
    Column("available_bytes", BigInteger),
    # How many documents were asked for; none if all were.
    Column("chosen_documents", Integer),
    # The execution that said how the run ended; none if it was killed. If another one works, the run was reset in
    # Temporal, and may end again.
    Column("ended_by", String(36)),
    Column("end_count", Integer, nullable=False, server_default="0"),
    Index("ix_runs_process_number_started_at", "process_number", "started_at"),
    # What is open, or was killed.
    Index(
        "ix_runs_unended",
        "started_at",
        "id",
        sqlite_where=text("outcome IS NULL"),
        postgresql_where=text("outcome IS NULL"),
    ),
)

# One row each: a deployment has one court and one identity there.
court = Table(
    "court",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("generation", Integer, nullable=False, server_default="0"),
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

# What was brought while good credentials were in use, until the court has been asked: one row.
court_candidate = Table(
    "court_candidate",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    # Sealed, and emptied with the verdict.
    Column("access_token", Text),
    Column("refresh_token", Text),
    Column("expires_at", UtcDateTime),
    Column("refresh_expires_at", UtcDateTime),
    Column("version", Integer, nullable=False),
    Column("verdict", String(16), nullable=False),
)

# The circuit breaker of the object store: one row.
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

# The rate limiter of the requests to the court: one row.
court_pace = Table(
    "court_pace",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    # When the next request may be sent, in epoch seconds of the database's own clock.
    Column("next_slot", Double, nullable=False),
)

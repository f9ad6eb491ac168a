"""Tables of processes, documents and runs. Constraints keep rows unique; counts are queried, never stored."""

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

# SQLite autoincrements only its own INTEGER type.
RowNumber = BigInteger().with_variant(Integer, "sqlite")


class UtcDateTime(TypeDecorator[datetime]):
    """Timezone-aware datetime, stored as UTC. SQLite has no time zones, so it stores naive values."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC. Raises TypeError for a naive datetime, whose zone would be guessed."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise TypeError("naive datetime given to the catalog")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the stored value as an aware datetime in UTC."""
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


def unrecognized_secrecy(table: str) -> Index:
    """Index the rows whose secrecy level was not understood. The operator's metrics count them."""
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
    # How many documents the last listing had, so that rows lost since then are noticed.
    Column("listed_documents", Integer),
    Column("failure_code", String(32)),
    Column("failure_answer", Text),
    Column("failed_at", UtcDateTime),
    # Since when the court no longer shows a process that it listed before. The next listing sets it to NULL.
    Column("unlisted_at", UtcDateTime),
    # The listing that is the baseline of the changes, and the first that stated movements, which is theirs.
    Column("changes_since", UtcDateTime),
    Column("movements_since", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    # The list of processes, newest first.
    Index("ix_processes_created_at_number", "created_at", "number"),
    Index("ix_processes_court_created_at_number", "court", "created_at", "number"),
    # The list of failures over all processes.
    Index(
        "ix_processes_failed",
        "failed_at",
        "number",
        sqlite_where=text("failure_code IS NOT NULL"),
        postgresql_where=text("failure_code IS NOT NULL"),
    ),
    # The same with one code, which may be rare.
    Index(
        "ix_processes_failed_code",
        "failure_code",
        "failed_at",
        "number",
        sqlite_where=text("failure_code IS NOT NULL"),
        postgresql_where=text("failure_code IS NOT NULL"),
    ),
    unrecognized_secrecy("processes"),
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
    Column("class_code", Integer),
    Column("class_name", Text),
    Column("subjects", JSON, nullable=False, server_default="[]"),
    Column("value", Numeric(18, 2, asdecimal=True)),
    # NULL if it was listed by a release that did not record this.
    Column("last_listed_at", UtcDateTime),
    Index("uq_instances_process_number_key", "process_number", "key", unique=True),
    unrecognized_secrecy("instances"),
)

_FAILED_WITH_CODE = text("status = 'failed' AND failure_code IS NOT NULL")

documents = Table(
    "documents",
    metadata,
    Column("process_number", ForeignKey("processes.number", ondelete="CASCADE"), primary_key=True),
    Column("id", String(36), primary_key=True),
    # Assigned when the document is first listed and never changed: keyset pagination depends on it.
    Column("position", Integer, nullable=False),
    Column("instance_id", ForeignKey("instances.id"), nullable=False),
    Column("name", Text),
    Column("sequence", Integer),
    Column("type_code", Integer),
    Column("type_name", Text),
    # Name and type without case and accents, for searches: `domain.document_search.search_text`.
    Column("search_text", Text),
    Column("filed_at", UtcDateTime),
    # The strictest level of all sources, including former ones. The process and the instance have their own.
    Column("secrecy", String(16), nullable=False),
    Column("binary_href", Text),
    Column("text_href", Text),
    Column("declared_media_type", Text),
    Column("declared_size_bytes", BigInteger),
    Column("pages", Integer),
    Column("origin_id", Text),
    # Every id under which the last listing has the document: several of the court's systems may feed it.
    Column("sources", JSON, nullable=False, server_default="[]"),
    # Secrecy levels by source id, of restricted sources that are gone from the listing.
    Column("former_sources", JSON, nullable=False, server_default="{}"),
    Column("first_listed_at", UtcDateTime, nullable=False),
    Column("last_listed_at", UtcDateTime, nullable=False),
    # True once a listing no longer contains the document. Then it counts only if it is stored already.
    Column("withdrawn", Boolean, nullable=False, server_default=text("false")),
    # Since when it is withdrawn. Not NULL exactly while `withdrawn` is true.
    Column("unlisted_at", UtcDateTime),
    # When a change said that it is unlisted. NULL again once it is listed.
    Column("unlisting_reported_at", UtcDateTime),
    # The document with the same bytes that is listed instead of this one.
    Column("replaced_by", String(36)),
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
    # Incremented each time the court replaces the content under this id.
    Column("version", Integer, nullable=False, server_default="1"),
    Index("uq_documents_process_number_position", "process_number", "position", unique=True),
    # The timeline.
    Index("ix_documents_process_number_filed_at", "process_number", "filed_at", "id"),
    # Pages of one status, and of documents still to download.
    Index("ix_documents_process_number_status", "process_number", "status", "position"),
    # Covers the counts, so that they read no table rows.
    Index(
        "ix_documents_counted",
        "process_number",
        "status",
        "withdrawn",
        "failure_code",
        "position",
        "size_bytes",
    ),
    # The list of failures over all processes.
    Index(
        "ix_documents_failed",
        "failed_at",
        "process_number",
        "id",
        sqlite_where=text("status = 'failed'"),
        postgresql_where=text("status = 'failed'"),
    ),
    # The same with one code, which may be rare. No code, no index: counts by code, of one process, must not use it.
    Index(
        "ix_documents_failed_code",
        "failure_code",
        "failed_at",
        "process_number",
        "id",
        sqlite_where=_FAILED_WITH_CODE,
        postgresql_where=_FAILED_WITH_CODE,
    ),
    # A deleted instance is looked for here: that is what its foreign key costs.
    Index("ix_documents_instance_id", "instance_id"),
    unrecognized_secrecy("documents"),
)

# Former contents that the court has replaced under the same id.
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
    # Temporal's id of the first execution. It stays the same over every continue-as-new.
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
    # Listed by the court without a file or a text.
    Column("no_content_documents", Integer, nullable=False, server_default="0"),
    Column("available_bytes", BigInteger),
    # How many documents were requested by id. NULL if all of the process were.
    Column("chosen_documents", Integer),
    # The execution that recorded the end. NULL if the run was killed. If another execution works on the run, it was
    # reset in Temporal and may end again.
    Column("ended_by", String(36)),
    Column("end_count", Integer, nullable=False, server_default="0"),
    Index("ix_runs_process_number_started_at", "process_number", "started_at"),
    # Runs that retention may delete, the oldest first.
    Index("ix_runs_ended_at_id", "ended_at", "id"),
    # Runs without an end: open in Temporal, or killed.
    Index(
        "ix_runs_unended",
        "started_at",
        "id",
        sqlite_where=text("outcome IS NULL"),
        postgresql_where=text("outcome IS NULL"),
    ),
)

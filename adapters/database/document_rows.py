"""SELECT statements over documents, and their rows as domain objects."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, bindparam, select

from adapters.database.process_rows import OF_PROCESS, is_counted_in, to_failure
from adapters.database.secrecy import LEVELS, UNLISTED_AT, strictest_level
from adapters.database.tables import documents, instances, processes
from adapters.database.versions import read_origin
from domain.documents import Document, DocumentSource, DocumentStatus, StoredObject, content_offers
from domain.listings import DocumentOrigin, Instance
from domain.secrecy import Secrecy

# Documents with the rows that may restrict them.
DOCUMENTS_WITH_LEVELS = documents.join(instances, documents.c.instance_id == instances.c.id).join(
    processes, documents.c.process_number == processes.c.number
)
# What `to_document` and `strictest_level` read. Each time that is converted for nothing is felt in an answer.
_COLUMNS = (
    *(documents.c.id, documents.c.position, documents.c.status, documents.c.version),
    *(documents.c.name, documents.c.type_name, documents.c.filed_at, documents.c.pages, documents.c.sources),
    documents.c.secrecy,
    *(documents.c.object_key, documents.c.size_bytes, documents.c.sha256, documents.c.media_type),
    *(documents.c.failure_code, documents.c.failure_answer, documents.c.failed_attempts, documents.c.failed_at),
)
# Documents with their instances and secrecy levels, for `to_document`.
SELECT_DOCUMENTS = select(
    *_COLUMNS,
    instances.c.key.label("instance_key"),
    instances.c.degree.label("instance_degree"),
    instances.c.name.label("instance_name"),
    instances.c.court_unit.label("instance_court_unit"),
    instances.c.filed_at.label("instance_filed_at"),
    instances.c.current.label("instance_current"),
    *LEVELS,
    UNLISTED_AT,
).select_from(DOCUMENTS_WITH_LEVELS)
# The first page of an answer, by position.
SELECT_FIRST_DOCUMENTS = (
    SELECT_DOCUMENTS.where(is_counted_in(OF_PROCESS)).order_by(documents.c.position).limit(bindparam("at_most"))
)

# What a download needs to know about documents of one process, for `to_document_source`.
SELECT_SOURCES = select(
    documents.c.id,
    documents.c.position,
    documents.c.status,
    documents.c.name,
    documents.c.binary_href,
    documents.c.text_href,
    documents.c.declared_media_type,
    documents.c.declared_size_bytes,
    documents.c.sources,
    documents.c.version,
    documents.c.failed_attempts,
).where(
    documents.c.process_number == bindparam("of_process"),
    documents.c.id.in_(bindparam("of_ids", expanding=True)),
)


def to_document(row: Row[*tuple[Any, ...]]) -> Document:
    """Convert a row of ``SELECT_DOCUMENTS``. Former versions are not included."""
    status = DocumentStatus(row.status)
    return Document(
        id=row.id,
        position=row.position,
        status=status,
        name=row.name,
        type_name=row.type_name,
        filed_at=row.filed_at,
        instance=to_instance(row),
        secrecy=strictest_level(row),
        pages=row.pages,
        sources=tuple(DocumentOrigin(origin["id"], origin["source"], origin["codex_id"]) for origin in row.sources),
        stored=StoredObject(row.object_key, row.size_bytes, row.sha256, row.media_type)
        if status is DocumentStatus.AVAILABLE
        else None,
        failure=to_failure(row, attempts=row.failed_attempts) if status is DocumentStatus.FAILED else None,
        unlisted_at=row.effective_unlisted_at,
        version=row.version,
    )


def to_instance(row: Row[*tuple[Any, ...]]) -> Instance:
    """Convert the instance in a row that has its columns as ``instance_…``."""
    return _instance(
        row.instance_key,
        row.instance_degree,
        row.instance_name,
        row.instance_court_unit,
        row.instance_filed_at,
        row.instance_current,
        row.instance_secrecy,
    )


# The documents of a process share few instances, and a page is built of one row after another.
@lru_cache(maxsize=256)
def _instance(
    key: str,
    degree: str,
    name: str | None,
    court_unit: str | None,
    filed_at: datetime | None,
    current: bool,
    secrecy: str,
) -> Instance:
    return Instance(key, degree, name, court_unit, filed_at, current=current, secrecy=Secrecy(secrecy))


def to_document_source(number: str, row: Row[*tuple[Any, ...]]) -> DocumentSource:
    """Convert a row of ``SELECT_SOURCES`` of the process ``number``."""
    described = DocumentOrigin(
        row.id,
        binary_href=row.binary_href,
        text_href=row.text_href,
        media_type=row.declared_media_type,
        size_bytes=row.declared_size_bytes,
    )
    return DocumentSource(
        process_number=number,
        id=row.id,
        position=row.position,
        status=DocumentStatus(row.status),
        name=row.name,
        offers=content_offers(described, map(read_origin, row.sources)),
        failed_attempts=row.failed_attempts,
        version=row.version,
    )

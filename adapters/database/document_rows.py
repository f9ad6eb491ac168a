"""SELECT statements over documents, and their rows as domain objects."""

from __future__ import annotations

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
# Documents with their instances and secrecy levels, for `to_document`.
SELECT_DOCUMENTS = select(
    *(column for column in documents.c if column.name not in ("former_sources", "search_text")),
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
    return Instance(
        key=row.instance_key,
        degree=row.instance_degree,
        name=row.instance_name,
        court_unit=row.instance_court_unit,
        filed_at=row.instance_filed_at,
        current=row.instance_current,
        secrecy=Secrecy(row.instance_secrecy),
    )


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

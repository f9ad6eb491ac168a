"""JSON serialization of processes and documents, the same in API responses and webhooks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from domain.clients import Scope
from domain.completeness import Completeness
from domain.documents import Document, Failure, FormerVersion, Link, version_id
from domain.listings import Instance
from domain.processes import Run
from domain.secrecy import is_withheld

Json = dict[str, Any]


def format_timestamp(value: datetime | None) -> str | None:
    """Return a time in RFC 3339, in UTC, with a ``Z``."""
    return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def failure_body(failure: Failure | None, *, include_answer: bool = True) -> Json | None:
    """Return a failure as JSON.

    Args:
        failure: The failure, or None.
        include_answer: Whether the reader may see the court's answer.
    """
    if failure is None:
        return None
    return {
        "code": failure.code.value,
        "scope": failure.code.scope.value,
        "retryable": failure.retryable,
        "attempts": failure.attempts,
        "answer": failure.answer if include_answer else "",
        "failed_at": format_timestamp(failure.failed_at),
    }


def counts_body(documents: Completeness) -> Json:
    """Return the document counts of a process as JSON."""
    return {
        "total_documents": documents.total,
        "available_documents": documents.available,
        "pending_documents": documents.pending,
        "failed_documents": documents.failed,
        "no_content_documents": documents.no_content,
        "progress_percentage": documents.progress_percentage,
        "available_bytes": documents.available_bytes,
    }


def run_body(run: Run | None) -> Json | None:
    """Return a run as JSON."""
    if run is None:
        return None
    return {
        "id": run.id,
        "client": run.client,
        "started_at": format_timestamp(run.started_at),
        "ended_at": format_timestamp(run.ended_at),
        "outcome": run.outcome.value if run.outcome else None,
        "failure_code": run.failure_code.value if run.failure_code else None,
        "chosen_documents": run.chosen_documents,
    }


def document_body(document: Document, links: Mapping[str, Link], scopes: Collection[Scope]) -> Json:
    """Return a document as JSON for a reader with these scopes, with its links if there are any.

    Everything that describes a withheld document is left out: name, type, date, size, media type and source.

    Args:
        document: The document.
        links: Valid links to it and to its former contents, by id.
        scopes: The scopes of the reader's key.
    """
    withheld = is_withheld(document, scopes)
    stored = None if withheld else document.stored
    link = None if withheld else links.get(document.id)
    return {
        "id": document.id,
        "name": None if withheld else document.name,
        "type": None if withheld else document.type_name,
        "filed_at": None if withheld else format_timestamp(document.filed_at),
        "instance": _instance_body(document.instance),
        "secrecy": document.secrecy.value,
        "withheld": withheld,
        "listed": document.listed,
        "unlisted_at": format_timestamp(document.unlisted_at),
        "status": document.status.value,
        "size_bytes": stored.size_bytes if stored else None,
        "media_type": stored.media_type if stored else None,
        "pages": None if withheld else document.pages,
        "sources": [] if withheld else [{"id": origin.id, "source": origin.source} for origin in document.sources],
        "sha256": stored.sha256 if stored else None,
        "download_url": link.url if link else None,
        "download_url_expires_at": format_timestamp(link.expires_at) if link else None,
        "failure": failure_body(document.failure, include_answer=not withheld),
        "version": None if withheld else document.version,
        "versions": [] if withheld else [_version_body(document, former, links) for former in document.versions],
    }


def _version_body(document: Document, former: FormerVersion, links: Mapping[str, Link]) -> Json:
    link = links.get(version_id(document.id, former.version))
    return {
        "version": former.version,
        "name": former.name,
        "filed_at": format_timestamp(former.filed_at),
        "size_bytes": former.stored.size_bytes,
        "media_type": former.stored.media_type,
        "sha256": former.stored.sha256,
        "stored_at": format_timestamp(former.stored_at),
        "replaced_at": format_timestamp(former.replaced_at),
        "download_url": link.url if link else None,
        "download_url_expires_at": format_timestamp(link.expires_at) if link else None,
    }


def documents_body(
    documents: Sequence[Document], links: Mapping[str, Link], scopes: Collection[Scope]
) -> list[Json]:
    """Return documents as JSON. ``links`` maps ids of documents and of their former contents to links."""
    return [document_body(document, links, scopes) for document in documents]


def _instance_body(instance: Instance) -> Json:
    return {
        "degree": instance.degree,
        "name": instance.name,
        "court_unit": instance.court_unit,
        "filed_at": format_timestamp(instance.filed_at),
        "current": instance.current,
    }

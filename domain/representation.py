"""How processes and documents are written as JSON, the same in API answers and in webhooks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from domain.clients import Scope
from domain.completeness import Completeness
from domain.documents import Document, Failure, FormerVersion, Instance, Link, version_id
from domain.processes import Run
from domain.secrecy import is_withheld

Json = dict[str, Any]


def moment(value: datetime | None) -> str | None:
    """RFC 3339 in UTC, with a ``Z``."""
    return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def failure_body(failure: Failure | None, *, told: bool = True) -> Json | None:
    """Why something failed, for people and for programs.

    Args:
        failure: the reason.
        told: whether the reader may know what the court said.
    """
    if failure is None:
        return None
    return {
        "code": failure.code.value,
        "scope": failure.code.scope.value,
        "retryable": failure.retryable,
        "attempts": failure.attempts,
        "answer": failure.answer if told else "",
        "failed_at": moment(failure.failed_at),
    }


def counts_body(documents: Completeness) -> Json:
    """The counts of a process's documents."""
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
    """A run as clients see it."""
    if run is None:
        return None
    return {
        "id": run.id,
        "client": run.client,
        "started_at": moment(run.started_at),
        "ended_at": moment(run.ended_at),
        "outcome": run.outcome.value if run.outcome else None,
        "failure_code": run.failure_code.value if run.failure_code else None,
        "chosen_documents": run.chosen_documents,
    }


def document_body(document: Document, links: Mapping[str, Link], scopes: Collection[Scope]) -> Json:
    """Return a document as a reader with these scopes sees it, with its links if there are any.

    Of a withheld document nothing is said that describes what it is: no name, type, date, size, kind or source.

    Args:
        document: the document.
        links: valid links to it and to its former contents, by their ids.
        scopes: what the reader's key allows.
    """
    withheld = is_withheld(document, scopes)
    stored = None if withheld else document.stored
    link = None if withheld else links.get(document.id)
    return {
        "id": document.id,
        "name": None if withheld else document.name,
        "type": None if withheld else document.type_name,
        "filed_at": None if withheld else moment(document.filed_at),
        "instance": _instance_body(document.instance),
        "secrecy": document.secrecy.value,
        "withheld": withheld,
        "listed": document.listed,
        "unlisted_at": moment(document.unlisted_at),
        "status": document.status.value,
        "size_bytes": stored.size_bytes if stored else None,
        "media_type": stored.media_type if stored else None,
        "pages": None if withheld else document.pages,
        "sources": [] if withheld else [{"id": origin.id, "source": origin.source} for origin in document.sources],
        "sha256": stored.sha256 if stored else None,
        "download_url": link.url if link else None,
        "download_url_expires_at": moment(link.expires_at) if link else None,
        "failure": failure_body(document.failure, told=not withheld),
        "version": None if withheld else document.version,
        "versions": [] if withheld else [_version_body(document, former, links) for former in document.versions],
    }


def _version_body(document: Document, former: FormerVersion, links: Mapping[str, Link]) -> Json:
    link = links.get(version_id(document.id, former.version))
    return {
        "version": former.version,
        "name": former.name,
        "filed_at": moment(former.filed_at),
        "size_bytes": former.stored.size_bytes,
        "media_type": former.stored.media_type,
        "sha256": former.stored.sha256,
        "stored_at": moment(former.stored_at),
        "replaced_at": moment(former.replaced_at),
        "download_url": link.url if link else None,
        "download_url_expires_at": moment(link.expires_at) if link else None,
    }


def documents_body(
    documents: Sequence[Document], links: Mapping[str, Link], scopes: Collection[Scope]
) -> list[Json]:
    """Return documents with the links that are known of them and of their former contents, by id."""
    return [document_body(document, links, scopes) for document in documents]


def _instance_body(instance: Instance) -> Json:
    return {
        "degree": instance.degree,
        "name": instance.name,
        "court_unit": instance.court_unit,
        "filed_at": moment(instance.filed_at),
        "current": instance.current,
    }

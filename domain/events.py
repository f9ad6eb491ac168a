"""The events of a client, and the data of those that tell of runs, of watched processes and of bundles.

The data is the same in a webhook and in the client's list of events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from domain.bundles import Bundle, BundleState, bundle_body
from domain.cases import Change
from domain.clients import Scope
from domain.documents import Document, Link
from domain.process_number import ProcessNumber
from domain.processes import Run
from domain.secrecy import is_withheld, readable
from domain.serializers import Json, counts_body, documents_body, run_body
from domain.webhooks import EventType

# Documents, or ids of documents, in one event.
MAX_DOCUMENTS = 100
_BUNDLE_STATES = {EventType.BUNDLE_READY: BundleState.READY, EventType.BUNDLE_FAILED: BundleState.FAILED}


@dataclass(frozen=True, slots=True)
class ClientEvent:
    """One event of a client.

    Attributes:
        number: Counts from 1 for each client, in the order in which the events became visible.
        id: That of the webhook, if there is one.
        run_id: The run whose end it tells, or whose listing has shown what is new.
        run_end: Which end of the run.
        details: For an event of a watch: the sequences of the changes, times and codes. For one of a bundle: its
            id.
    """

    client: str
    number: int
    id: str
    type: EventType
    created_at: datetime
    process_number: str | None = None
    run_id: str | None = None
    run_end: int | None = None
    details: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EventPage:
    """A page of a client's events, in their order.

    Attributes:
        next_after: The number after which the next page begins.
        has_more: Whether there are more already.
        is_incomplete: Whether some events are missing: they are no longer kept, or the database was restored from a
            backup.
    """

    events: tuple[ClientEvent, ...]
    next_after: int
    has_more: bool
    is_incomplete: bool


class DocumentState(StrEnum):
    """The status of a document, as counts tell it. A document without content has not failed."""

    PENDING = "pending"
    AVAILABLE = "available"
    FAILED = "failed"
    NO_CONTENT = "no_content"


@dataclass(frozen=True, slots=True)
class News:
    """What an event of a watch tells, as it is now.

    Attributes:
        changes: The changes of one kind that it tells.
        documents: The states of documents that were added, by id.
    """

    changes: tuple[Change, ...] = ()
    documents: Mapping[str, DocumentState] = field(default_factory=dict)


def may_show_documents(run: Run, scopes: Collection[Scope]) -> bool:
    """Return whether the event of a run's end has the documents themselves."""
    return Scope.READ in scopes and run.documents is not None and run.documents.total <= MAX_DOCUMENTS


def run_end_data(
    number: str,
    run: Run,
    documents: Sequence[Document] | None,
    links: Mapping[str, Link],
    scopes: Collection[Scope],
    public_url: str,
) -> Json:
    """Return the data of the event of a run's end.

    Args:
        number: The process.
        run: The run.
        documents: Its documents. None leaves them out.
        links: Links to them and to their former contents, by id.
        scopes: What the reader may see.
        public_url: The API's base URL as clients reach it.
    """
    process_url = f"{public_url}/processes/{number}"
    return {
        "process_number": number,
        "court": ProcessNumber.parse(number).court,
        "outcome": run.outcome,
        "run": run_body(run),
        **(counts_body(run.documents) if run.documents else {}),
        "status_url": f"{process_url}/status",
        "documents_url": f"{process_url}/documents",
        "documents": None if documents is None else documents_body(documents, links, scopes),
    }


def show_bundle(event_type: EventType, bundle: Bundle | None, scopes: Collection[Scope]) -> Bundle | None:
    """Return the bundle of an event if a reader with these scopes may have it.

    None otherwise, if it was deleted, and if it is no longer as the event says: it was requested again.
    """
    if bundle is None or Scope.READ not in scopes or is_withheld(bundle, scopes):
        return None
    return bundle if bundle.state is _BUNDLE_STATES[event_type] else None


def bundle_end_data(number: str, details: Json, bundle: Bundle | None, link: Link | None, public_url: str) -> Json:
    """Return the data of the event that a bundle is ready, or was not built.

    Args:
        number: The process.
        details: Those of the event.
        bundle: The bundle, as ``show_bundle`` shows it to the reader.
        link: A valid link to it. None unless it is ready.
        public_url: The API's base URL as clients reach it.
    """
    return {
        "process_number": number,
        "court": ProcessNumber.parse(number).court,
        "bundle": None if bundle is None else bundle_body(bundle, link),
        "bundle_url": f"{public_url}/processes/{number}/bundles/{details['bundle_id']}",
    }


def is_visible(event_type: EventType, news: News, scopes: Collection[Scope]) -> bool:
    """Return whether an event of a watch has anything in it that a reader with these scopes may see."""
    return event_type is EventType.WATCH_CHECKED or bool(_visible_changes(news, scopes))


def watch_data(
    event_type: EventType,
    number: str,
    run_id: str | None,
    details: Json,
    news: News,
    scopes: Collection[Scope],
    public_url: str,
) -> Json:
    """Return the data of an event about a watched process: ids and counts, no names and no links.

    What the reader may not see is left out, and does not count.

    Args:
        event_type: The event's type.
        number: The process.
        run_id: The run whose listing has shown it.
        details: Those of the event.
        news: What the changes are about.
        scopes: What the reader may see.
        public_url: The API's base URL as clients reach it.
    """
    process_url = f"{public_url}/processes/{number}"
    head: Json = {
        "process_number": number,
        "court": ProcessNumber.parse(number).court,
        "run_id": run_id,
        "checked_at": details["checked_at"],
    }
    if event_type is EventType.WATCH_CHECKED:
        return {
            **head,
            "failure_code": details["failure_code"],
            "next_look_at": details["next_look_at"],
            "watch_url": f"{process_url}/watch",
        }
    visible = _visible_changes(news, scopes)
    ids = list(dict.fromkeys(change.document.id for change in visible if change.document is not None))
    counts: Json
    match event_type:
        case EventType.DOCUMENTS_ADDED:
            by_state = Counter(news.documents.get(one) for one in ids)
            counts = {"added_documents": len(ids)}
            counts |= {f"{state}_documents": by_state[state] for state in DocumentState}
        case EventType.DOCUMENTS_UNLISTED:
            counts = {"unlisted_documents": len(ids)}
        case _:
            levels = dict.fromkeys(change.details["of"] for change in visible if "of" in change.details)
            counts = {"levels": list(levels), "changed_documents": len(ids)}
    return {
        **head,
        **counts,
        "document_ids": ids[:MAX_DOCUMENTS],
        "changes_url": f"{process_url}/changes?after={details['after']}",
    }


def _visible_changes(news: News, scopes: Collection[Scope]) -> Sequence[Change]:
    # A key without the scope `read` learns nothing about a case.
    return readable(news.changes, scopes) if Scope.READ in scopes else []

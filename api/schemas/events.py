"""A client's events: the query, and the body of the answer."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api.schemas.base import Body
from api.schemas.webhook_events import (
    BundleFailed,
    BundleReady,
    DocumentsAdded,
    DocumentsUnlisted,
    ProcessCancelled,
    ProcessCompleted,
    ProcessFailed,
    ProcessPartial,
    SecrecyChanged,
    WatchChecked,
)

MAX_EVENT_NUMBER = 2**53 - 1


class EventsQuery(Body):
    """The query of the list of events."""

    after: int = Field(
        0,
        ge=0,
        le=MAX_EVENT_NUMBER,
        description="The `next_after` of the previous answer: the number of the last event that is known.",
    )
    limit: int = Field(50, ge=1, le=100, description="Events per page.")


class _Numbered(Body):
    number: int = Field(description="Grows with each event of the client. Some numbers are left out.")
    id: str = Field(description="The event's id: the `webhook-id`, if it was sent as a webhook as well.")


class ListedCompleted(ProcessCompleted, _Numbered):
    """A run has ended and every document is available."""


class ListedPartial(ProcessPartial, _Numbered):
    """A run has ended and some documents could not be downloaded."""


class ListedFailed(ProcessFailed, _Numbered):
    """A run has ended because the process itself could not be read."""


class ListedCancelled(ProcessCancelled, _Numbered):
    """A run was cancelled."""


class ListedDocumentsAdded(DocumentsAdded, _Numbered):
    """The court lists documents of a watched process that it did not list before."""


class ListedDocumentsUnlisted(DocumentsUnlisted, _Numbered):
    """The court no longer lists documents of a watched process."""


class ListedSecrecyChanged(SecrecyChanged, _Numbered):
    """A secrecy level of a watched process has changed."""


class ListedWatchChecked(WatchChecked, _Numbered):
    """A watched process was looked at."""


class ListedBundleReady(BundleReady, _Numbered):
    """A bundle that the client has requested is ready."""


class ListedBundleFailed(BundleFailed, _Numbered):
    """A bundle that the client has requested was not built."""


ListedEvent = Annotated[
    ListedCompleted
    | ListedPartial
    | ListedFailed
    | ListedCancelled
    | ListedDocumentsAdded
    | ListedDocumentsUnlisted
    | ListedSecrecyChanged
    | ListedWatchChecked
    | ListedBundleReady
    | ListedBundleFailed,
    Field(discriminator="type"),
]


class EventsBody(Body):
    """A client's events in their order, the oldest first."""

    events: list[ListedEvent]
    next_after: int = Field(description="Send it as `after` to get the events that follow.")
    has_more: bool = Field(description="Whether there are more already.")
    missed: bool = Field(
        description="Whether events after `after` are missing: no longer kept, or lost in a restore."
    )
    events_next: str | None = Field(description="URL of the following events, if there are more already.")

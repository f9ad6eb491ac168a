"""The API's answers about watched processes and about events, as pydantic models."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from autos_client.batch_models import BatchProblem
from autos_client.models import _Model, _Page


class Watch(_Model):
    """A process that you watch.

    Attributes:
        state: ``active``, ``late``, ``no_access`` or ``not_found``.
        notify: ``new`` or ``always``.
        last_checked_at: When the court last listed the process, or refused to. ``None`` before the first look.
        failure_code: Why the last look failed. ``None`` if it succeeded.
    """

    process_number: str
    client: str
    state: str
    every_seconds: int
    webhook_url: str | None = None
    notify: str
    download: bool
    created_at: datetime
    last_checked_at: datetime | None = None
    next_look_at: datetime
    failure_code: str | None = None


class WatchItem(_Model):
    """One line of a request to watch many processes. Its state is ``watched``, ``invalid`` or ``erased``."""

    position: int
    given: str
    process_number: str | None = None
    state: str
    problem: BatchProblem | None = None


class WatchedProcesses(_Model):
    """What became of each line of a request to watch many processes."""

    watched: int
    invalid: int
    erased: int
    duplicates: int
    items: tuple[WatchItem, ...] = ()


class WatchPage(_Page):
    """A page of watches."""

    items: tuple[Watch, ...] = Field(validation_alias="watches")


class Event(_Model):
    """Something that you were told, or would have been told by webhook.

    Attributes:
        number: Grows with each of your events.
        id: The id of the webhook, if it was sent as one as well.
        type: Such as ``process.documents_added``.
        data: The event's content.
    """

    number: int
    id: str
    type: str
    timestamp: datetime
    data: dict[str, Any] = Field(repr=False)


class EventList(_Model):
    """Your events after a number, the oldest first.

    Attributes:
        next_after: Name it in the next request. Keep it where you keep what the events led to.
        has_more: Whether there are more already.
        missed: Whether some events after the number are no longer kept.
    """

    events: tuple[Event, ...]
    next_after: int
    has_more: bool
    missed: bool = False

"""The API's answers about the access trail, as pydantic models."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from autos_client.models import _Model, _Page


class Access(_Model):
    """Documents of one process that were handed to one client at once.

    Attributes:
        how: ``link``, ``content``, ``page``, ``archive`` or ``event``.
        document_ids: A former content has the id of its document, a slash and its version.
    """

    at: datetime
    client: str
    key_id: str | None = None
    how: str
    process_number: str
    document_ids: tuple[str, ...]
    request_id: str | None = None
    event_id: str | None = None
    purpose: str | None = None


class AccessPage(_Page):
    """A page of accesses."""

    items: tuple[Access, ...] = Field(validation_alias="accesses")

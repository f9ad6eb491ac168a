"""Requests for a download: query and body."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from pydantic import Field

from api.schemas.base import LONGEST_AGE_SECONDS, Age, Body, DocumentId, Priority, RequestBody, WebhookUrl


class Notify(StrEnum):
    """When to call the webhook."""

    ON_END = "on_end"
    ALWAYS = "always"


class DownloadQuery(Body):
    """The query of a process."""

    auto_download: bool = Field(False, description="Start a run if documents are missing.")
    webhook_url: WebhookUrl | None = Field(
        None, description="Called once when the run ends. Requires `auto_download=true`."
    )
    max_age: int | None = Field(
        None,
        ge=0,
        le=LONGEST_AGE_SECONDS,
        description="Maximum age of the court's listing, in seconds. 0 asks the court again.",
    )

    @property
    def age(self) -> timedelta | None:
        """``max_age``. None if it is not given."""
        return None if self.max_age is None else timedelta(seconds=self.max_age)


class DownloadBody(RequestBody):
    """What to download, and whom to notify."""

    webhook_url: WebhookUrl | None = Field(None, description="Called once when the run ends.")
    max_age: Age | None = Field(
        None, description="Maximum age of the court's listing, in seconds. 0 asks the court again."
    )
    document_ids: list[DocumentId] | None = Field(
        None, min_length=1, max_length=200, description="Ids of the documents to download. All if omitted."
    )
    priority: Priority = Field(
        3, description="Priority of a started run: 1 is first, 5 last. 1 and 2 require the scope `admin`."
    )
    notify: Notify = Field(
        Notify.ON_END,
        # Strict models take no enumeration from text.
        strict=False,
        description="`on_end`: call `webhook_url` only when a run ends. `always`: call it at once if there is "
        "nothing to download.",
    )

    @property
    def age(self) -> timedelta | None:
        """``max_age``. None if it is not given."""
        return None if self.max_age is None else timedelta(seconds=self.max_age)

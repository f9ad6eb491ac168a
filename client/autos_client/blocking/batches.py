"""Batches, in the blocking client."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from autos_client import requests
from autos_client.batch_models import Batch, BatchSummary
from autos_client.blocking.connection import Connection


class BatchMethods(Connection):
    """Request many processes at once."""

    def batch(
        self,
        numbers: Sequence[str],
        *,
        webhook_url: str | None = None,
        max_age: int | None = None,
        priority: int | None = None,
        repeatable: bool = False,
    ) -> Batch:
        """Request up to 1000 processes at once.

        Not retried unless ``repeatable`` is set, because each request creates a batch, and calls the webhook.
        """
        return self._call(
            requests.batch(
                numbers, webhook_url=webhook_url, max_age=max_age, priority=priority, repeatable=repeatable
            )
        )

    def batch_status(self, batch_id: str) -> Batch:
        """Get a batch with the state of each line."""
        return self._call(requests.batch_status(batch_id))

    def batches(self) -> Iterator[BatchSummary]:
        """Iterate over your batches, the newest first. With the scope ``admin``, over those of all clients."""
        return self._iterate_pages(requests.batches)

"""Batches, in the client for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from autos_client import requests
from autos_client.asynchronous.connection import Connection
from autos_client.batch_models import Batch, BatchSummary


class BatchMethods(Connection):
    """Request many processes at once."""

    async def batch(
        self,
        numbers: Sequence[str],
        *,
        webhook_url: str | None = None,
        max_age: int | None = None,
        priority: int | None = None,
        repeatable: bool = False,
    ) -> Batch:
        """See ``Autos.batch``."""
        return await self._call(
            requests.batch(
                numbers, webhook_url=webhook_url, max_age=max_age, priority=priority, repeatable=repeatable
            )
        )

    async def batch_status(self, batch_id: str) -> Batch:
        """See ``Autos.batch_status``."""
        return await self._call(requests.batch_status(batch_id))

    def batches(self) -> AsyncIterator[BatchSummary]:
        """See ``Autos.batches``."""
        return self._iterate_pages(requests.batches)

"""Batches: many processes in one request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog

from api.pagination import BATCH_CURSOR, page_url
from api.problems.codes import ProblemCode
from api.problems.problem import Problem
from api.schemas.batches import BatchBody, BatchesBody, BatchesQuery, BatchSummaryBody, NewBatchBody
from api.services.process_numbers import read_process_numbers
from domain.batch_messages import BatchRequest
from domain.batches import Batch
from domain.clients import Client, Scope
from domain.errors import DependencyUnavailable
from domain.serializers import Json

if TYPE_CHECKING:
    from adapters.database import Catalog
    from adapters.temporal.batch_client import BatchClient
    from adapters.webhooks import AddressGuard

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class BatchService:
    """Creates and reads batches."""

    catalog: Catalog
    batch_client: BatchClient
    address_guard: AddressGuard
    # What keeps every run from going on.
    warnings: Callable[[], list[Json]] = list

    async def create(self, client: Client, request: NewBatchBody) -> BatchBody:
        """Store a batch and start its workflow.

        The batch is stored first, because the workflow reads it. If Temporal does not answer, it is deleted again.
        If the API dies in between, a batch is left that no client knows the id of. If Temporal has started the
        workflow all the same, it ends because it finds no batch.

        Raises:
            InvalidInput: The webhook URL is not allowed. Nothing was changed.
            Problem: The request has no valid process number. Nothing was changed.
            DependencyUnavailable: The database or Temporal does not answer. The batch does not exist.
        """
        if request.webhook_url is not None:
            await self.address_guard.check(request.webhook_url)
        items, duplicates = read_process_numbers(request.process_numbers)
        batch = Batch(
            id=uuid4().hex,
            client=client.name,
            created_at=datetime.now(UTC),
            priority=request.priority,
            items=items,
            duplicates=duplicates,
            webhook_url=request.webhook_url,
            max_age=None if request.max_age is None else timedelta(seconds=request.max_age),
        )
        await self.catalog.batches.add(batch)
        try:
            await self.batch_client.start(BatchRequest(batch.id, batch.client, batch.priority))
        except DependencyUnavailable:
            await self.catalog.batches.delete(batch.id)
            raise
        _log.info("batch created", batch=batch.id, client=client.name, items=len(items))
        return BatchBody.of(batch, self.warnings())

    async def list_batches(self, client: Client, query: BatchesQuery) -> BatchesBody:
        """Return a page of the client's batches, newest first. Administrators see those of all clients.

        Raises:
            InvalidInput: The cursor is not valid.
            DependencyUnavailable: The database does not answer.
        """
        rows = await self.catalog.batches.page(
            None if client.may(Scope.ADMIN) else client.name,
            after=BATCH_CURSOR.decode(query.cursor),
            limit=query.limit + 1,
        )
        page = rows[: query.limit]
        cursor = BATCH_CURSOR.encode(page[-1].sort_key) if len(rows) > query.limit else None
        return BatchesBody(
            batches=[BatchSummaryBody.of_summary(summary) for summary in page],
            next_cursor=cursor,
            batches_next=page_url("/batches", {"cursor": cursor, "limit": query.limit}) if cursor else None,
        )

    async def get(self, client: Client, batch_id: str) -> BatchBody:
        """Return a batch. Only its client and administrators may see it.

        Raises:
            Problem: 404, there is no batch with this id that the client may see.
            DependencyUnavailable: The database does not answer.
        """
        batch = await self.catalog.batches.get(batch_id)
        if batch is None or not (batch.client == client.name or client.may(Scope.ADMIN)):
            raise Problem(ProblemCode.BATCH_UNKNOWN, "There is no batch with this id.")
        return BatchBody.of(batch, self.warnings())

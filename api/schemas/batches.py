"""Batches: bodies of the request and of the answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import Field

from api.schemas.base import Age, BatchPriority, Body, ProcessNumberText, RequestBody, UtcTime, WebhookUrl
from api.schemas.processes import WarningBody, Warnings
from domain.batches import MAX_ITEMS, Batch, BatchItem, BatchSummary, ItemState
from domain.completeness import Decision
from domain.serializers import Json
from workflows.options import BATCH_PRIORITY


class NewBatchBody(RequestBody):
    """A request for a batch."""

    process_numbers: list[ProcessNumberText] = Field(
        min_length=1,
        max_length=MAX_ITEMS,
        description="CNJ numbers, with or without punctuation. Items that are not valid are marked in the answer.",
        examples=[["1011745-77.2025.8.11.0041"]],
    )
    webhook_url: WebhookUrl | None = Field(None, description="Called once per process, when its run ends.")
    max_age: Age | None = Field(
        None, description="Maximum age of the court's listings, in seconds. 0 asks the court again."
    )
    priority: BatchPriority = Field(
        BATCH_PRIORITY, description="Priority of the runs; 5 is last. Single requests have 3."
    )


class ItemProblemBody(Body):
    """Why an item is not a process number, or `process_erased`."""

    code: str
    detail: str


class BatchItemBody(Body):
    """One item of a batch."""

    position: int = Field(description="Position in the request, from 1.")
    given: str = Field(description="The text in the request, truncated. Empty if the process was erased.")
    process_number: str | None = Field(description="Null if the text is no number, or if the process was erased.")
    state: ItemState
    decision: Decision | None = Field(description="What the batch did about the item. Null until its turn comes.")
    run_id: str | None
    problem: ItemProblemBody | None

    @classmethod
    def of(cls, item: BatchItem) -> Self:
        """Return the body of an item."""
        problem = None
        if item.problem_code:
            problem = ItemProblemBody(code=item.problem_code, detail=item.problem_detail or "")
        return cls(
            position=item.position,
            given=item.given,
            process_number=item.process_number,
            state=item.state,
            decision=item.decision,
            run_id=item.run_id,
            problem=problem,
        )


class BatchCountsBody(Body):
    """Number of items in each state, and of repeated numbers in the request."""

    queued: int
    processing: int
    completed: int
    partial: int
    failed: int
    cancelled: int
    invalid: int
    erased: int
    duplicates: int


class BatchesQuery(Body):
    """The query of the list of batches."""

    cursor: str | None = Field(
        None,
        description="The `next_cursor` of the previous page.",
        json_schema_extra={"x-format": "batches-cursor"},
    )
    limit: int = Field(20, ge=1, le=50, description="Batches per page.")


class BatchSummaryBody(Body):
    """The current state of a batch, without its items."""

    id: str
    client: str
    created_at: UtcTime
    ended_at: UtcTime | None = Field(description="When nothing was left to start or to wait for.")
    priority: int
    webhook_url: str | None
    counts: BatchCountsBody

    @classmethod
    def of_summary(cls, summary: BatchSummary) -> Self:
        """Return the body of a batch in the list."""
        return cls(**_head(summary.batch, summary.counts))


class BatchBody(BatchSummaryBody):
    """The current state of a batch."""

    items: list[BatchItemBody]
    warnings: Warnings

    @classmethod
    def of(cls, batch: Batch, warnings: Sequence[Json]) -> Self:
        """Return the body of a batch.

        Args:
            batch: The batch.
            warnings: What keeps every run from going on. Left out if the batch has ended.
        """
        return cls(
            **_head(batch, batch.counts),
            items=[BatchItemBody.of(item) for item in batch.items],
            warnings=[] if batch.ended_at else [WarningBody(**warning) for warning in warnings],
        )


class BatchesBody(Body):
    """A page of batches, newest first."""

    batches: list[BatchSummaryBody]
    next_cursor: str | None
    batches_next: str | None = Field(description="URL of the next page.")


def _head(batch: Batch, counts: Mapping[ItemState, int]) -> dict[str, Any]:
    by_state = {state.value: count for state, count in counts.items()}
    return {
        "id": batch.id,
        "client": batch.client,
        "created_at": batch.created_at,
        "ended_at": batch.ended_at,
        "priority": batch.priority,
        "webhook_url": batch.webhook_url,
        "counts": BatchCountsBody(**by_state, duplicates=batch.duplicates),
    }

"""The API's answers about batches, as pydantic models."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from autos_client.models import RunWarning, _Model, _Page


class BatchProblem(_Model):
    """Why a line of a batch cannot be used."""

    code: str
    detail: str


class BatchItem(_Model):
    """One line of a batch."""

    position: int
    given: str
    process_number: str | None = None
    state: str
    decision: str | None = None
    run_id: str | None = None
    problem: BatchProblem | None = None


class BatchSummary(_Model):
    """A batch in the list of batches. ``counts`` has the number of its lines in each state."""

    id: str
    client: str
    created_at: datetime
    ended_at: datetime | None = None
    priority: int
    webhook_url: str | None = None
    counts: dict[str, int] = Field(default_factory=dict)


class Batch(BatchSummary):
    """Many processes requested at once, line by line."""

    items: tuple[BatchItem, ...] = ()
    warnings: tuple[RunWarning, ...] = ()


class BatchPage(_Page):
    """A page of batches."""

    items: tuple[BatchSummary, ...] = Field(validation_alias="batches")

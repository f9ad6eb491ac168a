"""The routes of batches: many processes asked for at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import structlog
from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from api.access import Gatekeeper, Payer, Reader
from api.batch_runs import BatchRuns
from api.callbacks import called_back
from api.parameters import NoQuery
from api.problem_codes import ProblemCode
from api.problems import Problem, documented_problems
from api.rates import STARTING
from api.schemas import Age, BatchPriority, OrderBody, ProcessNumberText, WebhookUrl
from domain.batches import MOST_ITEMS, Batch, BatchItem, BatchRequest, ItemState, read_items
from domain.clients import Client, Scope
from domain.completeness import Decision
from domain.errors import DependencyUnavailable
from domain.representation import Json, moment
from workflows.options import BATCH_PRIORITY

if TYPE_CHECKING:
    from adapters.database import Catalog
    from adapters.webhooks import Destinations

BatchId = Annotated[
    str, Path(pattern="^[0-9a-f]{32}$", description="As the answer to the batch's request gave it.")
]

_log = structlog.get_logger()

_NUMBERS_PER_UNIT = 10

router = APIRouter(prefix="/batches", tags=["batches"])


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewBatchBody(OrderBody):
    """What a batch asks for."""

    process_numbers: list[ProcessNumberText] = Field(
        min_length=1,
        max_length=MOST_ITEMS,
        description="CNJ numbers, with or without punctuation. Those that are none are named in the answer.",
        examples=[["1011745-77.2025.8.11.0041"]],
    )
    webhook_url: WebhookUrl | None = Field(None, description="Called once per process, when its run ends.")
    max_age: Age | None = Field(
        None, description="How old, in seconds, the court's listings may be; 0 asks the court again."
    )
    priority: BatchPriority = Field(BATCH_PRIORITY, description="5 comes last; single requests have 3.")


class ItemProblemBody(_Body):
    """Why an item is not a process number."""

    code: str
    detail: str


class BatchItemBody(_Body):
    """One item of a batch."""

    position: int = Field(description="Its place in the request, from 1.")
    given: str = Field(description="What stood there, cut short.")
    process_number: str | None
    state: ItemState
    decision: Decision | None = Field(description="What the batch did about it; none until its turn comes.")
    run_id: str | None
    problem: ItemProblemBody | None


class BatchCountsBody(_Body):
    """How many items are in each state, and how many numbers stood in the request again."""

    queued: int
    processing: int
    completed: int
    partial: int
    failed: int
    cancelled: int
    invalid: int
    duplicates: int


class BatchBody(_Body):
    """A batch as it is now."""

    id: str
    client: str
    created_at: datetime
    ended_at: datetime | None = Field(description="When there was nothing left to start or to wait for.")
    priority: int
    webhook_url: str | None
    counts: BatchCountsBody
    items: list[BatchItemBody]


@dataclass(frozen=True, slots=True)
class BatchDesk:
    """Takes batches, and tells how they go."""

    catalog: Catalog
    runs: BatchRuns
    destinations: Destinations

    async def take(self, client: Client, asked: NewBatchBody) -> Json:
        """Store a batch and have it worked off.

        The catalog comes first, since the workflow reads it. If Temporal does not answer, the batch is taken back;
        if this dies in between, there is a batch that nobody has been told of. Should Temporal have heard of it
        all the same, its workflow ends where it finds no batch.

        Raises:
            InvalidInput: the webhook address cannot be used; nothing was changed.
            Problem: there is no process number among what was sent; nothing was changed.
            DependencyUnavailable: the database or Temporal does not answer; the batch does not exist.
        """
        if asked.webhook_url is not None:
            await self.destinations.check(asked.webhook_url)
        items, duplicates = read_items(asked.process_numbers)
        if all(item.process_number is None for item in items):
            raise Problem(
                ProblemCode.NO_VALID_NUMBERS,
                "None of these is a CNJ process number.",
                errors=[
                    {"parameter": f"process_numbers.{item.position - 1}", "detail": item.problem_detail}
                    for item in items
                ],
            )
        batch = Batch(
            id=uuid4().hex,
            client=client.name,
            created_at=datetime.now(UTC),
            priority=asked.priority,
            items=items,
            duplicates=duplicates,
            webhook_url=asked.webhook_url,
            max_age=None if asked.max_age is None else timedelta(seconds=asked.max_age),
        )
        await self.catalog.batches.add(batch)
        try:
            await self.runs.start(BatchRequest(batch.id, batch.client, batch.priority))
        except DependencyUnavailable:
            await self.catalog.batches.remove(batch.id)
            raise
        _log.info("batch taken", batch=batch.id, client=client.name, items=len(items))
        return _batch_body(batch)

    async def show(self, client: Client, batch_id: str) -> Json:
        """A batch as it is now. Those of others are shown to administrators only.

        Raises:
            Problem: there is none with this id that the client may see.
            DependencyUnavailable: the database does not answer.
        """
        batch = await self.catalog.batches.get(batch_id)
        if batch is None or not (batch.client == client.name or client.may(Scope.ADMIN)):
            raise Problem(ProblemCode.BATCH_UNKNOWN, "There is no batch with this id.")
        return _batch_body(batch)


@router.post(
    "",
    summary="Download many processes",
    callbacks=called_back("post_batch", "{$request.body#/webhook_url}"),
    status_code=202,
    response_model=BatchBody,
    responses=documented_problems(413),
)
async def post_batch(
    request: Request, client: Payer, query: Annotated[NoQuery, Query()], body: NewBatchBody
) -> Response:
    """Take up to a thousand processes. Each is answered from the catalog, joins the run that is open, or gets one.

    Numbers that stand there twice are taken once; what is no number is named, and holds up nothing.
    """
    gatekeeper: Gatekeeper = request.app.state.gatekeeper
    # A thousand are not as cheap as one. All at once: what is refused costs nothing.
    await gatekeeper.charge(request, client, STARTING + len(body.process_numbers) // _NUMBERS_PER_UNIT)
    desk: BatchDesk = request.app.state.batches
    answer = await desk.take(client, body)
    return JSONResponse(answer, 202, headers={"Location": f"/batches/{answer['id']}"})


@router.get("/{batch_id}", summary="How a batch goes", response_model=BatchBody, responses=documented_problems(404))
async def get_batch(
    request: Request, batch_id: BatchId, client: Reader, query: Annotated[NoQuery, Query()]
) -> Response:
    """Every item with what became of it, and how many are in each state."""
    desk: BatchDesk = request.app.state.batches
    return JSONResponse(await desk.show(client, batch_id))


def _batch_body(batch: Batch) -> Json:
    counts = {state.value: amount for state, amount in batch.counts.items()}
    return {
        "id": batch.id,
        "client": batch.client,
        "created_at": moment(batch.created_at),
        "ended_at": moment(batch.ended_at),
        "priority": batch.priority,
        "webhook_url": batch.webhook_url,
        "counts": {**counts, "duplicates": batch.duplicates},
        "items": [_item_body(item) for item in batch.items],
    }


def _item_body(item: BatchItem) -> Json:
    return {
        "position": item.position,
        "given": item.given,
        "process_number": item.process_number,
        "state": item.state.value,
        "decision": item.decision.value if item.decision else None,
        "run_id": item.run_id,
        "problem": {"code": item.problem_code, "detail": item.problem_detail} if item.problem_code else None,
    }

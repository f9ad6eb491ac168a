"""Routes: batches."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.deps import AuthenticatorDep, BatchServiceDep, Reader, UnchargedDownloader
from api.json_bodies import JsonRoute
from api.middleware.rate_headers import batch_cost
from api.pagination import link_next
from api.problems.problem import documented_problems
from api.schemas.batches import BatchBody, BatchesBody, BatchesQuery, NewBatchBody
from api.schemas.callbacks import run_end_callback
from api.schemas.parameters import BatchId, NoQuery

router = APIRouter(prefix="/batches", tags=["batches"], route_class=JsonRoute)


@router.post(
    "",
    summary="Create a batch",
    callbacks=run_end_callback("post_batch", "{$request.body#/webhook_url}"),
    status_code=202,
    responses=documented_problems(413, 415),
)
async def post_batch(
    request: Request,
    response: Response,
    client: UnchargedDownloader,
    query: Annotated[NoQuery, Query()],
    body: NewBatchBody,
    authenticator: AuthenticatorDep,
    batches: BatchServiceDep,
) -> BatchBody:
    """Request up to 1,000 processes. Each is answered from the catalog, joins the open run, or gets a new one.

    Repeated numbers are processed once. Items that are not process numbers are marked in the answer and do not
    stop the others.
    """
    # Charged as a whole before anything is done, so that a refused batch costs nothing.
    await authenticator.charge(request, client, batch_cost(len(body.process_numbers)))
    batch = await batches.create(client, body)
    response.headers["Location"] = f"/batches/{batch.id}"
    return batch


@router.get("", summary="List batches", responses=documented_problems())
async def get_batches(
    response: Response, client: Reader, query: Annotated[BatchesQuery, Query()], batches: BatchServiceDep
) -> BatchesBody:
    """The client's batches without their items, newest first. With the scope `admin`, those of all clients."""
    body = await batches.list_batches(client, query)
    link_next(response, body.batches_next)
    return body


@router.get("/{batch_id}", summary="Get a batch", responses=documented_problems(404))
async def get_batch(
    batch_id: BatchId, client: Reader, query: Annotated[NoQuery, Query()], batches: BatchServiceDep
) -> BatchBody:
    """Every item with its state, and the number of items in each state."""
    return await batches.get(client, batch_id)

"""Route: metrics for Prometheus."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.deps import CatalogDep, LoadDep, MetricsDep, Reader, WorkerPresenceDep
from api.problems.problem import documented_problems
from api.schemas.parameters import NoQuery

router = APIRouter(tags=["operation"], responses=documented_problems())


@router.get(
    "/metrics",
    summary="Get metrics (Prometheus)",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def get_metrics(
    client: Reader,
    query: Annotated[NoQuery, Query()],
    catalog: CatalogDep,
    metrics: MetricsDep,
    presence: WorkerPresenceDep,
    read_load: LoadDep,
) -> Response:
    """Requests by route and status, and the state of the deployment, in Prometheus's text format.

    With API keys, Prometheus must send one with the scope `read`: behind a proxy on the same machine, all requests
    seem to come from there.
    """
    return Response(await metrics.render(catalog, presence.counts, read_load), media_type=metrics.content_type)

"""Routes: health checks."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter

from api.deps import ReadinessChecksDep, WorkerPresenceDep
from api.problems.codes import ProblemCode
from api.problems.problem import Problem, only_problems
from api.schemas.health import HealthBody, LiveBody, Readiness, ReadyBody
from api.services.readiness import check_parts
from domain.version import VERSION

router = APIRouter(prefix="/health", tags=["operation"])


@router.get("", summary="Get the version")
async def get_health() -> HealthBody:
    """For a load balancer's default check. Nothing is checked: for that there is `/health/ready`."""
    return HealthBody(status="ok", version=VERSION)


@router.get("/live", summary="Liveness check")
async def live() -> LiveBody:
    """Answers as long as the API process can answer at all."""
    return LiveBody(status="ok")


@router.get("/ready", summary="Readiness check", responses=only_problems(503))
async def ready(checks: ReadinessChecksDep, presence: WorkerPresenceDep) -> ReadyBody:
    """Check the database, the object store and Temporal, each for at most three seconds.

    The store also has to accept a small object: a read-only store is not ready.

    Without a worker, the status is `degraded`, still with 200: this API answers, and what is requested is kept.
    """
    parts, _ = await asyncio.gather(check_parts(checks), presence.ensure_counted())
    if any(state != "ok" for state in parts.values()):
        raise Problem(
            ProblemCode.NOT_READY,
            "A part that the service depends on does not answer.",
            headers={"Retry-After": "5"},
            parts=parts,
        )
    advice = presence.advice()
    status = Readiness.DEGRADED if advice else Readiness.OK
    return ReadyBody(status=status, parts=parts, workers=presence.counts, advice=advice)

"""Liveness and readiness."""

from __future__ import annotations

from api.schemas.health import ReadyBody
from tests.support.conditions import eventually
from tests.support.stack import RunningStack


async def test_a_healthy_api_is_live_and_ready(stack: RunningStack) -> None:
    assert (await stack.api.get("/health/live")).json() == {"status": "ok"}

    async def ready() -> ReadyBody | None:
        answer = await stack.api.get("/health/ready")
        assert answer.status_code == 200
        body = ReadyBody.model_validate(answer.json())
        # The API is ready before the worker is.
        return body if body.status == "ok" else None

    body = await eventually(ready, "a worker for each queue")
    assert body.parts == {"database": "ok", "storage": "ok", "temporal": "ok"}
    assert (body.workers, body.advice) == ({"processes": 1, "court": 1, "bundles": 1}, None)

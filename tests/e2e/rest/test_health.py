"""Liveness and readiness."""

from __future__ import annotations

from api.schemas.health import ReadyBody
from tests.support.stack import RunningStack


async def test_a_healthy_api_is_live_and_ready(stack: RunningStack) -> None:
    assert (await stack.api.get("/health/live")).json() == {"status": "ok"}
    ready = await stack.api.get("/health/ready")
    assert ready.status_code == 200
    assert ReadyBody.model_validate(ready.json()).parts == {
        "database": "ok",
        "storage": "ok",
        "temporal": "ok",
    }

"""Trouble with our own parts is told as that: 503, and never a defect."""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI
from temporalio.service import RPCError, RPCStatusCode

from adapters.temporal.errors import translating_temporal_errors
from api.problems.handlers import install_problem_handlers
from domain.errors import ConfigurationError, DependencyUnavailable


async def test_a_setting_that_no_longer_fits_is_unavailability_and_told_to_the_log_alone() -> None:
    app = FastAPI()
    install_problem_handlers(app)

    @app.get("/")
    async def read() -> None:
        raise ConfigurationError("The database refuses the password of AUTOS_DATABASE_URL.")

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://autos.test") as client:
        answer = await client.get("/")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert answer.headers["retry-after"] == "5"
    assert "AUTOS_DATABASE_URL" not in answer.text


async def test_only_a_run_can_be_gone_and_else_temporal_lacks_its_namespace() -> None:
    missing = RPCError("not found", RPCStatusCode.NOT_FOUND, b"")
    with pytest.raises(RPCError):
        async with translating_temporal_errors(of_a_run=True):
            raise missing
    with pytest.raises(DependencyUnavailable, match="NOT_FOUND"):
        async with translating_temporal_errors():
            raise missing

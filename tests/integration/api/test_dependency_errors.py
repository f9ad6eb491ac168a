"""Failures of the service's own dependencies are answered with 503, never 500."""

from __future__ import annotations

import httpx2
import pytest
from fastapi import FastAPI
from temporalio.service import RPCError, RPCStatusCode

from adapters.temporal.errors import translating_temporal_errors
from api.problems.handlers import install_problem_handlers
from domain.errors import ConfigurationError, DependencyUnavailable


async def test_configuration_error_is_answered_with_503_without_its_text() -> None:
    app = FastAPI()
    install_problem_handlers(app)

    @app.get("/")
    async def read() -> None:
        raise ConfigurationError("The database refuses the password of AUTOS_DATABASE_URL.")

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://autos.test") as client:
        answer = await client.get("/")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert answer.headers["retry-after"] == "5"
    assert "AUTOS_DATABASE_URL" not in answer.text


async def test_temporal_not_found_is_passed_on_for_runs_only() -> None:
    not_found = RPCError("not found", RPCStatusCode.NOT_FOUND, b"")
    with pytest.raises(RPCError):
        async with translating_temporal_errors(of_a_run=True):
            raise not_found
    with pytest.raises(DependencyUnavailable, match="NOT_FOUND"):
        async with translating_temporal_errors():
            raise not_found

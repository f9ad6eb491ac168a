"""What the doctor makes of states of a deployment: open circuits, keys that end, misspelt settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cryptography.fernet import Fernet
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import RateLimit
from temporalio.api.workflowservice.v1 import UpdateTaskQueueConfigRequest

from adapters.database import Catalog, Database
from adapters.security.encryption import Encryptor
from cli.doctor.checks import CHECKS
from cli.doctor.findings import CheckName, Fault, State
from cli.doctor.parts import Parts
from cli.doctor.runner import run_checks
from domain.clients import Scope
from domain.court import Credentials
from domain.errors import CourtFailure, FailureCode
from settings import Settings
from tests.e2e.doctor.conftest import Deployment, check_fault
from tests.support.numbers import fresh_number
from tests.support.simulators import SimulatedCourt
from workflows.options import COURT_QUEUE


@asynccontextmanager
async def catalog_of(deployment: Deployment, secret_key: str | None = None) -> AsyncIterator[Catalog]:
    """Open the deployment's catalog for as long as the block lasts."""
    encryptor = Encryptor([secret_key]) if secret_key else None
    catalog = Catalog(Database(str(deployment.defaults["database_url"])), encryptor)
    try:
        yield catalog
    finally:
        await catalog.close()


async def open_circuit(deployment: Deployment, code: FailureCode) -> None:
    """Open the court's circuit breaker."""
    async with catalog_of(deployment) as catalog:
        failure = CourtFailure(code, "HTTP 503: maintenance", retry_after=600)
        await catalog.court_state.open_circuit(failure, process_number=fresh_number(), generation=0, token=None)


async def test_a_court_whose_circuit_is_open_is_not_asked(deployment: Deployment, court: SimulatedCourt) -> None:
    await open_circuit(deployment, FailureCode.COURT_THROTTLED)
    findings = await deployment.examine(court_base_url=court.origin, court_token=await court.create_token())
    assert (await court.get_stats())["requests"] == 0
    assert findings.pop(CheckName.CIRCUITS).state is State.WARNING
    check_fault(findings, CheckName.COURT, "HTTP 503: maintenance", "AUTOS_COURT_REQUESTS_PER_SECOND")


async def test_a_rejected_token_that_opened_the_circuit_is_the_tokens_fault(deployment: Deployment) -> None:
    await open_circuit(deployment, FailureCode.CREDENTIALS_REJECTED)
    findings = await deployment.examine()
    assert findings.pop(CheckName.CIRCUITS).state is State.WARNING
    check_fault(findings, CheckName.COURT_TOKEN, "rejects the token", "autos court login", Fault.SETTING)


async def test_keys_that_end_soon_are_named(deployment: Deployment) -> None:
    async with catalog_of(deployment, Fernet.generate_key().decode()) as catalog:
        created = await catalog.clients.add_key(
            "desk", frozenset({Scope.READ}), None, expires_at=datetime.now(UTC) + timedelta(days=2)
        )
    finding = (await deployment.examine())[CheckName.ACCESS]
    assert finding.state is State.WARNING
    assert f"{created.record.id} of desk" in finding.found
    assert created.text not in finding.found


async def test_keys_that_are_all_over_let_nobody_in(deployment: Deployment) -> None:
    async with catalog_of(deployment, Fernet.generate_key().decode()) as catalog:
        created = await catalog.clients.add_key("desk", frozenset({Scope.READ}), None)
        await catalog.clients.revoke_key(created.record.id)
    finding = (await deployment.examine())[CheckName.ACCESS]
    assert finding.state is State.WARNING
    assert "nobody" in finding.found


async def test_another_secret_key_does_not_open_what_is_stored(deployment: Deployment) -> None:
    async with catalog_of(deployment, Fernet.generate_key().decode()) as catalog:
        await catalog.court_state.store_credentials(Credentials("a-stored-token"))
    findings = await deployment.examine()
    check_fault(findings, CheckName.SECRET_KEY, "another AUTOS_SECRET_KEY", "the setting", Fault.SETTING)


async def test_a_misspelt_setting_is_pointed_out(deployment: Deployment) -> None:
    deployment.variables.setenv("AUTOS_S3_BUKET", "x")
    finding = (await deployment.examine())[CheckName.SETTINGS]
    assert finding.state is State.WARNING
    assert "Is AUTOS_S3_BUKET meant to be AUTOS_S3_BUCKET?" in finding.remedy


async def test_missing_secrets_are_pointed_out(deployment: Deployment) -> None:
    findings = await deployment.examine(webhook_secret=None, secret_key=None)
    assert findings[CheckName.SETTINGS].state is State.WARNING
    assert findings[CheckName.SECRET_KEY].state is State.WARNING


async def test_a_stored_token_that_is_renewed_may_be_over(deployment: Deployment) -> None:
    key = Fernet.generate_key().decode()
    issued = await deployment.stack.create_court_token(expires_in=0, revoke_others=False)
    async with catalog_of(deployment, key) as catalog:
        await catalog.court_state.store_credentials(Credentials(issued["token"], issued["refresh_token"]))
    findings = await deployment.examine(secret_key=key, court_token=None)
    check_fault(findings, CheckName.COURT_TOKEN, "expired at", "start a worker", Fault.SETTING)


async def test_a_court_that_hangs_has_not_accepted_the_token(deployment: Deployment) -> None:
    await deployment.stack.set_latency(5)
    checks = [replace(check, seconds=1) if check.name is CheckName.COURT else check for check in CHECKS]
    async with AsyncExitStack() as stack:
        parts = Parts(Settings(**deployment.defaults), None, stack)
        findings = {result.name: result.finding async for result in run_checks(checks, parts)}
    check_fault(findings, CheckName.COURT, "no answer within 1 seconds", "AUTOS_COURT_BASE_URL")
    assert "has not said" in findings[CheckName.COURT_TOKEN].found


async def test_a_court_that_is_stopped_by_an_operator_is_not_asked(
    deployment: Deployment, court: SimulatedCourt
) -> None:
    temporal = deployment.stack.temporal

    async def set_rate(rate: float | None) -> None:
        limit = RateLimit(requests_per_second=rate) if rate is not None else None
        await temporal.workflow_service.update_task_queue_config(
            UpdateTaskQueueConfigRequest(
                namespace=temporal.namespace,
                identity="a test",
                task_queue=COURT_QUEUE,
                task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
                update_queue_rate_limit=UpdateTaskQueueConfigRequest.RateLimitUpdate(
                    rate_limit=limit, reason="test"
                ),
            )
        )

    await set_rate(0)
    try:
        findings = await deployment.examine(court_base_url=court.origin, court_token=await court.create_token())
    finally:
        await set_rate(None)
    assert (await court.get_stats())["requests"] == 0
    assert findings[CheckName.COURT].state is State.WARNING
    assert "task-queue config" in findings[CheckName.COURT].remedy

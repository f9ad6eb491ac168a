"""A whole deployment for the doctor: the shared stack's parts, and a database of its own."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client

from adapters.database.migrate import upgrade
from cli.doctor.command import examine
from cli.doctor.findings import CheckName, Fault, Finding, State
from settings import Settings
from tests.support.simulators import SimulatedCourt, running_simulator
from tests.support.stack import RunningStack

# Where nothing listens.
NOBODY = "127.0.0.1:1"


@dataclass(frozen=True)
class Deployment:
    """What the doctor looks at.

    Attributes:
        stack: The parts.
        defaults: The settings of a deployment in which all is well.
        variables: Sets environment variables until the test's end.
    """

    stack: RunningStack
    defaults: dict[str, Any]
    variables: pytest.MonkeyPatch

    async def examine(self, webhook_url: str | None = None, **changes: object) -> dict[CheckName, Finding]:
        """Run every check with these settings changed."""
        settings = Settings(**{**self.defaults, **changes})
        return {result.name: result.finding async for result in examine(settings, webhook_url)}


def only_fault(findings: dict[CheckName, Finding]) -> tuple[CheckName, Finding]:
    """Return the one check that failed. All others must be ok, or skipped with a reason."""
    faults = {name: finding for name, finding in findings.items() if finding.state not in (State.OK, State.SKIPPED)}
    assert len(faults) == 1, faults
    assert all(finding.found for finding in findings.values())
    [(name, finding)] = faults.items()
    assert finding.state is State.FAILED
    assert finding.remedy
    return name, finding


def check_fault(
    findings: dict[CheckName, Finding], name: CheckName, found: str, remedy: str, fault: Fault = Fault.PART
) -> None:
    """Check which fault was found, what is said about it, and what is to be done."""
    named, finding = only_fault(findings)
    assert named is name
    assert found in finding.found
    assert remedy in finding.remedy
    assert finding.fault is fault


async def create_namespace(deployment: Deployment) -> Client:
    """Create a namespace with nothing in it, have the doctor look at it, and return a client of it."""
    name = f"doctor-{uuid4()}"
    await deployment.stack.temporal.workflow_service.register_namespace(
        RegisterNamespaceRequest(namespace=name, workflow_execution_retention_period=Duration(seconds=86_400))
    )
    deployment.variables.setenv("TEMPORAL_NAMESPACE", name)
    return await Client.connect(deployment.stack.addresses["temporal"], namespace=name)


@pytest.fixture(scope="module")
async def court_token(shared_stack: RunningStack) -> str:
    """A token that the simulated court accepts, beside those of other tests."""
    return str((await shared_stack.create_court_token(revoke_others=False))["token"])


@pytest.fixture
async def court() -> AsyncIterator[SimulatedCourt]:
    """A court that only the doctor asks: the shared stack may still be busy for another test."""
    with running_simulator() as origin:
        running = SimulatedCourt(origin)
        yield running
        await running.close()


@pytest.fixture(scope="session")
async def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database with the schema of this version, to be copied."""
    file = tmp_path_factory.mktemp("doctor") / "autos.db"
    await asyncio.to_thread(upgrade, f"sqlite:///{file}")
    return file


@pytest.fixture
async def deployment(
    stack: RunningStack, court_token: str, migrated_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Deployment:
    """A deployment in which all is well."""
    for name in list(os.environ):
        if name.startswith(("AUTOS_", "TEMPORAL_", "AWS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TEMPORAL_ADDRESS", stack.addresses["temporal"])
    shutil.copy(migrated_file, tmp_path / "autos.db")
    return Deployment(
        stack,
        {
            "data_dir": stack.data_dir,
            "database_url": f"sqlite:///{tmp_path / 'autos.db'}",
            "court_token": court_token,
        },
        monkeypatch,
    )

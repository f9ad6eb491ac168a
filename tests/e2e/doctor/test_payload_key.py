"""`autos doctor` and the key of Temporal's payloads: none, a malformed one, another one, the right one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowHandle

from adapters.security.encryption import PayloadEncryptor
from adapters.temporal.payload_codec import create_data_converter
from cli.doctor.findings import CheckName, Fault, Finding, State
from tests.e2e.doctor.conftest import Deployment, create_namespace
from tests.support.conditions import eventually
from tests.support.payload_keys import new_payload_key

KEY = new_payload_key()
NEWEST = 5


async def start_workflows(client: Client, name: str) -> list[WorkflowHandle[Any, Any]]:
    """Start as many as the doctor looks at, on a task queue without workers, and wait until they are listed."""
    handles = [
        await client.start_workflow("Nobody", "an argument", id=f"doctor-{name}-{uuid4()}", task_queue="nobody")
        for _ in range(NEWEST)
    ]
    expected = {handle.id for handle in handles}

    async def are_listed() -> bool:
        return expected == {found.id async for found in client.list_workflows(limit=NEWEST)}

    await eventually(are_listed, "the workflows are listed")
    return handles


@pytest.fixture
async def temporal(deployment: Deployment) -> Client:
    """A client of a namespace in which no schedule starts a workflow between ours and the doctor's look."""
    return await create_namespace(deployment)


@pytest.fixture
async def encrypted_workflows(temporal: Client) -> AsyncIterator[None]:
    """Start workflows as a service with `KEY` does; nobody runs them."""
    service = Client(
        temporal.service_client,
        namespace=temporal.namespace,
        data_converter=create_data_converter(PayloadEncryptor([KEY])),
    )
    handles = await start_workflows(service, "encrypted")
    yield
    for handle in handles:
        await handle.terminate()


async def examine_key(deployment: Deployment, payload_key: str | None) -> Finding:
    """Return what the doctor of a service with this key finds about it."""
    return (await deployment.examine(payload_key=payload_key))[CheckName.PAYLOAD_KEY]


@pytest.mark.parametrize("malformed", ["x" * 44, f"{'A' * 43}=,short"])
async def test_a_malformed_key_is_named(deployment: Deployment, malformed: str) -> None:
    finding = await examine_key(deployment, malformed)

    assert (finding.state, finding.fault) == (State.FAILED, Fault.SETTING)
    assert "AUTOS_PAYLOAD_KEY must be the URL-safe base64 of 32 bytes" in finding.found
    assert malformed not in f"{finding.found} {finding.remedy}"


@pytest.mark.usefixtures("encrypted_workflows")
@pytest.mark.parametrize("has_key", [False, True], ids=["no key", "another key"])
async def test_a_service_without_the_key_of_the_others_is_found(deployment: Deployment, has_key: bool) -> None:
    finding = await examine_key(deployment, new_payload_key() if has_key else None)

    assert (finding.state, finding.fault) == (State.FAILED, Fault.SETTING)
    assert PayloadEncryptor([KEY]).key_id in finding.found
    assert "AUTOS_PAYLOAD_KEY" in finding.found


@pytest.mark.usefixtures("encrypted_workflows")
async def test_the_key_of_the_others_is_well_also_during_a_rotation(deployment: Deployment) -> None:
    for keys in (KEY, f"{new_payload_key()},{KEY}"):
        finding = await examine_key(deployment, keys)
        assert (finding.state, finding.remedy) == (State.OK, "")
        assert f"opens {NEWEST} payloads" in finding.found


async def test_services_that_do_not_encrypt_are_found(deployment: Deployment, temporal: Client) -> None:
    handles = await start_workflows(temporal, "plain")
    assert (await examine_key(deployment, None)).state is State.OK
    assert (await examine_key(deployment, KEY)).state is State.WARNING
    for handle in handles:
        await handle.terminate()

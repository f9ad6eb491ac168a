"""A deployment is lost, and restored from its backup onto an empty database, an empty bucket and a new Temporal."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError

from adapters.temporal.schedules import SWEEP_BATCHES, SWEEP_DELIVERIES
from domain.storage import WRITE_CHECK_KEY, StorageAddress
from tests.support.backups import copy_bucket, dump_database, restore_database
from tests.support.batches import Json, create_batch, wait_until_batch_ended, wait_until_processing
from tests.support.buckets import storage_address
from tests.support.cli_commands import run_autos
from tests.support.conditions import eventually
from tests.support.deliveries import wait_for_only_delivery, wait_until_delivery
from tests.support.numbers import fresh_number
from tests.support.object_store import running_object_store
from tests.support.postgres import create_database, running_postgres
from tests.support.receiver import Receiver, running_receiver
from tests.support.simulators import SimulatedCourt, running_simulator
from tests.support.stack import RunningStack, running_stack

OPERATORS_KEY = "the operator's key, of the settings"


@dataclass
class Deployment:
    """What outlives the loss: the variables of .env, the court, the client, and its receiver.

    Attributes:
        faults: the court's faults that end after the dump.
    """

    variables: dict[str, str]
    court: SimulatedCourt
    receiver: Receiver
    client_key: str = ""
    faults: list[str] = field(default_factory=list)
    # Processes, named after what had become of them when the database was dumped.
    stored: str = field(default_factory=fresh_number)
    undelivered: str = field(default_factory=fresh_number)
    half_done: str = field(default_factory=fresh_number)
    forgotten: str = field(default_factory=fresh_number)
    # A process of a batch, of which a run was open.
    batched: str = field(default_factory=fresh_number)
    batch: Json = field(default_factory=dict)
    # Documents that were not stored when the database was dumped.
    unknown_documents: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def running(self, folder: Path, database_url: str, **more: str) -> AsyncIterator[RunningStack]:
        """Run the services on a database, with a new Temporal. The stack's requests have the client's key."""
        await asyncio.to_thread(folder.mkdir, exist_ok=True)
        variables = self.variables | {"AUTOS_DATABASE_URL": database_url} | more
        async with (
            running_stack(folder, **variables) as stack,
            httpx2.AsyncClient(base_url=self.court.origin, trust_env=False, timeout=60) as court,
        ):
            stack.simulator = court
            if not self.client_key:
                await self._create_client(stack, variables)
            stack.api.headers["Authorization"] = f"Bearer {self.client_key}"
            yield stack

    async def bring_credentials(self, stack: RunningStack) -> None:
        """Bring a token of the court, which is stored encrypted in the database."""
        token = await self.court.create_token(expires_in=3600)
        operator = {"Authorization": f"Bearer {OPERATORS_KEY}"}
        answer = await stack.api.put("/court/credentials", json={"token": token}, headers=operator)
        answer.raise_for_status()

    async def request(self, stack: RunningStack, number: str, documents: int) -> list[str]:
        """Create a process at the court and request it with a webhook. Returns the documents' ids."""
        ids = await self.court.create_process(number, documents=documents)
        answer = await stack.request_download(number, webhook_url=f"{self.receiver.url}/{number}")
        assert answer.status_code == 202, answer.text
        return ids

    async def _create_client(self, stack: RunningStack, variables: dict[str, str]) -> None:
        result = await run_autos(
            stack, *("key", "new", "desk", "--requests-per-minute", "0", "--json"), **variables
        )
        assert result.exit_code == 0, result.stderr
        created = json.loads(result.stdout)
        self.client_key, self.receiver.secret = created["key"], created["webhook_secret"]


@pytest.fixture
async def deployment() -> AsyncIterator[Deployment]:
    """A deployment that has never run."""
    with running_simulator() as origin, running_receiver("") as receiver:
        court = SimulatedCourt(origin)
        variables = {
            "AUTOS_API_KEY": OPERATORS_KEY,
            "AUTOS_SECRET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "AUTOS_COURT_BASE_URL": origin,
            "AUTOS_COURT_REQUESTS_PER_SECOND": "200",
            "AUTOS_COURT_CONCURRENCY": "8",
            "AUTOS_COURT_STALL_SECONDS": "3",
            "AUTOS_WEBHOOK_ALLOW_PRIVATE": "true",
        }
        yield Deployment(variables, court, receiver)
        await court.close()


async def test_a_restored_deployment_answers_and_completes_what_was_open(
    tmp_path: Path, deployment: Deployment
) -> None:
    dump, store_folder = tmp_path / "catalog.dump", tmp_path / "new-store"
    store_folder.mkdir()
    with running_object_store(store_folder) as new_store:
        with running_postgres() as server:
            url = await create_database(server, "autos")
            async with deployment.running(tmp_path / "lost", url) as lost:
                await use(lost, deployment)
                await dump_database(url, dump)
                await go_on_after_the_dump(lost, deployment)
                objects = await copy_bucket(storage_address(lost), new_store)
        # From here on, the first database, its Temporal and its store are gone.
        with running_postgres() as server:
            url = await create_database(server, "autos")
            await restore_database(url, dump)
            assert await list_object_keys(url) < objects.keys() - {WRITE_CHECK_KEY}
            await deployment.court.reset()
            async with deployment.running(tmp_path / "restored", url, **store_variables(new_store)) as restored:
                await check_stored_process(restored, deployment, objects)
                await check_half_done_process(restored, deployment, objects)
                await let_an_hour_pass(url, deployment)
                await check_events(restored, deployment)
                await check_forgotten_process(restored, deployment)
                await check_batch(restored, deployment)
                # Once each, and none that the catalog knew to be stored.
                served = (await deployment.court.get_stats())["documents_served"]
                assert served == dict.fromkeys(deployment.unknown_documents, 1)


async def test_a_temporal_that_is_newer_than_the_catalog_does_no_harm_once_its_runs_are_terminated(
    tmp_path: Path, deployment: Deployment
) -> None:
    known, unknown = deployment.forgotten, deployment.half_done
    with running_postgres() as server:
        url, restored_url = [await create_database(server, name) for name in ("autos", "restored")]
        async with deployment.running(tmp_path / "stack", url) as stack:
            await deployment.bring_credentials(stack)
            held = await hold_document(stack, known, 0)
            await deployment.request(stack, known, 1)
            await stack.wait_until_phase(known, "downloading")
            await dump_database(url, tmp_path / "catalog.dump")
            await stack.end_fault(held)
            await deployment.receiver.wait_for_events(f"/{known}")
            await hold_document(stack, unknown, 2)
            await deployment.request(stack, unknown, 3)
            await stack.wait_until_available(unknown, 2)
            await terminate_runs(stack, unknown)
        await restore_database(restored_url, tmp_path / "catalog.dump")
        await deployment.court.reset()

        # The same folder: Temporal and the bucket are those of before.
        async with deployment.running(tmp_path / "stack", restored_url) as stack:
            assert len(await stack.list_run_ids(unknown)) == 1
            assert (await stack.api.get(f"/processes/{unknown}/status")).status_code == 404
            assert (await stack.get_status(known))["status"] == "pending"
            for number, documents in ((known, 1), (unknown, 3)):
                answer = await stack.request_download(number)
                assert (answer.status_code, answer.json()["decision"]) == (202, "started")
                status = await stack.wait_until_ended(number)
                assert (status["status"], status["available_documents"]) == ("completed", documents)


async def hold_document(stack: RunningStack, number: str, position: int) -> str:
    """Have every attempt at a document stall in its middle. Returns the fault's id."""
    return await stack.inject_fault("slow", number, documents=[position], delay_seconds=60)


async def terminate_runs(stack: RunningStack, number: str) -> None:
    """Terminate all that runs at Temporal, as docs/backup.md says, until also the run of a process has ended."""
    run = stack.temporal.get_workflow_handle(number)

    async def has_ended() -> bool:
        async for workflow in stack.temporal.list_workflows("ExecutionStatus = 'Running'"):
            # The list is a moment old: a delivery or a sweep may have ended by itself.
            with suppress(RPCError):
                await stack.temporal.get_workflow_handle(workflow.id, run_id=workflow.run_id).terminate()
        return (await run.describe()).status is WorkflowExecutionStatus.TERMINATED

    await eventually(has_ended, "the run is terminated")


def store_variables(address: StorageAddress) -> dict[str, str]:
    """Return the settings of a store that is not the stack's own."""
    return {
        "AUTOS_S3_ENDPOINT_URL": str(address.endpoint_url),
        "AUTOS_S3_BUCKET": address.bucket,
        "AUTOS_S3_ACCESS_KEY_ID": str(address.access_key_id),
        "AUTOS_S3_SECRET_ACCESS_KEY": str(address.secret_access_key),
    }


async def use(stack: RunningStack, deployment: Deployment) -> None:
    """Bring each process to where it is when the database is dumped."""
    receiver = deployment.receiver
    await deployment.bring_credentials(stack)
    await deployment.request(stack, deployment.stored, 5)
    await receiver.wait_for_events(f"/{deployment.stored}")
    await hold_document(stack, deployment.half_done, 3)
    deployment.faults = [
        await hold_document(stack, deployment.half_done, 2),
        await hold_document(stack, deployment.forgotten, 0),
    ]
    deployment.unknown_documents = (await deployment.request(stack, deployment.half_done, 4))[2:]
    deployment.unknown_documents += await deployment.request(stack, deployment.forgotten, 1)
    await hold_document(stack, deployment.batched, 0)
    deployment.unknown_documents += await deployment.court.create_process(deployment.batched, documents=1)
    deployment.batch = await create_batch(stack, [deployment.batched])
    await wait_until_processing(stack, deployment.batch, 1)
    await stack.wait_until_available(deployment.half_done, 2)
    receiver.planned_failures[f"/{deployment.undelivered}"] = [503]
    # The second attempt comes five seconds after the first one, and must not have succeeded when the dump is made.
    receiver.held.add(f"/{deployment.undelivered}")
    await deployment.request(stack, deployment.undelivered, 1)
    delivery = await wait_for_only_delivery(stack, deployment.undelivered)
    await wait_until_delivery(stack, delivery["id"], "pending", 1)


async def go_on_after_the_dump(stack: RunningStack, deployment: Deployment) -> None:
    """Let the deployment do what the dump does not know of, and the bucket does."""
    deployment.receiver.held.clear()
    for fault in deployment.faults:
        await stack.end_fault(fault)
    await stack.wait_until_available(deployment.half_done, 3)
    await deployment.receiver.wait_for_events(f"/{deployment.undelivered}")
    await deployment.receiver.wait_for_events(f"/{deployment.forgotten}")


async def list_object_keys(url: str) -> set[str]:
    """Return the keys of all objects that a catalog knows."""
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        keys = set(await connection.scalars(text("SELECT object_key FROM documents WHERE object_key IS NOT NULL")))
    await engine.dispose()
    return keys


async def let_an_hour_pass(url: str, deployment: Deployment) -> None:
    """Move the times back that the sweep compares with the clock."""
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        for moved in (
            # The run of the process that somebody requests again does not wait for the sweep.
            "runs SET started_at = started_at - interval '1 hour' WHERE process_number IN (:forgotten, :batched)",
            "batches SET created_at = created_at - interval '1 hour'",
            "webhook_deliveries SET next_attempt_at = next_attempt_at - interval '1 hour' WHERE status = 'pending'",
        ):
            numbers = {"forgotten": deployment.forgotten, "batched": deployment.batched}
            parameters = numbers if ":forgotten" in moved else {}
            assert (await connection.execute(text(f"UPDATE {moved}"), parameters)).rowcount > 0
    await engine.dispose()


async def read_documents(body: dict[str, Any], objects: dict[str, bytes]) -> int:
    """Open the link of each document, and check its bytes. Returns how many of them the copied bucket had."""
    copied = {hashlib.sha256(content).hexdigest() for content in objects.values()}
    async with httpx2.AsyncClient(trust_env=False, timeout=60) as reader:
        for document in body["documents"]:
            content = (await reader.get(document["download_url"])).raise_for_status().content
            assert hashlib.sha256(content).hexdigest() == document["sha256"]
    return sum(document["sha256"] in copied for document in body["documents"])


async def check_stored_process(stack: RunningStack, deployment: Deployment, objects: dict[str, bytes]) -> None:
    """Check that a complete process is answered at once, from the restored catalog and the copied bucket."""
    answer = await stack.request_download(deployment.stored)

    assert (answer.status_code, answer.json()["decision"]) == (200, "complete")
    assert await read_documents(answer.json(), objects) == 5
    assert (await deployment.court.get_stats())["requests"] == 0


async def check_half_done_process(stack: RunningStack, deployment: Deployment, objects: dict[str, bytes]) -> None:
    """Check that the next request completes a process whose run is lost, with the restored credentials."""
    before = await stack.get_status(deployment.half_done)
    assert (before["status"], before["available_documents"]) == ("pending", 2)

    answer = await stack.request_download(
        deployment.half_done, webhook_url=f"{deployment.receiver.url}/{deployment.half_done}"
    )

    assert (answer.status_code, answer.json()["decision"]) == (202, "started")
    status = await stack.wait_until_ended(deployment.half_done)
    assert (status["status"], status["available_documents"]) == ("completed", 4)
    body = (await stack.request_download(deployment.half_done)).json()
    # The third one came after the dump: its object had no row, and was overwritten with the same bytes.
    assert await read_documents(body, objects) == 3
    [event] = await deployment.receiver.wait_for_events(f"/{deployment.half_done}")
    assert event.event["type"] == "process.completed"


async def check_events(stack: RunningStack, deployment: Deployment) -> None:
    """Check that what was pending is sent once more under its id, and what was delivered is not."""
    receiver = deployment.receiver

    await stack.temporal.get_schedule_handle(SWEEP_DELIVERIES.id).trigger()

    undelivered = await receiver.wait_for_events(f"/{deployment.undelivered}", 2)
    assert len({event.event_id for event in undelivered}) == 1
    await wait_until_delivery(stack, undelivered[0].event_id, "delivered", 2)
    assert len(receiver.events_at(f"/{deployment.undelivered}")) == 2
    # The restored catalog does not know its end. The id is the same, so that receivers ignore this one.
    forgotten = await receiver.wait_for_events(f"/{deployment.forgotten}", 2)
    assert [event.event["type"] for event in forgotten] == ["process.completed", "process.cancelled"]
    assert len({event.event_id for event in forgotten}) == 1
    # The lost run's subscription is answered too, under an id of its own.
    half_done = await receiver.wait_for_events(f"/{deployment.half_done}", 2)
    assert [event.event["type"] for event in half_done] == ["process.completed", "process.cancelled"]
    assert len({event.event_id for event in half_done}) == 2
    assert len(receiver.events_at(f"/{deployment.stored}")) == 1


async def check_forgotten_process(stack: RunningStack, deployment: Deployment) -> None:
    """Check that a process is completed whose run ended after the dump."""
    assert (await stack.get_status(deployment.forgotten))["run"]["outcome"] == "cancelled"

    await stack.request_download(deployment.forgotten)

    assert (await stack.wait_until_ended(deployment.forgotten))["status"] == "completed"


async def check_batch(stack: RunningStack, deployment: Deployment) -> None:
    """Check that a batch ends although its run is lost, and that the same batch once more completes it."""
    await stack.temporal.get_schedule_handle(SWEEP_BATCHES.id).trigger()

    restored = await wait_until_batch_ended(stack, deployment.batch)
    again = await wait_until_batch_ended(stack, await create_batch(stack, [deployment.batched]))

    assert [batch["items"][0]["state"] for batch in (restored, again)] == ["cancelled", "completed"]

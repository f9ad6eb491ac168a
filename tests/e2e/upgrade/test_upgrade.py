"""A deployment of the version before is upgraded to this one while it works, and an upgrade is undone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx2
import pytest
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause

from domain.court import MONITOR_ID
from tests.support.batches import (
    Json,
    create_batch,
    create_processes,
    wait_until_batch_ended,
    wait_until_processing,
)
from tests.support.conditions import eventually
from tests.support.deliveries import wait_for_only_delivery, wait_until_delivery
from tests.support.deployments import Deployment, list_modules, running_deployment, start_command
from tests.support.numbers import fresh_number
from tests.support.open_runs import create_open_run
from tests.support.paths import ROOT
from tests.support.stack import RunningStack
from tests.support.version_before import unpack_version_before

_UNHANDLED_COMMAND = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND

pytestmark = pytest.mark.timeout(400)

# While it lasts, a worker keeps this latency's eight requests under way, and lets them end when it stops.
LATENCY_SECONDS = 1.0
RUN_DOCUMENTS = 60
BATCH = 24


@pytest.fixture(scope="module")
def version_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the code of the version before."""
    return unpack_version_before(tmp_path_factory.mktemp("version-before"))


@pytest.fixture
async def deployment(tmp_path: Path) -> AsyncIterator[Deployment]:
    """What the services share. None is running."""
    async with running_deployment(tmp_path) as deployment:
        yield deployment


@dataclass
class OpenWork:
    """What the version before has begun and not ended."""

    stored: str
    paused: str
    active: str
    undelivered: str
    batch: Json

    @property
    def runs(self) -> list[str]:
        """The processes with a run."""
        return [self.stored, self.paused, self.active, self.undelivered, *self.batch_numbers]

    @property
    def batch_numbers(self) -> list[str]:
        """The processes of the batch."""
        return [item["process_number"] for item in self.batch["items"]]


async def test_the_version_before_is_other_code(version_before: Path, tmp_path: Path) -> None:
    modules = ("workflows.download_process", "activities.court", "adapters.database", "domain.errors", "worker")
    for code in (version_before, ROOT):
        assert all(file.is_relative_to(code) for file in await list_modules(code, tmp_path, *modules))


async def test_what_the_version_before_has_begun_ends_on_this_one(
    deployment: Deployment, version_before: Path
) -> None:
    await deployment.migrate(version_before)
    old_worker = deployment.add("old-worker", "worker", version_before)
    old_api = deployment.add("old-api", "api", version_before)
    new_worker, new_api = deployment.add("new-worker", "worker"), deployment.add("new-api", "api")
    await asyncio.gather(old_worker.start(), old_api.start())
    async with AsyncExitStack() as clients:
        old = await clients.enter_async_context(deployment.client_of(old_api))
        new = await clients.enter_async_context(deployment.client_of(new_api))
        await use_key_of(deployment, version_before, old, new)
        work = await begin_work(deployment, old)
        before = await stored_documents(old, work.paused)

        # The old services go on with the new schema.
        await deployment.migrate()
        await complete_processes(old, 2)
        assert (await old.get_status(work.paused))["phase"] == "paused"

        # Old and new workers share the queues.
        await new_worker.start()
        await complete_processes(old, 4)
        await old_worker.stop()
        await complete_processes(old, 2)

        # Old and new APIs answer.
        await new_api.start()
        of_old, of_new = await old.get_status(work.stored), await new.get_status(work.stored)
        # The new one may say more.
        assert of_new | of_old == of_new
        await complete_processes(new, 2)
        await old_api.stop()

        await old.set_latency(0)
        await check_work(deployment, new, work)
        assert before <= await stored_documents(new, work.paused)


async def test_services_can_go_back_to_the_version_before(deployment: Deployment, version_before: Path) -> None:
    await deployment.migrate(version_before)
    await deployment.migrate()
    worker, api = deployment.add("worker", "worker"), deployment.add("api", "api")
    await asyncio.gather(worker.start(), api.start())
    async with deployment.client_of(api) as client:
        await use_key_of(deployment, ROOT, client)
        work = await begin_work(deployment, client)

        await asyncio.gather(api.restart(version_before), worker.restart(version_before))

        # Only newer APIs have this route.
        assert (await client.api.get("/health")).status_code == 404
        await client.set_latency(0)
        await complete_processes(client, 2)
        await check_work(deployment, client, work)


async def use_key_of(deployment: Deployment, code: Path, *clients: RunningStack) -> None:
    """Make a client's key with a version, and give it to clients of any APIs."""
    log = deployment.folder / "key.log"
    process = await start_command(code, log, deployment.variables, *("key", "new", "desk"), "--json")
    assert await process.wait() == 0, log.read_text()
    [created] = [json.loads(line) for line in log.read_text().splitlines() if '"webhook_secret"' in line]
    deployment.receiver.secret = created["webhook_secret"]
    for client in clients:
        client.api.headers["Authorization"] = f"Bearer {created['key']}"


async def begin_work(deployment: Deployment, client: RunningStack) -> OpenWork:
    """Begin everything that takes long. The court answers late afterwards."""
    receiver = deployment.receiver
    stored = await client.create_ended_run(5)
    undelivered = fresh_number()
    await client.create_process(undelivered, 1)
    receiver.planned_failures[f"/{undelivered}"] = [503, 503]
    url = f"{receiver.url}/{undelivered}"
    await until_answered(lambda: client.request_download(undelivered, webhook_url=url))
    await wait_until_delivery(client, (await wait_for_only_delivery(client, undelivered))["id"], "pending", 2)
    paused = await create_open_run(client, RUN_DOCUMENTS, latency=LATENCY_SECONDS)
    await client.wait_until_available(paused, 1)
    await until_answered(lambda: client.post_action(paused, "pause"))
    numbers = await create_processes(client, BATCH)
    batch = await create_batch(client, numbers, webhook_url=f"{receiver.url}/batch")
    await wait_until_processing(client, batch, 10)
    active = fresh_number()
    await client.create_process(active, RUN_DOCUMENTS, size_bytes=1_500)
    await until_answered(lambda: client.request_download(active, webhook_url=f"{receiver.url}/{active}"))
    await client.wait_until_available(active, 1)
    return OpenWork(stored, paused, active, undelivered, batch)


async def until_answered(send: Callable[[], Awaitable[httpx2.Response]]) -> None:
    """Send a request until Temporal is not too late for it, as it may be on a busy machine."""

    async def answered() -> bool:
        answer = await send()
        assert answer.status_code in (200, 202, 503), answer.text
        return answer.status_code != 503

    await eventually(answered, "an answer", seconds=60)


async def complete_processes(client: RunningStack, count: int) -> None:
    """Have processes downloaded that nobody has requested before."""
    numbers = await create_processes(client, count)
    for number in numbers:
        await until_answered(partial(client.request_download, number))
    for number in numbers:
        assert (await client.wait_until_ended(number, seconds=90))["status"] == "completed"


async def stored_documents(client: RunningStack, number: str) -> set[str]:
    """Return the ids of the documents that are available."""
    documents = await client.list_documents(number)
    return {document["id"] for document in documents if document["status"] == "available"}


async def check_work(deployment: Deployment, client: RunningStack, work: OpenWork) -> None:
    """Check that all of it ends as if nothing had happened, and that nothing is done twice."""
    receiver = deployment.receiver
    await until_answered(lambda: client.post_action(work.paused, "resume"))
    batch = await wait_until_batch_ended(client, work.batch)
    assert {item["state"] for item in batch["items"]} == {"completed"}
    for number in work.runs:
        status = await client.wait_until_ended(number, seconds=60)
        assert (status["status"], status["failed_documents"]) == ("completed", 0)
        assert len(await client.list_run_ids(number)) == 1
        for document in await client.list_documents(number):
            await check_link(document)
    answer = await client.request_download(work.stored)
    assert (answer.status_code, answer.json()["decision"]) == (200, "complete")

    # Each requested from the court once, whichever version did it.
    assert set((await client.get_court_stats())["documents_served"].values()) == {1}

    [event] = await receiver.wait_for_events(f"/{work.active}")
    assert event.event["type"] == "process.completed"
    events = await receiver.wait_for_events("/batch", BATCH)
    assert len(events) == len({event.event_id for event in events}) == BATCH
    assert await list_failed_tasks(client, work.runs) == []
    # These wait for minutes: a query has the worker replay what they have done so far.
    delivery = await wait_for_only_delivery(client, work.undelivered)
    assert (delivery["status"], len(delivery["attempts"])) == ("pending", 2)
    for workflow_id in (f"webhook-{delivery['id']}", MONITOR_ID):
        await client.temporal.get_workflow_handle(workflow_id).query("__stack_trace")


async def check_link(document: Json) -> None:
    """Check that a document's link works."""
    async with httpx2.AsyncClient(timeout=60, trust_env=False) as reader:
        content = (await reader.get(document["download_url"])).raise_for_status().content
    assert len(content) == document["size_bytes"]


async def list_failed_tasks(client: RunningStack, numbers: list[str]) -> list[str]:
    """Return the workflow tasks that failed, as they do if a version cannot replay what another has recorded.

    That a message has come while a worker decided is no failure.
    """
    failed = []
    for number in numbers:
        history = await client.temporal.get_workflow_handle(number).fetch_history()
        failed += [
            f"{number}: {event.workflow_task_failed_event_attributes.failure.message}"
            for event in history.events
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
            and event.workflow_task_failed_event_attributes.cause != _UNHANDLED_COMMAND
        ]
    return failed

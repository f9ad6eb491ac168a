"""A subscriber that is away is called again when the published schedule says, on a clock that skips the waiting."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from standardwebhooks import Webhook
from temporalio.api.enums.v1 import EventType
from temporalio.common import WorkerDeploymentVersion
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker, WorkerDeploymentConfig

from activities.webhooks import WebhookActivities
from adapters.database import Catalog, Database
from adapters.storage.presigned_urls import LinkSigner
from adapters.webhooks import Destinations, WebhookSender
from domain.addresses import WebhookPolicy
from domain.messages import DeliveryRequest, RunOpening
from domain.storage import StorageAddress
from domain.webhooks import DELIVERY_SCHEDULE
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.scripted_server import Asked, answer, scripted
from tests.support.stack import RunningStack
from workflows.deliver_webhook import DeliverWebhook
from workflows.options import PROCESSES_QUEUE

STATUSES = [500, 503, 302, 404, 204]
# Of links: those of the first attempt have ended before the fifth.
SHORT = timedelta(seconds=4)


@pytest.fixture
async def skipping() -> AsyncIterator[WorkflowEnvironment]:
    """A Temporal whose timers fire at once, and whose clock says that they did not."""
    environment = await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=str(Path(sys.executable).parent / "temporal"),
        dev_server_extra_args=["--dynamic-config-value", "frontend.WorkflowTimeSkippingEnabled=true"],
    )
    async with environment:
        yield environment


@pytest.fixture
async def activities(stack: RunningStack) -> AsyncIterator[tuple[Catalog, WebhookActivities]]:
    """The stack's own catalog, and what tells of it, with links that end soon."""
    kept = json.loads((stack.data_dir / "local.json").read_text())
    store = StorageAddress(
        bucket=stack.addresses["bucket"],
        endpoint_url=stack.addresses["s3"],
        region="us-east-1",
        access_key_id=kept["s3_access_key_id"],
        secret_access_key=kept["s3_secret_access_key"],
    )
    catalog = Catalog(Database(f"sqlite+aiosqlite:///{stack.data_dir / 'autos.db'}"))
    anywhere = Destinations(WebhookPolicy(allow_http=True, allow_private=True))
    sender = WebhookSender(stack.addresses["webhook_secret"], anywhere)
    signer = await LinkSigner.open(store, SHORT)
    yield catalog, WebhookActivities(catalog, signer, sender, public_url="http://127.0.0.1")
    await sender.close()
    anywhere.close()
    await catalog.close()


class Subscriber:
    """Fails four times, and opens the links of the first attempt and of the fifth when that has come."""

    def __init__(self, secret: str, reader: httpx.AsyncClient) -> None:
        self._secret = Webhook(secret)
        self._reader = reader
        self.ids: list[str] = []
        self.links: list[list[str]] = []
        self.opened: list[int] = []

    async def reply(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        """Verify and answer; before the fourth answer, wait until what was sent first no longer opens."""
        event: dict[str, Any] = self._secret.verify(asked.body, asked.headers)
        self.ids.append(asked.headers["webhook-id"])
        self.links.append([document["download_url"] for document in event["data"]["documents"]])
        attempt = len(self.ids)
        if attempt == 4:
            await eventually(self._first_have_ended, "the end of the first attempt's links", seconds=12)
        if attempt == 5:
            self.opened = await self._open(self.links[4])
        writer.write(answer(STATUSES[attempt - 1]))

    async def _first_have_ended(self) -> bool:
        return set(await self._open(self.links[0])) == {403}

    async def _open(self, links: list[str]) -> list[int]:
        return [(await self._reader.get(link)).status_code for link in links]


async def waits(environment: WorkflowEnvironment, workflow_id: str) -> list[float]:
    """How long a workflow has slept each time, in seconds."""
    history = await environment.client.get_workflow_handle(workflow_id).fetch_history()
    timers = [
        event.timer_started_event_attributes
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_TIMER_STARTED
    ]
    return [timer.start_to_fire_timeout.ToNanoseconds() / 1e9 for timer in timers]


async def test_an_address_that_fails_four_times_is_called_five_times_at_the_scheduled_times(
    stack: RunningStack, skipping: WorkflowEnvironment, activities: tuple[Catalog, WebhookActivities]
) -> None:
    number = fresh_number()
    await stack.prepare(number, 2, size_bytes=2_000)
    await stack.request(number)
    run_id = (await stack.ended(number))["run"]["id"]
    catalog, told = activities
    async with AsyncExitStack() as parts:
        reader = await parts.enter_async_context(httpx.AsyncClient(trust_env=False))
        subscriber = Subscriber(stack.addresses["webhook_secret"], reader)
        server = await parts.enter_async_context(scripted(subscriber.reply))
        worker = Worker(
            skipping.client,
            task_queue=PROCESSES_QUEUE,
            workflows=[DeliverWebhook],
            activities=[told.send_webhook],
            deployment_config=WorkerDeploymentConfig(
                WorkerDeploymentVersion("autos", uuid4().hex), use_worker_versioning=False
            ),
        )
        await parts.enter_async_context(worker)
        run = RunOpening(number, run_id, "local")
        delivery = await catalog.runs.subscribe(run, "local", f"{server.origin}/hook")
        assert delivery is not None
        delivered = await skipping.client.execute_workflow(
            DeliverWebhook.run,
            DeliveryRequest(delivery.id),
            id=f"webhook-{delivery.id}",
            task_queue=PROCESSES_QUEUE,
        )
    assert delivered
    assert subscriber.ids == [delivery.id] * 5
    assert subscriber.opened == [200, 200]
    slept = await waits(skipping, f"webhook-{delivery.id}")
    assert len(slept) == 4
    for wait, scheduled in zip(slept, DELIVERY_SCHEDULE[1:5], strict=True):
        assert scheduled <= wait <= 1.1 * scheduled
    logged = await catalog.webhooks.log.get(delivery.id)
    assert logged is not None
    assert [attempt.status_code for attempt in logged.attempts] == STATUSES

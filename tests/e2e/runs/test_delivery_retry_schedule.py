"""The published retry schedule of deliveries, with a Temporal that skips the waiting."""

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

import httpx2
import pytest
from standardwebhooks import Webhook
from temporalio.api.enums.v1 import EventType
from temporalio.common import WorkerDeploymentVersion
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker, WorkerDeploymentConfig

from activities.webhooks import WebhookActivities
from adapters.database import Catalog, Database
from adapters.storage.link_issuer import LinkIssuer
from adapters.storage.presigned_urls import LinkSigner
from adapters.webhooks import AddressGuard, WebhookSender
from domain.delivery_messages import DeliveryRequest
from domain.run_messages import RunOpening
from domain.storage import StorageAddress
from domain.webhook_urls import WebhookPolicy
from domain.webhooks import DELIVERY_SCHEDULE
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.scripted_server import ReceivedRequest, answer, scripted
from tests.support.stack import RunningStack
from workflows.deliver_webhook import DeliverWebhook
from workflows.options import PROCESSES_QUEUE

pytestmark = pytest.mark.thorough

STATUSES = [500, 503, 302, 404, 204]
# Short enough that the links of the first attempt expire before the fifth.
LINK_LIFETIME = timedelta(seconds=8)


@pytest.fixture
async def time_skipping() -> AsyncIterator[WorkflowEnvironment]:
    """A Temporal whose timers fire at once, while its clock moves on by their full length."""
    environment = await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=str(Path(sys.executable).parent / "temporal"),
        dev_server_extra_args=["--dynamic-config-value", "frontend.WorkflowTimeSkippingEnabled=true"],
    )
    async with environment:
        yield environment


@pytest.fixture
async def activities(stack: RunningStack) -> AsyncIterator[tuple[Catalog, WebhookActivities]]:
    """The stack's catalog, and webhook activities over it whose links expire soon."""
    local = json.loads((stack.data_dir / "local.json").read_text())
    store = StorageAddress(
        bucket=stack.addresses["bucket"],
        endpoint_url=stack.addresses["s3"],
        region="us-east-1",
        access_key_id=local["s3_access_key_id"],
        secret_access_key=local["s3_secret_access_key"],
    )
    catalog = Catalog(Database(f"sqlite+aiosqlite:///{stack.data_dir / 'autos.db'}"))
    anywhere = AddressGuard(WebhookPolicy(allow_http=True, allow_private=True))
    sender = WebhookSender(stack.addresses["webhook_secret"], anywhere)
    links = LinkIssuer(await LinkSigner.open(store, LINK_LIFETIME), catalog.accesses.record)
    yield catalog, WebhookActivities(catalog, links, sender, public_url="http://127.0.0.1")
    await sender.close()
    anywhere.close()
    await catalog.close()


class Subscriber:
    """A subscriber that fails four times. At the fifth attempt, it opens the links of that attempt."""

    def __init__(self, secret: str, reader: httpx2.AsyncClient) -> None:
        self._secret = Webhook(secret)
        self._reader = reader
        self.ids: list[str] = []
        self.links: list[list[str]] = []
        self.opened_statuses: list[int] = []

    async def reply(self, request: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        """Verify and answer. The fourth answer waits until the links of the first attempt have expired."""
        event: dict[str, Any] = self._secret.verify(request.body, request.headers)
        self.ids.append(request.headers["webhook-id"])
        self.links.append([document["download_url"] for document in event["data"]["documents"]])
        attempt = len(self.ids)
        if attempt == 4:
            await eventually(self._first_links_have_expired, "the end of the first attempt's links", seconds=14)
        if attempt == 5:
            self.opened_statuses = await self._open(self.links[4])
        writer.write(answer(STATUSES[attempt - 1]))

    async def _first_links_have_expired(self) -> bool:
        return set(await self._open(self.links[0])) == {403}

    async def _open(self, links: list[str]) -> list[int]:
        return [(await self._reader.get(link)).status_code for link in links]


async def read_timers(environment: WorkflowEnvironment, workflow_id: str) -> list[float]:
    """Return the lengths of a workflow's timers, in seconds."""
    history = await environment.client.get_workflow_handle(workflow_id).fetch_history()
    timers = [
        event.timer_started_event_attributes
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_TIMER_STARTED
    ]
    return [timer.start_to_fire_timeout.ToNanoseconds() / 1e9 for timer in timers]


async def test_failed_attempts_are_repeated_at_the_scheduled_times_with_new_links(
    stack: RunningStack, time_skipping: WorkflowEnvironment, activities: tuple[Catalog, WebhookActivities]
) -> None:
    number = fresh_number()
    await stack.create_process(number, 2, size_bytes=2_000)
    await stack.request_download(number)
    run_id = (await stack.wait_until_ended(number))["run"]["id"]
    catalog, webhook_activities = activities
    async with AsyncExitStack() as parts:
        reader = await parts.enter_async_context(httpx2.AsyncClient(timeout=60, trust_env=False))
        subscriber = Subscriber(stack.addresses["webhook_secret"], reader)
        server = await parts.enter_async_context(scripted(subscriber.reply))
        worker = Worker(
            time_skipping.client,
            task_queue=PROCESSES_QUEUE,
            workflows=[DeliverWebhook],
            activities=[webhook_activities.send_webhook],
            deployment_config=WorkerDeploymentConfig(
                WorkerDeploymentVersion("autos", uuid4().hex), use_worker_versioning=False
            ),
        )
        await parts.enter_async_context(worker)
        run = RunOpening(number, run_id, "local")
        delivery = await catalog.runs.subscribe(run, "local", f"{server.origin}/hook")
        assert delivery is not None
        delivered = await time_skipping.client.execute_workflow(
            DeliverWebhook.run,
            DeliveryRequest(delivery.id),
            id=f"webhook-{delivery.id}",
            task_queue=PROCESSES_QUEUE,
        )
    assert delivered
    assert subscriber.ids == [delivery.id] * 5
    assert subscriber.opened_statuses == [200, 200]
    timers = await read_timers(time_skipping, f"webhook-{delivery.id}")
    assert len(timers) == 4
    for timer, scheduled in zip(timers, DELIVERY_SCHEDULE[1:5], strict=True):
        assert scheduled <= timer <= 1.1 * scheduled
    logged = await catalog.deliveries.log.get(delivery.id)
    assert logged is not None
    assert [attempt.status_code for attempt in logged.attempts] == STATUSES

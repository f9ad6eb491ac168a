"""An endpoint that does not answer occupies few of a worker's slots, however many events it has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities import webhooks as sending_webhooks
from activities.webhooks import WebhookActivities
from adapters.database import Catalog
from adapters.webhooks import AddressGuard, WebhookSender
from domain.delivery_messages import AttemptResult, DeliveryAttempt
from domain.webhooks import DeliveryStatus
from tests.integration.adapters.test_webhook_sender import EVERYWHERE, SECRET
from tests.support.conditions import eventually
from tests.support.scripted_server import ReceivedRequest, always, answer, scripted

if TYPE_CHECKING:
    from adapters.storage.link_issuer import LinkIssuer

MAX_REQUESTS = 20


@pytest.fixture(autouse=True)
def low_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lower the limit of concurrent requests to what a test can wait for, and give none of them up meanwhile."""
    monkeypatch.setattr("adapters.webhooks.sender._TOTAL_TIMEOUT_SECONDS", 100.0)
    monkeypatch.setattr(sending_webhooks, "_MAX_REQUESTS_PER_HOST", MAX_REQUESTS)


@pytest.fixture
async def activities(catalog: Catalog) -> AsyncIterator[WebhookActivities]:
    """The webhook activities. Tests have no documents, so nothing is signed."""
    address_guard = AddressGuard(EVERYWHERE)
    sender = WebhookSender(SECRET, address_guard)
    yield WebhookActivities(catalog, cast("LinkIssuer", None), sender, public_url="http://127.0.0.1")
    await sender.close()
    address_guard.close()


async def send_once(activities: WebhookActivities, delivery_id: str, *, temporal_attempt: int = 1) -> AttemptResult:
    """Run the activity, as Temporal does in its n-th attempt."""
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, attempt=temporal_attempt)
    result: AttemptResult = await environment.run(activities.send_webhook, DeliveryAttempt(delivery_id, 1, 5.0))
    return result


async def test_silent_host_leaves_slots_for_other_hosts_and_clients(
    catalog: Catalog, activities: WebhookActivities
) -> None:
    release = asyncio.Event()

    async def answer_after_release(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.write(answer(204))

    async with scripted(answer_after_release) as dead, scripted(always(answer(204))) as receiver:
        deliveries = [
            (await catalog.deliveries.create_test("local", f"{dead.origin}/{place}")).id
            for place in range(MAX_REQUESTS + 2)
        ]
        waiting = [
            asyncio.ensure_future(send_once(activities, delivery_id)) for delivery_id in deliveries[:MAX_REQUESTS]
        ]

        async def all_requests_arrived() -> bool:
            return len(dead.requests) == MAX_REQUESTS

        await eventually(all_requests_arrived, "the maximum of concurrent requests to the host")
        for temporal_attempt, soonest, latest in ((1, 1, 3), (5, 16, 48), (5_000, 32, 96)):
            with pytest.raises(ApplicationError) as rejected:
                await send_once(activities, deliveries[MAX_REQUESTS], temporal_attempt=temporal_attempt)
            assert rejected.value.type == "Crowded"
            delay = rejected.value.next_retry_delay
            assert delay is not None
            assert timedelta(seconds=soonest) <= delay <= timedelta(seconds=latest)
        # It does not count as an attempt: nothing is recorded, and its retry schedule has not started.
        logged = await catalog.deliveries.log.get(deliveries[MAX_REQUESTS])
        assert logged is not None
        assert (logged.attempts, logged.delivery.status) == ((), DeliveryStatus.PENDING)
        other = await catalog.deliveries.create_test("local", receiver.origin)
        assert (await send_once(activities, other.id)).delivered
        # Each client has a limit of its own.
        other_client = asyncio.ensure_future(
            send_once(activities, (await catalog.deliveries.create_test("operator", dead.origin)).id)
        )

        async def other_request_arrived() -> bool:
            return len(dead.requests) == MAX_REQUESTS + 1

        await eventually(other_request_arrived, "the other client's event")
        release.set()
        assert all(result.delivered for result in await asyncio.gather(*waiting, other_client))
        assert (await send_once(activities, deliveries[MAX_REQUESTS], temporal_attempt=2)).delivered

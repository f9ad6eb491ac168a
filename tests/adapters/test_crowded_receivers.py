"""An address that does not answer holds a few places of a worker, however many events are for it."""

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
from adapters.webhooks import Destinations, WebhookSender
from domain.messages import AttemptResult, DeliveryAttempt
from domain.webhooks import DeliveryStatus
from tests.adapters.test_webhook_sender import EVERYWHERE, SECRET
from tests.support.conditions import eventually
from tests.support.scripted_server import Asked, always, answer, scripted

if TYPE_CHECKING:
    from adapters.storage.presigned_urls import LinkSigner

AT_ONCE = 20


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as a test can wait for."""
    monkeypatch.setattr(sending_webhooks, "_AT_ONCE", AT_ONCE)


@pytest.fixture
async def told(catalog: Catalog) -> AsyncIterator[WebhookActivities]:
    """What sends events; tests have no documents, so nothing is signed."""
    destinations = Destinations(EVERYWHERE)
    sender = WebhookSender(SECRET, destinations)
    yield WebhookActivities(catalog, cast("LinkSigner", None), sender, public_url="http://127.0.0.1")
    await sender.close()
    destinations.close()


async def attempt(told: WebhookActivities, delivery_id: str, *, turn: int = 1) -> AttemptResult:
    """Attempt a delivery, as Temporal does for the given time."""
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, attempt=turn)
    result: AttemptResult = await environment.run(told.send_webhook, DeliveryAttempt(delivery_id, 1, 5.0))
    return result


async def test_a_crowd_for_one_host_leaves_room_for_others(catalog: Catalog, told: WebhookActivities) -> None:
    let_go = asyncio.Event()

    async def silent(_: Asked, writer: asyncio.StreamWriter) -> None:
        await let_go.wait()
        writer.write(answer(204))

    async with scripted(silent) as dead, scripted(always(answer(204))) as receiver:
        crowd = [
            (await catalog.webhooks.announce_test("local", f"{dead.origin}/{place}")).id
            for place in range(AT_ONCE + 2)
        ]
        waiting = [asyncio.ensure_future(attempt(told, one)) for one in crowd[:AT_ONCE]]

        async def all_wait() -> bool:
            return len(dead.requests) == AT_ONCE

        await eventually(all_wait, "as many as may call the address at once")
        for turn, soonest, latest in ((1, 1, 3), (5, 16, 48), (5_000, 32, 96)):
            with pytest.raises(ApplicationError) as crowded:
                await attempt(told, crowd[AT_ONCE], turn=turn)
            assert crowded.value.type == "Crowded"
            again = crowded.value.next_retry_delay
            assert again is not None
            assert timedelta(seconds=soonest) <= again <= timedelta(seconds=latest)
        # It has not been attempted: nothing was logged, and its schedule has not begun.
        logged = await catalog.webhooks.log.get(crowd[AT_ONCE])
        assert logged is not None
        assert (logged.attempts, logged.delivery.status) == ((), DeliveryStatus.PENDING)
        other = await catalog.webhooks.announce_test("local", receiver.origin)
        assert (await attempt(told, other.id)).delivered
        # It is counted for each client by itself.
        theirs = asyncio.ensure_future(
            attempt(told, (await catalog.webhooks.announce_test("operator", dead.origin)).id)
        )

        async def theirs_waits() -> bool:
            return len(dead.requests) == AT_ONCE + 1

        await eventually(theirs_waits, "the other client's event")
        let_go.set()
        assert all(result.delivered for result in await asyncio.gather(*waiting, theirs))
        assert (await attempt(told, crowd[AT_ONCE], turn=2)).delivered

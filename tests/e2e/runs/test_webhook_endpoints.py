"""Receivers' addresses: a test event, and addresses that are switched off after failing for days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import update

from adapters.database import Database
from adapters.database.webhook_tables import failing_endpoints
from domain.webhooks import EventType
from tests.support.deliveries import (
    get_failing_endpoint,
    send_test_event,
    wait_until_delivery,
)
from tests.support.event_schemas import assert_is_event
from tests.support.numbers import fresh_number
from tests.support.receiver import Receiver
from tests.support.stack import RunningStack


async def test_a_test_event_can_be_sent_to_an_address(stack: RunningStack, receiver: Receiver) -> None:
    path = f"/{fresh_number()}"
    delivery = await send_test_event(stack, f"{receiver.url}{path}")
    delivered = await wait_until_delivery(stack, delivery["id"], "delivered", 1)
    [received] = receiver.events_at(path)
    assert (received.event_id, received.event["type"]) == (delivery["id"], "webhook.test")
    assert_is_event(EventType.WEBHOOK_TEST, received.event)
    assert (delivered["process_number"], delivered["run_id"], delivered["url"]) == (
        None,
        None,
        f"{receiver.url}{path}",
    )
    assert (delivered["attempts"][0]["status_code"], delivered["next_attempt_at"]) == (204, None)


async def test_an_endpoint_that_is_switched_off_gets_no_events_until_it_is_enabled(
    stack: RunningStack, receiver: Receiver, database: Database
) -> None:
    path = f"/{fresh_number()}"
    url = f"{receiver.url}{path}"
    receiver.planned_failures[path] = [410, 410]
    first = await send_test_event(stack, url)
    await wait_until_delivery(stack, first["id"], "failed", 1)
    endpoint = await get_failing_endpoint(stack, url)
    assert endpoint is not None
    await fail_since_six_days(database, endpoint["id"])
    last = await send_test_event(stack, url)
    await wait_until_delivery(stack, last["id"], "failed", 1)

    not_sent = await wait_until_delivery(stack, (await send_test_event(stack, url))["id"], "failed", 1)

    assert not_sent["attempts"][0]["error"] == "endpoint switched off"
    assert receiver.events_at(path) == []
    enabled = await stack.api.post(f"/webhooks/endpoints/{endpoint['id']}/enable")
    assert (enabled.status_code, enabled.json()["switched_off_at"]) == (200, None)
    await stack.api.post(f"/webhooks/deliveries/{not_sent['id']}/redeliver")
    await wait_until_delivery(stack, not_sent["id"], "delivered", 2)


async def fail_since_six_days(database: Database, endpoint_id: str) -> None:
    """Make the catalog say that an address has failed for six days."""
    async with database.writing() as connection:
        await connection.execute(
            update(failing_endpoints)
            .where(failing_endpoints.c.id == endpoint_id)
            .values(failing_since=datetime.now(UTC) - timedelta(days=6))
        )

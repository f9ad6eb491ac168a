"""Webhook deliveries of a stack, through its API."""

from __future__ import annotations

from typing import Any

from tests.support.conditions import eventually
from tests.support.stack import RunningStack

Json = dict[str, Any]


async def send_test_event(stack: RunningStack, url: str) -> Json:
    """Request a test event for an address, and return its delivery."""
    answer = await stack.api.post("/webhooks/test", json={"url": url})
    assert answer.status_code == 202, answer.text
    delivery: Json = answer.json()
    return delivery


async def wait_until_delivery(stack: RunningStack, delivery_id: str, status: str, attempts: int) -> Json:
    """Wait until a delivery has this status after so many attempts, and return it."""

    async def reached() -> Json | None:
        delivery: Json = (await stack.api.get(f"/webhooks/deliveries/{delivery_id}")).json()
        return delivery if (delivery["status"], len(delivery["attempts"])) == (status, attempts) else None

    return await eventually(reached, f"{status} after {attempts} attempts")


async def wait_for_only_delivery(stack: RunningStack, number: str) -> Json:
    """Wait until the log has a delivery about a process, check that it is the only one, and return it."""

    async def logged() -> list[Json]:
        answer = await stack.api.get("/webhooks/deliveries", params={"process_number": number})
        deliveries: list[Json] = answer.json()["deliveries"]
        return deliveries

    [delivery] = await eventually(logged, f"a delivery about {number}")
    return delivery


async def get_failing_endpoint(stack: RunningStack, url: str) -> Json | None:
    """Return the failing endpoint with an address, `None` if the address does not fail."""
    endpoints: list[Json] = (await stack.api.get("/webhooks/endpoints")).json()["endpoints"]
    return next((endpoint for endpoint in endpoints if endpoint["url"] == url), None)

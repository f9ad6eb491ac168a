"""What was sent can be read, sent again, tried beforehand, and is not lost with the one who should have sent it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from adapters.database import Catalog, Database
from adapters.database.webhook_tables import deliveries, failing_endpoints
from adapters.schedules import SWEEP_DELIVERIES
from domain.messages import RunOpening
from domain.webhooks import EventType
from tests.support.conditions import eventually
from tests.support.event_schemas import assert_is_event
from tests.support.numbers import fresh_number
from tests.support.receiver import Receiver
from tests.support.stack import RunningStack


@pytest.fixture
async def database(stack: RunningStack) -> AsyncIterator[Database]:
    """The stack's own catalog."""
    database = Database(f"sqlite+aiosqlite:///{stack.data_dir / 'autos.db'}")
    yield database
    await database.close()


async def tried(stack: RunningStack, url: str) -> dict[str, Any]:
    """Ask for a test event."""
    answer = await stack.api.post("/webhooks/test", json={"url": url})
    assert answer.status_code == 202, answer.text
    delivery: dict[str, Any] = answer.json()
    return delivery


async def reaches(stack: RunningStack, delivery_id: str, status: str, attempts: int) -> dict[str, Any]:
    """Wait until a delivery has a status after so many attempts."""

    async def reached() -> dict[str, Any] | None:
        found: dict[str, Any] = (await stack.api.get(f"/webhooks/deliveries/{delivery_id}")).json()
        return found if (found["status"], len(found["attempts"])) == (status, attempts) else None

    return await eventually(reached, f"{status} after {attempts} attempts")


async def the_delivery(stack: RunningStack, number: str) -> dict[str, Any]:
    """Wait until the log has the one delivery about a process."""

    async def logged() -> list[dict[str, Any]]:
        answer = await stack.api.get("/webhooks/deliveries", params={"process_number": number})
        found: list[dict[str, Any]] = answer.json()["deliveries"]
        return found

    [delivery] = await eventually(logged, f"a delivery about {number}")
    return delivery


async def failing(stack: RunningStack, url: str) -> dict[str, Any] | None:
    """What is said of an address that takes nothing."""
    known: list[dict[str, Any]] = (await stack.api.get("/webhooks/endpoints")).json()["endpoints"]
    return next((one for one in known if one["url"] == url), None)


async def test_an_address_can_be_tried_beforehand(stack: RunningStack, receiver: Receiver) -> None:
    path = f"/{fresh_number()}"
    delivery = await tried(stack, f"{receiver.url}{path}")
    found = await reaches(stack, delivery["id"], "delivered", 1)
    [received] = receiver.at(path)
    assert (received.event_id, received.event["type"]) == (delivery["id"], "webhook.test")
    assert_is_event(EventType.WEBHOOK_TEST, received.event)
    assert (found["process_number"], found["run_id"], found["url"]) == (None, None, f"{receiver.url}{path}")
    assert (found["attempts"][0]["status_code"], found["next_attempt_at"]) == (204, None)


async def test_an_event_is_sent_again_under_its_id_on_request(stack: RunningStack, receiver: Receiver) -> None:
    number = fresh_number()
    await stack.prepare(number, 1)
    await stack.request(number, webhook_url=f"{receiver.url}/{number}")
    await stack.ended(number)
    delivery = await the_delivery(stack, number)
    await reaches(stack, delivery["id"], "delivered", 1)

    answer = await stack.api.post(f"/webhooks/deliveries/{delivery['id']}/redeliver")

    assert answer.status_code == 202, answer.text
    found = await reaches(stack, delivery["id"], "delivered", 2)
    assert [attempt["number"] for attempt in found["attempts"]] == [1, 2]
    first, second = receiver.at(f"/{number}")
    assert (first.event_id, first.event["timestamp"]) == (second.event_id, second.event["timestamp"])
    # What the first one said of the process is said anew, with links of the second attempt.
    assert first.event["data"]["run"] == second.event["data"]["run"]


async def test_who_wants_to_be_told_always_is_told_of_the_run_that_is_open(
    stack: RunningStack, receiver: Receiver
) -> None:
    number = fresh_number()
    await stack.prepare(number, 2)
    await stack.latency(0.5)
    await stack.request(number)
    (await stack.api.post(f"/processes/{number}/pause")).raise_for_status()
    await stack.latency(0)

    async def still_open() -> bool:
        # Paused while it listed, it has taken nothing; else everything is on its way.
        status = await stack.status(number)
        if status["available_documents"] == 0 and status["phase"] == "paused":
            (await stack.api.post(f"/processes/{number}/resume")).raise_for_status()
            (await stack.api.post(f"/processes/{number}/pause")).raise_for_status()
        return bool(status["available_documents"] == 2 or status["status"] == "completed")

    await eventually(still_open, "both documents")
    order = {"webhook_url": f"{receiver.url}/{number}", "notify": "always"}
    answer = await stack.api.post(f"/processes/{number}/downloads", json=order)
    assert answer.status_code in (200, 202)
    if answer.status_code == 202:
        assert answer.json()["decision"] == "active"
        (await stack.api.post(f"/processes/{number}/resume")).raise_for_status()
    await stack.ended(number)

    async def told() -> bool:
        return bool(receiver.at(f"/{number}"))

    await eventually(told, "its end")
    [event] = receiver.at(f"/{number}")
    assert event.event["type"] == "process.completed"


async def test_all_that_was_given_up_is_sent_again_on_request(stack: RunningStack, receiver: Receiver) -> None:
    began = datetime.now(UTC)
    paths = [f"/{fresh_number()}" for _ in range(3)]
    for path in paths:
        receiver.failures[path] = [410]
    given_up = [(await tried(stack, f"{receiver.url}{path}"))["id"] for path in paths]
    for delivery_id in given_up:
        await reaches(stack, delivery_id, "failed", 1)

    asked = {"failed_since": began.isoformat()}
    answer = await stack.api.post("/webhooks/deliveries/redeliver", json=asked)

    assert answer.json() == {"redelivered": 3, "more": False}
    for delivery_id in given_up:
        await reaches(stack, delivery_id, "delivered", 2)
    assert [receiver.at(path)[0].event_id for path in paths] == given_up
    assert (await stack.api.post("/webhooks/deliveries/redeliver", json=asked)).json()["redelivered"] == 0


async def test_a_subscriber_that_is_away_is_called_again_under_the_same_id(
    stack: RunningStack, receiver: Receiver
) -> None:
    number = fresh_number()
    await stack.prepare(number, 1)
    receiver.failures[f"/{number}"] = [503]
    await stack.request(number, webhook_url=f"{receiver.url}/{number}")
    await stack.ended(number)
    delivery = await the_delivery(stack, number)
    waiting = await reaches(stack, delivery["id"], "pending", 1)

    # As long as attempts go on, none is added.
    refused = await stack.api.post(f"/webhooks/deliveries/{delivery['id']}/redeliver")
    assert (refused.status_code, refused.json()["code"]) == (409, "delivery_pending")
    assert refused.json()["next_attempt_at"] == waiting["next_attempt_at"]
    endpoint = await failing(stack, delivery["url"])
    assert endpoint is not None
    assert endpoint["switched_off_at"] is None

    await reaches(stack, delivery["id"], "delivered", 2)
    turned_away = [event for event in receiver.refused if event.path == f"/{number}"]
    assert [event.event_id for event in turned_away] == [delivery["id"]]
    assert [event.event_id for event in receiver.at(f"/{number}")] == [delivery["id"]]
    assert await failing(stack, delivery["url"]) is None


async def test_nothing_is_sent_to_an_address_that_is_switched_off(
    stack: RunningStack, receiver: Receiver, database: Database
) -> None:
    path = f"/{fresh_number()}"
    url = f"{receiver.url}{path}"
    receiver.failures[path] = [410, 410]
    first = await tried(stack, url)
    await reaches(stack, first["id"], "failed", 1)
    # Six days ago, as far as the catalog knows.
    endpoint = await failing(stack, url)
    assert endpoint is not None
    await make_old(database, endpoint["id"])
    last = await tried(stack, url)
    await reaches(stack, last["id"], "failed", 1)

    kept_back = await reaches(stack, (await tried(stack, url))["id"], "failed", 1)

    assert kept_back["attempts"][0]["error"] == "endpoint switched off"
    assert receiver.at(path) == []
    enabled = await stack.api.post(f"/webhooks/endpoints/{endpoint['id']}/enable")
    assert (enabled.status_code, enabled.json()["switched_off_at"]) == (200, None)
    await stack.api.post(f"/webhooks/deliveries/{kept_back['id']}/redeliver")
    await reaches(stack, kept_back["id"], "delivered", 2)


async def make_old(database: Database, endpoint_id: str) -> None:
    """Have an address fail since six days ago."""
    async with database.writing() as connection:
        await connection.execute(
            update(failing_endpoints)
            .where(failing_endpoints.c.id == endpoint_id)
            .values(failing_since=datetime.now(UTC) - timedelta(days=6))
        )


async def test_a_delivery_that_nobody_started_is_started_by_the_next_sweep(
    stack: RunningStack, receiver: Receiver, database: Database
) -> None:
    number = fresh_number()
    await stack.prepare(number, 1)
    await stack.request(number)
    run_id = (await stack.ended(number))["run"]["id"]
    # As by an API that dies between recording a late subscriber and having it told, an hour ago.
    run = RunOpening(number, run_id, "local")
    lost = await Catalog(database).runs.subscribe(run, "local", f"{receiver.url}/{number}")
    assert lost is not None
    async with database.writing() as connection:
        await connection.execute(
            update(deliveries)
            .where(deliveries.c.id == lost.id)
            .values(next_attempt_at=datetime.now(UTC) - timedelta(hours=1))
        )

    await stack.temporal.get_schedule_handle(SWEEP_DELIVERIES).trigger()

    await reaches(stack, lost.id, "delivered", 1)
    assert [event.event_id for event in receiver.at(f"/{number}")] == [lost.id]

"""Alerts: one event when a condition lasts and one when it is over, although workers die meanwhile."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import insert

from adapters.database import Database
from adapters.database.webhook_tables import failing_endpoints
from adapters.temporal.schedules import REVIEW_ALERTS
from domain.webhooks import EventType, endpoint_id
from tests.support.alerting_stack import running_alerting_stack, running_operator
from tests.support.conditions import eventually
from tests.support.event_schemas import assert_is_event
from tests.support.numbers import fresh_number
from tests.support.receiver import Receiver
from tests.support.stack import RunningStack

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def operator() -> Iterator[Receiver]:
    """The receiver of alerts."""
    with running_operator() as running:
        yield running


@pytest.fixture(scope="module")
async def alerting_stack(
    operator: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningStack]:
    """A stack that sends alerts to the operator, and raises them soon after the court fails."""
    folder = tmp_path_factory.mktemp("alerting")
    async with running_alerting_stack(folder, operator, AUTOS_ALERT_COURT_SECONDS="0.5") as stack:
        yield stack


async def wait_for_alert(
    stack: RunningStack, operator: Receiver, event_type: EventType, state: str
) -> dict[str, Any]:
    """Trigger reviews of the alerts until the operator receives one of this type and state. Returns its data."""

    async def received() -> dict[str, Any] | None:
        for event in (each.event for each in operator.events_at("/alerts")):
            if (event["type"], event["data"]["state"]) == (event_type, state):
                data: dict[str, Any] = event["data"]
                return data
        await stack.temporal.get_schedule_handle(REVIEW_ALERTS.id).trigger()
        return None

    # A review that dies with its worker times out after a minute.
    return await eventually(received, f"{event_type} {state}", seconds=90)


def count_log_lines(stack: RunningStack, event: str, kind: str) -> int:
    """Return how often the workers have logged an event about a kind of alert."""
    text = "\n".join(path.read_text() for path in (stack.stderr, *sorted((stack.data_dir / "logs").iterdir())))
    lines = [json.loads(line) for line in text.splitlines() if f'"event": "{event}"' in line]
    return [line["kind"] for line in lines].count(kind)


async def read_open_alerts(stack: RunningStack, kind: str) -> str:
    """Return the metric of open alerts of a kind."""
    text = (await stack.api.get("/metrics")).text
    return next(line.split()[-1] for line in text.splitlines() if line.startswith(f'autos_alerts{{kind="{kind}"}}'))


async def test_each_alert_is_sent_once_when_raised_and_once_when_cleared(
    alerting_stack: RunningStack, operator: Receiver
) -> None:
    stack, sealed, waiting = alerting_stack, fresh_number(), fresh_number()
    await stack.create_process(sealed, 4)
    fault = await stack.inject_fault("sealed", sealed, documents=1.0)
    await stack.request_download(sealed)
    run = (await stack.wait_until_ended(sealed))["run"]
    high = await wait_for_alert(stack, operator, EventType.ALERT_FAILURES_HIGH, "raised")
    assert (high["process_number"], high["run_id"], high["failed_documents"]) == (sealed, run["id"], 4)
    assert (await stack.api.get(high["status_url"])).json()["process_number"] == sealed
    await stack.end_fault(fault)
    stack.kill_service("worker")

    await stack.create_process(waiting, 40, size_bytes=2_000)
    fault = await stack.inject_fault("unavailable")
    await stack.request_download(waiting)
    await stack.wait_until_waiting_for_court(waiting)
    unavailable = await wait_for_alert(stack, operator, EventType.ALERT_COURT_UNAVAILABLE, "raised")
    assert (unavailable["failure_code"], unavailable["cleared_at"]) == ("court_unavailable", None)
    assert await read_open_alerts(stack, "court_unavailable") == "1.0"
    await stack.end_fault(fault)
    await stack.recover_court()
    answering = await wait_for_alert(stack, operator, EventType.ALERT_COURT_UNAVAILABLE, "cleared")
    await stack.wait_until_ended(waiting)

    assert (answering["alert_id"], answering["since"], answering["raised_at"]) == tuple(
        unavailable[name] for name in ("alert_id", "since", "raised_at")
    )
    for received in operator.received:
        assert_is_event(EventType(received.event["type"]), received.event)
    events = {received.event_id: received.event for received in operator.received}
    # One event per state, not one per document, run, review or worker.
    assert sorted((event["type"], event["data"]["state"]) for event in events.values()) == [
        ("alert.court_unavailable", "cleared"),
        ("alert.court_unavailable", "raised"),
        ("alert.failures_high", "raised"),
    ]
    assert (
        count_log_lines(stack, "alert raised", "court_unavailable"),
        count_log_lines(stack, "alert cleared", "court_unavailable"),
        count_log_lines(stack, "alert raised", "failures_high"),
    ) == (1, 1, 1)
    assert await read_open_alerts(stack, "court_unavailable") == "0.0"
    assert await read_open_alerts(stack, "failures_high") == "1.0"


async def test_alerts_about_expiring_credentials_and_disabled_endpoints(
    alerting_stack: RunningStack, operator: Receiver
) -> None:
    stack = alerting_stack
    for expires_in, state in ((600, "raised"), (86_400, "cleared")):
        await stack.put_credentials(token=(await stack.create_court_token(expires_in=expires_in))["token"])
        expiring = await wait_for_alert(stack, operator, EventType.ALERT_CREDENTIALS_EXPIRING, state)
        assert expiring["token_source"] == "stored"

    url = f"{operator.url}/a-secret-path"
    disabled_id, now = endpoint_id("local", url), datetime.now(UTC)
    database = Database(f"sqlite+aiosqlite:///{stack.data_dir / 'autos.db'}")
    async with database.writing() as connection:
        endpoint = {
            "id": disabled_id,
            "client": "local",
            "url": url,
            "failing_since": now,
            "last_failed_at": now,
            "switched_off_at": now,
        }
        await connection.execute(insert(failing_endpoints), endpoint)
    await database.close()
    disabled = await wait_for_alert(stack, operator, EventType.ALERT_ENDPOINT_DISABLED, "raised")
    assert (disabled["endpoint_id"], disabled["client"]) == (disabled_id, "local")
    assert [one["id"] for one in (await stack.api.get(disabled["status_url"])).json()["endpoints"]] == [disabled_id]
    await stack.api.post(f"/webhooks/endpoints/{disabled_id}/enable")
    await wait_for_alert(stack, operator, EventType.ALERT_ENDPOINT_DISABLED, "cleared")

    for received in operator.received:
        assert_is_event(EventType(received.event["type"]), received.event)
        assert "a-secret-path" not in str(received.event)

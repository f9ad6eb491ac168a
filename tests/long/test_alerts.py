"""The operator is told once that something lasts and once that it is over, though workers die meanwhile."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import insert

from adapters.database import Database
from adapters.database.webhook_tables import failing_endpoints
from adapters.schedules import REVIEW_ALERTS
from domain.webhooks import EventType, endpoint_id
from tests.support.conditions import eventually
from tests.support.event_schemas import assert_is_event
from tests.support.leaks import leaks_of
from tests.support.numbers import fresh_number
from tests.support.receiver import Receiver, receiving
from tests.support.stack import RunningStack, running_stack

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def operator() -> Iterator[Receiver]:
    """Where alerts go; it learns the secret when there is a stack."""
    with receiving("") as listening:
        yield listening


@pytest.fixture(scope="module")
async def alerting(operator: Receiver, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningStack]:
    """A stack of its own that tells the operator, and has little patience with the court."""
    variables = {"AUTOS_ALERT_WEBHOOK_URL": f"{operator.url}/alerts", "AUTOS_ALERT_COURT_SECONDS": "0.5"}
    async with running_stack(tmp_path_factory.mktemp("alerting"), **variables) as stack:
        operator.secret = stack.addresses["webhook_secret"]
        yield stack
        assert leaks_of(stack) == []


async def told(stack: RunningStack, operator: Receiver, event_type: EventType, state: str) -> dict[str, Any]:
    """Have the service look until the operator is told; what it is told."""

    async def heard() -> dict[str, Any] | None:
        for event in (one.event for one in operator.at("/alerts")):
            if (event["type"], event["data"]["state"]) == (event_type, state):
                data: dict[str, Any] = event["data"]
                return data
        await stack.temporal.get_schedule_handle(REVIEW_ALERTS).trigger()
        return None

    # A look that dies with its worker is missed after a minute.
    return await eventually(heard, f"{event_type} {state}", seconds=90)


def logged(stack: RunningStack, event: str, kind: str) -> int:
    """How often the workers have said that an alert was raised or cleared."""
    text = "\n".join(path.read_text() for path in (stack.stderr, *sorted((stack.data_dir / "logs").iterdir())))
    lines = [json.loads(line) for line in text.splitlines() if f'"event": "{event}"' in line]
    return [line["kind"] for line in lines].count(kind)


async def open_alerts(stack: RunningStack, kind: str) -> str:
    """What Prometheus reads."""
    text = (await stack.api.get("/metrics")).text
    return next(line.split()[-1] for line in text.splitlines() if line.startswith(f'autos_alerts{{kind="{kind}"}}'))


async def test_the_operator_is_told_once_of_each_and_once_of_its_end(
    alerting: RunningStack, operator: Receiver
) -> None:
    stack, sealed, waiting = alerting, fresh_number(), fresh_number()
    await stack.prepare(sealed, 4)
    fault = await stack.fault("sealed", sealed, documents=1.0)
    await stack.request(sealed)
    run = (await stack.ended(sealed))["run"]
    high = await told(stack, operator, EventType.ALERT_FAILURES_HIGH, "raised")
    assert (high["process_number"], high["run_id"], high["failed_documents"]) == (sealed, run["id"], 4)
    assert (await stack.api.get(high["status_url"])).json()["process_number"] == sealed
    await stack.end_fault(fault)
    stack.kill("worker")

    await stack.prepare(waiting, 40, size_bytes=2_000)
    fault = await stack.fault("unavailable")
    await stack.request(waiting)
    await stack.waits(waiting)
    away = await told(stack, operator, EventType.ALERT_COURT_UNAVAILABLE, "raised")
    assert (away["failure_code"], away["cleared_at"]) == ("court_unavailable", None)
    assert await open_alerts(stack, "court_unavailable") == "1.0"
    await stack.end_fault(fault)
    await stack.recovered()
    over = await told(stack, operator, EventType.ALERT_COURT_UNAVAILABLE, "cleared")
    await stack.ended(waiting)

    assert (over["alert_id"], over["since"], over["raised_at"]) == tuple(
        away[name] for name in ("alert_id", "since", "raised_at")
    )
    for received in operator.received:
        assert_is_event(EventType(received.event["type"]), received.event)
    heard = {received.event_id: received.event for received in operator.received}
    # Not once per document, run, look or worker.
    assert sorted((event["type"], event["data"]["state"]) for event in heard.values()) == [
        ("alert.court_unavailable", "cleared"),
        ("alert.court_unavailable", "raised"),
        ("alert.failures_high", "raised"),
    ]
    assert (
        logged(stack, "alert raised", "court_unavailable"),
        logged(stack, "alert cleared", "court_unavailable"),
        logged(stack, "alert raised", "failures_high"),
    ) == (1, 1, 1)
    assert await open_alerts(stack, "court_unavailable") == "0.0"
    assert await open_alerts(stack, "failures_high") == "1.0"


async def test_of_a_token_and_of_an_address_too(alerting: RunningStack, operator: Receiver) -> None:
    stack = alerting
    for expires_in, state in ((600, "raised"), (86_400, "cleared")):
        granted = await stack.simulator.post("/_simulator/token", json={"expires_in": expires_in})
        token = granted.raise_for_status().json()["token"]
        (await stack.api.put("/court/credentials", json={"token": token})).raise_for_status()
        ending = await told(stack, operator, EventType.ALERT_CREDENTIALS_EXPIRING, state)
        assert ending["token_source"] == "stored"

    url = f"{operator.url}/a-secret-path"
    this, now = endpoint_id("local", url), datetime.now(UTC)
    database = Database(f"sqlite+aiosqlite:///{stack.data_dir / 'autos.db'}")
    async with database.writing() as connection:
        off = {
            "id": this,
            "client": "local",
            "url": url,
            "failing_since": now,
            "last_failed_at": now,
            "switched_off_at": now,
        }
        await connection.execute(insert(failing_endpoints), off)
    await database.close()
    disabled = await told(stack, operator, EventType.ALERT_ENDPOINT_DISABLED, "raised")
    assert (disabled["endpoint_id"], disabled["client"]) == (this, "local")
    assert [one["id"] for one in (await stack.api.get(disabled["status_url"])).json()["endpoints"]] == [this]
    await stack.api.post(f"/webhooks/endpoints/{this}/enable")
    await told(stack, operator, EventType.ALERT_ENDPOINT_DISABLED, "cleared")

    for received in operator.received:
        assert_is_event(EventType(received.event["type"]), received.event)
        assert "a-secret-path" not in str(received.event)

"""A dead worker is noticed: by the readiness check, the metric, requests, pages, and one alert of the API."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from adapters.temporal.worker_counts import SIGN_OF_LIFE_SECONDS
from domain.webhooks import EventType
from tests.support.alerting_stack import running_alerting_stack, running_operator
from tests.support.api_service import running_api_beside
from tests.support.conditions import eventually
from tests.support.event_schemas import assert_is_event
from tests.support.numbers import fresh_number
from tests.support.receiver import Receiver
from tests.support.stack import RunningStack, dead_service

QUEUES = ("processes", "court", "bundles")
RAISED_AND_CLEARED = [(state, queue) for state in ("cleared", "raised") for queue in sorted(QUEUES)]
ALERT_VARIABLES = {"AUTOS_ALERT_WORKER_SECONDS": "2"}


@pytest.fixture(scope="module")
def operator() -> Iterator[Receiver]:
    """The receiver of alerts."""
    with running_operator() as running:
        yield running


@pytest.fixture(scope="module")
async def unattended_stack(
    operator: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningStack]:
    """A stack that sends alerts to the operator, and soon after it has no worker."""
    async with running_alerting_stack(tmp_path_factory.mktemp("unattended"), operator, **ALERT_VARIABLES) as stack:
        yield stack


async def wait_until_ready(stack: RunningStack, status: str, *, seconds: float) -> dict[str, Any]:
    """Wait until the readiness check has a status, always with 200, and return its body."""

    async def reached() -> dict[str, Any] | None:
        answer = await stack.api.get("/health/ready")
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body if body["status"] == status else None

    return await eventually(reached, f"ready: {status}", seconds=seconds)


async def read_metric(stack: RunningStack, series: str) -> str:
    """Return the value of a series."""
    text = (await stack.api.get("/metrics")).text
    return next(line.split()[-1] for line in text.splitlines() if line.startswith(series))


def received_alerts(operator: Receiver) -> list[tuple[str, str]]:
    """Return state and queue of every event that the operator has received, repeated ones included."""
    events = [received.event for received in operator.events_at("/alerts")]
    assert {event["type"] for event in events} <= {EventType.ALERT_NO_WORKER}
    return sorted((event["data"]["state"], event["data"]["queue"]) for event in events)


async def test_a_killed_worker_is_noticed_everywhere_and_reported_once(
    unattended_stack: RunningStack, operator: Receiver
) -> None:
    stack, number = unattended_stack, fresh_number()
    await stack.create_process(number, 2, size_bytes=2_000)
    assert (await wait_until_ready(stack, "ok", seconds=30))["workers"] == {
        "processes": 1,
        "court": 1,
        "bundles": 1,
    }
    # A second API on the same catalog must not report the same again.
    variables = ALERT_VARIABLES | {"AUTOS_ALERT_WEBHOOK_URL": f"{operator.url}/alerts"}
    async with running_api_beside(stack, **variables):
        with dead_service(stack, "worker", signal.SIGKILL):
            ready = await wait_until_ready(stack, "degraded", seconds=SIGN_OF_LIFE_SECONDS + 45)
            assert (ready["workers"], set(ready["parts"].values())) == (
                {"processes": 0, "court": 0, "bundles": 0},
                {"ok"},
            )
            assert "autos worker" in ready["advice"]
            for queue in QUEUES:
                assert await read_metric(stack, f'autos_workers_polling{{queue="{queue}"}}') == "0.0"

            answer = await stack.request_download(number)
            assert answer.status_code == 202
            for body in (answer.json(), await stack.get_status(number)):
                assert [warning["code"] for warning in body["warnings"]] == ["no_worker", "no_worker"]
                assert "No worker is at work for the queue processes" in body["warnings"][0]["detail"]
            batch = await stack.api.post("/batches", json={"process_numbers": [number]})
            assert [warning["code"] for warning in batch.json()["warnings"]] == ["no_worker", "no_worker"]
            portuguese = {"Accept-Language": "pt-BR"}
            for path in ("/", f"/ui/processes/{number}"):
                assert "Nothing is being downloaded now" in (await stack.api.get(path)).text
                assert "Nada está sendo baixado agora" in (await stack.api.get(path, headers=portuguese)).text

            await operator.wait_for_events("/alerts", 3)
            assert received_alerts(operator) == [("raised", queue) for queue in sorted(QUEUES)]
            assert await read_metric(stack, 'autos_alerts{kind="no_worker"}') == "3.0"

        assert (await stack.wait_until_ended(number))["warnings"] == []
        assert (await wait_until_ready(stack, "ok", seconds=60))["advice"] is None
        await operator.wait_for_events("/alerts", 6, seconds=60)

        async def none_pending() -> list[dict[str, Any]]:
            answer = await stack.api.get("/webhooks/deliveries", params={"client": "operator"})
            log: list[dict[str, Any]] = answer.json()["deliveries"]
            return [] if any(delivery["status"] == "pending" for delivery in log) else log

        # An attempt is recorded when the receiver has answered.
        log = await eventually(none_pending, "the record of each attempt")
    # The events that the API has sent are complete in the log, so no worker sends them again.
    assert [(delivery["status"], len(delivery["attempts"])) for delivery in log] == [("delivered", 1)] * 6
    assert received_alerts(operator) == RAISED_AND_CLEARED
    for received in operator.events_at("/alerts"):
        assert_is_event(EventType.ALERT_NO_WORKER, received.event)
    for path in ("/", f"/ui/processes/{number}"):
        assert "Nothing is being downloaded now" not in (await stack.api.get(path)).text
    assert await read_metric(stack, 'autos_alerts{kind="no_worker"}') == "0.0"


async def test_a_stopped_worker_is_noticed_at_once_and_sends_what_the_api_could_not(
    unattended_stack: RunningStack, operator: Receiver
) -> None:
    stack = unattended_stack
    await wait_until_ready(stack, "ok", seconds=30)
    operator.received.clear()
    # Every attempt of the API fails, for all queues.
    operator.planned_failures["/alerts"] = [503] * 9
    with dead_service(stack, "worker", signal.SIGTERM):
        await wait_until_ready(stack, "degraded", seconds=SIGN_OF_LIFE_SECONDS / 3)

        async def attempted() -> bool:
            return len(operator.rejected) == 9

        await eventually(attempted, "every attempt of the API", seconds=90)
        assert operator.events_at("/alerts") == []
    await operator.wait_for_events("/alerts", 6, seconds=60)

    assert received_alerts(operator) == RAISED_AND_CLEARED
    raised = {one.event_id for one in operator.received if one.event["data"]["state"] == "raised"}
    assert {one.event_id for one in operator.rejected} == raised

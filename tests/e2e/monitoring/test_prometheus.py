"""A real Prometheus on a real stack: each panel shows data, and each alert is raised and cleared by its cause."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from sqlalchemy import insert, update

from activities.metrics import SERIES
from adapters.database import Database
from adapters.database.migrate import upgrade
from adapters.database.watch_tables import watches
from adapters.database.webhook_tables import failing_endpoints
from adapters.storage import open_s3
from adapters.temporal.schedules import REVIEW_ALERTS, SWEEP_WATCHES
from autos_client_cli.errors import ExitCode
from domain.webhooks import endpoint_id
from tests.support.api_service import running_lone_api
from tests.support.buckets import open_bucket, storage_address
from tests.support.cli_commands import run_autos
from tests.support.conditions import eventually
from tests.support.deliveries import send_test_event
from tests.support.numbers import fresh_number
from tests.support.panel_pictures import draw_panels
from tests.support.paths import ROOT
from tests.support.prometheus import Prometheus, running_prometheus
from tests.support.receiver import Receiver, running_receiver
from tests.support.stack import RunningStack, dead_service

DASHBOARD = ROOT / "deploy" / "grafana" / "autos.json"


@pytest.fixture(scope="module")
def client(measured_stack: RunningStack) -> Iterator[Receiver]:
    """A client's receiver of webhooks."""
    with running_receiver(measured_stack.addresses["webhook_secret"]) as running:
        yield running


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Stop a service for as long as the block lasts: it accepts connections and answers nothing."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def wait_for_review(stack: RunningStack, prometheus: Prometheus, name: str, *, raised: bool) -> None:
    """Trigger reviews of the alerts until Prometheus has raised or cleared one."""

    async def is_done() -> bool:
        await stack.temporal.get_schedule_handle(REVIEW_ALERTS.id).trigger()
        return (name in await prometheus.list_firing()) is raised

    await eventually(is_done, f"{name} {'raised' if raised else 'cleared'}", seconds=120)


async def wait_until_ended(pid: int) -> None:
    """Wait until a service has ended whose supervisor is stopped."""

    async def has_ended() -> bool:
        return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE

    await eventually(has_ended, "the service has ended", seconds=60)


async def seal_a_process(stack: RunningStack) -> str:
    """Have every document of a new process fail. Returns the process's number."""
    number = fresh_number()
    await stack.create_process(number, 4, size_bytes=2_000)
    fault = await stack.inject_fault("sealed", number, documents=1.0)
    await stack.request_download(number)
    await stack.wait_until_ended(number)
    await stack.end_fault(fault)
    return number


async def test_each_panel_shows_data_after_failures_an_outage_and_a_webhook(
    measured_stack: RunningStack, prometheus: Prometheus, client: Receiver
) -> None:
    stack = measured_stack
    await stack.put_credentials(token=(await stack.create_court_token(expires_in=86_400))["token"])
    # Prometheus sees an increase only in what it has seen before.
    await eventually(lambda: prometheus.query("autos_documents_total"), "a scrape of the worker")
    sealed = await seal_a_process(stack)
    client.planned_failures["/event"] = [500]
    notified, waiting = fresh_number(), fresh_number()
    for number in (notified, waiting):
        await stack.create_process(number, 3, size_bytes=2_000)
    await stack.request_download(notified, webhook_url=f"{client.url}/event")
    await stack.wait_until_ended(notified)
    outage = await stack.inject_fault("unavailable")
    await stack.request_download(waiting)
    await stack.wait_until_waiting_for_court(waiting)
    await eventually(
        lambda: prometheus.query(
            'autos_runs_open{phase="waiting_for_court"} == 1 and on () autos_court_answering == 0'
        ),
        "the outage is seen",
        seconds=60,
    )
    await stack.end_fault(outage)
    await stack.recover_court()
    await stack.wait_until_ended(waiting)
    await client.wait_for_events("/event")

    assert (await run_autos(stack, "audit")).exit_code == 0

    panels = [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]
    expressions = {
        f"{panel['title']} {target['refId']}": target["expr"].replace("$__rate_interval", "2m")
        for panel in panels
        for target in panel["targets"]
    }

    empty: list[str] = []

    async def all_show_data() -> bool:
        # Some work between two scrapes, for what is only seen in increases.
        await stack.create_ended_run(2, size_bytes=2_000)
        await stack.api.get("/processes")
        empty[:] = [title for title, shown in expressions.items() if not await prometheus.query(shown)]
        return not empty

    with suppress(AssertionError):
        await eventually(all_show_data, "all panels show data", seconds=90)
    assert empty == []
    if folder := os.environ.get("AUTOS_PANEL_PICTURES"):
        await draw_panels(str(prometheus.http.base_url), expressions, Path(folder))
    # The curves have what has happened.
    for expression in (
        'autos_documents_total{outcome="failed",code="sealed"} == 4',
        'autos_webhook_attempts_total{status="5xx"} == 1 and on () autos_webhook_attempts_total{status="2xx"} == 1',
        'autos_runs_ended_total{outcome="partial"} == 1',
        'autos_court_requests_total{status="5xx"} >= 1',
        "autos_court_token_seconds_left > 80000",
        "autos_document_bytes_total > 12000",
    ):
        assert await prometheus.query(expression), expression
    async with httpx2.AsyncClient(timeout=60) as http:
        text = (await http.get(f"http://{stack.addresses['metrics']}/metrics")).text
    assert set(SERIES) <= {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert not [number for number in (sealed, notified, waiting) if number in text]
    assert "process_number" not in text


async def test_alerts_of_the_court_its_token_documents_and_endpoints(
    measured_stack: RunningStack, prometheus: Prometheus, client: Receiver
) -> None:
    stack = measured_stack
    sealed = await seal_a_process(stack)
    await wait_for_review(stack, prometheus, "AutosFailuresHigh", raised=True)

    outage = await stack.inject_fault("unavailable")
    waiting = fresh_number()
    await stack.request_download(waiting)
    await stack.wait_until_waiting_for_court(waiting)
    await wait_for_review(stack, prometheus, "AutosCourtUnavailable", raised=True)
    await stack.end_fault(outage)
    await stack.recover_court()
    await wait_for_review(stack, prometheus, "AutosCourtUnavailable", raised=False)

    for expires_in, raised in ((600, True), (86_400, False)):
        await stack.put_credentials(token=(await stack.create_court_token(expires_in=expires_in))["token"])
        await wait_for_review(stack, prometheus, "AutosCredentialsExpiring", raised=raised)

    disabled = await disable_endpoint(stack, f"{client.url}/disabled")
    await wait_for_review(stack, prometheus, "AutosEndpointDisabled", raised=True)
    await stack.api.post(f"/webhooks/endpoints/{disabled}/enable")
    await wait_for_review(stack, prometheus, "AutosEndpointDisabled", raised=False)

    # All processes whose documents failed are downloaded now.
    for number in {sealed, *await list_partial_processes(stack)}:
        await stack.post_action(number, "retry")
        await stack.wait_until_ended(number)
    await wait_for_review(stack, prometheus, "AutosFailuresHigh", raised=False)


async def disable_endpoint(stack: RunningStack, url: str) -> str:
    """Switch an endpoint off as five days of failures do. Returns its id."""
    now = datetime.now(UTC)
    database = Database(f"sqlite+aiosqlite:///{stack.data_dir / 'autos.db'}")
    endpoint = {"id": endpoint_id("local", url), "client": "local", "url": url}
    times = dict.fromkeys(("failing_since", "last_failed_at", "switched_off_at"), now)
    async with database.writing() as connection:
        await connection.execute(insert(failing_endpoints), endpoint | times)
    await database.close()
    return endpoint["id"]


async def list_partial_processes(stack: RunningStack) -> list[str]:
    """Return the numbers of the processes with failed documents."""
    body: dict[str, Any] = (await stack.api.get("/processes", params={"status": "partial"})).json()
    return [process["process_number"] for process in body["processes"]]


async def test_alert_of_a_watch_that_nobody_looks_after(
    measured_stack: RunningStack, prometheus: Prometheus
) -> None:
    stack = measured_stack
    number = await stack.create_ended_run(2, size_bytes=2_000)
    assert (await stack.api.put(f"/processes/{number}/watch", json={})).is_success
    sweeps = stack.temporal.get_schedule_handle(SWEEP_WATCHES.id)
    await sweeps.pause()

    async def is_paused() -> bool:
        described = await sweeps.describe()
        return described.schedule.state.paused and not described.info.running_actions

    await eventually(is_paused, "no sweep runs")
    yesterday = datetime.now(UTC) - timedelta(days=1)
    database = Database(f"sqlite+aiosqlite:///{stack.data_dir / 'autos.db'}")
    async with database.writing() as connection:
        await connection.execute(update(watches).values(next_look_at=yesterday, late_at=yesterday, not_before=None))
    await database.close()
    await wait_for_review(stack, prometheus, "AutosWatchesLate", raised=True)

    await sweeps.unpause()
    await sweeps.trigger()
    await wait_for_review(stack, prometheus, "AutosWatchesLate", raised=False)
    assert (await stack.api.delete(f"/processes/{number}/watch")).is_success


async def test_alert_of_failing_deliveries(
    measured_stack: RunningStack, prometheus: Prometheus, client: Receiver
) -> None:
    stack = measured_stack
    # The second attempt comes after five seconds, which may be between two scrapes, the third one after minutes.
    client.planned_failures["/failing"] = [500, 500]
    number = fresh_number()
    await stack.create_process(number, 1, size_bytes=2_000)
    await stack.request_download(number, webhook_url=f"{client.url}/failing")
    await prometheus.wait_until_raised("AutosDeliveriesFailing")
    for _ in range(4):
        await send_test_event(stack, f"{client.url}/delivered")
    await client.wait_for_events("/delivered", 4)
    await prometheus.wait_until_cleared("AutosDeliveriesFailing")


async def test_alert_of_a_store_that_takes_no_writes(measured_stack: RunningStack, prometheus: Prometheus) -> None:
    stack, number = measured_stack, fresh_number()
    await stack.create_process(number, 2, size_bytes=2_000)
    with dead_service(stack, "s3", signal.SIGKILL):
        await stack.request_download(number)
        await stack.wait_until_phase(number, "waiting_for_store", seconds=60)
        await eventually(lambda: prometheus.query("autos_store_answering == 0"), "the store's circuit is open")
        await wait_for_review(stack, prometheus, "AutosStoreUnavailable", raised=True)
    await wait_for_review(stack, prometheus, "AutosStoreUnavailable", raised=False)


async def test_alert_of_an_object_that_was_deleted(measured_stack: RunningStack, prometheus: Prometheus) -> None:
    stack = measured_stack
    number = await stack.create_ended_run(2, size_bytes=2_000)
    async with open_bucket(stack) as bucket:
        deleted, *_ = await bucket.list_keys(number)
    address = storage_address(stack)
    async with open_s3(address) as s3:
        await s3.delete_object(Bucket=address.bucket, Key=deleted)
    assert (await run_autos(stack, "audit")).exit_code == ExitCode.PARTIAL
    await prometheus.wait_until_raised("AutosAuditFindings")
    assert (await run_autos(stack, "audit", "--repair")).exit_code == 0
    await prometheus.wait_until_cleared("AutosAuditFindings")


async def test_alert_of_an_erasure_that_waits_for_the_store(
    measured_stack: RunningStack, prometheus: Prometheus
) -> None:
    stack = measured_stack
    number = await stack.create_ended_run(2, size_bytes=2_000)
    with dead_service(stack, "s3", signal.SIGKILL):
        assert (await stack.api.delete(f"/processes/{number}")).status_code == 202
        await prometheus.wait_until_raised("AutosErasureStuck")

    async def is_completed() -> bool:
        return (await stack.api.get(f"/processes/{number}/erasure")).json()["completed_at"] is not None

    await eventually(is_completed, "the end of the erasure", seconds=110)
    await prometheus.wait_until_cleared("AutosErasureStuck")


async def test_alerts_without_a_worker(measured_stack: RunningStack, prometheus: Prometheus) -> None:
    stack = measured_stack
    raised = ("AutosWorkerDown", "AutosNoWorker", "AutosBacklogGrowing")

    async def are_raised() -> bool:
        # A backlog is only said to grow while it does.
        await stack.request_download(fresh_number())
        return set(raised) <= await prometheus.list_firing()

    worker = stack.get_pid("worker")
    with dead_service(stack, "worker", signal.SIGTERM):
        # Until then it takes tasks, which the backlog would lack.
        await wait_until_ended(worker)
        for _ in range(110):
            await stack.request_download(fresh_number())
        await eventually(are_raised, "the alerts without a worker are raised", seconds=60)
    for name in raised:
        await prometheus.wait_until_cleared(name, seconds=120)


async def test_alerts_of_slow_and_failed_answers(measured_stack: RunningStack, prometheus: Prometheus) -> None:
    stack, alerts = measured_stack, {"AutosApiErrors", "AutosApiSlow"}

    async def are_raised() -> bool:
        answer = await stack.api.post("/batches", json={"process_numbers": [fresh_number()]})
        assert answer.status_code == 503
        return alerts <= await prometheus.list_firing()

    async def are_cleared() -> bool:
        # Needs the database alone: Temporal may have much to catch up with.
        assert (await stack.api.get("/events")).status_code == 200
        return not alerts & await prometheus.list_firing()

    with frozen(stack.get_pid("temporal")):
        await eventually(are_raised, "the alerts of the API are raised", seconds=60)
    await eventually(are_cleared, "the alerts of the API are cleared", seconds=120)


async def test_alerts_of_an_api_without_its_database_and_of_one_that_does_not_answer(
    quick_rules: dict[str, Any], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, key = tmp_path_factory.mktemp("prometheus"), "a key of sixteen characters"
    async with (
        # Keys in the database could not be checked without it.
        running_lone_api(tmp_path, AUTOS_API_KEY=key) as api,
        running_prometheus(folder, quick_rules, key=key, autos_api=f"127.0.0.1:{api.port}") as prometheus,
    ):
        await prometheus.wait_until_raised("AutosDatabaseUnavailable")
        await asyncio.to_thread(upgrade, f"sqlite:///{tmp_path / 'autos.db'}")

        async def answers() -> bool:
            # Without a scrape, it would be unknown: on a busy machine one may take too long.
            known = await prometheus.query("min(autos_database_answering) == 1")
            return bool(known) and not {"AutosDatabaseUnavailable", "AutosApiDown"} & await prometheus.list_firing()

        await eventually(answers, "the database answers, and no alert is left", seconds=60)
        with frozen(api.process.pid):
            await prometheus.wait_until_raised("AutosApiDown")
        await prometheus.wait_until_cleared("AutosApiDown")


def test_each_rule_has_a_cause_here(quick_rules: dict[str, Any]) -> None:
    named = set(re.findall(r'"(Autos\w+)"', Path(__file__).read_text()))
    assert {rule["alert"] for group in quick_rules["groups"] for rule in group["rules"]} == named

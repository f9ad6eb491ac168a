"""When the API raises and clears the alert that no worker is at work, and who delivers it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
from adapters.temporal.run_client import RunClient
from adapters.webhooks import AddressGuard, WebhookSender
from api.app import create_app
from api.services import alert_delivery, worker_alerts
from api.services.alert_delivery import AlertDelivery
from api.services.worker_alerts import WorkerAlertService
from api.services.worker_presence import WorkerPresence
from domain.alerts import AlertKind
from domain.delivery_messages import DeliveryRef
from domain.errors import ConfigurationError, DependencyUnavailable
from domain.keys import OPERATOR
from domain.webhook_urls import WebhookPolicy
from settings import load_settings
from tests.support.conditions import eventually
from tests.support.ports import bound_socket
from tests.support.receiver import Receiver, running_receiver

SECRET = "whsec_" + base64.b64encode(b"a synthetic secret of 32 bytes..").decode()
# Of the two queues that runs need.
NOBODY = {"processes": 0, "court": 0, "bundles": 1}
EVERYBODY = {"processes": 1, "court": 2, "bundles": 1}


@dataclass
class Deployment:
    """An API's view of a deployment whose workers are set by the test.

    Attributes:
        workers: the workers of each queue. None while Temporal does not answer.
        started: the deliveries that were handed to a worker.
    """

    catalog: Catalog
    receiver: Receiver
    workers: Mapping[str, int] | None = field(default_factory=lambda: EVERYBODY)
    started: list[DeliveryRef] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Create the services."""
        self.presence = WorkerPresence(self.count_workers)
        self.guard = AddressGuard(WebhookPolicy(allow_http=True, allow_private=True))
        self.sender = WebhookSender(SECRET, self.guard)
        self.service = self.create_service(timedelta(0), self.sender)

    def create_service(self, patience: timedelta, sender: WebhookSender | None) -> WorkerAlertService:
        """Return a service with this patience that sends with this sender."""
        self.delivery = AlertDelivery(self.catalog, cast("RunClient", self), sender, public_url="http://autos.test")
        return WorkerAlertService(
            self.presence, self.catalog.alerts, self.delivery, url=f"{self.receiver.url}/alerts", patience=patience
        )

    async def count_workers(self) -> Mapping[str, int]:
        """Answer as Temporal does."""
        if self.workers is None:
            raise DependencyUnavailable("temporal", "Temporal does not answer.")
        return self.workers

    async def start_delivery(self, delivery: DeliveryRef) -> None:
        """Start a delivery's workflow, as `RunClient` does."""
        self.started.append(delivery)

    async def review(self, workers: Mapping[str, int] | None) -> int:
        """Review with these workers. Returns the number of open alerts."""
        self.workers = workers
        await self.presence.refresh()
        await self.service.review()
        return (await self.catalog.alerts.count_open())[AlertKind.NO_WORKER]

    async def read_log(self) -> list[tuple[str, list[int | None]]]:
        """Return the status of each delivery to the operator, and that of its attempts, the oldest first."""
        page = await self.catalog.deliveries.log.page(OPERATOR, limit=9)
        return [
            (logged.delivery.status.value, [attempt.status_code for attempt in logged.attempts])
            for logged in reversed(page)
        ]


@pytest.fixture
def operator() -> Iterator[Receiver]:
    """The operator's receiver."""
    with running_receiver(SECRET) as running:
        yield running


@pytest.fixture
async def deployment(operator: Receiver, tmp_path: Path) -> AsyncIterator[Deployment]:
    """A deployment with a catalog of its own."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'autos.db'}"
    await asyncio.to_thread(upgrade, url)
    catalog = Catalog(Database(url))
    deployment = Deployment(catalog, operator)
    yield deployment
    await deployment.delivery.close()
    await deployment.sender.close()
    deployment.guard.close()
    await catalog.close()


async def test_without_workers_the_api_sends_the_alert_and_with_workers_they_send_its_end(
    deployment: Deployment, operator: Receiver
) -> None:
    assert await deployment.review(EVERYBODY) == 0
    assert await deployment.review(NOBODY) == 2
    assert await deployment.review(NOBODY) == 2
    events = await operator.wait_for_events("/alerts", 2)
    assert {(one.event["data"]["queue"], one.event["data"]["status_url"]) for one in events} == {
        ("processes", "http://autos.test/health/ready"),
        ("court", "http://autos.test/health/ready"),
    }

    async def recorded() -> bool:
        return await deployment.read_log() == [("delivered", [204])] * 2

    await eventually(recorded, "both attempts in the log")
    assert deployment.started == []
    assert await deployment.review(EVERYBODY) == 0
    assert [delivery.first_attempt for delivery in deployment.started] == [1, 1]
    assert len(operator.received) == 2


async def test_a_queue_alone_without_workers_is_reported_by_the_workers_of_the_other(
    deployment: Deployment, operator: Receiver
) -> None:
    assert await deployment.review({"processes": 1, "court": 0, "bundles": 1}) == 1
    assert len(deployment.started) == 1
    assert operator.received == []


async def test_what_the_api_cannot_deliver_is_handed_to_a_worker_with_its_next_attempt(
    deployment: Deployment, operator: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alert_delivery, "ATTEMPT_DELAYS", (0.0, 0.01, 0.01))
    operator.planned_failures["/alerts"] = [503] * 3
    assert await deployment.review({"processes": 0, "court": 1, "bundles": 1}) == 1

    async def handed_over() -> bool:
        return bool(deployment.started)

    await eventually(handed_over, "the delivery's workflow")
    assert [delivery.first_attempt for delivery in deployment.started] == [4]
    assert await deployment.read_log() == [("pending", [503, 503, 503])]


async def test_an_api_that_stops_leaves_its_further_attempts_to_a_worker(
    deployment: Deployment, operator: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The receiver's answer still has to arrive, and to be recorded.
    monkeypatch.setattr(alert_delivery, "_CLOSING_SECONDS", 60.0)
    operator.planned_failures["/alerts"] = [503]
    assert await deployment.review({"processes": 0, "court": 1, "bundles": 1}) == 1

    async def attempted() -> bool:
        return bool(operator.rejected)

    await eventually(attempted, "the first attempt")
    await deployment.delivery.close()
    assert [delivery.first_attempt for delivery in deployment.started] == [2]
    assert await deployment.read_log() == [("pending", [503])]


class Interrupted:
    """A call that does not end until it is cancelled, and then has something to clean up, as a transaction has."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.cleaned_up = False

    async def __call__(self, *_: object, **__: object) -> None:
        """Wait for the cancellation."""
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            for _turn in range(5):
                await asyncio.sleep(0)
            self.cleaned_up = True


async def test_an_attempt_that_is_cut_off_has_ended_before_what_it_uses_is_closed(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    get_event = Interrupted()
    monkeypatch.setattr(alert_delivery, "_CLOSING_SECONDS", 0.0)
    monkeypatch.setattr(deployment.catalog.deliveries, "get_event", get_event)
    await deployment.delivery.start(DeliveryRef("evt_1", 1), has_worker=False)
    await get_event.begun.wait()
    await deployment.delivery.close()
    assert get_event.cleaned_up


async def test_a_review_that_is_cut_off_has_ended_before_the_catalog_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    review, cleaned_up = Interrupted(), []
    app = create_app(load_settings(data_dir=tmp_path, s3_access_key_id="key", s3_secret_access_key="secret"))
    catalog: Catalog = app.state.catalog
    close = catalog.close

    async def close_catalog() -> None:
        cleaned_up.append(review.cleaned_up)
        await close()

    monkeypatch.setattr(catalog.alerts, "review_workers", review)
    monkeypatch.setattr(catalog, "close", close_catalog)
    with bound_socket() as silent:
        monkeypatch.setenv("TEMPORAL_ADDRESS", "{}:{}".format(*silent.getsockname()))
        async with app.router.lifespan_context(app):
            await review.begun.wait()
    assert cleaned_up == [True]


async def test_an_address_that_is_gone_is_not_tried_again(deployment: Deployment, operator: Receiver) -> None:
    operator.planned_failures["/alerts"] = [410]
    assert await deployment.review({"processes": 0, "court": 1, "bundles": 1}) == 1

    async def given_up() -> bool:
        return await deployment.read_log() == [("failed", [410])]

    await eventually(given_up, "the end of the delivery")
    assert deployment.started == []


async def test_without_a_secret_the_alert_waits_for_a_worker(deployment: Deployment) -> None:
    deployment.service = deployment.create_service(timedelta(0), None)
    assert await deployment.review(NOBODY) == 2
    assert len(deployment.started) == 2


async def test_nothing_is_concluded_within_the_patience_or_while_temporal_is_away(deployment: Deployment) -> None:
    assert await deployment.review(NOBODY) == 2
    # Unknown is neither missing nor present.
    assert await deployment.review(None) == 2
    assert deployment.presence.counts == {"processes": None, "court": None, "bundles": None}
    assert (deployment.presence.warnings(), deployment.presence.unserved) == ([], ())
    assert "does not say" in (deployment.presence.advice() or "")
    assert await deployment.review(EVERYBODY) == 0
    deployment.service = deployment.create_service(timedelta(hours=1), deployment.sender)
    assert await deployment.review(NOBODY) == 0
    assert len(deployment.presence.warnings()) == 2


async def test_each_reason_why_the_workers_are_not_reviewed_is_logged_once_and_a_bug_with_its_traceback(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = DependencyUnavailable("database", "The database does not answer.")
    bug = LookupError("a bug")
    # None is a review that succeeds.
    script: list[Exception | None] = [away, away, None, away, bug, bug]
    all_reviewed = asyncio.Event()

    async def review() -> None:
        if not script:
            all_reviewed.set()
        elif (error := script.pop(0)) is not None:
            raise error

    monkeypatch.setattr(worker_alerts, "_INTERVAL_SECONDS", 0.0)
    monkeypatch.setattr(deployment.service, "review", review)
    with capture_logs() as lines:
        reviewing = asyncio.create_task(deployment.service.run())
        await all_reviewed.wait()
        reviewing.cancel()
    outage = {
        "event": "workers not reviewed",
        "log_level": "warning",
        "dependency": "database",
        "detail": "The database does not answer.",
    }
    defect = {
        "event": "unexpected error",
        "log_level": "error",
        "task": "review of the workers",
        "exc_info": bug,
    }
    assert lines == [outage, outage, defect]


async def test_a_bug_in_a_delivery_is_logged_with_its_traceback(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    bug = LookupError("a bug")

    async def get_event(_: str) -> None:
        raise bug

    monkeypatch.setattr(deployment.catalog.deliveries, "get_event", get_event)
    with capture_logs() as lines:
        await deployment.delivery.start(DeliveryRef("evt_1", 1), has_worker=False)

        async def logged() -> bool:
            return bool(lines)

        await eventually(logged, "the bug in the log")
    assert [(line["event"], line["exc_info"]) for line in lines] == [("unexpected error", bug)]


async def test_a_health_check_before_the_first_answer_asks_temporal_once(deployment: Deployment) -> None:
    asked = 0

    async def count_workers() -> dict[str, Any]:
        nonlocal asked
        asked += 1
        return EVERYBODY

    presence = WorkerPresence(count_workers)
    assert presence.counts == {"processes": None, "court": None, "bundles": None}
    await asyncio.gather(*(presence.ensure_counted() for _ in range(5)))
    assert (asked, presence.counts, presence.advice()) == (1, EVERYBODY, None)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("AUTOS_ALERT_WEBHOOK_URL", {"alert_webhook_url": "https://192.0.2.1:22/"}),
        ("AUTOS_WEBHOOK_SECRET", {"alert_webhook_url": "https://example.com/", "webhook_secret": "whsec_short"}),
    ],
)
def test_an_api_with_unusable_settings_of_alerts_does_not_start(
    name: str, values: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=name):
        create_app(load_settings(data_dir=tmp_path, **values))

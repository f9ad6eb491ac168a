"""The alert that no worker is at work: the API reviews it, since nobody else is there to do so."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from api.services.alert_delivery import AlertDelivery
from api.services.worker_presence import QUEUES, WorkerPresence
from domain.alerts import alert_log_fields, worker_concern
from domain.errors import DependencyUnavailable
from workflows.options import PROCESSES_QUEUE

if TYPE_CHECKING:
    from adapters.database.alerts import AlertRepository

# Cheap: a few requests to Temporal, of two milliseconds each.
_INTERVAL_SECONDS = 5.0
# Without a change, the catalog is read this often: another API may have raised an alert and died.
_REVIEW_SECONDS = 60.0

_log = structlog.get_logger()


class WorkerAlertService:
    """Refreshes the workers' presence, and raises and clears the alert ``no_worker``.

    Args:
        presence: The workers of each task queue. This service is the only one that refreshes it regularly.
        alerts: Keeps the alerts: each is raised once, over all APIs.
        delivery: Sends their events.
        url: The operator's webhook endpoint. None means that alerts go to the log and the metrics only.
        patience: How long a queue may have no worker before an alert is raised.
    """

    def __init__(
        self,
        presence: WorkerPresence,
        alerts: AlertRepository,
        delivery: AlertDelivery,
        *,
        url: str | None,
        patience: timedelta,
    ) -> None:
        self._presence = presence
        self._alerts = alerts
        self._delivery = delivery
        self._url = url
        self._patience = patience
        # Since when each queue has had no worker.
        self._unserved_since: dict[str, datetime] = {}
        self._reviewed: tuple[frozenset[str], frozenset[str]] | None = None
        self._reviewed_at = float("-inf")

    async def run(self) -> None:
        """Refresh and review, for as long as the API runs. Each new reason for a failure is logged once."""
        logged = ""
        while True:
            try:
                await self._presence.refresh()
                await self.review()
                logged = ""
            except Exception as error:  # noqa: BLE001 - the presence must not stay unknown because of one defect.
                # The next review makes up for it.
                if repr(error) != logged:
                    logged = repr(error)
                    _log_failure(error)
            await asyncio.sleep(_INTERVAL_SECONDS)

    async def review(self) -> None:
        """Raise and clear alerts if the workers' presence has changed.

        Raises:
            DependencyUnavailable: The database does not answer.
        """
        now, counts = datetime.now(UTC), self._presence.counts
        # Forgotten while Temporal does not say: after its own restart, workers need a moment to come back.
        self._unserved_since = {
            queue: self._unserved_since.get(queue, now) for queue in QUEUES if counts[queue] == 0
        }
        missing = {queue for queue, since in self._unserved_since.items() if now - since >= self._patience}
        served = {queue for queue, count in counts.items() if count}
        findings = frozenset(missing), frozenset(served)
        if findings == self._reviewed and time.monotonic() - self._reviewed_at < _REVIEW_SECONDS:
            return
        concerns = [worker_concern(queue, self._unserved_since[queue]) for queue in sorted(missing)]
        review = await self._alerts.review_workers(concerns, served, url=self._url)
        self._reviewed, self._reviewed_at = findings, time.monotonic()
        for alert in review.raised:
            _log.error("alert raised", **alert_log_fields(alert))
        for alert in review.cleared:
            _log.info("alert cleared", **alert_log_fields(alert))
        for delivery in review.deliveries:
            await self._delivery.start(delivery, has_worker=PROCESSES_QUEUE in served)


def _log_failure(error: Exception) -> None:
    if isinstance(error, DependencyUnavailable):
        _log.warning("workers not reviewed", dependency=error.dependency, detail=f"{error} {error.place}".rstrip())
    else:
        _log.error("unexpected error", task="review of the workers", exc_info=error)

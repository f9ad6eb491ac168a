"""The activity that raises and clears alerts: in the catalog, in the log, and by webhook events."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from temporalio import activity

from activities.errors import translating_infrastructure_errors
from domain.alerts import alert_log_fields
from domain.delivery_messages import DeliveryRef

if TYPE_CHECKING:
    from activities.store_circuit import StoreCircuitBreaker
    from adapters.database.alerts import AlertRepository

_log = structlog.get_logger()


class AlertActivities:
    """The activity on alerts.

    Args:
        alerts: Keeps the alerts.
        store_circuit: The circuit breaker of the store. Each review probes the store if a probe is due: while no
            run waits for the store, nothing else would.
        url: The operator's webhook endpoint. None means that alerts go to the log and the metrics only.
        court_patience: How long the court may be unavailable before an alert is raised.
    """

    def __init__(
        self,
        alerts: AlertRepository,
        store_circuit: StoreCircuitBreaker,
        *,
        url: str | None,
        court_patience: timedelta,
    ) -> None:
        self._alerts = alerts
        self._store_circuit = store_circuit
        self._url = url
        self._court_patience = court_patience

    @activity.defn
    async def review_alerts(self) -> tuple[DeliveryRef, ...]:
        """Raise new alerts and clear those that are over. Returns the webhook deliveries to start."""
        with translating_infrastructure_errors():
            await self._store_circuit.probe_if_due()
            review = await self._alerts.review(url=self._url, court_patience=self._court_patience)
        for alert in review.raised:
            _log.error("alert raised", **alert_log_fields(alert))
        for alert in review.cleared:
            _log.info("alert cleared", **alert_log_fields(alert))
        return review.deliveries

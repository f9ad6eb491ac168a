"""Telling the operator what lasts: in the catalog, in the log, and by events."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from temporalio import activity

from activities.failures import own_failures
from domain.alerts import Alert
from domain.messages import DeliveryRef
from domain.representation import moment

if TYPE_CHECKING:
    from activities.store_gate import StoreGate
    from adapters.database.alerts import Alerts

_log = structlog.get_logger()


class AlertActivities:
    """The activity on alerts.

    Args:
        alerts: what has been told.
        url: where the operator wants to be told; none for the log and the metrics alone.
        court_patience: for how long the court may not answer before that is told.
        store_gate: has a store probed that takes no writes, also when no run waits for it.
    """

    def __init__(
        self, alerts: Alerts, store_gate: StoreGate, *, url: str | None, court_patience: timedelta
    ) -> None:
        self._alerts = alerts
        self._store_gate = store_gate
        self._url = url
        self._court_patience = court_patience

    @activity.defn
    async def review_alerts(self) -> tuple[DeliveryRef, ...]:
        """Raise what is new and clear what is over; the events that tell of it, to be started."""
        with own_failures():
            await self._store_gate.advise()
            review = await self._alerts.review(url=self._url, court_patience=self._court_patience)
        for alert in review.raised:
            _log.error("alert raised", **_told(alert))
        for alert in review.cleared:
            _log.info("alert cleared", **_told(alert))
        return review.deliveries


def _told(alert: Alert) -> dict[str, str | int | None]:
    concern = alert.concern
    return {"alert": alert.id, "kind": concern.kind.value, "since": moment(concern.since), **concern.details}

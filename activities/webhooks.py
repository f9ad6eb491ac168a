"""One attempt at telling one subscriber."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from random import random
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog
from temporalio import activity

from activities.failures import crowded, own_failures
from domain.alerts import Alert, AlertKind, alert_body
from domain.clients import Scope
from domain.messages import AttemptResult, DeliveryAttempt, OverduePage, OverdueRequest
from domain.process_number import ProcessNumber
from domain.representation import Json, counts_body, documents_body, moment, run_body
from domain.secrecy import readable
from domain.webhooks import (
    EVENT_VERSION,
    SWITCH_OFF_AFTER,
    Delivery,
    DeliveryStatus,
    Event,
    SentAttempt,
    endpoint_id,
)

if TYPE_CHECKING:
    from adapters.database import Catalog
    from adapters.storage.presigned_urls import LinkSigner
    from adapters.webhooks import Reply, WebhookSender
    from domain.processes import Run

_MOST_DOCUMENTS = 100
# An attempt takes 17 seconds at most, two of them for the answer's body; a worker that was killed is missed after a
# minute.
_OVERDUE = timedelta(minutes=2)
# A thousand events for one host that does not answer would else hold every place that runs need as well, and so
# would some for each of many such hosts. How many places there are: worker.py.
_AT_ONCE = 100
_ALL_AT_ONCE = 400
_MOST_DOUBLINGS = 6
_GIVEN_UP = AttemptResult(delivered=False, gone=True)

_log = structlog.get_logger()


class WebhookActivities:
    """The activities on webhooks.

    Args:
        public_url: where clients reach the API, for the addresses in an event.
    """

    def __init__(self, catalog: Catalog, signer: LinkSigner, sender: WebhookSender, *, public_url: str) -> None:
        self._catalog = catalog
        self._signer = signer
        self._sender = sender
        self._public_url = public_url
        self._calling: Counter[str] = Counter()

    @activity.defn
    async def send_webhook(self, attempt: DeliveryAttempt) -> AttemptResult:
        """Send an event once and log what came of it.

        If this dies between sending and logging, the event is sent again under the same id. A host is called a
        few times at once; what finds it crowded comes again by itself, and has not been attempted.
        """
        with own_failures():
            event = await self._catalog.webhooks.event(attempt.delivery_id)
            if event is None or event.delivery.status is not DeliveryStatus.PENDING:
                delivered = event is not None and event.delivery.status is DeliveryStatus.DELIVERED
                return AttemptResult(delivered=delivered, gone=True)
            delivery = event.delivery
            if event.refusal:
                sent, result = SentAttempt(attempt.number, datetime.now(UTC), error=event.refusal), _GIVEN_UP
            else:
                with self._place_at(f"{delivery.client} {urlsplit(delivery.url).netloc}"):
                    sent, result = await self._send(event, attempt.number)
            switched_off = await self._catalog.webhooks.record_attempt(
                delivery,
                sent,
                delivered=result.delivered,
                next_attempt_at=_next_attempt_at(sent.sent_at, attempt, result),
            )
        _log.info(
            "webhook delivered" if result.delivered else "webhook failed",
            process=delivery.process_number,
            event_id=delivery.id,
            event_type=delivery.event_type,
            client=delivery.client,
            attempt=sent.number,
            status=sent.status_code,
            error=sent.error,
            latency_ms=sent.latency_ms,
        )
        if switched_off:
            _tell_of_switched_off(delivery)
            return _GIVEN_UP
        return result

    @activity.defn
    async def overdue_deliveries(self, request: OverdueRequest) -> OverduePage:
        """The next deliveries that nobody attempts although it is long their time."""
        with own_failures():
            page = await self._catalog.webhooks.overdue(request, by=_OVERDUE)
        if page.deliveries:
            _log.warning("webhooks overdue", deliveries=len(page.deliveries))
        return page

    @contextmanager
    def _place_at(self, host: str) -> Iterator[None]:
        """Be one of the few that call a host for a client at once, or come again when there may be room."""
        if self._calling[host] >= _AT_ONCE or self._calling.total() >= _ALL_AT_ONCE:
            seconds = 2.0 ** min(activity.info().attempt, _MOST_DOUBLINGS)
            # Not all of them at the same moment.
            again = timedelta(seconds=seconds * (0.5 + random()))  # noqa: S311 - no secret.
            raise crowded("Enough events are on their way, there or altogether.", come_again_in=again)
        self._calling[host] += 1
        try:
            yield
        finally:
            self._calling[host] -= 1
            if not self._calling[host]:
                del self._calling[host]

    async def _send(self, event: Event, number: int) -> tuple[SentAttempt, AttemptResult]:
        delivery = event.delivery
        body = json.dumps(await self._body(event), ensure_ascii=False, separators=(",", ":")).encode()
        secrets = await self._catalog.clients.webhook_secrets(delivery.client)
        sent_at, begun = datetime.now(UTC), time.monotonic()
        reply = await self._sender.send(
            delivery.url, event_id=delivery.id, sent_at=sent_at, body=body, secrets=secrets
        )
        latency_ms = round(1000 * (time.monotonic() - begun))
        sent = SentAttempt(number, sent_at, reply.status_code, latency_ms, reply.excerpt, reply.error)
        return sent, _result(reply)

    async def _body(self, event: Event) -> Json:
        delivery = event.delivery
        return {
            "type": delivery.event_type,
            "version": EVENT_VERSION,
            "timestamp": moment(delivery.created_at),
            "data": await self._data(event),
        }

    async def _data(self, event: Event) -> Json:
        delivery, run = event.delivery, event.run
        if run is not None and delivery.process_number is not None:
            return await self._ended(delivery.process_number, run, event.scopes)
        alert = await self._catalog.alerts.told_by(delivery.id)
        if alert is not None:
            return {**alert_body(alert), "status_url": f"{self._public_url}{_status_path(alert)}"}
        return {"client": delivery.client}

    async def _ended(self, number: str, run: Run, scopes: frozenset[Scope]) -> Json:
        process_url = f"{self._public_url}/processes/{number}"
        counts = run.documents
        data: Json = {
            "process_number": number,
            "court": ProcessNumber.parse(number).court,
            "outcome": run.outcome,
            "run": run_body(run),
            **(counts_body(counts) if counts else {}),
            "status_url": f"{process_url}/status",
            "documents_url": f"{process_url}/documents",
            "documents": None,
        }
        if Scope.READ in scopes and counts and counts.total <= _MOST_DOCUMENTS:
            documents = await self._catalog.documents.page(number, limit=_MOST_DOCUMENTS)
            links = await self._signer.sign_all(
                [content for document in readable(documents, scopes) for content in document.contents()]
            )
            data["documents"] = documents_body(documents, links, scopes)
        return data


def _status_path(alert: Alert) -> str:
    """Where the API says more of what an alert tells."""
    match alert.concern.kind:
        case AlertKind.COURT_UNAVAILABLE | AlertKind.CREDENTIALS_EXPIRING:
            return "/court/status"
        case AlertKind.STORE_UNAVAILABLE:
            return "/health/ready"
        case AlertKind.FAILURES_HIGH:
            return f"/processes/{alert.concern.subject}/status"
        case AlertKind.ENDPOINT_DISABLED:
            return f"/webhooks/endpoints?client={alert.concern.details['client']}"


def _tell_of_switched_off(delivery: Delivery) -> None:
    """Say that an address is switched off. Its text may hold a secret of the receiver's, so it is not told."""
    _log.error(
        "webhook endpoint switched off",
        client=delivery.client,
        endpoint=endpoint_id(delivery.client, delivery.url),
        failing_days=SWITCH_OFF_AFTER.days,
    )


def _result(reply: Reply) -> AttemptResult:
    status = reply.status_code
    return AttemptResult(
        delivered=status is not None and 200 <= status < 300,
        gone=status == 410,
        retry_after=reply.retry_after if status in (429, 502, 503, 504) else None,
    )


def _next_attempt_at(sent_at: datetime, attempt: DeliveryAttempt, result: AttemptResult) -> datetime | None:
    if result.delivered or result.gone or attempt.next_delay_seconds is None:
        return None
    return sent_at + timedelta(seconds=max(attempt.next_delay_seconds, result.retry_after or 0.0))

"""The activities that send webhook events."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from random import random
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog
from temporalio import activity

from activities.errors import at_capacity, translating_infrastructure_errors
from activities.metrics import NO_METRICS, WorkerMetrics
from domain.accesses import AccessKind, Recipient
from domain.alerts import alert_body
from domain.clients import Client
from domain.delivery_messages import AttemptResult, DeliveryAttempt
from domain.events import (
    MAX_DOCUMENTS,
    bundle_end_data,
    is_visible,
    may_show_documents,
    run_end_data,
    show_bundle,
    watch_data,
)
from domain.request_trace import RequestTrace
from domain.secrecy import readable
from domain.serializers import Json
from domain.sweep_messages import OverduePage, OverdueRequest
from domain.webhooks import (
    NOTHING_TO_SHOW,
    SWITCH_OFF_AFTER,
    Delivery,
    DeliveryStatus,
    Event,
    EventType,
    SentAttempt,
    endpoint_id,
    event_body,
)

if TYPE_CHECKING:
    from adapters.database import Catalog
    from adapters.storage.link_issuer import LinkIssuer
    from adapters.webhooks import Reply, WebhookSender
    from domain.documents import Document, Link
    from domain.processes import Run

# An attempt takes 17 seconds at most, two of them for the response body. Temporal notices a killed worker after a
# minute.
_OVERDUE = timedelta(minutes=2)
# Concurrent requests for each client and host, and in total. Without these limits, a thousand events for one host
# that does not answer, or a few for each of many such hosts, would occupy all activity slots of the worker, which
# runs need too. See worker.py for the number of slots.
_MAX_REQUESTS_PER_HOST = 100
_MAX_REQUESTS = 400
_MAX_BACKOFF_DOUBLINGS = 6
_GIVEN_UP = AttemptResult(delivered=False, gone=True)
# The court may show it again before the last attempt.
_WITHHELD = AttemptResult(delivered=False)

_log = structlog.get_logger()


class WebhookActivities:
    """The activities on webhooks.

    Args:
        public_url: The API's base URL as clients reach it, for the URLs in an event.
        metrics: Counts attempts.
    """

    def __init__(
        self,
        catalog: Catalog,
        links: LinkIssuer,
        sender: WebhookSender,
        *,
        public_url: str,
        metrics: WorkerMetrics = NO_METRICS,
    ) -> None:
        self._catalog = catalog
        self._links = links
        self._sender = sender
        self._public_url = public_url
        self._metrics = metrics
        self._requests_in_flight: Counter[str] = Counter()

    @activity.defn
    async def send_webhook(self, attempt: DeliveryAttempt) -> AttemptResult:
        """Send an event once and record the result.

        If the worker dies between sending and recording, the event is sent again with the same id. If too many
        requests to the host are in flight, Temporal retries the activity later. That does not count as an attempt.
        """
        with translating_infrastructure_errors():
            event = await self._catalog.deliveries.get_event(attempt.delivery_id)
            if event is None or event.delivery.status is not DeliveryStatus.PENDING:
                delivered = event is not None and event.delivery.status is DeliveryStatus.DELIVERED
                return AttemptResult(delivered=delivered, gone=True)
            delivery = event.delivery
            if event.refusal:
                sent, result = SentAttempt(attempt.number, datetime.now(UTC), error=event.refusal), _GIVEN_UP
            else:
                with self._request_slot(f"{delivery.client} {urlsplit(delivery.url).netloc}"):
                    sent, result = await self._send(event, attempt.number)
            is_disabled = await self._catalog.deliveries.record_attempt(
                delivery,
                sent,
                delivered=result.delivered,
                next_attempt_at=_next_attempt_at(sent.sent_at, attempt, result),
            )
        self._metrics.count_webhook_attempt(sent.status_code)
        _log.info(
            "webhook delivered" if result.delivered else "webhook failed",
            process=delivery.process_number,
            run=delivery.run_id,
            event_id=delivery.id,
            event_type=delivery.event_type,
            client=delivery.client,
            attempt=sent.number,
            status=sent.status_code,
            error=sent.error,
            latency_ms=sent.latency_ms,
        )
        if is_disabled:
            _log_disabled_endpoint(delivery)
            return _GIVEN_UP
        return result

    @activity.defn
    async def overdue_deliveries(self, request: OverdueRequest) -> OverduePage:
        """Return the next page of deliveries whose attempt is overdue, so that nobody seems to work on them."""
        with translating_infrastructure_errors():
            page = await self._catalog.deliveries.list_overdue(request, by=_OVERDUE)
        if page.deliveries:
            _log.warning("webhooks overdue", deliveries=len(page.deliveries))
        return page

    @contextmanager
    def _request_slot(self, host: str) -> Iterator[None]:
        """Hold one of the request slots of a client and host. Raises a retryable error if none is free."""
        in_flight = self._requests_in_flight
        if in_flight[host] >= _MAX_REQUESTS_PER_HOST or in_flight.total() >= _MAX_REQUESTS:
            seconds = 2.0 ** min(activity.info().attempt, _MAX_BACKOFF_DOUBLINGS)
            # Jitter, so that they do not all come back at the same moment.
            delay = timedelta(seconds=seconds * (0.5 + random()))  # noqa: S311 - no secret.
            raise at_capacity("Too many webhook requests are in flight, to this host or in total.", retry_in=delay)
        in_flight[host] += 1
        try:
            yield
        finally:
            in_flight[host] -= 1
            if not in_flight[host]:
                del in_flight[host]

    async def _send(self, event: Event, number: int) -> tuple[SentAttempt, AttemptResult]:
        delivery = event.delivery
        data = await self._build_data(event)
        if data is None:
            return SentAttempt(number, datetime.now(UTC), error=NOTHING_TO_SHOW), _WITHHELD
        content = event_body(delivery.event_type, delivery.created_at, data)
        body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
        secrets = await self._catalog.clients.get_webhook_secrets(delivery.client)
        sent_at, started_at = datetime.now(UTC), time.monotonic()
        reply = await self._sender.send(
            delivery.url, event_id=delivery.id, sent_at=sent_at, body=body, secrets=secrets
        )
        latency_ms = round(1000 * (time.monotonic() - started_at))
        sent = SentAttempt(number, sent_at, reply.status_code, latency_ms, reply.excerpt, reply.error)
        return sent, _to_attempt_result(reply)

    async def _build_data(self, event: Event) -> Json | None:
        """Return the data of an event. None if the client may see nothing of it now."""
        delivery, number, run = event.delivery, event.delivery.process_number, event.run
        if number is not None and event.details is not None and delivery.event_type.is_watch_news:
            news = await self._catalog.events.read_news(number, delivery.event_type, event.details)
            if not is_visible(delivery.event_type, news, event.scopes):
                return None
            return watch_data(
                *(delivery.event_type, number, delivery.run_id, event.details, news, event.scopes, self._public_url)
            )
        recipient = Recipient(Client(delivery.client, event.scopes), request_id=_request_id(), event_id=delivery.id)
        if run is not None and number is not None:
            return await self._build_run_data(number, run, recipient)
        if delivery.event_type.is_bundle_end and number is not None and event.details is not None:
            return await self._build_bundle_data(delivery.event_type, number, event.details, recipient)
        alert = await self._catalog.alerts.get_by_event(delivery.id)
        if alert is not None:
            return alert_body(alert, self._public_url)
        return {"client": delivery.client}

    async def _build_bundle_data(
        self, event_type: EventType, number: str, details: Json, recipient: Recipient
    ) -> Json:
        document_ids = await self._catalog.bundles.list_document_ids(details["bundle_id"])
        # Last: a document may be sealed at any moment.
        bundle = await self._catalog.bundles.get(number, details["bundle_id"])
        bundle, link = show_bundle(event_type, bundle, recipient.client.scopes), None
        if bundle is not None:
            # At every attempt: an endpoint that fails may have read the link.
            link = await self._links.issue_bundle(bundle, document_ids, recipient)
        return bundle_end_data(number, details, bundle, link, self._public_url)

    async def _build_run_data(self, number: str, run: Run, recipient: Recipient) -> Json:
        scopes = recipient.client.scopes
        documents: Sequence[Document] | None = None
        links: Mapping[str, Link] = {}
        if may_show_documents(run, scopes):
            documents = await self._catalog.documents.page(number, limit=MAX_DOCUMENTS)
            # At every attempt: an endpoint that fails may have read the links.
            links = await self._links.issue(
                [content for document in readable(documents, scopes) for content in document.contents()],
                recipient,
                process_number=number,
                how=AccessKind.EVENT,
            )
        return run_end_data(number, run, documents, links, scopes, self._public_url)


def _request_id() -> str | None:
    """Return the id of the request that the delivery follows from, as its log lines have it."""
    trace = RequestTrace.from_fields(structlog.contextvars.get_contextvars())
    return trace.request_id if trace else None


def _log_disabled_endpoint(delivery: Delivery) -> None:
    """Log that an endpoint is disabled, by its id: its URL may contain a secret of the receiver."""
    _log.error(
        "webhook endpoint switched off",
        client=delivery.client,
        endpoint=endpoint_id(delivery.client, delivery.url),
        failing_days=SWITCH_OFF_AFTER.days,
    )


def _to_attempt_result(reply: Reply) -> AttemptResult:
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

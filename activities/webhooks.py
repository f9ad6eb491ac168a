"""One attempt at telling one subscriber."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from temporalio import activity

from activities.failures import own_failures
from domain.messages import AttemptResult, DeliveryAttempt
from domain.representation import Json, counts_body, documents_body, moment, run_body
from domain.webhooks import Delivery, SentAttempt

if TYPE_CHECKING:
    from adapters.database import Catalog
    from adapters.links import LinkSigner
    from adapters.webhook_sender import Reply, WebhookSender

_MOST_DOCUMENTS = 100

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

    @activity.defn
    async def send_webhook(self, attempt: DeliveryAttempt) -> AttemptResult:
        """Send an event once and log what came of it.

        If this dies between sending and logging, the event is sent again under the same id.
        """
        with own_failures():
            delivery = await self._catalog.webhooks.delivery(attempt.delivery_id)
            if delivery is None or delivery.delivered or delivery.given_up:
                return AttemptResult(delivered=delivery is not None and delivery.delivered, gone=True)
            sent_at = datetime.now(UTC)
            body = json.dumps(await self._event(delivery), ensure_ascii=False, separators=(",", ":")).encode()
            begun = time.monotonic()
            reply = await self._sender.send(delivery.url, event_id=delivery.id, sent_at=sent_at, body=body)
            latency_ms = round(1000 * (time.monotonic() - begun))
            result = _result(reply)
            last = attempt.next_delay_seconds is None
            await self._catalog.webhooks.record_attempt(
                delivery,
                SentAttempt(
                    number=attempt.number,
                    sent_at=sent_at,
                    status_code=reply.status_code,
                    latency_ms=latency_ms,
                    excerpt=reply.excerpt,
                    error=reply.error,
                    next_attempt_at=_next_attempt_at(sent_at, attempt, result),
                ),
                delivered=result.delivered,
                given_up=result.gone or (last and not result.delivered),
            )
        _log.info(
            "webhook delivered" if result.delivered else "webhook failed",
            process=delivery.process_number,
            event_id=delivery.id,
            event_type=delivery.event_type,
            attempt=attempt.number,
            status=reply.status_code,
            error=reply.error,
            latency_ms=latency_ms,
        )
        return result

    async def _event(self, delivery: Delivery) -> Json:
        counts = delivery.run.documents
        process_url = f"{self._public_url}/processes/{delivery.process_number}"
        data: Json = {
            "process_number": delivery.process_number,
            "court": delivery.court,
            "outcome": delivery.run.outcome,
            "run": run_body(delivery.run),
            **(counts_body(counts) if counts else {}),
            "status_url": f"{process_url}/status",
            "documents_url": f"{process_url}/documents",
            "documents": None,
        }
        if counts and counts.total <= _MOST_DOCUMENTS:
            documents = await self._catalog.documents.page(delivery.process_number, limit=_MOST_DOCUMENTS)
            links = await self._signer.sign_all(documents)
            data["documents"] = documents_body(documents, links)
        return {"type": delivery.event_type, "timestamp": moment(delivery.created_at), "data": data}


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

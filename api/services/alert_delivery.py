"""Deliver alerts from the API itself, for when no worker is there to do it."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from domain.alerts import alert_body
from domain.background_tasks import cancel_and_wait
from domain.delivery_messages import DeliveryRef
from domain.errors import DependencyUnavailable
from domain.webhooks import DeliveryStatus, SentAttempt, event_body

if TYPE_CHECKING:
    from adapters.database import Catalog
    from adapters.temporal.run_client import RunClient
    from adapters.webhooks import WebhookSender

# Seconds before each attempt. A worker that is back meanwhile must not attempt the delivery as well: the sweep
# takes what is overdue by two minutes, and no attempt comes that late.
ATTEMPT_DELAYS = (0.0, 5.0, 30.0)
_GONE = 410
_CLOSING_SECONDS = 3.0

_log = structlog.get_logger()


class AlertDelivery:
    """Sends alerts to the operator's webhook, or has a worker send them.

    Exactly one service has the reference to a new delivery: the one whose transaction has raised the alert. It
    attempts the delivery itself, and starts the delivery's workflow only when it makes no further attempt. So the
    two never attempt it at the same time. If the API dies in between, the workers' sweep finds it overdue.

    Args:
        catalog: Keeps the deliveries, and logs every attempt.
        runs: Starts the workflow of a delivery.
        sender: Signs and posts. None if this service has no secret; then every delivery waits for a worker.
        public_url: The API's base URL as clients reach it, for the URL in an event.
    """

    def __init__(self, catalog: Catalog, runs: RunClient, sender: WebhookSender | None, *, public_url: str) -> None:
        self._catalog = catalog
        self._runs = runs
        self._sender = sender
        self._public_url = public_url
        self._attempting: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()

    async def start(self, delivery: DeliveryRef, *, has_worker: bool) -> None:
        """Have the delivery sent, without waiting for it.

        Args:
            delivery: The delivery.
            has_worker: Whether a worker can send it.
        """
        if has_worker or self._sender is None:
            await self._start_workflow(delivery)
            return
        task = asyncio.create_task(self._deliver(delivery, self._sender), name=f"delivering {delivery.id}")
        self._attempting.add(task)
        task.add_done_callback(self._on_task_done)

    async def close(self) -> None:
        """Let the attempts under way end, for a few seconds, and leave what is pending to a worker."""
        self._closing.set()
        if self._attempting:
            _, late = await asyncio.wait(self._attempting, timeout=_CLOSING_SECONDS)
            await cancel_and_wait(late)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        self._attempting.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("unexpected error", task=task.get_name(), exc_info=error)

    async def _deliver(self, delivery: DeliveryRef, sender: WebhookSender) -> None:
        next_attempt = 1
        for delay in ATTEMPT_DELAYS:
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._closing.wait()
            if self._closing.is_set():
                break
            try:
                if await self._attempt(delivery, next_attempt, sender):
                    return
            except DependencyUnavailable as error:
                _log.warning("alert not sent", event_id=delivery.id, dependency=error.dependency)
            next_attempt += 1
        await self._start_workflow(DeliveryRef(delivery.id, delivery.number, next_attempt))

    async def _start_workflow(self, delivery: DeliveryRef) -> None:
        """Have a worker deliver, as soon as there is one."""
        try:
            await self._runs.start_delivery(delivery)
        except DependencyUnavailable as error:
            _log.warning("alert waits for the sweep", event_id=delivery.id, dependency=error.dependency)

    async def _attempt(self, delivery: DeliveryRef, number: int, sender: WebhookSender) -> bool:
        """Send the event once and record the result. Returns whether the delivery has ended."""
        event = await self._catalog.deliveries.get_event(delivery.id)
        alert = await self._catalog.alerts.get_by_event(delivery.id)
        if event is None or alert is None or event.delivery.status is not DeliveryStatus.PENDING:
            return True
        sent_at, started_at = datetime.now(UTC), time.monotonic()
        if event.refusal:
            sent = SentAttempt(number, sent_at, error=event.refusal)
        else:
            content = event_body(
                event.delivery.event_type, event.delivery.created_at, alert_body(alert, self._public_url)
            )
            body = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
            reply = await sender.send(
                event.delivery.url, event_id=event.delivery.id, sent_at=sent_at, body=body.encode()
            )
            latency_ms = round(1000 * (time.monotonic() - started_at))
            sent = SentAttempt(number, sent_at, reply.status_code, latency_ms, reply.excerpt, reply.error)
        status = sent.status_code
        delivered = status is not None and 200 <= status < 300
        is_over = delivered or status == _GONE or event.refusal is not None
        next_delay = ATTEMPT_DELAYS[number] if number < len(ATTEMPT_DELAYS) else 0.0
        is_disabled = await self._catalog.deliveries.record_attempt(
            event.delivery,
            sent,
            delivered=delivered,
            next_attempt_at=None if is_over else datetime.now(UTC) + timedelta(seconds=next_delay),
        )
        _log.info(
            "webhook delivered" if delivered else "webhook failed",
            event_id=delivery.id,
            event_type=event.delivery.event_type,
            client=event.delivery.client,
            attempt=number,
            status=status,
            error=sent.error,
            latency_ms=sent.latency_ms,
        )
        return is_over or is_disabled

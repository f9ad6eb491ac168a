"""News of a watch of which the receiver may see nothing at the moment of the attempt."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast
from uuid import uuid4

from cryptography.fernet import Fernet
from temporalio.testing import ActivityEnvironment

from activities.webhooks import WebhookActivities
from adapters.database import Catalog, Database
from adapters.security.encryption import Encryptor
from adapters.webhooks import AddressGuard, WebhookSender
from domain.clients import Scope
from domain.delivery_messages import AttemptResult, DeliveryAttempt
from domain.secrecy import Secrecy
from domain.webhooks import NOTHING_TO_SHOW, DeliveryStatus
from tests.integration.adapters.test_webhook_sender import EVERYWHERE, SECRET
from tests.support.listings import document_ids, listed, listing_of
from tests.support.looks import look, watch
from tests.support.scripted_server import always, answer, scripted

if TYPE_CHECKING:
    from adapters.storage.link_issuer import LinkIssuer


async def test_news_that_were_sealed_before_they_arrived_are_not_sent_until_they_are_open(
    database: Database, number: str
) -> None:
    client, ids = f"client-{uuid4().hex[:8]}", document_ids(2)
    catalog = Catalog(database, Encryptor([Fernet.generate_key().decode()]))
    await catalog.clients.add_key(client, frozenset({Scope.READ, Scope.DOWNLOAD}), None)
    address_guard = AddressGuard(EVERYWHERE)
    sender = WebhookSender(SECRET, address_guard)
    activities = WebhookActivities(catalog, cast("LinkIssuer", None), sender, public_url="http://127.0.0.1")

    async def send(delivery_id: str, attempt: int) -> AttemptResult:
        wanted = DeliveryAttempt(delivery_id, attempt, 5.0)
        result: AttemptResult = await ActivityEnvironment().run(activities.send_webhook, wanted)
        return result

    async with scripted(always(answer(204))) as receiver:
        await look(catalog, number, ids[:1])
        await watch(catalog, number, client, webhook_url=receiver.origin)
        [delivery] = (await look(catalog, number, ids, hour=1)).deliveries
        sealed = replace(listed(ids[1]), secrecy=Secrecy.INTENSE)
        await catalog.listings.record(listing_of(number, [ids[0], sealed], hour=2))
        # It goes on being tried: the court may show it again before the last attempt.
        assert await send(delivery.id, 1) == AttemptResult(delivered=False)
        assert receiver.requests == []
        logged = await catalog.deliveries.log.get(delivery.id)
        assert logged is not None
        assert [(one.error, one.latency_ms) for one in logged.attempts] == [(NOTHING_TO_SHOW, None)]
        assert logged.delivery.status is DeliveryStatus.PENDING
        await catalog.listings.record(listing_of(number, ids, hour=3))
        assert (await send(delivery.id, 2)).delivered
        assert len(receiver.requests) == 1
    await sender.close()
    address_guard.close()

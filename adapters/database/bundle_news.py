"""The event that tells a client that a bundle is ready: who waits for it, and who has been told."""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_OID, uuid5

from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.bundle_tables import bundle_subscriptions
from adapters.database.outbox import NewEvent, publish
from domain.bundles import BundleState
from domain.webhooks import EventType


async def tell_of_bundle(connection: AsyncConnection, bundle: Row[Any]) -> list[str]:
    """Write an event for each subscription of a bundle that has none, if the bundle is ready.

    Becoming ready and subscribing both hold the lock on the bundle's row: either the end sees the subscription, or
    the subscriber sees the end. A client that has a webhook by then is told by its webhooks' events alone.

    Args:
        connection: The transaction that holds the lock. Call it near its end, as ``outbox.publish``.
        bundle: The current row of ``bundles``.

    Returns:
        The ids of the new events.
    """
    if bundle.state != BundleState.READY:
        return []
    wanted = select(bundle_subscriptions).where(bundle_subscriptions.c.bundle_id == bundle.id)
    subscriptions = (await connection.execute(wanted.order_by(bundle_subscriptions.c.id))).all()
    told_by_webhook = {one.client for one in subscriptions if one.url is not None}
    new = []
    for one in subscriptions:
        if one.event_id is not None or (one.url is None and one.client in told_by_webhook):
            continue
        # SQLite gives the number of a deleted subscription again, so the time tells the events of a bundle that was
        # deleted from those of the same bundle now.
        event_id = f"evt_{uuid5(NAMESPACE_OID, f'{bundle.id} {bundle.created_at.isoformat()} {one.id}').hex}"
        is_this = bundle_subscriptions.c.id == one.id
        await connection.execute(update(bundle_subscriptions).where(is_this).values(event_id=event_id))
        new.append(
            NewEvent(
                *(one.client, event_id, EventType.BUNDLE_READY, bundle.process_number),
                details={"bundle_id": bundle.id},
                url=one.url,
            )
        )
    await publish(connection, new)
    return [event.id for event in new]

"""The event that tells a client of the end of a build: who waits for it, and who has been told."""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_OID, uuid5

from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.bundle_tables import bundle_subscriptions
from adapters.database.outbox import NewEvent, publish
from domain.bundles import BundleState
from domain.webhooks import EventType

_TYPES = {BundleState.READY: EventType.BUNDLE_READY, BundleState.FAILED: EventType.BUNDLE_FAILED}


async def tell_of_bundle(connection: AsyncConnection, bundle: Row[Any]) -> list[str]:
    """Write an event for each subscription of a bundle that has none, if the bundle is ready or has failed.

    Ending and subscribing both hold the lock on the bundle's row: either the end sees the subscription, or
    the subscriber sees the end. A client that has a webhook by then is told by its webhooks' events alone.

    Args:
        connection: The transaction that holds the lock. Call it near its end, as ``outbox.publish``.
        bundle: The current row of ``bundles``.

    Returns:
        The ids of the new events.
    """
    event_type = _TYPES.get(bundle.state)
    if event_type is None:
        return []
    wanted = select(bundle_subscriptions).where(bundle_subscriptions.c.bundle_id == bundle.id)
    subscriptions = (await connection.execute(wanted.order_by(bundle_subscriptions.c.id))).all()
    told_by_webhook = {one.client for one in subscriptions if one.url is not None}
    new = []
    for one in subscriptions:
        if one.event_id is not None or (one.url is None and one.client in told_by_webhook):
            continue
        # SQLite gives the number of a deleted subscription again, so the times tell the events of a bundle that was
        # deleted, and those of an earlier build, from those of the bundle now.
        moment = f"{bundle.created_at.isoformat()} {bundle.ended_at.isoformat()}"
        event_id = f"evt_{uuid5(NAMESPACE_OID, f'{bundle.id} {moment} {one.id}').hex}"
        is_this = bundle_subscriptions.c.id == one.id
        await connection.execute(update(bundle_subscriptions).where(is_this).values(event_id=event_id))
        new.append(
            NewEvent(
                *(one.client, event_id, event_type, bundle.process_number),
                details={"bundle_id": bundle.id},
                url=one.url,
            )
        )
    await publish(connection, new)
    return [event.id for event in new]


async def reset_told(connection: AsyncConnection, bundle_id: str) -> None:
    """Forget who was told that a bundle has failed, so that they are told of the end of its next build too."""
    is_of_bundle = bundle_subscriptions.c.bundle_id == bundle_id
    await connection.execute(update(bundle_subscriptions).where(is_of_bundle).values(event_id=None))

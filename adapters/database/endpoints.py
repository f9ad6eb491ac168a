"""The addresses that take nothing at present, and when nothing is sent to them any more."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Row, case, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.engine import Database
from adapters.database.upserts import insert_into
from adapters.database.webhook_tables import failing_endpoints
from domain.webhooks import FAILURES_APART, SWITCH_OFF_AFTER, Delivery, FailingEndpoint, endpoint_id

_MOST = 200


class Endpoints:
    """The failing addresses' table. An address that is not in it is well, or was never called."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, client: str) -> list[FailingEndpoint]:
        """The failing addresses of a client, the longest first; at most 200."""
        async with self._database.reading() as connection:
            result = await connection.execute(
                select(failing_endpoints)
                .where(failing_endpoints.c.client == client)
                .order_by(failing_endpoints.c.failing_since, failing_endpoints.c.id)
                .limit(_MOST)
            )
            return [_endpoint(row) for row in result]

    async def get(self, endpoint: str) -> FailingEndpoint | None:
        """One failing address by its id, or none."""
        async with self._database.reading() as connection:
            row = (
                await connection.execute(select(failing_endpoints).where(failing_endpoints.c.id == endpoint))
            ).one_or_none()
        return _endpoint(row) if row else None

    async def switch_on(self, endpoint: str) -> None:
        """Send to an address again, and forget how long it has failed. Again, it changes nothing."""
        async with self._database.writing() as connection:
            await connection.execute(delete(failing_endpoints).where(failing_endpoints.c.id == endpoint))


async def is_off(connection: AsyncConnection, client: str, url: str) -> bool:
    """Whether nothing is sent to an address."""
    switched_off_at = await connection.scalar(
        select(failing_endpoints.c.switched_off_at).where(failing_endpoints.c.id == endpoint_id(client, url))
    )
    return switched_off_at is not None


async def judge_endpoint(
    connection: AsyncConnection, delivery: Delivery, sent_at: datetime, *, delivered: bool
) -> bool:
    """Note what an attempt says of its address. Returns whether the address has been switched off by it.

    That is so once: when everything since the first failure has failed, and that is five days ago. A failure that
    comes when nothing was sent for longer than any delivery waits begins anew.
    """
    this = failing_endpoints.c.id == endpoint_id(delivery.client, delivery.url)
    if delivered:
        await connection.execute(delete(failing_endpoints).where(this))
        return False
    await connection.execute(
        insert_into(connection, failing_endpoints).on_conflict_do_nothing(index_elements=["id"]),
        {
            "id": endpoint_id(delivery.client, delivery.url),
            "client": delivery.client,
            "url": delivery.url,
            "failing_since": sent_at,
            "last_failed_at": sent_at,
        },
    )
    failed_before = failing_endpoints.c.last_failed_at
    await connection.execute(
        update(failing_endpoints)
        .where(this)
        .values(
            failing_since=case(
                (failed_before < sent_at - FAILURES_APART, sent_at), else_=failing_endpoints.c.failing_since
            ),
            last_failed_at=sent_at,
        )
    )
    switched = await connection.execute(
        update(failing_endpoints)
        .where(
            this,
            failing_endpoints.c.switched_off_at.is_(None),
            failing_endpoints.c.failing_since <= sent_at - SWITCH_OFF_AFTER,
        )
        .values(switched_off_at=sent_at)
    )
    return switched.rowcount > 0


def _endpoint(row: Row[tuple[object, ...]]) -> FailingEndpoint:
    return FailingEndpoint(row.id, row.client, row.url, row.failing_since, row.switched_off_at)

"""Failing webhook endpoints, and the rule that disables them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Row, case, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.engine import Database
from adapters.database.upserts import insert_into
from adapters.database.webhook_tables import failing_endpoints
from domain.webhooks import FAILURE_STREAK_GAP, SWITCH_OFF_AFTER, Delivery, FailingEndpoint, endpoint_id

_MAX_ENDPOINTS = 200


class EndpointRepository:
    """The table of failing endpoints. An endpoint without a row works, or was never called."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_failing(self, client: str) -> list[FailingEndpoint]:
        """Return the failing endpoints of a client, longest failing first. At most 200."""
        async with self._database.reading() as connection:
            result = await connection.execute(
                select(failing_endpoints)
                .where(failing_endpoints.c.client == client)
                .order_by(failing_endpoints.c.failing_since, failing_endpoints.c.id)
                .limit(_MAX_ENDPOINTS)
            )
            return [_to_endpoint(row) for row in result]

    async def get(self, endpoint: str) -> FailingEndpoint | None:
        """Return a failing endpoint by its id. None if there is no such endpoint."""
        async with self._database.reading() as connection:
            row = (
                await connection.execute(select(failing_endpoints).where(failing_endpoints.c.id == endpoint))
            ).one_or_none()
        return _to_endpoint(row) if row else None

    async def switch_on(self, endpoint: str) -> None:
        """Enable an endpoint again, and reset how long it has failed. Idempotent."""
        async with self._database.writing() as connection:
            await connection.execute(delete(failing_endpoints).where(failing_endpoints.c.id == endpoint))


async def is_endpoint_disabled(connection: AsyncConnection, client: str, url: str) -> bool:
    """Return whether an endpoint is disabled, so that nothing is sent to it."""
    switched_off_at = await connection.scalar(
        select(failing_endpoints.c.switched_off_at).where(failing_endpoints.c.id == endpoint_id(client, url))
    )
    return switched_off_at is not None


async def record_endpoint_result(
    connection: AsyncConnection, delivery: Delivery, sent_at: datetime, *, delivered: bool
) -> bool:
    """Record the result of an attempt for its endpoint. Return True if this attempt disables the endpoint.

    An endpoint is disabled once, when every attempt has failed for five days. If nothing was sent for longer than
    any delivery waits between attempts, the next failure starts a new streak.
    """
    is_endpoint = failing_endpoints.c.id == endpoint_id(delivery.client, delivery.url)
    if delivered:
        await connection.execute(delete(failing_endpoints).where(is_endpoint))
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
        .where(is_endpoint)
        .values(
            failing_since=case(
                (failed_before < sent_at - FAILURE_STREAK_GAP, sent_at), else_=failing_endpoints.c.failing_since
            ),
            last_failed_at=sent_at,
        )
    )
    disabled = await connection.execute(
        update(failing_endpoints)
        .where(
            is_endpoint,
            failing_endpoints.c.switched_off_at.is_(None),
            failing_endpoints.c.failing_since <= sent_at - SWITCH_OFF_AFTER,
        )
        .values(switched_off_at=sent_at)
    )
    return disabled.rowcount > 0


def _to_endpoint(row: Row[tuple[object, ...]]) -> FailingEndpoint:
    return FailingEndpoint(row.id, row.client, row.url, row.failing_since, row.switched_off_at)

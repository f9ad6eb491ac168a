"""What the receivers of a client's webhook events may see."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.client_tables import api_keys
from domain.clients import ALL_SCOPES, Scope
from domain.keys import RESERVED_NAMES


async def read_event_scopes(connection: AsyncConnection, client: str) -> frozenset[Scope]:
    """Return the intersection of the scopes of all keys of a client, revoked ones included.

    An event is not sent for a particular key. With more than the intersection, the holder of a weaker key could
    subscribe an address to restricted fields. Without the revoked keys, revoking a stolen key could widen what its
    holder receives. Empty if every key is revoked.
    """
    if client in RESERVED_NAMES:
        return ALL_SCOPES
    keys = (
        await connection.execute(
            select(api_keys.c.scopes, api_keys.c.revoked_at).where(api_keys.c.client == client)
        )
    ).all()
    if all(key.revoked_at is not None for key in keys):
        return frozenset()
    return frozenset.intersection(*(frozenset(map(Scope, key.scopes)) for key in keys))

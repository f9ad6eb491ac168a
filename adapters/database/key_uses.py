"""When keys were last used: written in the background, at most once a minute for each key."""

from __future__ import annotations

import asyncio
import time
from contextvars import Context
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import or_, update

from adapters.database.client_tables import api_keys
from adapters.database.engine import Database
from domain.background_tasks import cancel_and_wait
from domain.errors import AutosError
from domain.keys import ApiKey

INTERVAL = timedelta(minutes=1)
_CLOSING_SECONDS = 1.0

_log = structlog.get_logger()


class KeyUses:
    """Records the uses of keys. No request waits for it, and none fails with it.

    Args:
        database: The database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        # When this service may next write for a key, on the monotonic clock.
        self._not_before: dict[str, float] = {}
        self._writes: set[asyncio.Task[None]] = set()

    def note(self, key: ApiKey) -> None:
        """Take note that a key, just read from the catalog, is being used."""
        now = datetime.now(UTC)
        if key.last_used_at is not None and now - key.last_used_at < INTERVAL:
            return
        if time.monotonic() < self._not_before.get(key.id, 0.0):
            return
        self._not_before[key.id] = time.monotonic() + INTERVAL.total_seconds()
        # An empty context: what it logs does not belong to this request.
        write = asyncio.create_task(self._record(key.id, now), context=Context())
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)

    async def close(self) -> None:
        """Wait a moment for the writes that are under way, and give up the others."""
        if self._writes:
            _, late = await asyncio.wait(self._writes, timeout=_CLOSING_SECONDS)
            await cancel_and_wait(late)

    async def _record(self, key_id: str, used_at: datetime) -> None:
        # Another API service may have recorded a use meanwhile.
        is_due = or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at <= used_at - INTERVAL)
        try:
            async with self._database.writing() as connection:
                await connection.execute(
                    update(api_keys).where(api_keys.c.id == key_id, is_due).values(last_used_at=used_at)
                )
        except AutosError as error:
            _log.debug("use of a key not recorded", key=key_id, detail=str(error))

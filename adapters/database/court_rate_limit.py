"""GCRA rate limiter (without a burst) of requests to the court, in one row that all workers share."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Double, and_, case, cast, extract, func, or_
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.deployment_tables import SINGLE_ROW_ID, court_pace
from adapters.database.engine import Database
from adapters.database.upserts import insert_into

# Slots are reserved at most this far ahead, so that a worker that dies wastes few of them, and a new rate takes
# effect soon.
HORIZON_SECONDS = 2.0
# Julian day of 1970-01-01, the start of epoch seconds.
_EPOCH_JULIAN_DAY = 2_440_587.5


class CourtRateLimitRepository:
    """Reserves slots: moments at which one request may be sent to the court.

    Only the database's clock is used, so workers whose clocks differ share one rate. If that clock is set back, the
    slots reserved before are dropped.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reserve(self, slots: int, *, interval: float) -> float | None:
        """Reserve consecutive slots after all reserved ones.

        Args:
            slots: How many. Together they must not last longer than `HORIZON_SECONDS`, unless it is only one.
            interval: Seconds between two slots.

        Returns:
            Seconds from now to the first slot. None if it is beyond the horizon: then nothing is reserved.
        """
        duration = slots * interval
        async with self._database.writing(one_statement=True) as connection:
            now = _now(connection)
            next_slot = court_pace.c.next_slot
            # No reservation reaches further ahead, so one that does is from before the clock was set back.
            is_stale = next_slot > now + 2 * (HORIZON_SECONDS + interval)
            is_ahead = and_(next_slot > now, ~is_stale)
            reservation = (
                insert_into(connection, court_pace)
                .values(id=SINGLE_ROW_ID, next_slot=now + duration)
                .on_conflict_do_update(
                    index_elements=["id"],
                    set_={"next_slot": case((is_ahead, next_slot), else_=now) + duration},
                    where=or_(next_slot <= now + HORIZON_SECONDS, is_stale),
                )
                .returning((next_slot - duration - now).label("wait"))
            )
            wait = (await connection.execute(reservation)).scalar_one_or_none()
        return None if wait is None else max(float(wait), 0.0)


def _now(connection: AsyncConnection) -> ColumnElement[float]:
    """Return the database's time in epoch seconds. On Postgres it advances within a transaction."""
    if connection.dialect.name == "postgresql":
        return cast(extract("epoch", func.clock_timestamp()), Double)
    return (func.julianday("now", type_=Double) - _EPOCH_JULIAN_DAY) * 86_400.0

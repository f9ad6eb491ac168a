"""The rate limiter of the requests to the court: one row, shared by all workers (GCRA without a burst)."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Double, and_, case, cast, extract, func, or_
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.engine import Database
from adapters.database.tables import court_pace
from adapters.database.upserts import insert_into

_THE_ROW = 1
# Slots are given out so far ahead and no further, so that a worker that dies takes little with it, and that a new
# rate is soon in force.
HORIZON_SECONDS = 2.0
# Julian day of 1970-01-01, from which epoch seconds count.
_EPOCH_JULIAN_DAY = 2_440_587.5


class CourtPaceRepository:
    """Gives out slots, each a moment at which one request may be sent to the court.

    Only the database's clock counts, so workers whose clocks differ keep one pace. Should that clock be set back,
    the slots given out before are forgotten.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reserve(self, slots: int, *, interval: float) -> float | None:
        """Reserve slots that follow each other, behind all that are reserved.

        Args:
            slots: How many. All of them together must not last longer than `HORIZON_SECONDS`, unless it is one.
            interval: Seconds between two slots.

        Returns:
            Seconds from now to the first slot. None if it is beyond the horizon: nothing is reserved then.
        """
        lasting = slots * interval
        async with self._database.writing() as connection:
            now = _now(connection)
            next_slot = court_pace.c.next_slot
            # No reservation reaches further than this, so one that does was made by another clock.
            is_astray = next_slot > now + 2 * (HORIZON_SECONDS + interval)
            is_ahead = and_(next_slot > now, ~is_astray)
            reservation = (
                insert_into(connection, court_pace)
                .values(id=_THE_ROW, next_slot=now + lasting)
                .on_conflict_do_update(
                    index_elements=["id"],
                    set_={"next_slot": case((is_ahead, next_slot), else_=now) + lasting},
                    where=or_(next_slot <= now + HORIZON_SECONDS, is_astray),
                )
                .returning((next_slot - lasting - now).label("wait"))
            )
            wait = (await connection.execute(reservation)).scalar_one_or_none()
        return None if wait is None else max(float(wait), 0.0)


def _now(connection: AsyncConnection) -> ColumnElement[float]:
    """Return the database's own time in epoch seconds. On Postgres it goes on during a transaction."""
    if connection.dialect.name == "postgresql":
        return cast(extract("epoch", func.clock_timestamp()), Double)
    return (func.julianday("now", type_=Double) - _EPOCH_JULIAN_DAY) * 86_400.0

"""Watches: a client's wish to be told of what is new in a process, and when the court is asked for it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum

from domain.brasilia import BRASILIA
from domain.errors import FailureCode

MIN_EVERY_SECONDS = 3600
DEFAULT_EVERY_SECONDS = 86_400
MAX_EVERY_SECONDS = 31 * 86_400
# One request is written in a few transactions.
MAX_WATCHED_AT_ONCE = 1000
# Between two sweeps for processes that are due.
SWEEP_SECONDS = 60

_DAY = timedelta(days=1)
# Looks at intervals of a day and more are spread over these hours of Brasília.
_OPENS = time(6)
_OPEN_SECONDS = 16 * 3600
# How much later than planned a look may be before the watch is late: a quarter of its interval, within these.
_LEAST_TOLERANCE = timedelta(minutes=30)
_MOST_TOLERANCE = timedelta(hours=6)
# A listing that is this little older than the planned look counts as the look: clocks differ.
_CLOCK_TOLERANCE = timedelta(minutes=5)


class WatchNotify(StrEnum):
    """When a watch tells its client something.

    NEW: When there is something new.
    ALWAYS: After every look, too. A run of somebody else counts as one if a look was due.
    """

    NEW = "new"
    ALWAYS = "always"


class WatchState(StrEnum):
    """How a watch goes.

    ACTIVE: The last look succeeded, or the first one is still to come.
    LATE: The planned look is overdue. What is new may be unknown.
    NO_ACCESS: At the last look the court refused access to the process. It goes on being looked at.
    NOT_FOUND: At the last look the court did not find the process. It goes on being looked at.
    """

    ACTIVE = "active"
    LATE = "late"
    NO_ACCESS = "no_access"
    NOT_FOUND = "not_found"


# After these answers a look has been made: the court has said how it is.
ANSWERS_OF_LOOKS = {
    FailureCode.NO_ACCESS: WatchState.NO_ACCESS,
    FailureCode.NOT_FOUND: WatchState.NOT_FOUND,
}


@dataclass(frozen=True, slots=True)
class WatchWish:
    """What a client asks for when it watches a process.

    Attributes:
        every: The longest time between two looks.
        webhook_url: Where the client is told. None: only in its list of events.
        download: Whether new documents are downloaded, and told of once they are stored. Otherwise they are only
            listed.
    """

    every: timedelta = timedelta(seconds=DEFAULT_EVERY_SECONDS)
    webhook_url: str | None = None
    notify: WatchNotify = WatchNotify.NEW
    download: bool = True


@dataclass(frozen=True, slots=True)
class Watch:
    """A process that a client watches.

    Attributes:
        last_checked_at: When the court last listed the process, or refused to. None before the first look.
        next_look_at: When the next look is planned.
        late_at: From when on the watch is late, unless there is a look.
        failure_code: Why the last look failed. None if it succeeded.
    """

    process_number: str
    client: str
    wish: WatchWish
    created_at: datetime
    last_checked_at: datetime | None
    next_look_at: datetime
    late_at: datetime
    failure_code: FailureCode | None = None

    def state(self, now: datetime) -> WatchState:
        """Return how the watch goes. Being late hides the answer of an earlier look."""
        if self.late_at <= now:
            return WatchState.LATE
        if self.failure_code is None:
            return WatchState.ACTIVE
        return ANSWERS_OF_LOOKS.get(self.failure_code, WatchState.ACTIVE)

    @property
    def sort_key(self) -> tuple[datetime, str, str]:
        """The key of keyset pagination."""
        return self.created_at, self.process_number, self.client


def next_look(number: str, every: timedelta, due: datetime) -> datetime:
    """Return when a process is looked at after a look that was due at a time.

    At intervals of a day and more, every process has its own time of day between 06 and 22 h in Brasília, and the
    look is on the last day on which no more than the interval has passed on the clocks there. At shorter ones, it
    is the interval later.

    Args:
        number: The process.
        every: The interval.
        due: When the look before was due.
    """
    if every < _DAY:
        return due + every
    # By the clock on the wall, so that a change to daylight saving time moves nothing.
    latest = due.astimezone(BRASILIA).replace(tzinfo=None) + every
    slot = datetime.combine(latest.date(), _OPENS) + timedelta(seconds=_seconds_of_slot(number))
    if slot > latest:
        slot -= _DAY
    return slot.replace(tzinfo=BRASILIA).astimezone(UTC)


def following_look(number: str, every: timedelta, due: datetime, now: datetime) -> datetime:
    """Return the next look after one that was due at a time and has been made now. What was missed is left out."""
    planned = next_look(number, every, due)
    return planned if planned > now else next_look(number, every, now)


def late_after(planned: datetime, every: timedelta) -> datetime:
    """Return from when on a watch is late whose look is planned for a time."""
    return planned + min(max(every / 4, _LEAST_TOLERANCE), _MOST_TOLERANCE)


def is_look(checked_at: datetime, planned: datetime) -> bool:
    """Return whether what the court answered at a time is as good as the planned look."""
    return checked_at >= planned - _CLOCK_TOLERANCE


def looks_per_sweep(requests_per_second: float, share: float) -> int:
    """Return how many looks one sweep may start, and how many may be under way: one is at least one request.

    Args:
        requests_per_second: The court's pace.
        share: The part of it that looks may take, 0 to 1. At 0 no process is looked at.
    """
    return max(int(requests_per_second * share * SWEEP_SECONDS), 1) if share else 0


def _seconds_of_slot(number: str) -> int:
    return int.from_bytes(hashlib.sha256(number.encode()).digest()[:8], "big") % _OPEN_SECONDS

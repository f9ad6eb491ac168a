"""Temporal messages of the sweep that finds overdue deliveries and killed runs and builds. Ids and counts only."""

from __future__ import annotations

from dataclasses import dataclass, field

from domain.delivery_messages import DeliveryRef
from domain.run_messages import RunRef


@dataclass(frozen=True, slots=True)
class UnendedRunsPage:
    """Runs whose end is not recorded, the oldest first.

    Attributes:
        following: Cursor of the next page: the last run of this one. None on the last page.
    """

    runs: tuple[RunRef, ...]
    following: RunRef | None = None


@dataclass(frozen=True, slots=True)
class OverdueRequest:
    """A request for the next page of deliveries whose attempt is overdue.

    Attributes:
        after_time: When the last delivery of the page before was due, in ISO 8601. Empty for the first page.
        after_delivery: The number of that delivery.
    """

    after_time: str = ""
    after_delivery: int = 0


@dataclass(frozen=True, slots=True)
class OverduePage:
    """Deliveries whose attempt is overdue, the longest overdue first.

    Attributes:
        following: Request for the next page. None on the last page.
    """

    deliveries: tuple[DeliveryRef, ...]
    following: OverdueRequest | None = None


@dataclass(frozen=True, slots=True)
class KilledRunsRequest:
    """A request to compare a page of runs without an end with Temporal.

    Attributes:
        after: The last run of the page before. None for the first page.
        most_deliveries: Maximum number of deliveries to return. The others are soon overdue and found then.
    """

    after: RunRef | None = None
    most_deliveries: int = 500


@dataclass(frozen=True, slots=True)
class KilledRuns:
    """The killed runs found in a page of runs without an end.

    Attributes:
        deliveries: Deliveries to start. They announce the ends of the killed runs.
        following: Cursor of the next page: the last run of this one. None on the last page.
    """

    deliveries: tuple[DeliveryRef, ...]
    following: RunRef | None = None


@dataclass(frozen=True, slots=True)
class KilledBuilds:
    """The killed builds found in a page of bundles without an end.

    Attributes:
        deliveries: Deliveries to start. They announce that the bundles were not built.
        following: Where the next page begins. None on the last page.
    """

    deliveries: tuple[DeliveryRef, ...]
    following: str | None = None


@dataclass(frozen=True, slots=True)
class SweepProgress:
    """What a sweep of deliveries carries over when it continues as new.

    Attributes:
        started: Number of deliveries started so far.
        runs: Request for the next page of runs without an end. None once all pages were read.
        builds: Where the next page of bundles without an end begins. None once all pages were read.
        overdue: Request for the next page of overdue deliveries. None once all pages were read.
    """

    started: int = 0
    runs: KilledRunsRequest | None = field(default_factory=KilledRunsRequest)
    builds: str | None = ""
    overdue: OverdueRequest | None = field(default_factory=OverdueRequest)

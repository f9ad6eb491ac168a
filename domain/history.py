"""History: what is kept for a while after its end and then pruned, and the messages of the sweep that does it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class HistoryKind(StrEnum):
    """A kind of history. The sweep takes them in this order: what refers to others comes before them.

    BATCHES: Ended batches with their items.
    DELIVERIES: Ended deliveries with their attempts, and the subscriptions that led to them.
    ALERTS: Alerts that were cleared.
    RUNS: Ended runs, except the latest of each process.
    ACCESSES: The access trail.
    EVENTS: What clients were told, unless it is still to be delivered. Runs that they refer to go with the next
        sweep: this kind came later, and a sweep that has begun keeps its order.
    """

    BATCHES = "batches"
    DELIVERIES = "deliveries"
    ALERTS = "alerts"
    RUNS = "runs"
    ACCESSES = "accesses"
    EVENTS = "events"

    @property
    def following(self) -> HistoryKind | None:
        """The next kind. None after the last one."""
        kinds = list(HistoryKind)
        place = kinds.index(self) + 1
        return kinds[place] if place < len(kinds) else None


@dataclass(frozen=True, slots=True)
class PruneRequest:
    """A request to prune a part of one kind of history.

    Attributes:
        after: Cursor: where the part before ended. Empty for the first part.
    """

    kind: HistoryKind
    after: str = ""


@dataclass(frozen=True, slots=True)
class PrunedPart:
    """What was pruned.

    Attributes:
        rows: How many batches, deliveries, events, alerts, runs or accesses.
        following: Cursor of the next part. None if all of this kind was looked at.
    """

    rows: int = 0
    following: str | None = None


@dataclass(frozen=True, slots=True)
class HistoryProgress:
    """What a sweep of the history carries over when it continues as new.

    Attributes:
        rows: Number of rows pruned so far.
        request: The next request. None once all kinds were swept.
    """

    rows: int = 0
    request: PruneRequest | None = field(default_factory=lambda: PruneRequest(next(iter(HistoryKind))))

    def after(self, request: PruneRequest, part: PrunedPart) -> HistoryProgress:
        """Return the progress after the answer to a request."""
        if part.following is not None:
            following: PruneRequest | None = PruneRequest(request.kind, part.following)
        else:
            kind = request.kind.following
            following = PruneRequest(kind) if kind else None
        return HistoryProgress(self.rows + part.rows, following)

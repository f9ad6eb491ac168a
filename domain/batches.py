"""Batches: many processes asked for at once, what became of each, and what travels about them through Temporal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from domain.completeness import Decision, Outcome
from domain.errors import InvalidProcessNumber
from domain.messages import DeliveryRef
from domain.process_number import ProcessNumber

# A batch is read and carried as a whole: this many items are far below every limit on the way.
MOST_ITEMS = 1000
_LONGEST_GIVEN = 64


class ItemState(StrEnum):
    """What became of one item; derived at each read, never stored."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One process that a batch asks for.

    Attributes:
        position: its place in the request, from 1.
        given: what stood there, cut short.
        process_number: the canonical number; none if what stood there is not one.
        decision: what the batch did about it; none until its turn comes.
        run_id: the run that it started or joined, as far as that is known.
        outcome: how that run ended, or what the catalog had already; none while there is no end.
        problem_code: why what stood there is not a number.
        problem_detail: the same, for people.
    """

    position: int
    given: str
    process_number: str | None = None
    decision: Decision | None = None
    run_id: str | None = None
    outcome: Outcome | None = None
    problem_code: str | None = None
    problem_detail: str | None = None

    @property
    def state(self) -> ItemState:
        """What became of it."""
        if self.process_number is None:
            return ItemState.INVALID
        if self.decision is None:
            return ItemState.QUEUED
        return ItemState.PROCESSING if self.outcome is None else ItemState(self.outcome)


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch with its items.

    Attributes:
        id: 32 hexadecimal digits.
        client: the name of the client that asked.
        webhook_url: called once per process, when its run ends.
        max_age: how old a listing may be; none is the setting's age.
        priority: 1 to 5, of which 1 goes first.
        duplicates: how many of the numbers in the request stood there before.
        ended_at: when there was nothing left to start or to wait for.
    """

    id: str
    client: str
    created_at: datetime
    priority: int
    items: tuple[BatchItem, ...] = ()
    duplicates: int = 0
    webhook_url: str | None = None
    max_age: timedelta | None = None
    ended_at: datetime | None = None

    @property
    def counts(self) -> dict[ItemState, int]:
        """How many items are in each state."""
        counts = dict.fromkeys(ItemState, 0)
        for item in self.items:
            counts[item.state] += 1
        return counts


def read_items(given: Sequence[str]) -> tuple[tuple[BatchItem, ...], int]:
    """Read what stands in a request for a batch.

    Returns:
        The items in their order, those that are no numbers among them, and how many numbers stood there again, in
        either of their two forms. A number has the place of its first.
    """
    items: list[BatchItem] = []
    seen: set[str] = set()
    for position, text in enumerate(given, start=1):
        # The catalog stores no NUL, and no half of a character that JSON can hold.
        storable = text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
        shown = storable[:_LONGEST_GIVEN]
        try:
            number = ProcessNumber.parse(text).canonical
        except InvalidProcessNumber as error:
            items.append(BatchItem(position, shown, problem_code=error.code, problem_detail=str(error)))
        else:
            if number not in seen:
                seen.add(number)
                items.append(BatchItem(position, shown, process_number=number))
    return tuple(items), len(given) - len(items)


# What travels through Temporal, as in domain/messages.py: ids and counts only.


@dataclass(frozen=True, slots=True)
class BatchRun:
    """An open run that a batch has started and waits for."""

    process_number: str
    run_id: str


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """What a batch has done so far.

    Attributes:
        started: runs that it started.
        joined: runs that were open already.
        answered: items that the catalog had whole.
        open_runs: runs that it started in an earlier execution and still waits for; they keep their places in the
            window.
    """

    started: int = 0
    joined: int = 0
    answered: int = 0
    open_runs: tuple[BatchRun, ...] = ()


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """Input of ``DownloadBatch``.

    Attributes:
        batch_id: its row in the catalog; the workflow's id is ``batch-`` and this.
        client: the name of the client that asked; runs are started in its name and share its turn.
        priority: 1 to 5, of which 1 goes first; its runs and all that they do inherit it.
    """

    batch_id: str
    client: str
    priority: int
    progress: BatchProgress = field(default_factory=BatchProgress)


@dataclass(frozen=True, slots=True)
class UnendedBatches:
    """Batches that have not ended, as their workflows are asked for them.

    Attributes:
        following: asks for the next page, behind this batch; None after the last one.
    """

    batches: tuple[BatchRequest, ...]
    following: str | None = None


@dataclass(frozen=True, slots=True)
class BatchSweepProgress:
    """What a sweep of batches carries over when it continues as new.

    Attributes:
        after_id: the last batch that was looked at; empty at the start, None once all were.
        taken_up: batches that it had continued.
    """

    after_id: str | None = ""
    taken_up: int = 0


@dataclass(frozen=True, slots=True)
class BatchRef:
    """Names a batch."""

    batch_id: str


@dataclass(frozen=True, slots=True)
class BatchItemRef:
    """Names an item, and the process that it asks for."""

    batch_id: str
    position: int
    process_number: str


@dataclass(frozen=True, slots=True)
class UndecidedItems:
    """The items whose turn has not come, in their order."""

    items: tuple[BatchItemRef, ...]


@dataclass(frozen=True, slots=True)
class ItemAdvice:
    """What is to be done about an item.

    Attributes:
        run_needed: the catalog cannot answer by itself; otherwise all is done.
        retry_permanent: the run tries documents again that failed for a reason that usually stays.
    """

    run_needed: bool
    retry_permanent: bool = False


@dataclass(frozen=True, slots=True)
class ItemDecision:
    """Says what was done about an item.

    Attributes:
        client: the name of the client that asked.
        run_id: the run that was started or joined.
    """

    item: BatchItemRef
    client: str
    decision: Decision
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """Asks to join the open run of an item's process.

    Attributes:
        although_chosen: join it even if it is for some of the documents only.
    """

    item: BatchItemRef
    although_chosen: bool = False


@dataclass(frozen=True, slots=True)
class DecidedItem:
    """What came of starting or joining a run for an item.

    Attributes:
        decided: whether the item has its run. Otherwise the open one is ending, or for too few documents.
        delivery: the event for the batch's address, to be started, if the run is over already.
    """

    decided: bool
    delivery: DeliveryRef | None = None


@dataclass(frozen=True, slots=True)
class OpenRunLook:
    """What is seen of a run.

    Attributes:
        over: the run has ended.
        done: documents of the process that are available or have failed; grows while the run gets on.
        court_answers: whether the court is known to answer.
    """

    over: bool
    done: int
    court_answers: bool

"""Batches: requests for many processes at once, and the state of each item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.completeness import Decision, Outcome
from domain.errors import InvalidProcessNumber
from domain.process_number import ProcessNumber

# A batch is read and sent as a whole: this many items are far below every limit on the way.
MAX_ITEMS = 1000
_MAX_GIVEN_LENGTH = 64
# The problem of an item whose process was erased.
ERASED_PROBLEM = "process_erased"
ERASED_PROBLEM_DETAIL = "The process was erased."


class ItemState(StrEnum):
    """The state of one item. Derived at each read, never stored."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INVALID = "invalid"
    ERASED = "erased"


def item_state(outcome: str | None, *, is_valid: bool, is_decided: bool, is_erased: bool = False) -> ItemState:
    """Return the state of an item.

    Args:
        outcome: How its run ended, or what the catalog already had. None until then.
        is_valid: Whether the text in the request is a process number.
        is_decided: Whether the batch has decided what to do about it.
        is_erased: Whether its process was erased.
    """
    if is_erased:
        return ItemState.ERASED
    if not is_valid:
        return ItemState.INVALID
    if not is_decided:
        return ItemState.QUEUED
    return ItemState.PROCESSING if outcome is None else ItemState(outcome)


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One process of a batch.

    Attributes:
        position: Its place in the request, from 1.
        given: The text in the request, truncated.
        process_number: The canonical number. None if the text is not a process number, or the process was erased.
        decision: What the batch did about it. None until its turn comes.
        run_id: The run that was started or joined, if known.
        outcome: How that run ended, or what the catalog already had. None until then.
        problem_code: Why the text is not a process number, or `process_erased`.
        problem_detail: The same, for people.
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
        """The state of the item."""
        return item_state(
            self.outcome,
            is_valid=self.process_number is not None,
            is_decided=self.decision is not None,
            is_erased=self.problem_code == ERASED_PROBLEM,
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch with its items.

    Attributes:
        id: 32 hexadecimal digits.
        client: Name of the client that sent it.
        webhook_url: Called once per process, when its run ends.
        max_age: Maximum age of a listing. None means the setting's age.
        priority: 1 to 5, where 1 goes first.
        duplicates: How many numbers in the request were repeated.
        ended_at: When nothing was left to start or to wait for.
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
        """The number of items in each state."""
        counts = dict.fromkeys(ItemState, 0)
        for item in self.items:
            counts[item.state] += 1
        return counts


@dataclass(frozen=True, slots=True)
class BatchSummary:
    """A batch in the list of batches.

    Attributes:
        batch: The batch, with ``items`` left empty.
        counts: The number of items in each state.
    """

    batch: Batch
    counts: Mapping[ItemState, int]

    @property
    def sort_key(self) -> tuple[datetime, str]:
        """The key of keyset pagination."""
        return self.batch.created_at, self.batch.id


def read_items(given: Sequence[str]) -> tuple[tuple[BatchItem, ...], int]:
    """Read the process numbers in a request for a batch.

    Returns:
        The items in their order, including texts that are not process numbers, and how many numbers were repeated,
        in either of their two forms. A repeated number keeps its first position.
    """
    items: list[BatchItem] = []
    seen: set[str] = set()
    for position, text in enumerate(given, start=1):
        # The catalog cannot store NUL or lone surrogates, and JSON can hold both.
        storable = text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
        truncated = storable[:_MAX_GIVEN_LENGTH]
        try:
            number = ProcessNumber.parse(text).canonical
        except InvalidProcessNumber as error:
            items.append(BatchItem(position, truncated, problem_code=error.code, problem_detail=str(error)))
        else:
            if number not in seen:
                seen.add(number)
                items.append(BatchItem(position, truncated, process_number=number))
    return tuple(items), len(given) - len(items)

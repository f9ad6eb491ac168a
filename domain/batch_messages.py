"""Temporal messages about batches. Ids and counts only, as in ``domain.run_messages``."""

from __future__ import annotations

from dataclasses import dataclass, field

from domain.completeness import Decision
from domain.delivery_messages import DeliveryRef


@dataclass(frozen=True, slots=True)
class BatchRun:
    """An open run that a batch has started and waits for."""

    process_number: str
    run_id: str


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """What a batch has done so far.

    Attributes:
        started: Number of runs that it started.
        joined: Number of runs that were already open.
        answered: Number of items that the catalog could answer.
        open_runs: Runs started in an earlier execution that it still waits for. They keep their places in the
            sliding window.
    """

    started: int = 0
    joined: int = 0
    answered: int = 0
    open_runs: tuple[BatchRun, ...] = ()


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """Input of ``DownloadBatch``.

    Attributes:
        batch_id: Its row in the catalog. The workflow's id is ``batch-`` plus this id.
        client: Name of the client. Runs are started in its name and share its fairness key.
        priority: 1 to 5, where 1 goes first. Its runs and all their activities inherit it.
    """

    batch_id: str
    client: str
    priority: int
    progress: BatchProgress = field(default_factory=BatchProgress)


@dataclass(frozen=True, slots=True)
class UnendedBatches:
    """A page of batches that have not ended, each as the input of its workflow.

    Attributes:
        following: Cursor of the next page: the id of the last batch of this one. None on the last page.
    """

    batches: tuple[BatchRequest, ...]
    following: str | None = None


@dataclass(frozen=True, slots=True)
class BatchSweepProgress:
    """What a sweep of batches carries over when it continues as new.

    Attributes:
        after_id: Id of the last batch checked. Empty at the start, None once all were checked.
        taken_up: Number of batches that the sweep restarted.
    """

    after_id: str | None = ""
    taken_up: int = 0


@dataclass(frozen=True, slots=True)
class BatchRef:
    """A reference to a batch."""

    batch_id: str


@dataclass(frozen=True, slots=True)
class BatchItemRef:
    """A reference to an item of a batch, and to its process."""

    batch_id: str
    position: int
    process_number: str


@dataclass(frozen=True, slots=True)
class UndecidedItems:
    """The items that have no decision yet, in their order."""

    items: tuple[BatchItemRef, ...]


@dataclass(frozen=True, slots=True)
class ItemPlan:
    """What has to be done for an item.

    Attributes:
        run_needed: The catalog cannot answer by itself. If false, the item is already decided.
        retry_permanent: The run also retries documents that failed for a permanent reason.
    """

    run_needed: bool
    retry_permanent: bool = False


@dataclass(frozen=True, slots=True)
class ItemDecision:
    """Records what was done for an item.

    Attributes:
        client: Name of the client that sent the batch.
        run_id: The run that was started or joined.
    """

    item: BatchItemRef
    client: str
    decision: Decision
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """A request to join the open run of an item's process.

    Attributes:
        although_chosen: Join the run even if it is for some of the documents only.
    """

    item: BatchItemRef
    although_chosen: bool = False


@dataclass(frozen=True, slots=True)
class DecidedItem:
    """The result of starting or joining a run for an item.

    Attributes:
        decided: Whether the item has its run. False if the open run is ending, or is for too few documents.
        delivery: If the run is already over, the event for the batch's webhook, which has to be started.
    """

    decided: bool
    delivery: DeliveryRef | None = None


@dataclass(frozen=True, slots=True)
class RunObservation:
    """The state of a run, as its batch reads it.

    Attributes:
        over: The run has ended.
        done: Number of the process's documents that are available or have failed. Grows while the run advances.
        court_answers: Whether the court is known to answer.
    """

    over: bool
    done: int
    court_answers: bool

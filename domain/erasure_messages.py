"""Temporal messages about erasures: numbers and counts only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ErasureRequest:
    """Input of ``EraseProcess``.

    Attributes:
        process_number: The canonical number. The workflow's id is ``erase-`` plus this number.
        rounds: Number of rounds that an earlier execution has made.
    """

    process_number: str
    rounds: int = 0


@dataclass(frozen=True, slots=True)
class RunStop:
    """A request to end the open run of a process.

    Attributes:
        terminate: Terminate it instead of cancelling it.
    """

    process_number: str
    terminate: bool = False


@dataclass(frozen=True, slots=True)
class StoppedRun:
    """The result of ending the open run of a process.

    Attributes:
        closed: Whether no run is open.
        recently_active: Whether a run is or was open a moment ago, so that a worker may still write an object.
    """

    closed: bool
    recently_active: bool


@dataclass(frozen=True, slots=True)
class Remains:
    """What an erasure found in one round.

    Attributes:
        found: Objects, rows and executions that it has erased in this round. Zero when nothing is left.
    """

    found: int


@dataclass(frozen=True, slots=True)
class ErasureSweepProgress:
    """What a sweep of erasures carries over when it continues as new.

    Attributes:
        after_erasure: Id of the last unfinished erasure. None once all were seen.
        after_created_at: When the last process that was looked at came into the catalog, in ISO 8601. Empty at the
            start.
        after_number: Number of that process.
        started: How many erasures were started.
    """

    after_erasure: int | None = 0
    after_created_at: str = ""
    after_number: str = ""
    started: int = 0


@dataclass(frozen=True, slots=True)
class ErasurePage:
    """A page of processes whose erasure has to be started.

    Attributes:
        process_numbers: Their numbers.
        following: Where the next page begins. None on the last page.
    """

    process_numbers: tuple[str, ...]
    following: ErasureSweepProgress | None = None

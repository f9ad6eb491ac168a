"""Erasure of a process, what remains of it, and the legal hold that prevents it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

# Longest reason of an erasure or a hold, in characters.
MAX_REASON_LENGTH = 200


class ErasureKind(StrEnum):
    """Why a process is erased.

    REQUEST: An administrator asked for it. The process stays blocked afterwards.
    RETENTION: Its retention period is over. Once it is erased, it may be requested again.
    """

    REQUEST = "request"
    RETENTION = "retention"


class ErasureState(StrEnum):
    """The state of an erasure."""

    RUNNING = "running"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class Author:
    """Who asks for an erasure or a hold.

    Attributes:
        client: Name of the client.
        key_id: The public part of its key. None if it has none.
    """

    client: str
    key_id: str | None = None


# The author of erasures whose retention period is over.
RETENTION_AUTHOR = Author("retention")


@dataclass(frozen=True, slots=True)
class ErasureCounts:
    """How much was erased.

    Attributes:
        documents: Documents in the catalog.
        versions: Former contents of documents.
        objects: Stored objects, each of their versions counted.
        bytes: Their total size.
        runs: Runs in the catalog.
        deliveries: Webhook deliveries.
        accesses: Entries of the access trail.
        workflows: Executions in Temporal.
    """

    documents: int = 0
    versions: int = 0
    objects: int = 0
    bytes: int = 0
    runs: int = 0
    deliveries: int = 0
    accesses: int = 0
    workflows: int = 0


@dataclass(frozen=True, slots=True)
class Erasure:
    """The receipt of an erasure, which is also the tombstone of the process.

    Attributes:
        id: Increases with each erasure.
        requested_at: When it was requested. From then on the process is blocked.
        completed_at: When nothing was left. None while it runs.
        blocking: Whether the process must not come back.
        reason: Why, in the words of its author.
        allowed_again_at: When an administrator removed the block. None if nobody did.
        allowed_again_by: Who removed it.
    """

    id: int
    process_number: str
    kind: ErasureKind
    requested_at: datetime
    requested_by: Author
    blocking: bool
    completed_at: datetime | None = None
    reason: str | None = None
    allowed_again_at: datetime | None = None
    allowed_again_by: Author | None = None
    counts: ErasureCounts = field(default_factory=ErasureCounts)

    @property
    def state(self) -> ErasureState:
        """Whether it still runs."""
        return ErasureState.RUNNING if self.completed_at is None else ErasureState.COMPLETED


@dataclass(frozen=True, slots=True)
class LegalHold:
    """A hold on a process: neither a request nor the retention period erases it."""

    process_number: str
    placed_at: datetime
    placed_by: Author
    reason: str | None = None

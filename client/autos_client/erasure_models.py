"""The API's answers about erasures and legal holds, as pydantic models."""

from __future__ import annotations

from datetime import datetime

from autos_client.models import _Model


class Author(_Model):
    """Who asked for it.

    Attributes:
        client: Name of the client; ``retention`` for an expired retention period.
        key_id: The public part of its key. ``None`` without one.
    """

    client: str
    key_id: str | None = None


class ErasureCounts(_Model):
    """How much was erased.

    Attributes:
        versions: Former contents that the court had replaced.
        objects: Stored objects, every version counted.
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


class Erasure(_Model):
    """The receipt of an erasure.

    Attributes:
        state: ``running`` or ``completed``.
        kind: ``request`` or ``retention``.
        blocking: Whether requests for the process are refused.
    """

    process_number: str
    state: str
    kind: str
    requested_at: datetime
    completed_at: datetime | None = None
    requested_by: Author
    reason: str | None = None
    blocking: bool
    allowed_again_at: datetime | None = None
    allowed_again_by: Author | None = None
    counts: ErasureCounts


class Hold(_Model):
    """Whether a legal hold is on a process."""

    process_number: str
    held: bool
    placed_at: datetime | None = None
    placed_by: Author | None = None
    reason: str | None = None

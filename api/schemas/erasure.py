"""Erasures and legal holds: bodies and queries."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field

from api.schemas.base import Body, RequestBody, UtcTime
from domain.erasure import MAX_REASON_LENGTH, Author, Erasure, ErasureKind, ErasureState, LegalHold


def _require_storable(text: str) -> str:
    if any(0xD800 <= ord(character) <= 0xDFFF for character in text):
        raise ValueError("a reason has no lone surrogates")
    return text


_Reason = Annotated[
    str,
    Field(min_length=1, max_length=MAX_REASON_LENGTH, pattern=r"^[^\x00-\x1f\x7f]+$"),
    AfterValidator(_require_storable),
]


class ErasureQuery(Body):
    """The query of an erasure."""

    reason: _Reason | None = Field(None, description="Why. It stays in the receipt: name nobody.")


class NewHoldBody(RequestBody):
    """A legal hold."""

    reason: _Reason | None = Field(None, description="Why.", examples=["evidence in another case"])


class AuthorBody(Body):
    """Who asked for it."""

    client: str = Field(description="Name of the client; `retention` for an expired retention period.")
    key_id: str | None = Field(description="The public part of its key. Null without one.")

    @classmethod
    def of(cls, author: Author) -> Self:
        """Return the body of an author."""
        return cls(client=author.client, key_id=author.key_id)


class ErasureCountsBody(Body):
    """How much was erased so far."""

    documents: int
    versions: int = Field(description="Former contents that the court had replaced.")
    objects: int = Field(description="Stored objects, every version counted.")
    bytes: int = Field(description="Their total size.")
    runs: int
    deliveries: int = Field(description="Webhook deliveries, pending ones included.")
    accesses: int = Field(description="Entries of the access trail.")
    workflows: int = Field(description="Executions in Temporal.")


class ErasureBody(Body):
    """The receipt of an erasure."""

    process_number: str
    state: ErasureState
    kind: ErasureKind
    requested_at: UtcTime
    completed_at: UtcTime | None
    requested_by: AuthorBody
    reason: str | None
    blocking: bool = Field(description="Whether requests for the process are refused.")
    allowed_again_at: UtcTime | None
    allowed_again_by: AuthorBody | None
    counts: ErasureCountsBody

    @classmethod
    def of(cls, erasure: Erasure) -> Self:
        """Return the body of a receipt."""
        counts, allowed_by = erasure.counts, erasure.allowed_again_by
        return cls(
            process_number=erasure.process_number,
            state=erasure.state,
            kind=erasure.kind,
            requested_at=erasure.requested_at,
            completed_at=erasure.completed_at,
            requested_by=AuthorBody.of(erasure.requested_by),
            reason=erasure.reason,
            blocking=erasure.blocking,
            allowed_again_at=erasure.allowed_again_at,
            allowed_again_by=None if allowed_by is None else AuthorBody.of(allowed_by),
            counts=ErasureCountsBody(
                documents=counts.documents,
                versions=counts.versions,
                objects=counts.objects,
                bytes=counts.bytes,
                runs=counts.runs,
                deliveries=counts.deliveries,
                accesses=counts.accesses,
                workflows=counts.workflows,
            ),
        )


class HoldBody(Body):
    """Whether a legal hold is on a process."""

    process_number: str
    held: bool
    placed_at: UtcTime | None
    placed_by: AuthorBody | None
    reason: str | None

    @classmethod
    def of(cls, number: str, hold: LegalHold | None) -> Self:
        """Return the body of a process's hold, or of none."""
        return cls(
            process_number=number,
            held=hold is not None,
            placed_at=None if hold is None else hold.placed_at,
            placed_by=None if hold is None else AuthorBody.of(hold.placed_by),
            reason=None if hold is None else hold.reason,
        )

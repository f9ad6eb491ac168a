"""Secrecy: how far the court closes a document, and who may read it. Every decision about both is made here.

The rules fail closed: a level that the court states and that is not understood counts as the strictest one, and a
document that the court no longer shows is shown to nobody but holders of the scope ``sealed``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum
from typing import Protocol, TypeVar

from domain.clients import Scope
from domain.errors import FailureCode

# The court's answers about a process after which nothing of it is shown, although a former listing is known.
UNLISTING_CODES = frozenset({FailureCode.NO_ACCESS, FailureCode.NOT_FOUND})


class Secrecy(StrEnum):
    """How far a document, an instance or a process is closed to the public, from open to closed.

    Attributes:
        UNKNOWN: the court states no level.
        UNRECOGNIZED: the court states a level that this version does not know. Counts as the strictest.
    """

    UNKNOWN = "unknown"
    PUBLIC = "public"
    JUSTICE_SECRET = "justice_secret"  # noqa: S105 - a level of secrecy, not a password.
    MINIMUM = "minimum"
    MEDIUM = "medium"
    INTENSE = "intense"
    ABSOLUTE = "absolute"
    UNRECOGNIZED = "unrecognized"

    @property
    def is_open(self) -> bool:
        """Whether every client may read it. The court often states no level for what is public."""
        return self in OPEN_LEVELS


OPEN_LEVELS = frozenset({Secrecy.UNKNOWN, Secrecy.PUBLIC})
_STRICTNESS = {level: place for place, level in enumerate(Secrecy)}


def strictest(levels: Iterable[Secrecy]) -> Secrecy:
    """Return the strictest of the levels. Any stated level is stricter than none; without levels it is unknown."""
    return max(levels, key=_STRICTNESS.__getitem__, default=Secrecy.UNKNOWN)


class Guarded(Protocol):
    """What may have to be withheld."""

    @property
    def secrecy(self) -> Secrecy:
        """The strictest level of the process, the instance, the piece and all its sources."""

    @property
    def listed(self) -> bool:
        """Whether the court still shows it."""


GuardedT = TypeVar("GuardedT", bound=Guarded)


def is_withheld(document: Guarded, scopes: Collection[Scope]) -> bool:
    """Return whether a reader may learn no more of a document than that it exists and how its download went.

    Args:
        document: the document.
        scopes: what the reader's key allows.
    """
    return Scope.SEALED not in scopes and not (document.listed and document.secrecy.is_open)


def readable(documents: Iterable[GuardedT], scopes: Collection[Scope]) -> Sequence[GuardedT]:
    """Return the documents that are not withheld from a reader with these scopes, in their order."""
    return [document for document in documents if not is_withheld(document, scopes)]

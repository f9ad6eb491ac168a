"""Secrecy levels, and who may read a document. Every decision about both is made here.

The rules fail closed. A level that is not understood counts as the strictest one. A document that the court no
longer shows is shown only to keys with the scope ``sealed``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeVar

from domain.clients import Scope
from domain.errors import FailureCode

# After these answers of the court about a process, none of its documents is shown, although a former listing is
# known.
UNLISTING_CODES = frozenset({FailureCode.NO_ACCESS, FailureCode.NOT_FOUND})


class Secrecy(StrEnum):
    """How closed a document, an instance or a process is to the public, from open to closed.

    Attributes:
        UNKNOWN: The court states no level.
        UNRECOGNIZED: The court states a level that this version does not know. Counts as the strictest.
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
    """Return the strictest level. Any stated level is stricter than ``UNKNOWN``. Empty means ``UNKNOWN``."""
    return max(levels, key=_STRICTNESS.__getitem__, default=Secrecy.UNKNOWN)


class Guarded(Protocol):
    """A document, or a part of one, that may have to be withheld."""

    @property
    def secrecy(self) -> Secrecy:
        """The strictest level of the process, the instance, the document and all its sources."""

    @property
    def listed(self) -> bool:
        """Whether the court still shows it."""


class Unlistable:
    """What the court may cease to show: a base of frozen dataclasses.

    Attributes:
        unlisted_at: Since when the court no longer shows it. None while the court shows it.
    """

    __slots__ = ()

    unlisted_at: datetime | None

    @property
    def listed(self) -> bool:
        """Whether the court still shows it."""
        return self.unlisted_at is None


GuardedT = TypeVar("GuardedT", bound=Guarded)


def is_withheld(document: Guarded, scopes: Collection[Scope]) -> bool:
    """Return whether a document's content and description are withheld from a reader.

    The reader may still see that the document exists and how its download went.

    Args:
        document: The document.
        scopes: The scopes of the reader's key.
    """
    return Scope.SEALED not in scopes and not (document.listed and document.secrecy.is_open)


def readable(documents: Iterable[GuardedT], scopes: Collection[Scope]) -> Sequence[GuardedT]:
    """Return the documents that a reader with these scopes may see, in their order."""
    return [document for document in documents if not is_withheld(document, scopes)]

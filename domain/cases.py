"""The case as its listings describe it: movements, parties and related processes, and what changed between them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256
from typing import Any

from domain.listings import Instance, Party, RelatedProcess
from domain.secrecy import Secrecy, Unlistable

# Two listings without a document say that it is unlisted if there is as much time between them: the court's data
# lake is late and incomplete at times.
UNLISTING_CONFIRMED_AFTER = timedelta(hours=24)


class ChangeKind(StrEnum):
    """What one listing has that the one before had not."""

    DOCUMENT_ADDED = "document_added"
    DOCUMENT_UNLISTED = "document_unlisted"
    DOCUMENT_RELISTED = "document_relisted"
    DOCUMENT_CHANGED = "document_changed"
    MOVEMENT_ADDED = "movement_added"
    SECRECY_CHANGED = "secrecy_changed"


@dataclass(frozen=True, slots=True)
class DocumentSummary(Unlistable):
    """What the timeline and the log of changes say of a document.

    Attributes:
        secrecy: The strictest level of its process, its instance, itself and all its sources.
        unlisted_at: Since when the court no longer shows it, or its whole process. None while the court shows it.
    """

    id: str
    instance: Instance
    name: str | None
    type_name: str | None
    filed_at: datetime | None
    secrecy: Secrecy
    unlisted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Movement(Unlistable):
    """One movement (*movimento*) of a case.

    Attributes:
        key: Identifies the movement in its process.
        instance: The instance that it happened in.
        text: The court's description.
        document_id: The catalog's id of the document that it names. None if it names none.
        document_is_open: Whether every reader may see that document.
        secrecy: The strictest level of its process, its instance and itself.
        unlisted_at: Since when the court no longer shows it, or its whole process. None while the court shows it.
    """

    key: str
    instance: Instance
    occurred_at: datetime | None
    code: int | None
    text: str | None
    document_id: str | None
    document_is_open: bool
    secrecy: Secrecy
    unlisted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TimelineKey:
    """Where an entry of the timeline stands: the latest first, those without a time last.

    Attributes:
        at: When it happened. None if the court does not say.
        is_movement: Movements come before documents of the same moment.
        id: The movement's key or the document's id.
    """

    at: datetime | None
    is_movement: bool
    id: str


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """A movement or a document, in the order of time."""

    content: Movement | DocumentSummary

    @property
    def key(self) -> TimelineKey:
        """Where it stands."""
        content = self.content
        if isinstance(content, Movement):
            return TimelineKey(content.occurred_at, True, content.key)
        return TimelineKey(content.filed_at, False, content.id)


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the log of changes of a process.

    Attributes:
        sequence: Its number in the process, from 1.
        seen_at: When the listing was requested that shows the change.
        details: For a document that has changed, ``field``, ``from`` and ``to``. For a secrecy level of the process
            or an instance, ``of``, the ``instance``, ``from`` and ``to``.
        document: The document that it is about, as it is now.
        movement: The movement that was added, as it is now.
        process_unlisted_at: Since when the court no longer shows the process. None while the court shows it.
    """

    sequence: int
    kind: ChangeKind
    seen_at: datetime
    details: dict[str, Any] = field(default_factory=dict)
    document: DocumentSummary | None = None
    movement: Movement | None = None
    process_unlisted_at: datetime | None = None

    @property
    def secrecy(self) -> Secrecy:
        """The level of what it is about. That a level was raised is no secret."""
        if self.kind is ChangeKind.SECRECY_CHANGED:
            return Secrecy.UNKNOWN
        subject = self.document or self.movement
        return Secrecy.UNRECOGNIZED if subject is None else subject.secrecy

    @property
    def listed(self) -> bool:
        """Whether the court still shows what it is about. That a document is unlisted is itself no secret."""
        subject = self.document or self.movement
        if self.kind in (ChangeKind.SECRECY_CHANGED, ChangeKind.DOCUMENT_UNLISTED) or subject is None:
            return self.process_unlisted_at is None
        return subject.listed


@dataclass(frozen=True, slots=True)
class CaseInstance(Unlistable):
    """An instance with its basic data, and what decides whether a reader may see more than that it exists.

    Attributes:
        secrecy: The strictest level of the process and the instance.
        unlisted_at: Since when the court no longer shows it, or its whole process. None while the court shows it.
    """

    instance: Instance
    secrecy: Secrecy
    unlisted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CaseData(Unlistable):
    """What the last listing says of a case besides its documents and movements.

    Attributes:
        secrecy: The level that the court states for the process as a whole.
        unlisted_at: Since when the court no longer shows the process. None while the court shows it.
    """

    number: str
    court: str
    secrecy: Secrecy
    class_code: int | None
    class_name: str | None
    subjects: tuple[str, ...]
    filed_at: datetime | None
    value: Decimal | None
    listed_at: datetime | None
    unlisted_at: datetime | None
    instances: tuple[CaseInstance, ...]
    parties: tuple[Party, ...]
    related: tuple[RelatedProcess, ...]


def movement_key(scope: str, occurred_at: datetime | None, code: int | None, text: str | None, ordinal: int) -> str:
    """Return the key of a movement: the court gives movements no id.

    Args:
        scope: The degree, so that the key stays when another of the court's systems becomes the current one.
        occurred_at: When it happened. Systems write fractions of a second with different precision, so they do not
            count.
        code: The court's code of it.
        text: The court's description of it.
        ordinal: Its place among equal ones, from 0.
    """
    moment = occurred_at and occurred_at.astimezone(UTC).replace(microsecond=0).isoformat()
    return sha256(json.dumps([scope, moment, code, text, ordinal]).encode()).hexdigest()

"""The API's answers about a case, its timeline and its changes, as pydantic models."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import Field

from autos_client.models import _Model, _Page


class CaseInstance(_Model):
    """One passage of the case through a court degree, with its basic data.

    Attributes:
        key: Identifies it in its process.
        withheld: What describes it is left out, for the key lacks the scope ``sealed``.
        value: The value in dispute, in reais.
    """

    key: str
    degree: str | None = None
    name: str | None = None
    court_unit: str | None = None
    filed_at: datetime | None = None
    current: bool = False
    listed: bool = True
    secrecy: str = "unknown"
    withheld: bool = False
    class_code: int | None = None
    class_name: str | None = None
    subjects: tuple[str, ...] = ()
    value: Decimal | None = None


class Lawyer(_Model):
    """Who represents a party.

    Attributes:
        oab: State and number of the registration with the bar.
    """

    name: str | None = None
    role: str | None = None
    oab: str | None = None


class CaseParty(_Model):
    """A party.

    Attributes:
        instance: The key of its instance.
        pole: As the court writes it, such as ``ATIVO``.
    """

    instance: str
    pole: str | None = None
    name: str
    lawyers: tuple[Lawyer, ...] = ()


class RelatedProcess(_Model):
    """Another process that the court relates to this one."""

    instance: str
    process_number: str
    relation: str | None = None
    class_code: int | None = None
    class_name: str | None = None
    active: bool | None = None


class Case(_Model):
    """What the court's last listing says of a case besides its documents and movements.

    Attributes:
        withheld: What describes it is left out, for the key lacks the scope ``sealed``.
        value: The value in dispute, in reais.
        instances: The current one first.
    """

    process_number: str
    court: str
    listed_at: datetime | None = None
    listed: bool = True
    unlisted_at: datetime | None = None
    secrecy: str = "unknown"
    withheld: bool = False
    class_code: int | None = None
    class_name: str | None = None
    subjects: tuple[str, ...] = ()
    filed_at: datetime | None = None
    value: Decimal | None = None
    instances: tuple[CaseInstance, ...] = ()
    parties: tuple[CaseParty, ...] = ()
    related: tuple[RelatedProcess, ...] = ()


class CaseDocument(_Model):
    """A document in the timeline or in a change. ``Autos.document`` has its link."""

    id: str
    degree: str | None = None
    name: str | None = None
    type: str | None = None
    filed_at: datetime | None = None
    secrecy: str = "unknown"
    listed: bool = True
    withheld: bool = False


class Movement(_Model):
    """A movement of the case.

    Attributes:
        key: Identifies it in its process.
        document_id: The document that it names, if the key may read it.
    """

    key: str
    degree: str | None = None
    occurred_at: datetime | None = None
    code: int | None = None
    text: str | None = None
    document_id: str | None = None
    secrecy: str = "unknown"
    listed: bool = True


class TimelineEntry(_Model):
    """A movement or a document.

    Attributes:
        at: When it happened or was filed. ``None`` if the court does not say.
    """

    at: datetime | None = None
    movement: Movement | None = None
    document: CaseDocument | None = None


class TimelinePage(_Page):
    """A page of the timeline."""

    items: tuple[TimelineEntry, ...] = Field(validation_alias="entries")


class Change(_Model):
    """Something that one listing has and the one before had not.

    Attributes:
        sequence: Its number in the process. Give the last one that you have seen as ``after``.
        kind: Such as ``document_added`` or ``movement_added``.
        details: What has changed, ``from`` which value ``to`` which.
    """

    sequence: int
    kind: str
    seen_at: datetime
    document: CaseDocument | None = None
    movement: Movement | None = None
    details: dict[str, Any] = Field(default_factory=dict)


class ChangePage(_Page):
    """A page of changes."""

    items: tuple[Change, ...] = Field(validation_alias="changes")

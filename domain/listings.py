"""A process as the court lists it: its instances, and its documents with their sources."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from domain.same_document import Description
from domain.secrecy import Secrecy


@dataclass(frozen=True, slots=True)
class Instance:
    """The part of a case that runs in one degree of the court (*tramitação*).

    Attributes:
        key: Identifies the instance inside its process, the same in every listing.
        degree: The court's short name of the degree, such as ``G1``.
        name: The usual name of the degree, such as ``1° Grau``.
        court_unit: The chamber or court room that has the case.
        filed_at: When the case was filed there.
        current: Whether the case is there now.
        secrecy: The level that the court states for the instance as a whole.
        value: The value in dispute (*valor da causa*).
    """

    key: str
    degree: str | None = None
    name: str | None = None
    court_unit: str | None = None
    filed_at: datetime | None = None
    current: bool = False
    secrecy: Secrecy = Secrecy.UNKNOWN
    class_code: int | None = None
    class_name: str | None = None
    subjects: tuple[str, ...] = ()
    value: Decimal | None = None


@dataclass(frozen=True, slots=True)
class DocumentOrigin:
    """One of the places at the court that provide the same document.

    Attributes:
        id: The document's UUID there.
        source: Number of the system that feeds the document to the court's data lake.
        codex_id: The document's number in the data lake.
        secrecy: The level that this source states. None means the document's own level.
        binary_href: Address of its bytes, relative to the court's API.
        text_href: Address of its text.
        media_type: The media type that this source states.
        size_bytes: The size that this source states.
        filed_at: The filing date that this source states.
    """

    id: str
    source: int | None = None
    codex_id: int | None = None
    secrecy: Secrecy | None = None
    binary_href: str | None = None
    text_href: str | None = None
    media_type: str | None = None
    size_bytes: int | None = None
    filed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ListedDocument:
    """One document as the court's listing describes it. Only ``id`` is reliable.

    Attributes:
        id: The UUID in the document's address at the court.
        instance_key: The instance that it was filed in.
        binary_href: Address of its bytes, relative to the court's API. None for documents that are text only.
        text_href: Address of its text, relative to the court's API.
        secrecy: The strictest level of its sources and their instances.
        declared_size_bytes: The size that the court states, if any.
        origin_id: Its id in the court's system that it comes from.
        sources: All its places in the listing, the one described here first.
    """

    id: str
    instance_key: str
    name: str | None = None
    sequence: int | None = None
    type_code: int | None = None
    type_name: str | None = None
    filed_at: datetime | None = None
    secrecy: Secrecy = Secrecy.UNKNOWN
    binary_href: str | None = None
    text_href: str | None = None
    declared_media_type: str | None = None
    declared_size_bytes: int | None = None
    pages: int | None = None
    origin_id: str | None = None
    sources: tuple[DocumentOrigin, ...] = ()

    @property
    def description(self) -> Description:
        """What tells it from other documents with the same id in the court's own system."""
        return Description(self.name, self.declared_size_bytes, self.filed_at)


@dataclass(frozen=True, slots=True)
class Lawyer:
    """Who represents a party.

    Attributes:
        role: As the court writes it, such as ``ADVOGADO``.
        oab: The state and number of the bar registration, such as ``SP123456``.
    """

    name: str | None
    role: str | None = None
    oab: str | None = None


@dataclass(frozen=True, slots=True)
class Party:
    """A party of an instance. Numbers of taxpayers (CPF, CNPJ) are never kept, nor parties that the court seals.

    Attributes:
        pole: As the court writes it, such as ``ATIVO``.
    """

    instance_key: str
    name: str
    pole: str | None = None
    lawyers: tuple[Lawyer, ...] = ()


@dataclass(frozen=True, slots=True)
class RelatedProcess:
    """Another process that the court relates to this one.

    Attributes:
        number: In canonical form if it is a valid number, otherwise as the court writes it.
        relation: As the court writes it, such as ``CONEXAO``.
    """

    instance_key: str
    number: str
    relation: str | None = None
    class_code: int | None = None
    class_name: str | None = None
    active: bool | None = None


@dataclass(frozen=True, slots=True)
class ListedMovement:
    """One movement (*movimento*) as the court's listing describes it.

    Attributes:
        key: `domain.cases.movement_key`.
        instance_key: The instance that it happened in.
        code: The court's code of it.
        text: The court's description of it.
        document_id: The id that the listing states of the document that it is about.
        secrecy: The strictest level of the movement and its instance.
    """

    key: str
    instance_key: str
    occurred_at: datetime | None = None
    code: int | None = None
    text: str | None = None
    document_id: str | None = None
    secrecy: Secrecy = Secrecy.UNKNOWN


@dataclass(frozen=True, slots=True)
class Listing:
    """The court's description of a process at a moment, with its documents in filing order.

    Attributes:
        secrecy: The level that the court states for the process as a whole.
        movements: The movements, without those that the court lists twice, in no order.
        movements_stated: Whether the court says anything about movements. If it does not, what is known of them
            stays.
        parties: The parties that the court does not seal.
        related: Other processes that the court relates to this one.
        unrecognized_levels: Secrecy levels that were not understood, each truncated, for the log.
    """

    process_number: str
    court: str
    listed_at: datetime
    instances: tuple[Instance, ...]
    documents: tuple[ListedDocument, ...]
    secrecy: Secrecy = Secrecy.UNKNOWN
    class_code: int | None = None
    class_name: str | None = None
    subjects: tuple[str, ...] = ()
    filed_at: datetime | None = None
    value: Decimal | None = None
    movements: tuple[ListedMovement, ...] = ()
    movements_stated: bool = True
    parties: tuple[Party, ...] = ()
    related: tuple[RelatedProcess, ...] = ()
    unrecognized_levels: tuple[str, ...] = ()

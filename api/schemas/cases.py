"""The case: its basic data, its timeline, and what is new in it. Bodies of answers and queries."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field

from api.schemas.base import Body, UtcTime
from domain.cases import CaseInstance, Change, ChangeKind, DocumentSummary, Movement
from domain.listings import Party, RelatedProcess
from domain.secrecy import Secrecy


class TimelineQuery(Body):
    """The query of a page of the timeline."""

    cursor: str | None = Field(
        None,
        description="The `next_cursor` of the previous page.",
        json_schema_extra={"x-format": "timeline-cursor"},
    )
    limit: int = Field(100, ge=1, le=200, description="Entries per page.")


class ChangesQuery(Body):
    """The query of a page of changes."""

    after: int = Field(
        0, ge=0, le=2**31 - 1, description="Only changes with a higher `sequence`: the last one that you have seen."
    )
    cursor: str | None = Field(
        None,
        description="The `next_cursor` of the previous page. It replaces `after`.",
        json_schema_extra={"x-format": "changes-cursor"},
    )
    limit: int = Field(100, ge=1, le=200, description="Changes per page.")


class CaseInstanceBody(Body):
    """One run of the case through a court degree, with its basic data."""

    key: str = Field(description="Identifies the instance in its process: its degree and the system that feeds it.")
    degree: str | None
    name: str | None
    court_unit: str | None
    filed_at: UtcTime | None
    current: bool
    listed: bool = Field(description="Whether the last listing has the instance.")
    secrecy: Secrecy = Field(description="The stricter of the levels of the process and the instance.")
    withheld: bool = Field(
        description="The instance is above public secrecy or no longer shown by the court, and the key lacks the "
        "scope `sealed`: what describes it is null, and its parties and related processes are left out."
    )
    class_code: int | None = Field(description="Code of the class in the CNJ's tables.")
    class_name: str | None
    subjects: list[str]
    value: str | None = Field(description="The value in dispute in reais, with two decimals: `15000.00`.")

    @classmethod
    def of(cls, case: CaseInstance, *, withheld: bool) -> Self:
        """Return the body of an instance."""
        instance = case.instance
        return cls(
            key=instance.key,
            degree=instance.degree,
            name=instance.name,
            court_unit=instance.court_unit,
            filed_at=instance.filed_at,
            current=instance.current,
            listed=case.listed,
            secrecy=case.secrecy,
            withheld=withheld,
            class_code=None if withheld else instance.class_code,
            class_name=None if withheld else instance.class_name,
            subjects=[] if withheld else list(instance.subjects),
            value=None if withheld or instance.value is None else f"{instance.value:.2f}",
        )


class LawyerBody(Body):
    """Who represents a party."""

    name: str | None
    role: str | None = Field(description="As the court writes it, such as `ADVOGADO`.")
    oab: str | None = Field(description="State and number of the registration with the bar, such as `SP123456`.")


class PartyBody(Body):
    """A party. Numbers of taxpayers are never stored, nor parties that the court seals."""

    instance: str = Field(description="The `key` of the instance.")
    pole: str | None = Field(description="As the court writes it, such as `ATIVO` or `PASSIVO`.")
    name: str
    lawyers: list[LawyerBody]

    @classmethod
    def of(cls, party: Party) -> Self:
        """Return the body of a party."""
        lawyers = [LawyerBody(name=each.name, role=each.role, oab=each.oab) for each in party.lawyers]
        return cls(instance=party.instance_key, pole=party.pole, name=party.name, lawyers=lawyers)


class RelatedProcessBody(Body):
    """Another process that the court relates to this one."""

    instance: str = Field(description="The `key` of the instance.")
    process_number: str = Field(description="As the court writes it, if it is not a valid number.")
    relation: str | None = Field(description="As the court writes it, such as `CONEXAO`.")
    class_code: int | None
    class_name: str | None
    active: bool | None

    @classmethod
    def of(cls, related: RelatedProcess) -> Self:
        """Return the body of a related process."""
        return cls(
            instance=related.instance_key,
            process_number=related.number,
            relation=related.relation,
            class_code=related.class_code,
            class_name=related.class_name,
            active=related.active,
        )


class CaseBody(Body):
    """What the last listing says of a case besides its documents and movements."""

    process_number: str
    court: str
    listed_at: UtcTime | None = Field(description="When the court was last asked. Null if it never answered.")
    listed: bool = Field(description="Whether the court still shows the process.")
    unlisted_at: UtcTime | None = Field(description="Since when the court no longer shows the process.")
    secrecy: Secrecy = Field(description="The level that the court states for the process as a whole.")
    withheld: bool = Field(
        description="The process is above public secrecy or no longer shown by the court, and the key lacks the "
        "scope `sealed`: what describes it is null or left out."
    )
    class_code: int | None = Field(description="Code of the class in the CNJ's tables, of the current instance.")
    class_name: str | None
    subjects: list[str]
    filed_at: UtcTime | None
    value: str | None = Field(description="The value in dispute in reais, with two decimals: `15000.00`.")
    instances: list[CaseInstanceBody] = Field(description="The current one first.")
    parties: list[PartyBody] = Field(description="Empty as well if this deployment stores no parties.")
    related: list[RelatedProcessBody]


class CaseDocumentBody(Body):
    """A document in the timeline or in a change. Links are at `/processes/{number}/documents/{id}`."""

    id: str
    degree: str | None
    name: str | None
    type: str | None
    filed_at: UtcTime | None
    secrecy: Secrecy
    listed: bool = Field(description="Whether the court still shows the document.")
    withheld: bool = Field(
        description="The court no longer shows the document, and the key lacks the scope `sealed`: what describes "
        "it is null."
    )

    @classmethod
    def of(cls, document: DocumentSummary, *, withheld: bool) -> Self:
        """Return the body of a document."""
        return cls(
            id=document.id,
            degree=document.instance.degree,
            name=None if withheld else document.name,
            type=None if withheld else document.type_name,
            filed_at=None if withheld else document.filed_at,
            secrecy=document.secrecy,
            listed=document.listed,
            withheld=withheld,
        )


class MovementBody(Body):
    """A movement of the case."""

    key: str = Field(description="Identifies the movement in its process. The court has no id for it.")
    degree: str | None
    occurred_at: UtcTime | None
    code: int | None = Field(description="Code of the movement in the CNJ's tables, if the court states it.")
    text: str | None
    document_id: str | None = Field(description="The document that the movement names, if the key may read it.")
    secrecy: Secrecy
    listed: bool = Field(description="Whether the last listing has the movement.")

    @classmethod
    def of(cls, movement: Movement, *, sees_sealed: bool) -> Self:
        """Return the body of a movement."""
        return cls(
            key=movement.key,
            degree=movement.instance.degree,
            occurred_at=movement.occurred_at,
            code=movement.code,
            text=movement.text,
            document_id=movement.document_id if sees_sealed or movement.document_is_open else None,
            secrecy=movement.secrecy,
            listed=movement.listed,
        )


class TimelineEntryBody(Body):
    """A movement or a document."""

    at: UtcTime | None = Field(description="When it happened or was filed. Null if the court does not say.")
    movement: MovementBody | None = Field(description="Null for a document.")
    document: CaseDocumentBody | None = Field(description="Null for a movement.")


class TimelineBody(Body):
    """A page of the timeline: the latest entry first, those without a time last."""

    process_number: str
    entries: list[TimelineEntryBody]
    next_cursor: str | None
    timeline_next: str | None = Field(description="URL of the next page.")


class ChangeBody(Body):
    """Something that one listing has and the one before had not."""

    sequence: int = Field(description="Number of the change in its process. Numbers may be missing.")
    kind: ChangeKind
    seen_at: UtcTime = Field(description="When the court was asked for the listing that shows it.")
    document: CaseDocumentBody | None = Field(description="The document, as it is now. Null for other kinds.")
    movement: MovementBody | None = Field(description="The movement, as it is now. Null for other kinds.")
    details: dict[str, Any] = Field(
        description="For `document_changed`: `field` (`name`, `filed_at`, `size_bytes` or `secrecy`), `from` and "
        "`to`. For `secrecy_changed`: `of` (`process` or `instance`), the `instance`, `from` and `to`."
    )

    @classmethod
    def of(cls, change: Change, *, document_withheld: bool, sees_sealed: bool) -> Self:
        """Return the body of a change."""
        document, movement = change.document, change.movement
        return cls(
            sequence=change.sequence,
            kind=change.kind,
            seen_at=change.seen_at,
            document=None if document is None else CaseDocumentBody.of(document, withheld=document_withheld),
            movement=None if movement is None else MovementBody.of(movement, sees_sealed=sees_sealed),
            details=change.details,
        )


class ChangesBody(Body):
    """A page of changes, the earliest first."""

    process_number: str
    changes: list[ChangeBody]
    next_cursor: str | None
    changes_next: str | None = Field(description="URL of the next page.")

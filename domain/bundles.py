"""Bundles as the catalog knows them, what a build needs to know, and their JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import reduce
from pathlib import Path

from domain.bundle_contents import CoverFacts, Omission, OmissionReason, Piece, needs_conversion
from domain.bundle_selection import BundleFormat
from domain.documents import Document, Link, StoredObject
from domain.errors import BundleFailureCode
from domain.secrecy import Secrecy
from domain.serializers import Json, format_timestamp


class BundleState(StrEnum):
    """The state of a bundle.

    BUILDING: Requested, and not built yet. Whether anybody works on it is Temporal's answer.
    """

    BUILDING = "building"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class BundleFailure:
    """Why a bundle is not built.

    Attributes:
        answer: What happened and what to do, for people. Free of secrets.
    """

    code: BundleFailureCode
    answer: str


# A terminated build cannot record its own end.
INTERRUPTED = BundleFailure(
    BundleFailureCode.INTERRUPTED, "The build was ended from outside. Request the bundle again."
)


@dataclass(frozen=True, slots=True)
class BundleProgress:
    """How far a build is.

    Attributes:
        documents: Documents that can be put in, as they are or converted.
        pages: Pages so far. 0 for a ZIP.
        bytes: The size of these documents, as they are stored.
    """

    documents: int = 0
    pages: int = 0
    bytes: int = 0

    def and_one(self, member: BundleMember) -> BundleProgress:
        """Return the progress after one more document."""
        size_bytes = member.stored.size_bytes if member.stored else 0
        return replace(self, documents=self.documents + 1, bytes=self.bytes + size_bytes)

    @classmethod
    def of(cls, members: Iterable[BundleMember]) -> BundleProgress:
        """Return the progress when these documents can be put in."""
        return reduce(cls.and_one, members, cls())


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle as the catalog knows it.

    Attributes:
        options: The canonical options, as JSON.
        requested_at: When it was last requested. For a bundle that is ready, at most a day before that.
        total_documents: How many documents are to be inside.
        total_bytes: The size of these.
        secrecy: The strictest level, now, of the documents that it contains or names.
        listed: Whether the court still shows all of these.
        withheld: How many documents were withheld from whoever asked for it.
        stored: The file. None unless the bundle is ready.
        pages: Pages of the PDF. None for a ZIP, and unless the bundle is ready.
        omitted: The documents that are not inside, as far as they are known, without those that are withheld.
    """

    id: str
    process_number: str
    state: BundleState
    format: BundleFormat
    options: Json
    created_at: datetime
    requested_at: datetime
    total_documents: int
    total_bytes: int
    secrecy: Secrecy
    listed: bool
    withheld: int = 0
    ended_at: datetime | None = None
    progress: BundleProgress = field(default_factory=BundleProgress)
    stored: StoredObject | None = None
    pages: int | None = None
    omitted: tuple[Omission, ...] = ()
    failure: BundleFailure | None = None

    @property
    def filename(self) -> str:
        """The name under which it is saved."""
        return f"{self.process_number}.{self.format}"


@dataclass(frozen=True, slots=True)
class BundleMember:
    """A document of a bundle that is being built.

    Attributes:
        place: Its place in the bundle, from 0.
        document: What the catalog says of it now. None if it is withheld from whoever asked for the bundle.
        stored: The content that belongs to the bundle. None if there is none to put in.
        omitted: Why, as far as it was known when the bundle was requested.
    """

    place: int
    position: int
    document: Document | None = None
    stored: StoredObject | None = None
    omitted: OmissionReason | None = None

    @property
    def is_converted(self) -> bool:
        """Whether it has to be converted before it can be merged into a PDF."""
        return self.stored is not None and needs_conversion(self.stored.media_type)

    def piece(self, path: Path | None, omitted: OmissionReason | None) -> Piece:
        """Return what the bundle's builder is given of it.

        Args:
            path: Where its bytes are. None if it is omitted.
            omitted: Why it is.
        """
        document = self.document
        if document is None:
            return Piece(None, self.position, omitted=OmissionReason.WITHHELD)
        return Piece(
            document.id,
            self.position,
            instance=document.instance.name or document.instance.degree,
            name=document.name,
            type_name=document.type_name,
            filed_at=document.filed_at,
            media_type=self.stored.media_type if self.stored else None,
            size_bytes=self.stored.size_bytes if self.stored else None,
            sha256=self.stored.sha256 if self.stored else None,
            path=path,
            omitted=omitted,
            detail=document.failure.answer if document.failure and not self.stored else "",
        )


@dataclass(frozen=True, slots=True)
class BundleBuild:
    """What a build needs to know.

    Attributes:
        facts: What the bundle says of its process.
        members: Its documents in their order.
    """

    bundle: Bundle
    facts: CoverFacts
    members: tuple[BundleMember, ...]

    @property
    def to_convert(self) -> tuple[BundleMember, ...]:
        """The documents that are converted first, in their order."""
        if self.bundle.format is not BundleFormat.PDF:
            return ()
        return tuple(member for member in self.members if member.is_converted)


def bundle_body(bundle: Bundle, link: Link | None) -> Json:
    """Return a bundle as JSON, the same in answers and events.

    Args:
        bundle: The bundle, which the reader may have.
        link: A valid link to it. None if it is not ready, or the reader is not handed one.
    """
    is_ready = bundle.stored is not None
    return {
        "id": bundle.id,
        "process_number": bundle.process_number,
        "state": bundle.state.value,
        "format": bundle.format.value,
        "options": {name: value for name, value in bundle.options.items() if name != "format"},
        "created_at": format_timestamp(bundle.created_at),
        "ended_at": format_timestamp(bundle.ended_at),
        "total_documents": bundle.total_documents,
        "total_bytes": bundle.total_bytes,
        "progress": {
            "documents": bundle.progress.documents,
            "pages": bundle.progress.pages,
            "bytes": bundle.progress.bytes,
        },
        "pages": bundle.pages,
        "bytes": bundle.stored.size_bytes if bundle.stored else None,
        "sha256": bundle.stored.sha256 if bundle.stored else None,
        "secrecy": bundle.secrecy.value,
        "download_url": link.url if link else None,
        "download_url_expires_at": format_timestamp(link.expires_at) if link else None,
        "omitted": [_omission_body(omission) for omission in bundle.omitted] if is_ready else None,
        "withheld_documents": bundle.withheld,
        "failure": {"code": bundle.failure.code.value, "answer": bundle.failure.answer} if bundle.failure else None,
    }


def _omission_body(omission: Omission) -> Json:
    return {
        "position": omission.position,
        "document_id": omission.document_id,
        "name": omission.name,
        "reason": omission.reason.value,
        "text": omission.text,
    }

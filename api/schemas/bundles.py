"""Bundles: the request, and the body of a bundle."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated

from fastapi import Path
from pydantic import BeforeValidator, Field

from api.schemas.base import Body, DocumentId, RequestBody, UtcTime, WebhookUrl
from domain.bundle_contents import OmissionReason
from domain.bundle_selection import BundleFormat, BundleOptions, BundleOrder
from domain.bundles import BundleState
from domain.errors import BundleFailureCode
from domain.secrecy import Secrecy

BundleId = Annotated[
    str, Path(pattern="^[0-9a-f]{64}$", description="The bundle's id, as in the answer to the request.")
]


def _require_day(value: object) -> object:
    # Pydantic would read a number as seconds.
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
        raise ValueError("a day is written as in 2026-01-31")
    return value


# Postgres takes no NUL in a text.
_Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
_Day = Annotated[date, Field(strict=False), BeforeValidator(_require_day)]


class NewBundleBody(RequestBody):
    """What to put into one file. Everything that is given must hold for a document."""

    # Strict models take no enumeration from text.
    format: BundleFormat = Field(strict=False, description="One PDF of all documents, or a ZIP of their files.")
    instances: list[_Name] | None = Field(
        None,
        min_length=1,
        max_length=50,
        description="Degrees or names of instances, without regard to case and accents. All if omitted.",
        examples=[["G1"]],
    )
    types: list[_Name] | None = Field(
        None, min_length=1, max_length=200, description="Types of documents, compared in the same way."
    )
    filed_from: _Day | None = Field(None, description="Filed on that day (in Brasília) or later.")
    filed_to: _Day | None = Field(None, description="Filed on that day (in Brasília) or earlier.")
    document_ids: list[DocumentId] | None = Field(
        None, min_length=1, max_length=1000, description="Ids of documents. All if omitted."
    )
    order: BundleOrder = Field(
        BundleOrder.FILED,
        strict=False,
        description="`filed`: instance by instance, the first filed first. `listed`: as the court lists them.",
    )
    webhook_url: WebhookUrl | None = Field(
        None, description="Called once when the build ends, unless the answer is 200."
    )

    @property
    def options(self) -> BundleOptions:
        """The options that decide what is inside."""
        return BundleOptions(
            self.format,
            tuple(self.instances or ()),
            tuple(self.types or ()),
            self.filed_from,
            self.filed_to,
            tuple(self.document_ids or ()),
            self.order,
        )


class BundleOptionsBody(Body):
    """What was asked for, in the form in which it is compared. Empty lists mean all."""

    instances: list[str]
    types: list[str]
    filed_from: date | None
    filed_to: date | None
    document_ids: list[str]
    order: BundleOrder


class BundleProgressBody(Body):
    """How far the build is."""

    documents: int = Field(description="Documents that can be put in, as they are or converted.")
    pages: int = Field(description="0 for a ZIP, and until the pages are known.")
    bytes: int = Field(description="The size of these documents, as they are stored.")


class OmissionBody(Body):
    """A document that is not inside. A PDF has a page in its place that says so."""

    position: int = Field(description="Its place in the process.")
    document_id: str | None = Field(description="Null if the document is withheld.")
    name: str | None = Field(description="Null if it has none, or is withheld.")
    reason: OmissionReason
    text: str = Field(description="The reason as the bundle states it, in Portuguese.")


class BundleFailureBody(Body):
    """Why a bundle is not built. Requested again, it is tried again."""

    code: BundleFailureCode
    answer: str


class BundleBody(Body):
    """A bundle: the documents of a process in one file."""

    id: str = Field(description="SHA-256 of what is inside. The same documents and options have the same id.")
    process_number: str
    state: BundleState
    format: BundleFormat
    options: BundleOptionsBody
    created_at: UtcTime
    ended_at: UtcTime | None
    total_documents: int = Field(description="Documents to put in.")
    total_bytes: int = Field(description="Their size.")
    progress: BundleProgressBody
    pages: int | None = Field(description="Pages of the PDF. Null for a ZIP, and unless it is ready.")
    bytes: int | None = Field(description="Size of the file. Null unless it is ready.")
    sha256: str | None = Field(description="SHA-256 of the file, in lower-case hexadecimal.")
    secrecy: Secrecy = Field(description="The strictest level of its documents.")
    download_url: str | None = Field(description="Signed for this answer. Request it again for a fresh link.")
    download_url_expires_at: UtcTime | None
    omitted: list[OmissionBody] | None = Field(description="What is not inside. Null unless it is ready.")
    withheld_documents: int = Field(
        description="Documents above public secrecy, or no longer shown by the court, that the key of the request "
        "could not read."
    )
    failure: BundleFailureBody | None

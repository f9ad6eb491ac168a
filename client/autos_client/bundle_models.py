"""The API's answers about bundles, as pydantic models."""

from __future__ import annotations

from datetime import datetime

from autos_client.models import _Model


class BundleProgress(_Model):
    """How far a build is.

    Attributes:
        documents: Documents that can be put in, as they are or converted.
        pages: 0 for a ZIP, and until the pages are known.
        bytes: The size of these documents.
    """

    documents: int = 0
    pages: int = 0
    bytes: int = 0


class Omission(_Model):
    """A document that is not inside a bundle.

    Attributes:
        position: Its place in the process.
        document_id: ``None`` if the document is withheld.
        reason: A code, such as ``video``, ``failed`` or ``withheld``.
        text: The reason as the bundle states it, in Portuguese.
    """

    position: int
    document_id: str | None = None
    name: str | None = None
    reason: str
    text: str = ""


class BundleFailure(_Model):
    """Why a bundle is not built. Requested again, it is tried again."""

    code: str
    answer: str = ""


class Bundle(_Model):
    """The documents of a process in one file.

    Attributes:
        id: The same documents and options have the same id.
        state: ``building``, ``ready`` or ``failed``.
        format: ``pdf`` or ``zip``.
        total_documents: Documents to put in.
        total_bytes: Their size.
        pages: Pages of the PDF.
        bytes: Size of the file.
        sha256: Of the file, in lower-case hexadecimal.
        omitted: What is not inside. ``None`` unless it is ready.
        withheld_documents: Documents that the key of the request could not read.
    """

    id: str
    process_number: str
    state: str
    format: str
    created_at: datetime
    ended_at: datetime | None = None
    total_documents: int = 0
    total_bytes: int = 0
    progress: BundleProgress = BundleProgress()
    pages: int | None = None
    bytes: int | None = None
    sha256: str | None = None
    download_url: str | None = None
    download_url_expires_at: datetime | None = None
    omitted: tuple[Omission, ...] | None = None
    withheld_documents: int = 0
    failure: BundleFailure | None = None

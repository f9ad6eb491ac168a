"""Bundles that are ready in the catalog, without a file."""

from __future__ import annotations

from adapters.database import Catalog
from domain.bundle_contents import Omission, OmissionReason
from domain.bundle_selection import BundleFormat, BundleOptions, select_documents
from domain.bundles import BundleProgress
from domain.clients import ALL_SCOPES
from domain.documents import StoredObject


async def create_ready_bundle(catalog: Catalog, number: str) -> str:
    """Create a bundle of all documents of a process that is ready, and return its id."""
    known = await catalog.bundle_builds.list_documents(number)
    selection = select_documents(number, known, BundleOptions(BundleFormat.ZIP), ALL_SCOPES)
    await catalog.bundles.request(selection, "archive")
    file = StoredObject(f"bundles/{number}/{selection.id}.zip", 8_000_000, "ab" * 32, "application/zip")
    omitted = [
        Omission(document.position, document.id, document.name, OmissionReason.FAILED, "")
        for document in known
        if document.stored is None
    ]
    await catalog.bundles.record_ready(selection.id, number, file, BundleProgress(), omitted, pages=None)
    return selection.id

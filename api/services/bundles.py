"""The decision behind every request for a bundle: answer from the catalog, or have it built."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from api.presenters import process_unknown
from api.problems.codes import ProblemCode
from api.problems.problem import Problem
from domain.accesses import Recipient
from domain.bundle_messages import BundleRequest
from domain.bundle_selection import BundleOptions, BundleSelection, select_documents
from domain.bundles import INTERRUPTED, Bundle, BundleState, bundle_body
from domain.clients import Client
from domain.documents import Link
from domain.process_number import ProcessNumber
from domain.secrecy import is_withheld
from domain.serializers import Json

if TYPE_CHECKING:
    from adapters.database import Catalog
    from adapters.storage.link_issuer import LinkIssuer
    from adapters.temporal.bundle_client import BundleClient
    from adapters.temporal.run_client import RunClient
    from adapters.webhooks import AddressGuard

# A bundle is in the catalog a moment before its build is in Temporal.
_STARTED_WITHIN = timedelta(seconds=10)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class BundleService:
    """Has bundles built, and hands out links to them.

    Every method raises:
        ProcessErased: The process was erased, or is being erased.
        DependencyUnavailable: The database or Temporal does not answer.
    """

    catalog: Catalog
    builds: BundleClient
    runs: RunClient
    links: LinkIssuer
    address_guard: AddressGuard

    async def request(
        self, number: ProcessNumber, client: Client, options: BundleOptions, *, webhook_url: str | None = None
    ) -> Bundle:
        """Return the bundle of what the client may read. If it is not ready, it is being built.

        Raises:
            Problem: 404, the process or a document is unknown. 409, no document of the bundle is stored.
            InvalidInput: The webhook URL is not allowed. Nothing was changed.
        """
        if webhook_url is not None:
            webhook_url = await self.address_guard.check(webhook_url)
        selection = await self._select(number, client, options)
        bundle = await self.catalog.bundles.get(number.canonical, selection.id)
        if bundle is not None and bundle.state is BundleState.READY:
            await self.catalog.bundles.renew(bundle.id)
            return bundle
        bundle, had_failed = await self.catalog.bundles.request(selection, client.name)
        delivery = await self.catalog.bundles.subscribe(bundle.id, number.canonical, client.name, webhook_url)
        if delivery is not None:
            await self.runs.start_delivery(delivery)
        if bundle.state is not BundleState.READY:
            _log.info("bundle requested", process=number.canonical, bundle=bundle.id, client=client.name)
            bundle = await self._build(selection, bundle, client, had_failed=had_failed)
        return bundle

    async def get(self, number: ProcessNumber, bundle_id: str, client: Client) -> Bundle:
        """Return a bundle that the client may have.

        Raises:
            Problem: 403, the client may not have it. 404, there is no such bundle.
        """
        bundle = await self._read(number.canonical, bundle_id, client)
        if bundle.state is not BundleState.BUILDING or await self.builds.is_open(bundle_id):
            return bundle
        # It has ended after the catalog was read, and wrote that there first; or it was ended from outside.
        bundle = await self._read(number.canonical, bundle_id, client)
        may_be_starting = datetime.now(UTC) - bundle.requested_at < _STARTED_WITHIN
        if bundle.state is BundleState.BUILDING and not may_be_starting:
            return replace(bundle, state=BundleState.FAILED, failure=INTERRUPTED)
        return bundle

    async def find(self, number: ProcessNumber, client: Client, options: BundleOptions) -> Bundle | None:
        """Return the bundle of what the client may read now, if somebody has requested it. Starts nothing.

        Raises:
            Problem: 404, the process is unknown.
        """
        try:
            selection = await self._select(number, client, options)
        except Problem as problem:
            if problem.code is not ProblemCode.NOTHING_TO_BUNDLE:
                raise
            return None
        if await self.catalog.bundles.get(number.canonical, selection.id) is None:
            return None
        return await self.get(number, selection.id, client)

    async def issue_link(self, bundle: Bundle, recipient: Recipient) -> Link | None:
        """Return a new link to a bundle. None if it is not ready.

        Raises:
            Problem: 403, the recipient may not have it, as its documents are now. 404, it was deleted meanwhile.
        """
        if bundle.stored is None:
            return None
        document_ids = await self.catalog.bundles.list_document_ids(bundle.id)
        # Last: a document may have been sealed since the bundle was selected or read.
        latest = await self._read(bundle.process_number, bundle.id, recipient.client)
        return await self.links.issue_bundle(latest, document_ids, recipient)

    async def body(self, bundle: Bundle, recipient: Recipient) -> Json:
        """Return the body of a bundle with a fresh link, if it is ready.

        Raises:
            Problem: As `issue_link` does.
        """
        return bundle_body(bundle, await self.issue_link(bundle, recipient))

    async def _build(
        self, selection: BundleSelection, bundle: Bundle, client: Client, *, had_failed: bool
    ) -> Bundle:
        """Have a bundle built that was not ready when it was requested. Return it as it is then."""
        request = BundleRequest(bundle.id, bundle.process_number)
        if not had_failed:
            if await self.builds.start(request, client.name):
                return bundle
            # A build has ended since, and had written its end to the catalog first. Or its file has been lost.
            bundle, had_failed = await self.catalog.bundles.request(selection, client.name)
        if bundle.state is not BundleState.READY:
            await self.builds.start_again(request, client.name, replace=had_failed)
        return bundle

    async def _read(self, number: str, bundle_id: str, client: Client) -> Bundle:
        bundle = await self.catalog.bundles.get(number, bundle_id)
        if bundle is None:
            raise Problem(
                ProblemCode.BUNDLE_UNKNOWN,
                f"Process {number} has no bundle with this id. Bundles are deleted some days after they were last "
                "requested: request it again.",
            )
        if is_withheld(bundle, client.scopes):
            raise Problem(
                ProblemCode.SEALED,
                "The bundle has a document that is above public secrecy or that the court no longer shows, and "
                "this key lacks the scope sealed. Request a bundle of what it may read.",
            )
        return bundle

    async def _select(self, number: ProcessNumber, client: Client, options: BundleOptions) -> BundleSelection:
        documents = await self.catalog.bundle_builds.list_documents(number.canonical)
        if not documents and await self.catalog.processes.get(number.canonical) is None:
            raise process_unknown(number)
        known = {document.id for document in documents}
        unknown = [document_id for document_id in options.document_ids if document_id not in known]
        if unknown:
            raise Problem(
                ProblemCode.DOCUMENT_UNKNOWN,
                f"Process {number} has no such documents: {', '.join(unknown[:10])}.",
                document_ids=unknown,
            )
        selection = select_documents(number.canonical, documents, options, client.scopes)
        if not any(entry.sha256 for entry in selection.entries):
            reasons = Counter(str(entry.omitted) for entry in selection.entries)
            raise Problem(
                ProblemCode.NOTHING_TO_BUNDLE,
                "No document is stored that was asked for and that this key may read. Request a download first, or "
                "ask for other documents.",
                omitted=dict(reasons),
            )
        return selection

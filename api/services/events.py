"""A client's events, with the bodies that its webhooks have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from api.pagination import page_url
from api.schemas.events import EventsQuery
from domain.accesses import AccessKind, Recipient
from domain.errors import ProcessErased
from domain.events import (
    MAX_DOCUMENTS,
    ClientEvent,
    bundle_end_data,
    is_visible,
    may_show_documents,
    run_end_data,
    show_bundle,
    watch_data,
)
from domain.secrecy import readable
from domain.serializers import Json
from domain.webhooks import event_body

if TYPE_CHECKING:
    from adapters.database import Catalog
    from adapters.storage.link_issuer import LinkIssuer
    from domain.documents import Document, Link


@dataclass(frozen=True, slots=True)
class EventService:
    """Reads a client's events.

    Attributes:
        public_url: The API's base URL as clients reach it, for the URLs in an event.
    """

    catalog: Catalog
    links: LinkIssuer
    public_url: str

    async def list_events(self, recipient: Recipient, query: EventsQuery) -> Json:
        """Return the events of the recipient's client after a number, in their order.

        Left out are those in which the key may see nothing, and the ends of runs that have ended again since then.

        Raises:
            DependencyUnavailable: The database does not answer.
        """
        client = recipient.client
        page = await self.catalog.events.page(client.name, after=query.after, limit=query.limit)
        bodies: list[Json] = []
        for event in page.events:
            try:
                data = await self._read_data(event, recipient)
            except ProcessErased:
                # Since the page was read.
                data = None
            if data is not None:
                head = {"number": event.number, "id": event.id}
                bodies.append({**head, **event_body(event.type, event.created_at, data)})
        following = page_url("/events", {"after": page.next_after, "limit": query.limit})
        return {
            "events": bodies,
            "next_after": page.next_after,
            "has_more": page.has_more,
            "missed": page.is_incomplete,
            "events_next": following if page.has_more else None,
        }

    async def _read_data(self, event: ClientEvent, recipient: Recipient) -> Json | None:
        """Return the data of an event. None if it is left out."""
        if event.process_number is None:
            return None
        if event.type.is_watch_news:
            return await self._read_news(event, event.process_number, recipient)
        if event.type.is_run_end:
            return await self._read_run_end(event, event.process_number, recipient)
        if event.type.is_bundle_end:
            return await self._read_bundle(event, event.process_number, recipient)
        return None

    async def _read_news(self, event: ClientEvent, number: str, recipient: Recipient) -> Json | None:
        scopes = recipient.client.scopes
        news = await self.catalog.events.read_news(number, event.type, event.details)
        if not is_visible(event.type, news, scopes):
            return None
        return watch_data(event.type, number, event.run_id, event.details, news, scopes, self.public_url)

    async def _read_run_end(self, event: ClientEvent, number: str, recipient: Recipient) -> Json | None:
        run = await self.catalog.events.get_run(event)
        if run is None:
            return None
        scopes = recipient.client.scopes
        documents: Sequence[Document] | None = None
        links: Mapping[str, Link] = {}
        if may_show_documents(run, scopes):
            documents = await self.catalog.documents.page(number, limit=MAX_DOCUMENTS)
            contents = [content for document in readable(documents, scopes) for content in document.contents()]
            to = replace(recipient, event_id=event.id)
            links = await self.links.issue(contents, to, process_number=number, how=AccessKind.EVENT)
        return run_end_data(number, run, documents, links, scopes, self.public_url)

    async def _read_bundle(self, event: ClientEvent, number: str, recipient: Recipient) -> Json | None:
        bundle_id = event.details["bundle_id"]
        document_ids = await self.catalog.bundles.list_document_ids(bundle_id)
        # Last: a document may be sealed at any moment.
        bundle = await self.catalog.bundles.get(number, bundle_id)
        bundle, link = show_bundle(event.type, bundle, recipient.client.scopes), None
        if bundle is not None:
            link = await self.links.issue_bundle(bundle, document_ids, replace(recipient, event_id=event.id))
        return bundle_end_data(number, event.details, bundle, link, self.public_url)

"""A document that is sealed while its bundle is being handed over: no link to the bundle leaves on any way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import httpx2
import pytest
from temporalio.testing import ActivityEnvironment

from activities.webhooks import WebhookActivities
from adapters.database import Catalog, Database
from adapters.database.bundles import BundleRepository
from adapters.database.migrate import upgrade
from adapters.security.encryption import Encryptor
from adapters.storage.link_issuer import LinkIssuer
from adapters.webhooks import AddressGuard, WebhookSender
from api.app import create_app
from domain.bundle_selection import BundleFormat, BundleOptions, select_documents
from domain.clients import Scope
from domain.delivery_messages import DeliveryAttempt
from domain.secrecy import Secrecy
from domain.webhook_urls import WebhookPolicy
from settings import load_settings
from tests.support.listings import document_ids, listed, listing_of, stored_object
from tests.support.numbers import fresh_number
from tests.support.ready_bundles import create_ready_bundle
from tests.support.scripted_server import always, answer, scripted

SECRET_KEY = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
SCOPES = frozenset(Scope) - {Scope.SEALED}
CLIENT = "desk"


class SealingRepository(BundleRepository):
    """The tables of bundles. One call seals a document after it has answered."""

    seal: Callable[[], Awaitable[object]]
    moment = ""

    async def renew(self, bundle_id: str) -> None:
        """Renew a bundle."""
        await super().renew(bundle_id)
        await self._seal_at("renew")

    async def list_document_ids(self, bundle_id: str) -> tuple[str, ...]:
        """Return the ids of the documents in a bundle."""
        ids = await super().list_document_ids(bundle_id)
        await self._seal_at("list_document_ids")
        return ids

    async def _seal_at(self, moment: str) -> None:
        if self.moment == moment:
            await self.seal()


@dataclass(frozen=True)
class Handover:
    """The API over a catalog with one bundle, whose document is sealed in the middle of a request.

    Attributes:
        links: Issues its links.
        bundle: The address of the bundle.
    """

    http: httpx2.AsyncClient
    catalog: Catalog
    bundles: SealingRepository
    links: LinkIssuer
    number: str
    bundle: str

    async def count_accesses(self) -> int:
        """Return how often somebody was handed documents."""
        return len((await self.http.get("/accesses")).raise_for_status().json()["accesses"])


@pytest.fixture
async def handover(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Handover]:
    """The API over a catalog with one bundle, which is ready."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'autos.db'}"
    await asyncio.to_thread(upgrade, url)
    for name, value in {
        "AUTOS_DATABASE_URL": url,
        "AUTOS_SECRET_KEY": SECRET_KEY,
        "AUTOS_S3_ACCESS_KEY_ID": "key",
        "AUTOS_S3_SECRET_ACCESS_KEY": "secret",
    }.items():
        monkeypatch.setenv(name, value)
    database = Database(url)
    catalog = Catalog(database, Encryptor([SECRET_KEY]))
    number, [document_id] = fresh_number(), document_ids(1)
    await catalog.listings.record(listing_of(number, [document_id]))
    await catalog.documents.mark_available(number, document_id, stored_object(number, document_id))
    known = await catalog.bundle_builds.list_documents(number)
    selection = select_documents(number, known, BundleOptions(BundleFormat.ZIP), SCOPES)
    await catalog.bundles.request(selection, CLIENT)
    key = (await catalog.clients.add_key(CLIENT, SCOPES, None)).text
    await catalog.bundles.subscribe(selection.id, number, CLIENT, None)
    assert await create_ready_bundle(catalog, number) == selection.id

    async def seal() -> None:
        sealed = replace(listed(document_id), secrecy=Secrecy.JUSTICE_SECRET)
        await catalog.listings.record(listing_of(number, [sealed], hour=1))

    bundles = SealingRepository(database)
    bundles.seal = seal
    app = create_app(load_settings())
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1:8000", headers=headers
        ) as http,
    ):
        app.state.catalog.bundles = catalog.bundles = bundles
        address = f"/processes/{number}/bundles/{selection.id}"
        yield Handover(http, catalog, bundles, app.state.events.links, number, address)
    await catalog.close()


async def test_without_a_seal_each_way_hands_over_a_link(handover: Handover) -> None:
    requested = await handover.http.post(f"/processes/{handover.number}/bundles", json={"format": "zip"})
    assert (requested.status_code, bool(requested.json()["download_url"])) == (200, True)
    assert (await handover.http.get(handover.bundle)).json()["download_url"]
    assert (await handover.http.get(f"{handover.bundle}/content")).status_code == 307
    [event] = (await handover.http.get("/events")).json()["events"]
    assert event["data"]["bundle"]["download_url"]
    assert await handover.count_accesses() == 4


@pytest.mark.parametrize("moment", ["renew", "list_document_ids"])
async def test_a_request_is_answered_by_what_the_bundle_is_last(handover: Handover, moment: str) -> None:
    handover.bundles.moment = moment
    answered = await handover.http.post(f"/processes/{handover.number}/bundles", json={"format": "zip"})
    assert (answered.status_code, answered.json()["code"]) == (403, "sealed")
    assert await handover.count_accesses() == 0


@pytest.mark.parametrize("path", ["", "/content"])
async def test_a_read_is_answered_by_what_the_bundle_is_last(handover: Handover, path: str) -> None:
    handover.bundles.moment = "list_document_ids"
    answered = await handover.http.get(f"{handover.bundle}{path}")
    assert (answered.status_code, answered.json()["code"]) == (403, "sealed")
    assert "location" not in answered.headers
    assert await handover.count_accesses() == 0


async def test_an_event_is_listed_by_what_the_bundle_is_last(handover: Handover) -> None:
    handover.bundles.moment = "list_document_ids"
    [event] = (await handover.http.get("/events")).json()["events"]
    assert event["data"]["bundle"] is None
    assert await handover.count_accesses() == 0


async def test_a_webhook_is_sent_by_what_the_bundle_is_last(handover: Handover) -> None:
    guard = AddressGuard(WebhookPolicy(allow_http=True, allow_private=True))
    sender = WebhookSender("whsec_" + SECRET_KEY, guard)
    activities = WebhookActivities(handover.catalog, handover.links, sender, public_url="http://127.0.0.1")
    bundle_id = handover.bundle.rpartition("/")[2]
    async with scripted(always(answer(204))) as receiver:
        delivery = await handover.catalog.bundles.subscribe(bundle_id, handover.number, CLIENT, receiver.origin)
        assert delivery is not None
        handover.bundles.moment = "list_document_ids"
        await ActivityEnvironment().run(activities.send_webhook, DeliveryAttempt(delivery.id, 1, 5.0))
        [request] = receiver.requests
    await sender.close()
    guard.close()
    assert json.loads(request.body)["data"]["bundle"] is None
    assert await handover.count_accesses() == 0

"""Who may read which deliveries, and what is answered to those who may not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.fernet import Fernet

from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
from adapters.security.encryption import Encryptor
from adapters.temporal.connection import connect
from adapters.temporal.run_client import RunClient
from adapters.webhooks import AddressGuard
from api.routes import webhooks
from api.services.webhooks import WebhookService
from domain.clients import Scope
from domain.sweep_messages import OverdueRequest
from domain.webhook_urls import WebhookPolicy
from domain.webhooks import SentAttempt
from tests.support.guarded_app import PUBLIC_URL, create_guarded_app
from tests.support.ports import bound_socket

URL = "https://example.com/hook"
NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
SCOPES = {
    "desk": frozenset({Scope.READ, Scope.DOWNLOAD}),
    "other": frozenset({Scope.READ, Scope.DOWNLOAD}),
    "reader": frozenset({Scope.READ}),
    "chief": frozenset({Scope.READ, Scope.DOWNLOAD, Scope.ADMIN}),
}


@dataclass
class Office:
    """The routes on a catalog of their own, with a few clients, and without Temporal."""

    catalog: Catalog
    api: httpx.AsyncClient
    keys: dict[str, str]

    async def ask(self, client: str, method: str, path: str, **request: Any) -> httpx.Response:
        """Ask as a client."""
        headers = {"Authorization": f"Bearer {self.keys[client]}"}
        return await self.api.request(method, path, headers=headers, **request)

    async def refused(self, client: str, method: str, path: str, **request: Any) -> tuple[int, str]:
        """Ask as a client, in vain."""
        answer = await self.ask(client, method, path, **request)
        return answer.status_code, answer.json()["code"]

    async def given_up(self, client: str, number: int = 1) -> str:
        """A delivery that was given up; its id."""
        made = await self.catalog.deliveries.create_test(client, URL)
        event = await self.catalog.deliveries.get_event(made.id)
        assert event is not None
        attempt = SentAttempt(number, NOW, 500, 12, "no")
        await self.catalog.deliveries.record_attempt(event.delivery, attempt, delivered=False, next_attempt_at=None)
        return made.id


@pytest.fixture
async def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    """The office."""
    database_url = f"sqlite+aiosqlite:///{tmp_path / 'autos.db'}"
    await asyncio.to_thread(upgrade, database_url)
    catalog = Catalog(Database(database_url), Encryptor([Fernet.generate_key().decode()]))
    keys = {name: (await catalog.clients.add_key(name, scopes, None)).text for name, scopes in SCOPES.items()}
    monkeypatch.setattr("adapters.temporal.errors.TOTAL_TIMEOUT_SECONDS", 0.3)
    app = create_guarded_app(catalog)
    app.include_router(webhooks.router)
    with bound_socket() as silent:
        monkeypatch.setenv("TEMPORAL_ADDRESS", "{}:{}".format(*silent.getsockname()))
        app.state.webhooks = WebhookService(
            catalog, RunClient(await connect(lazy=True)), AddressGuard(WebhookPolicy())
        )
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL) as api:
            yield Office(catalog, api, keys)
    await catalog.close()


async def test_a_delivery_is_shown_to_its_owner_and_to_administrators_only(office: Office) -> None:
    path = f"/webhooks/deliveries/{await office.given_up('desk')}"
    for client in ("desk", "chief"):
        answer = await office.ask(client, "GET", path)
        assert answer.status_code == 200
    unknown = (404, "delivery_unknown")
    assert await office.refused("other", "GET", path) == unknown
    assert await office.refused("other", "POST", f"{path}/redeliver") == unknown
    assert await office.refused("desk", "GET", "/webhooks/deliveries/evt_none") == unknown
    # Nothing was sent again on a stranger's word.
    assert (await office.ask("desk", "GET", path)).json()["status"] == "failed"


async def test_a_delivery_says_all_that_was_tried(office: Office) -> None:
    delivery_id = await office.given_up("desk")
    assert (await office.ask("desk", "GET", f"/webhooks/deliveries/{delivery_id}")).json() == {
        "id": delivery_id,
        "event_type": "webhook.test",
        "process_number": None,
        "run_id": None,
        "client": "desk",
        "url": URL,
        "status": "failed",
        "created_at": (await created(office, delivery_id)),
        "delivered_at": None,
        "given_up_at": "2026-03-02T10:00:00Z",
        "next_attempt_at": None,
        "attempts": [
            {
                "number": 1,
                "sent_at": "2026-03-02T10:00:00Z",
                "status_code": 500,
                "latency_ms": 12,
                "excerpt": "no",
                "error": None,
            }
        ],
    }


async def created(office: Office, delivery_id: str) -> str:
    """When a delivery was made."""
    logged = await office.catalog.deliveries.log.get(delivery_id)
    assert logged is not None
    return logged.delivery.created_at.isoformat().replace("+00:00", "Z")


async def test_the_log_is_the_clients_own_and_an_administrator_may_ask_for_anothers(office: Office) -> None:
    made = [await office.given_up("desk") for _ in range(3)]
    theirs = await office.given_up("other")
    first = (await office.ask("desk", "GET", "/webhooks/deliveries?limit=2&status=failed")).json()
    second = (await office.ask("desk", "GET", first["deliveries_next"])).json()
    assert [one["id"] for one in first["deliveries"] + second["deliveries"]] == made[::-1]
    assert (second["next_cursor"], second["deliveries_next"]) == (None, None)
    assert (await office.ask("chief", "GET", "/webhooks/deliveries")).json()["deliveries"] == []
    asked = (await office.ask("chief", "GET", "/webhooks/deliveries?client=other")).json()
    assert [one["id"] for one in asked["deliveries"]] == [theirs]
    for path in ("/webhooks/deliveries", "/webhooks/endpoints"):
        assert await office.refused("desk", "GET", f"{path}?client=other") == (403, "forbidden")


UNASKABLE = {
    "cursor=nonsense": "invalid_cursor",
    "process_number=123": "invalid_process_number",
    "status=lost": "invalid_request",
    "since=2026-03-02T10:00:00": "invalid_request",
    "limit=0": "invalid_request",
    "state=failed": "invalid_request",
}


async def test_what_cannot_be_asked_of_the_log_is_refused(office: Office) -> None:
    for query, code in UNASKABLE.items():
        assert await office.refused("desk", "GET", f"/webhooks/deliveries?{query}") == (422, code), query


async def test_no_test_is_sent_to_an_address_that_cannot_be_used(office: Office) -> None:
    for url in (
        "http://example.com/",
        "https://127.0.0.1/",
        "https://example.com:22/",
        "https://a@example.com/",
        "no address",
    ):
        refused = await office.refused("desk", "POST", "/webhooks/test", json={"url": url})
        assert refused == (422, "invalid_webhook_url"), url
    assert (await office.ask("desk", "GET", "/webhooks/deliveries")).json()["deliveries"] == []


async def test_sending_needs_the_scope_for_it(office: Office) -> None:
    delivery_id = await office.given_up("reader")
    forbidden = (403, "forbidden")
    assert await office.refused("reader", "POST", "/webhooks/test", json={"url": URL}) == forbidden
    assert await office.refused("reader", "POST", f"/webhooks/deliveries/{delivery_id}/redeliver") == forbidden
    since = {"failed_since": NOW.isoformat()}
    assert await office.refused("reader", "POST", "/webhooks/deliveries/redeliver", json=since) == forbidden
    assert await office.refused("reader", "POST", "/webhooks/endpoints/ep_1/enable") == forbidden


async def test_what_is_sent_again_while_temporal_is_away_is_not_forgotten(office: Office) -> None:
    delivery_id = await office.given_up("desk")
    refused = await office.refused("desk", "POST", f"/webhooks/deliveries/{delivery_id}/redeliver")
    assert refused == (503, "temporal_unavailable")
    [overdue] = (await office.catalog.deliveries.list_overdue(OverdueRequest(), by=timedelta(0))).deliveries
    assert (overdue.id, overdue.first_attempt) == (delivery_id, 2)


async def test_only_its_owner_and_administrators_switch_an_address_on(office: Office) -> None:
    await office.given_up("desk")
    [endpoint] = (await office.ask("desk", "GET", "/webhooks/endpoints")).json()["endpoints"]
    assert (endpoint["url"], endpoint["client"]) == (URL, "desk")
    assert endpoint["failing_since"] == "2026-03-02T10:00:00Z"
    assert (await office.ask("other", "GET", "/webhooks/endpoints")).json()["endpoints"] == []
    path = f"/webhooks/endpoints/{endpoint['id']}/enable"
    assert await office.refused("other", "POST", path) == (404, "not_found")
    assert (await office.ask("chief", "POST", path)).status_code == 200
    assert (await office.ask("desk", "GET", "/webhooks/endpoints")).json()["endpoints"] == []
    assert await office.refused("desk", "POST", path) == (404, "not_found")

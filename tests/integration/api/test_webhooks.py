"""Access to webhook deliveries and endpoints by client and scope."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
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
    "owner": frozenset({Scope.READ, Scope.DOWNLOAD}),
    "other": frozenset({Scope.READ, Scope.DOWNLOAD}),
    "reader": frozenset({Scope.READ}),
    "admin": frozenset({Scope.READ, Scope.DOWNLOAD, Scope.ADMIN}),
}


@dataclass
class WebhooksApi:
    """The webhook routes over an empty catalog with a few clients. Temporal never answers."""

    catalog: Catalog
    api: httpx2.AsyncClient
    keys: dict[str, str]

    async def request(self, client: str, method: str, path: str, **options: Any) -> httpx2.Response:
        """Send a request as a client."""
        headers = {"Authorization": f"Bearer {self.keys[client]}"}
        return await self.api.request(method, path, headers=headers, **options)

    async def request_refused(self, client: str, method: str, path: str, **options: Any) -> tuple[int, str]:
        """Send a request that must fail. Return its status and problem code."""
        answer = await self.request(client, method, path, **options)
        return answer.status_code, answer.json()["code"]

    async def create_failed_delivery(self, client: str, number: int = 1) -> str:
        """Create a delivery that was given up. Return its id."""
        delivery = await self.catalog.deliveries.create_test(client, URL)
        event = await self.catalog.deliveries.get_event(delivery.id)
        assert event is not None
        attempt = SentAttempt(number, NOW, 500, 12, "no")
        await self.catalog.deliveries.record_attempt(event.delivery, attempt, delivered=False, next_attempt_at=None)
        return delivery.id


@pytest.fixture
async def webhooks_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WebhooksApi]:
    """The webhook routes with a key for each client of `SCOPES`."""
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
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as api:
            yield WebhooksApi(catalog, api, keys)
    await catalog.close()


async def test_delivery_is_visible_to_its_owner_and_administrators_only(webhooks_api: WebhooksApi) -> None:
    path = f"/webhooks/deliveries/{await webhooks_api.create_failed_delivery('owner')}"
    for client in ("owner", "admin"):
        answer = await webhooks_api.request(client, "GET", path)
        assert answer.status_code == 200
    unknown = (404, "delivery_unknown")
    assert await webhooks_api.request_refused("other", "GET", path) == unknown
    assert await webhooks_api.request_refused("other", "POST", f"{path}/redeliver") == unknown
    assert await webhooks_api.request_refused("owner", "GET", "/webhooks/deliveries/evt_none") == unknown
    # The other client's request redelivered nothing.
    assert (await webhooks_api.request("owner", "GET", path)).json()["status"] == "failed"


async def test_delivery_lists_its_attempts(webhooks_api: WebhooksApi) -> None:
    delivery_id = await webhooks_api.create_failed_delivery("owner")
    assert (await webhooks_api.request("owner", "GET", f"/webhooks/deliveries/{delivery_id}")).json() == {
        "id": delivery_id,
        "event_type": "webhook.test",
        "process_number": None,
        "run_id": None,
        "client": "owner",
        "url": URL,
        "status": "failed",
        "created_at": await read_created_at(webhooks_api, delivery_id),
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


async def read_created_at(webhooks_api: WebhooksApi, delivery_id: str) -> str:
    """Return the time at which a delivery was created, as the API formats it."""
    logged = await webhooks_api.catalog.deliveries.log.get(delivery_id)
    assert logged is not None
    return logged.delivery.created_at.isoformat().replace("+00:00", "Z")


async def test_delivery_log_shows_own_deliveries_and_administrators_may_name_a_client(
    webhooks_api: WebhooksApi,
) -> None:
    own = [await webhooks_api.create_failed_delivery("owner") for _ in range(3)]
    others = await webhooks_api.create_failed_delivery("other")
    first = (await webhooks_api.request("owner", "GET", "/webhooks/deliveries?limit=2&status=failed")).json()
    second = (await webhooks_api.request("owner", "GET", first["deliveries_next"])).json()
    assert [delivery["id"] for delivery in first["deliveries"] + second["deliveries"]] == own[::-1]
    assert (second["next_cursor"], second["deliveries_next"]) == (None, None)
    assert (await webhooks_api.request("admin", "GET", "/webhooks/deliveries")).json()["deliveries"] == []
    answer = (await webhooks_api.request("admin", "GET", "/webhooks/deliveries?client=other")).json()
    assert [delivery["id"] for delivery in answer["deliveries"]] == [others]
    for path in ("/webhooks/deliveries", "/webhooks/endpoints"):
        assert await webhooks_api.request_refused("owner", "GET", f"{path}?client=other") == (403, "forbidden")


INVALID_QUERIES = {
    "cursor=nonsense": "invalid_cursor",
    "process_number=123": "invalid_process_number",
    "status=lost": "invalid_request",
    "since=2026-03-02T10:00:00": "invalid_request",
    "limit=0": "invalid_request",
    "state=failed": "invalid_request",
}


async def test_delivery_log_refuses_invalid_queries(webhooks_api: WebhooksApi) -> None:
    for query, code in INVALID_QUERIES.items():
        assert await webhooks_api.request_refused("owner", "GET", f"/webhooks/deliveries?{query}") == (422, code), (
            query
        )


async def test_webhook_test_refuses_invalid_urls(webhooks_api: WebhooksApi) -> None:
    for url in (
        "http://example.com/",
        "https://127.0.0.1/",
        "https://example.com:22/",
        "https://a@example.com/",
        "no address",
    ):
        refused = await webhooks_api.request_refused("owner", "POST", "/webhooks/test", json={"url": url})
        assert refused == (422, "invalid_webhook_url"), url
    assert (await webhooks_api.request("owner", "GET", "/webhooks/deliveries")).json()["deliveries"] == []


async def test_sending_needs_the_download_scope(webhooks_api: WebhooksApi) -> None:
    delivery_id = await webhooks_api.create_failed_delivery("reader")
    forbidden = (403, "forbidden")
    assert await webhooks_api.request_refused("reader", "POST", "/webhooks/test", json={"url": URL}) == forbidden
    assert (
        await webhooks_api.request_refused("reader", "POST", f"/webhooks/deliveries/{delivery_id}/redeliver")
        == forbidden
    )
    since = {"failed_since": NOW.isoformat()}
    assert (
        await webhooks_api.request_refused("reader", "POST", "/webhooks/deliveries/redeliver", json=since)
        == forbidden
    )
    assert await webhooks_api.request_refused("reader", "POST", "/webhooks/endpoints/ep_1/enable") == forbidden


async def test_redelivery_requested_while_temporal_is_unavailable_becomes_overdue(
    webhooks_api: WebhooksApi,
) -> None:
    delivery_id = await webhooks_api.create_failed_delivery("owner")
    refused = await webhooks_api.request_refused("owner", "POST", f"/webhooks/deliveries/{delivery_id}/redeliver")
    assert refused == (503, "temporal_unavailable")
    [overdue] = (await webhooks_api.catalog.deliveries.list_overdue(OverdueRequest(), by=timedelta(0))).deliveries
    assert (overdue.id, overdue.first_attempt) == (delivery_id, 2)


async def test_endpoint_is_enabled_by_its_owner_and_administrators_only(webhooks_api: WebhooksApi) -> None:
    await webhooks_api.create_failed_delivery("owner")
    [endpoint] = (await webhooks_api.request("owner", "GET", "/webhooks/endpoints")).json()["endpoints"]
    assert (endpoint["url"], endpoint["client"]) == (URL, "owner")
    assert endpoint["failing_since"] == "2026-03-02T10:00:00Z"
    assert (await webhooks_api.request("other", "GET", "/webhooks/endpoints")).json()["endpoints"] == []
    path = f"/webhooks/endpoints/{endpoint['id']}/enable"
    assert await webhooks_api.request_refused("other", "POST", path) == (404, "not_found")
    assert (await webhooks_api.request("admin", "POST", path)).status_code == 200
    assert (await webhooks_api.request("owner", "GET", "/webhooks/endpoints")).json()["endpoints"] == []
    assert await webhooks_api.request_refused("owner", "POST", path) == (404, "not_found")

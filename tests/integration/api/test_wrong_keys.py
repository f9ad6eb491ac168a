"""Who guesses keys is slowed by the address that it guesses from, and locks nobody out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from cryptography.fernet import Fernet
from fastapi import FastAPI
from limits.aio.storage import memory
from structlog.testing import capture_logs

from adapters.database import Catalog, Database
from adapters.security import rate_limits
from adapters.security.rate_limits import RateLimiter
from tests.support.api_service import running_lone_api
from tests.support.guarded_app import PUBLIC_URL, create_guarded_app

KEY = "the operator's key, of the settings"
FREE = 20


class Clock:
    """A clock that is put on by hand."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def time(self) -> float:
        """Return seconds since 1970."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that wrong keys are counted by."""
    clock = Clock()
    for module in (memory, rate_limits):
        monkeypatch.setattr(module, "time", SimpleNamespace(time=clock.time))
    return clock


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[FastAPI]:
    """A door with one key; what is wrong here is wrong by its form, so the catalog is not asked."""
    catalog = Catalog(Database(f"sqlite+aiosqlite:///{tmp_path / 'autos.db'}"))
    yield create_guarded_app(catalog, KEY)
    await catalog.close()


def source(app: FastAPI, address: str) -> httpx.AsyncClient:
    """A client with an address."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, client=(address, 40_000)), base_url=PUBLIC_URL)


async def guess(client: httpx.AsyncClient, key: str = "wrong", **headers: str) -> httpx.Response:
    """Try a key."""
    return await client.get("/read", headers={"Authorization": f"Bearer {key}", **headers})


async def test_wrong_keys_are_slowed_and_right_ones_are_not(app: FastAPI, clock: Clock) -> None:
    async with source(app, "203.0.113.5") as client:
        with capture_logs() as lines:
            found = [await guess(client, str(number)) for number in range(FREE + 3)]
        assert [each.status_code for each in found] == [401] * FREE + [429] * 3
        assert [line["source"] for line in lines if line["event"] == "many wrong keys"] == ["203.0.113.5"]
        assert found[-1].json()["code"] == "rate_limited"
        assert 1 <= int(found[-1].headers["retry-after"]) <= 60
        # Somebody else behind the same proxy.
        assert (await guess(client, KEY)).status_code == 200
        assert (await guess(client)).status_code == 429
        # No key at all is no guess.
        assert (await client.get("/read")).status_code == 401

        clock.now += int(found[-1].headers["retry-after"])
        assert (await guess(client)).status_code == 401


async def test_right_keys_cost_nothing(app: FastAPI, clock: Clock) -> None:
    async with source(app, "203.0.113.5") as client:
        for _ in range(3 * FREE):
            assert (await guess(client, KEY)).status_code == 200
        assert (await guess(client)).status_code == 401


async def test_an_address_is_not_believed_of_a_header_and_a_network_is_one_source(
    app: FastAPI, clock: Clock
) -> None:
    async with source(app, "203.0.113.5") as client:
        found = [await guess(client, **{"X-Forwarded-For": f"198.51.100.{n}"}) for n in range(FREE + 1)]
        assert found[-1].status_code == 429
    async with source(app, "203.0.113.6") as other:
        assert (await guess(other)).status_code == 401
    for number in range(FREE + 1):
        async with source(app, f"2001:db8:1:2::{number:x}") as client:
            last = await guess(client)
    assert last.status_code == 429


async def test_no_number_of_sources_fills_the_memory(clock: Clock) -> None:
    rates = RateLimiter()
    for number in range(5_000):
        await rates.count_wrong_key(f"10.0.{number // 250}.{number % 250}")
    storage = rates._wrong_keys.storage
    assert isinstance(storage, memory.MemoryStorage)
    assert len(storage.storage) <= 1_024
    assert len(storage.locks) <= 1_024


async def test_many_at_once_are_counted_one_by_one(app: FastAPI, clock: Clock) -> None:
    async with source(app, "203.0.113.5") as client:
        found = await asyncio.gather(*(guess(client) for _ in range(3 * FREE)))

    assert sum(each.status_code == 401 for each in found) == FREE


async def test_the_sign_in_counts_too_and_a_session_does_not(tmp_path: Path) -> None:
    seal = Fernet.generate_key().decode()
    async with (
        running_lone_api(tmp_path, AUTOS_API_KEY=KEY, AUTOS_SECRET_KEY=seal) as api,
        httpx.AsyncClient(base_url=api.url, headers={"Origin": api.url}, trust_env=False) as client,
    ):
        # uvicorn would believe this of a program on the same machine.
        names = [{"X-Forwarded-For": f"198.51.100.{number}"} for number in range(FREE)]
        tried = [await client.post("/ui/sign-in", data={"key": "wrong"}, headers=name) for name in names]
        assert [each.status_code for each in tried] == [401] * FREE
        refused = await client.post("/ui/sign-in", data={"key": "wrong"})
        assert refused.status_code == 429
        assert refused.headers["content-type"].startswith("text/html")
        assert "retry-after" in refused.headers
        # Both doors count together.
        assert (await client.get("/processes", headers={"Authorization": "Bearer wrong"})).status_code == 429
        assert (await client.post("/ui/sign-in", data={"key": KEY})).status_code == 303
        assert (await client.get("/ui/sign-in")).status_code == 303
        client.cookies.set("autos_session", "nobody's")
        assert (await client.get("/ui/sign-in")).status_code == 200

"""Wrong keys are rate-limited by source address, and valid keys are never locked out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import httpx2
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
FREE_GUESSES = 20


class Clock:
    """A clock that the test advances."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def time(self) -> float:
        """Return seconds since 1970."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the rate limiter for wrong keys."""
    clock = Clock()
    for module in (memory, rate_limits):
        monkeypatch.setattr(module, "time", SimpleNamespace(time=clock.time))
    return clock


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[FastAPI]:
    """An app with one key. Wrong keys here are malformed, so the catalog is never queried."""
    catalog = Catalog(Database(f"sqlite+aiosqlite:///{tmp_path / 'autos.db'}"))
    yield create_guarded_app(catalog, KEY)
    await catalog.close()


def connect_from(app: FastAPI, address: str) -> httpx2.AsyncClient:
    """Return a client that connects from this IP address."""
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app, client=(address, 40_000)), base_url=PUBLIC_URL)


async def try_key(client: httpx2.AsyncClient, key: str = "wrong", **headers: str) -> httpx2.Response:
    """Send a request with this key."""
    return await client.get("/read", headers={"Authorization": f"Bearer {key}", **headers})


async def test_wrong_keys_are_rate_limited_and_valid_keys_are_not(app: FastAPI, clock: Clock) -> None:
    async with connect_from(app, "203.0.113.5") as client:
        with capture_logs() as lines:
            answers = [await try_key(client, str(number)) for number in range(FREE_GUESSES + 3)]
        assert [answer.status_code for answer in answers] == [401] * FREE_GUESSES + [429] * 3
        assert [line["source"] for line in lines if line["event"] == "many wrong keys"] == ["203.0.113.5"]
        assert answers[-1].json()["code"] == "rate_limited"
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
        # Another client behind the same proxy.
        assert (await try_key(client, KEY)).status_code == 200
        assert (await try_key(client)).status_code == 429
        # A request without a key does not count as a guess.
        assert (await client.get("/read")).status_code == 401

        clock.now += int(answers[-1].headers["retry-after"])
        assert (await try_key(client)).status_code == 401


async def test_valid_keys_do_not_count_towards_the_limit(app: FastAPI, clock: Clock) -> None:
    async with connect_from(app, "203.0.113.5") as client:
        for _ in range(3 * FREE_GUESSES):
            assert (await try_key(client, KEY)).status_code == 200
        assert (await try_key(client)).status_code == 401


async def test_source_ignores_forwarded_headers_and_groups_ipv6_networks(app: FastAPI, clock: Clock) -> None:
    async with connect_from(app, "203.0.113.5") as client:
        answers = [await try_key(client, **{"X-Forwarded-For": f"198.51.100.{n}"}) for n in range(FREE_GUESSES + 1)]
        assert answers[-1].status_code == 429
    async with connect_from(app, "203.0.113.6") as other:
        assert (await try_key(other)).status_code == 401
    for number in range(FREE_GUESSES + 1):
        async with connect_from(app, f"2001:db8:1:2::{number:x}") as client:
            last = await try_key(client)
    assert last.status_code == 429


async def test_memory_for_sources_is_bounded(clock: Clock) -> None:
    rates = RateLimiter()
    for number in range(5_000):
        await rates.count_wrong_key(f"10.0.{number // 250}.{number % 250}")
    storage = rates._wrong_keys.storage
    assert isinstance(storage, memory.MemoryStorage)
    assert len(storage.storage) <= 1_024
    assert len(storage.locks) <= 1_024


async def test_concurrent_wrong_keys_are_all_counted(app: FastAPI, clock: Clock) -> None:
    async with connect_from(app, "203.0.113.5") as client:
        answers = await asyncio.gather(*(try_key(client) for _ in range(3 * FREE_GUESSES)))

    assert sum(answer.status_code == 401 for answer in answers) == FREE_GUESSES


async def test_sign_in_counts_wrong_keys_and_an_invalid_session_does_not(tmp_path: Path) -> None:
    seal = Fernet.generate_key().decode()
    async with (
        running_lone_api(tmp_path, AUTOS_API_KEY=KEY, AUTOS_SECRET_KEY=seal) as api,
        httpx2.AsyncClient(base_url=api.url, headers={"Origin": api.url}, timeout=60, trust_env=False) as client,
    ):
        # By default uvicorn trusts this header from a program on the same machine.
        forwarded = [{"X-Forwarded-For": f"198.51.100.{number}"} for number in range(FREE_GUESSES)]
        attempts = [
            await client.post("/ui/sign-in", data={"key": "wrong"}, headers=headers) for headers in forwarded
        ]
        assert [attempt.status_code for attempt in attempts] == [401] * FREE_GUESSES
        refused = await client.post("/ui/sign-in", data={"key": "wrong"})
        assert refused.status_code == 429
        assert refused.headers["content-type"].startswith("text/html")
        assert "retry-after" in refused.headers
        # The API and the sign-in page share one counter.
        assert (await client.get("/processes", headers={"Authorization": "Bearer wrong"})).status_code == 429
        assert (await client.post("/ui/sign-in", data={"key": KEY})).status_code == 303
        assert (await client.get("/ui/sign-in")).status_code == 303
        client.cookies.clear()
        client.cookies.set("autos_session", "nobody's")
        assert (await client.get("/ui/sign-in")).status_code == 200

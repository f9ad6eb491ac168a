"""The clients' keys at the API's door: who is let in, for what, and how often."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
import structlog
from cryptography.fernet import Fernet
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from limits.aio.storage import memory
from structlog.testing import capture_logs

from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
from adapters.security.encryption import Encryptor
from adapters.security.rate_limits import RateLimiter
from api import auth
from api.auth import Authenticator
from domain.clients import ALL_SCOPES, Scope
from domain.keys import generate_key
from tests.support.guarded_app import PUBLIC_URL, create_guarded_app
from tests.support.statements import statements

OPERATORS_KEY = "a key of sixteen characters"
READS = frozenset({Scope.READ})
RATE_HEADERS = {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"}


@pytest.fixture
def the_clock_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count within one minute, whenever the test runs."""
    monkeypatch.setattr(memory, "time", SimpleNamespace(time=lambda: 1_800_000_030.0))


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A migrated database with nothing in it."""
    path = tmp_path_factory.mktemp("migrated") / "autos.db"
    upgrade(f"sqlite+aiosqlite:///{path}")
    return path.read_bytes()


@pytest.fixture
async def catalog(migrated: bytes, tmp_path: Path) -> AsyncIterator[Catalog]:
    """A catalog without keys."""
    (tmp_path / "autos.db").write_bytes(migrated)
    catalog = Catalog(
        Database(f"sqlite+aiosqlite:///{tmp_path / 'autos.db'}"), Encryptor([Fernet.generate_key().decode()])
    )
    yield catalog
    await catalog.close()


@asynccontextmanager
async def asking(catalog: Catalog, api_key: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody at the door."""
    transport = httpx.ASGITransport(create_guarded_app(catalog, api_key))
    async with httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
        yield client


def bearing(key: str) -> dict[str, str]:
    """The header with a key."""
    return {"Authorization": f"Bearer {key}"}


async def test_a_key_says_who_asks_and_what_for(catalog: Catalog) -> None:
    made = await catalog.clients.add_key("desk", READS, None)
    async with asking(catalog) as client:
        read = await client.get("/read", headers=bearing(made.text))
        start = await client.post("/start", headers=bearing(made.text))

    assert read.json() == {"client": "desk", "key_id": made.record.id, "scopes": ["read"]}
    assert (start.status_code, start.json()["code"]) == (403, "forbidden")
    assert "download" in start.json()["detail"]


async def test_the_settings_key_is_the_operators_beside_the_clients(catalog: Catalog) -> None:
    made = await catalog.clients.add_key("desk", READS, None)
    async with asking(catalog, OPERATORS_KEY) as client:
        operator = await client.get("/read", headers=bearing(OPERATORS_KEY))
        desk = await client.get("/read", headers=bearing(made.text))
        nobody = await client.get("/read")

    assert operator.json() == {"client": "operator", "key_id": None, "scopes": sorted(ALL_SCOPES)}
    assert not RATE_HEADERS & operator.headers.keys()
    assert desk.json()["client"] == "desk"
    assert (nobody.status_code, nobody.headers["www-authenticate"]) == (401, "Bearer")


async def test_the_first_key_closes_the_door_within_a_second_and_revoking_it_does_not_open_it(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(auth, "time", SimpleNamespace(monotonic=lambda: clock.now))
    async with asking(catalog) as client:
        assert (await client.get("/read")).json()["client"] == "local"
        made = await catalog.clients.add_key("desk", READS, None)
        clock.now += 1.0
        assert (await client.get("/read")).status_code == 401
        assert (await client.get("/read", headers=bearing(made.text))).status_code == 200
        await catalog.clients.revoke_key(made.record.id)
        assert (await client.get("/read", headers=bearing(made.text))).status_code == 401
        assert (await client.get("/read")).status_code == 401
    # An API that starts only now knows it as well.
    async with asking(catalog) as client:
        assert (await client.get("/read")).status_code == 401


async def test_no_part_of_a_key_can_be_anothers(catalog: Catalog) -> None:
    made = await catalog.clients.add_key("desk", READS, None)
    other = await catalog.clients.add_key("archive", READS, None)
    secret = other.text.removeprefix(f"autos_{other.record.id}_")
    async with asking(catalog) as client:
        for key in (f"autos_{made.record.id}_{secret}", generate_key()[1], made.text[:-1], made.text.upper()):
            assert (await client.get("/read", headers=bearing(key))).status_code == 401


async def test_a_database_that_is_away_lets_nobody_in_but_the_operator(tmp_path: Path) -> None:
    catalog = Catalog(Database(f"sqlite+aiosqlite:///{tmp_path / 'missing' / 'autos.db'}"))
    async with asking(catalog) as client:
        for headers in ({}, bearing(generate_key()[1])):
            answer = await client.get("/read", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    async with asking(catalog, OPERATORS_KEY) as client:
        assert (await client.get("/read", headers=bearing(OPERATORS_KEY))).status_code == 200


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.one_of(st.binary(max_size=200), st.text(max_size=60).map(lambda text: b"Bearer " + text.encode())))
@example(b"Bearer " + b"\xff" * 60)
@example(b"Bearer autos_aaaaaaaa_\x00" + b"a" * 42)
@example(b"Bearer autos_" + b"a" * 100_000)
@example(b"Bearer " + "autos_ａaaaaaaa_".encode() + b"a" * 43)
@example(b"Bearer")
@example(b"")
async def test_what_is_no_key_is_refused_without_a_look_into_the_database(catalog: Catalog, value: bytes) -> None:
    transport = httpx.ASGITransport(create_guarded_app(catalog, OPERATORS_KEY))
    async with httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
        with statements() as said:
            answer = await client.get("/read", headers=[(b"Authorization", value)])

    assert answer.status_code == 401
    assert said == []


async def test_a_key_from_elsewhere_than_a_header_may_hold_anything(catalog: Catalog) -> None:
    gatekeeper = Authenticator(OPERATORS_KEY, PUBLIC_URL, catalog.clients, RateLimiter())
    made = await catalog.clients.add_key("desk", READS, None)

    assert await gatekeeper.find_client("\ud800") is None
    assert await gatekeeper.find_client(made.text + "\n") is None
    found = await gatekeeper.find_client(made.text)
    assert found is not None
    assert found.name == "desk"


async def test_a_key_may_come_otherwise_than_in_the_header_which_wins(catalog: Catalog) -> None:
    desk = await catalog.clients.add_key("desk", READS, None)
    archive = await catalog.clients.add_key("archive", READS, None)
    transport = httpx.ASGITransport(
        create_guarded_app(catalog, key_of_session=lambda request: request.cookies.get("session"))
    )
    async with httpx.AsyncClient(
        transport=transport, base_url=PUBLIC_URL, cookies={"session": desk.text}
    ) as client:
        assert (await client.get("/read")).json()["client"] == "desk"
        assert (await client.get("/read", headers=bearing(archive.text))).json()["client"] == "archive"
        assert (await client.get("/read", headers=bearing("wrong"))).status_code == 401


async def test_the_log_says_who_asked_and_no_secret(catalog: Catalog) -> None:
    made = await catalog.clients.add_key("desk", READS, None)
    async with asking(catalog) as client:
        with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
            await client.get("/read", headers=bearing(made.text))

    assert [(line["event"], line["client"]) for line in lines] == [("read", "desk")]
    assert made.text not in str(lines)


@pytest.mark.usefixtures("the_clock_stands")
async def test_a_limited_key_is_told_where_it_stands_and_refused_when_it_asks_too_much(catalog: Catalog) -> None:
    made = await catalog.clients.add_key("desk", READS | {Scope.DOWNLOAD}, 12)
    second = await catalog.clients.add_key("desk", READS, 12)
    async with asking(catalog) as client:
        started = await client.post("/start", headers=bearing(made.text))
        read = await client.get("/read", headers=bearing(second.text))
        refused = await client.get("/read?auto_download=True", headers=bearing(made.text))
        invalid = await client.get("/read?unknown=1", headers=bearing(made.text))
        over = await client.get("/read", headers=bearing(made.text))

    assert [each.status_code for each in (started, read, refused, invalid, over)] == [200, 200, 429, 422, 429]
    answers = (started, read, refused, invalid, over)
    assert [int(each.headers["x-ratelimit-remaining"]) for each in answers] == [2, 1, 1, 0, 0]
    assert {each.headers["x-ratelimit-limit"] for each in answers} == {"12"}
    assert all(1 <= int(each.headers["x-ratelimit-reset"]) <= 60 for each in answers)
    for each in (refused, over):
        assert each.json()["code"] == "rate_limited"
        assert 1 <= int(each.headers["retry-after"]) <= 120
    assert "retry-after" not in invalid.headers


@pytest.mark.usefixtures("the_clock_stands")
async def test_what_a_scope_refuses_is_counted_too(catalog: Catalog) -> None:
    made = await catalog.clients.add_key("desk", READS, 2)
    async with asking(catalog) as client:
        answers = [await client.post("/administer", headers=bearing(made.text)) for _ in range(3)]

    assert [each.status_code for each in answers] == [403, 403, 429]


@pytest.mark.usefixtures("the_clock_stands")
async def test_clients_have_limits_of_their_own(catalog: Catalog) -> None:
    one = await catalog.clients.add_key("desk", READS, 1)
    other = await catalog.clients.add_key("archive", READS, 1)
    async with asking(catalog) as client:
        answers = [await client.get("/read", headers=bearing(key.text)) for key in (one, other, one)]

    assert [each.status_code for each in answers] == [200, 200, 429]

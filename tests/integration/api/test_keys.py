"""Authentication, scopes and rate limits of API keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import httpx2
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

OPERATOR_KEY = "a key of sixteen characters"
READ_SCOPES = frozenset({Scope.READ})
RATE_HEADERS = {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"}


@pytest.fixture
def frozen_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Freeze the rate limiter's clock, so that no window ends during a test."""
    monkeypatch.setattr(memory, "time", SimpleNamespace(time=lambda: 1_800_000_030.0))


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of an empty, migrated SQLite database."""
    path = tmp_path_factory.mktemp("empty") / "autos.db"
    upgrade(f"sqlite+aiosqlite:///{path}")
    return path.read_bytes()


@pytest.fixture
async def catalog(empty_database: bytes, tmp_path: Path) -> AsyncIterator[Catalog]:
    """A catalog without keys."""
    (tmp_path / "autos.db").write_bytes(empty_database)
    catalog = Catalog(
        Database(f"sqlite+aiosqlite:///{tmp_path / 'autos.db'}"), Encryptor([Fernet.generate_key().decode()])
    )
    yield catalog
    await catalog.close()


@asynccontextmanager
async def connect_client(catalog: Catalog, api_key: str | None = None) -> AsyncIterator[httpx2.AsyncClient]:
    """Yield an HTTP client of an app that authenticates against this catalog."""
    transport = httpx2.ASGITransport(create_guarded_app(catalog, api_key))
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
        yield client


def bearer_header(key: str) -> dict[str, str]:
    """Return the Authorization header for a key."""
    return {"Authorization": f"Bearer {key}"}


async def test_key_identifies_its_client_and_limits_its_scopes(catalog: Catalog) -> None:
    desk_key = await catalog.clients.add_key("desk", READ_SCOPES, None)
    async with connect_client(catalog) as client:
        read = await client.get("/read", headers=bearer_header(desk_key.text))
        start = await client.post("/start", headers=bearer_header(desk_key.text))

    assert read.json() == {"client": "desk", "key_id": desk_key.record.id, "scopes": ["read"]}
    assert (start.status_code, start.json()["code"]) == (403, "forbidden")
    assert "download" in start.json()["detail"]


async def test_settings_key_authenticates_the_operator_alongside_client_keys(catalog: Catalog) -> None:
    desk_key = await catalog.clients.add_key("desk", READ_SCOPES, None)
    async with connect_client(catalog, OPERATOR_KEY) as client:
        operator = await client.get("/read", headers=bearer_header(OPERATOR_KEY))
        desk = await client.get("/read", headers=bearer_header(desk_key.text))
        anonymous = await client.get("/read")

    assert operator.json() == {"client": "operator", "key_id": None, "scopes": sorted(ALL_SCOPES)}
    assert not RATE_HEADERS & operator.headers.keys()
    assert desk.json()["client"] == "desk"
    assert (anonymous.status_code, anonymous.headers["www-authenticate"]) == (401, "Bearer")


async def test_first_key_ends_anonymous_access_within_a_second_and_revoking_it_does_not_restore_it(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(auth, "time", SimpleNamespace(monotonic=lambda: clock.now))
    async with connect_client(catalog) as client:
        assert (await client.get("/read")).json()["client"] == "local"
        desk_key = await catalog.clients.add_key("desk", READ_SCOPES, None)
        clock.now += 1.0
        assert (await client.get("/read")).status_code == 401
        assert (await client.get("/read", headers=bearer_header(desk_key.text))).status_code == 200
        await catalog.clients.revoke_key(desk_key.record.id)
        assert (await client.get("/read", headers=bearer_header(desk_key.text))).status_code == 401
        assert (await client.get("/read")).status_code == 401
    # An API started after the revocation refuses anonymous access too.
    async with connect_client(catalog) as client:
        assert (await client.get("/read")).status_code == 401


async def test_an_expired_key_is_refused_and_says_so_to_its_owner_alone(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = datetime.now(UTC) + timedelta(hours=1)
    desk_key = await catalog.clients.add_key("desk", READ_SCOPES, None, expires_at=ends)
    app = create_guarded_app(catalog, key_of_session=lambda request: request.cookies.get("session"))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=PUBLIC_URL) as client:
        assert (await client.get("/read", headers=bearer_header(desk_key.text))).status_code == 200
        monkeypatch.setattr(auth, "datetime", SimpleNamespace(now=lambda _: ends))
        refused = await client.get("/read", headers=bearer_header(desk_key.text))
        guessed = await client.get("/read", headers=bearer_header(desk_key.text[:-4] + "AAAA"))
        client.cookies.set("session", desk_key.text)
        session = await client.get("/read")

    for answer in (refused, guessed, session):
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"
    assert "expired at" in refused.json()["detail"]
    assert "expired" not in guessed.json()["detail"]


async def test_a_request_records_the_use_of_its_key(catalog: Catalog) -> None:
    desk_key = await catalog.clients.add_key("desk", READ_SCOPES, None)
    async with connect_client(catalog) as client:
        assert (await client.get("/read", headers=bearer_header(desk_key.text[:-1]))).status_code == 401
        await catalog.clients.close()
        [unused] = await catalog.clients.list_keys()
        assert (await client.get("/read", headers=bearer_header(desk_key.text))).status_code == 200
        await catalog.clients.close()
        [used] = await catalog.clients.list_keys()

    assert unused.last_used_at is None
    assert used.last_used_at is not None


async def test_key_with_another_keys_secret_or_altered_text_is_refused(catalog: Catalog) -> None:
    desk_key = await catalog.clients.add_key("desk", READ_SCOPES, None)
    other = await catalog.clients.add_key("archive", READ_SCOPES, None)
    secret = other.text.removeprefix(f"autos_{other.record.id}_")
    async with connect_client(catalog) as client:
        for key in (
            f"autos_{desk_key.record.id}_{secret}",
            generate_key()[1],
            desk_key.text[:-1],
            desk_key.text.upper(),
        ):
            assert (await client.get("/read", headers=bearer_header(key))).status_code == 401


async def test_unavailable_database_lets_only_the_operator_in(tmp_path: Path) -> None:
    catalog = Catalog(Database(f"sqlite+aiosqlite:///{tmp_path / 'missing' / 'autos.db'}"))
    async with connect_client(catalog) as client:
        for headers in ({}, bearer_header(generate_key()[1])):
            answer = await client.get("/read", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    async with connect_client(catalog, OPERATOR_KEY) as client:
        assert (await client.get("/read", headers=bearer_header(OPERATOR_KEY))).status_code == 200


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.one_of(st.binary(max_size=200), st.text(max_size=60).map(lambda text: b"Bearer " + text.encode())))
@example(b"Bearer " + b"\xff" * 60)
@example(b"Bearer autos_aaaaaaaa_\x00" + b"a" * 42)
@example(b"Bearer autos_" + b"a" * 100_000)
@example(b"Bearer " + "autos_ａaaaaaaa_".encode() + b"a" * 43)
@example(b"Bearer")
@example(b"")
async def test_malformed_key_is_refused_without_a_database_query(catalog: Catalog, value: bytes) -> None:
    transport = httpx2.ASGITransport(create_guarded_app(catalog, OPERATOR_KEY))
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
        with statements() as executed:
            answer = await client.get("/read", headers=[(b"Authorization", value)])

    assert answer.status_code == 401
    assert executed == []


async def test_find_client_accepts_any_text_as_a_key(catalog: Catalog) -> None:
    authenticator = Authenticator(OPERATOR_KEY, PUBLIC_URL, catalog.clients, RateLimiter())
    desk_key = await catalog.clients.add_key("desk", READ_SCOPES, None)

    assert await authenticator.find_client("\ud800") is None
    assert await authenticator.find_client(desk_key.text + "\n") is None
    client = await authenticator.find_client(desk_key.text)
    assert client is not None
    assert client.name == "desk"


async def test_header_key_takes_precedence_over_session_key(catalog: Catalog) -> None:
    desk = await catalog.clients.add_key("desk", READ_SCOPES, None)
    archive = await catalog.clients.add_key("archive", READ_SCOPES, None)
    transport = httpx2.ASGITransport(
        create_guarded_app(catalog, key_of_session=lambda request: request.cookies.get("session"))
    )
    async with httpx2.AsyncClient(
        transport=transport, base_url=PUBLIC_URL, cookies={"session": desk.text}
    ) as client:
        assert (await client.get("/read")).json()["client"] == "desk"
        assert (await client.get("/read", headers=bearer_header(archive.text))).json()["client"] == "archive"
        assert (await client.get("/read", headers=bearer_header("wrong"))).status_code == 401


async def test_log_lines_name_the_client_and_contain_no_key(catalog: Catalog) -> None:
    desk_key = await catalog.clients.add_key("desk", READ_SCOPES, None)
    async with connect_client(catalog) as client:
        with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
            await client.get("/read", headers=bearer_header(desk_key.text))

    assert [(line["event"], line["client"]) for line in lines] == [("read", "desk")]
    assert desk_key.text not in str(lines)


@pytest.mark.usefixtures("frozen_clock")
async def test_rate_limited_client_sees_its_remaining_requests_and_is_refused_above_the_limit(
    catalog: Catalog,
) -> None:
    desk_key = await catalog.clients.add_key("desk", READ_SCOPES | {Scope.DOWNLOAD}, 12)
    second = await catalog.clients.add_key("desk", READ_SCOPES, 12)
    async with connect_client(catalog) as client:
        started = await client.post("/start", headers=bearer_header(desk_key.text))
        read = await client.get("/read", headers=bearer_header(second.text))
        refused = await client.get("/read?auto_download=True", headers=bearer_header(desk_key.text))
        invalid = await client.get("/read?unknown=1", headers=bearer_header(desk_key.text))
        over = await client.get("/read", headers=bearer_header(desk_key.text))

    answers = (started, read, refused, invalid, over)
    assert [answer.status_code for answer in answers] == [200, 200, 429, 422, 429]
    assert [int(answer.headers["x-ratelimit-remaining"]) for answer in answers] == [2, 1, 1, 0, 0]
    assert {answer.headers["x-ratelimit-limit"] for answer in answers} == {"12"}
    assert all(1 <= int(answer.headers["x-ratelimit-reset"]) <= 60 for answer in answers)
    for answer in (refused, over):
        assert answer.json()["code"] == "rate_limited"
        assert 1 <= int(answer.headers["retry-after"]) <= 120
    assert "retry-after" not in invalid.headers


@pytest.mark.usefixtures("frozen_clock")
async def test_requests_refused_for_a_missing_scope_count_towards_the_rate_limit(catalog: Catalog) -> None:
    desk_key = await catalog.clients.add_key("desk", READ_SCOPES, 2)
    async with connect_client(catalog) as client:
        answers = [await client.post("/administer", headers=bearer_header(desk_key.text)) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [403, 403, 429]


@pytest.mark.usefixtures("frozen_clock")
async def test_each_client_has_its_own_rate_limit(catalog: Catalog) -> None:
    desk = await catalog.clients.add_key("desk", READ_SCOPES, 1)
    archive = await catalog.clients.add_key("archive", READ_SCOPES, 1)
    async with connect_client(catalog) as client:
        answers = [await client.get("/read", headers=bearer_header(key.text)) for key in (desk, archive, desk)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]


async def test_the_log_says_which_key_is_refused_and_why(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = datetime.now(UTC) + timedelta(days=1)
    expiring = await catalog.clients.add_key("desk", READ_SCOPES, None, expires_at=ends)
    revoked = await catalog.clients.add_key("archive", READ_SCOPES, None)
    valid = await catalog.clients.add_key("press", READ_SCOPES, None)
    await catalog.clients.revoke_key(revoked.record.id)
    monkeypatch.setattr(auth, "datetime", SimpleNamespace(now=lambda zone: ends.astimezone(zone)))
    guesses = [f"autos_{key.record.id}_{generate_key()[1][-43:]}" for key in (expiring, revoked)]
    async with connect_client(catalog) as client:
        with capture_logs() as lines:
            for key in (*guesses, generate_key()[1], expiring.text, revoked.text, valid.text):
                await client.get("/read", headers=bearer_header(key))

    # Guesses write no lines, and no line has a key.
    refused = [line for line in lines if line["event"] == "key refused"]
    assert [(line["key_id"], line["client"], line["reason"]) for line in refused] == [
        (expiring.record.id, "desk", "expired"),
        (revoked.record.id, "archive", "revoked"),
    ]
    assert not [key for key in (*guesses, expiring.text, revoked.text) if key in str(lines)]

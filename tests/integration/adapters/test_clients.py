"""Clients in the catalog: keys stored as digests, and encrypted webhook secrets that rotate."""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text, update
from structlog.testing import capture_logs

from adapters.database import Catalog, Database, key_uses
from adapters.database.client_tables import api_keys
from adapters.database.client_tables import clients as clients_table
from adapters.database.clients import ClientRepository
from adapters.security.encryption import Encryptor
from domain.clients import Client, Scope
from domain.errors import ConfigurationError, InvalidInput
from domain.keys import ApiKey, KeyExpired
from tests.support.statements import plan, statements

NOW = datetime.now(UTC)
USUAL = frozenset({Scope.READ, Scope.DOWNLOAD})


@pytest.fixture
def secret_key() -> str:
    """An encryption key."""
    return Fernet.generate_key().decode()


@pytest.fixture
async def clients(database: Database, secret_key: str) -> ClientRepository:
    """The repository of clients, empty."""
    async with database.writing() as connection:
        await connection.execute(text("DELETE FROM api_keys"))
        await connection.execute(text("DELETE FROM clients"))
    return Catalog(database, Encryptor([secret_key])).clients


async def dump_tables(database: Database) -> str:
    """Return all rows of the tables as text."""
    async with database.reading() as connection:
        return str(
            [
                (await connection.execute(text(query))).all()
                for query in ("SELECT * FROM api_keys", "SELECT * FROM clients")
            ]
        )


async def test_key_is_found_by_id_and_verified_by_text(clients: ClientRepository) -> None:
    created = await clients.add_key("desk", USUAL, 60)
    other = await clients.add_key("desk", frozenset({Scope.ADMIN}), None)

    found = await clients.find_key(created.record.id)

    assert found == created.record
    assert found.verify(created.text, NOW) == Client("desk", USUAL, created.record.id, 60)
    assert found.verify(other.text, NOW) is None
    assert await clients.find_key("aaaaaaaa") is None
    assert [key.id for key in await clients.list_keys()] == [created.record.id, other.record.id]


async def test_keys_and_secrets_are_not_in_the_database_or_in_a_repr(
    database: Database, clients: ClientRepository
) -> None:
    created = await clients.add_key("desk", USUAL, None)
    rotated = await clients.rotate_webhook_secret("desk")
    kept = await dump_tables(database)

    assert created.webhook_secret is not None
    for secret in (
        created.text,
        created.text.rpartition(f"{created.record.id}_")[2],
        created.webhook_secret,
        rotated,
    ):
        assert secret not in kept
        assert secret not in repr(created)
    assert created.record.digest in kept
    assert created.record.digest not in repr(created)


async def test_revoking_again_keeps_the_first_time(clients: ClientRepository) -> None:
    created = await clients.add_key("desk", USUAL, None)
    assert await clients.has_usable_key()

    revoked = await clients.revoke_key(created.record.id)
    again = await clients.revoke_key(created.record.id)

    assert revoked == again == await clients.find_key(created.record.id)
    assert revoked.revoked_at is not None
    assert abs(datetime.now(UTC) - revoked.revoked_at) < timedelta(minutes=1)
    assert revoked.verify(created.text, NOW) is None
    assert await clients.has_keys()
    assert not await clients.has_usable_key()


async def test_a_key_expires_by_itself(clients: ClientRepository) -> None:
    created = await clients.add_key("desk", USUAL, None, expires_at=NOW + timedelta(days=1))
    found = await clients.find_key(created.record.id)

    assert found is not None
    assert found.expires_at == NOW + timedelta(days=1)
    assert found.verify(created.text, NOW) is not None
    with pytest.raises(KeyExpired):
        found.verify(created.text, NOW + timedelta(days=1))
    # Whoever does not have the whole key is not told that it has expired.
    assert found.verify("another key", NOW + timedelta(days=1)) is None
    with pytest.raises(InvalidInput, match="in the future"):
        await clients.add_key("desk", USUAL, None, expires_at=NOW - timedelta(seconds=1))


async def test_an_expired_key_is_not_usable(database: Database, clients: ClientRepository) -> None:
    await clients.add_key("desk", USUAL, None, expires_at=NOW + timedelta(days=1))
    assert await clients.has_usable_key()
    async with database.writing() as connection:
        await connection.execute(update(api_keys).values(expires_at=NOW - timedelta(seconds=1)))
    assert not await clients.has_usable_key()
    assert await clients.has_keys()


async def test_only_the_first_key_of_all_is_the_first(clients: ClientRepository) -> None:
    first = await clients.add_key("desk", USUAL, None)
    await clients.revoke_key(first.record.id)
    assert first.is_first
    assert not (await clients.add_key("archive", USUAL, None)).is_first


async def test_uses_of_a_key_are_recorded_once_a_minute(
    database: Database, clients: ClientRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(key_uses, "time", SimpleNamespace(monotonic=lambda: clock.now))
    created = await clients.add_key("desk", USUAL, None)

    async def use_key() -> tuple[datetime | None, int]:
        """Note ten uses, and return the recorded one and how many statements that took."""
        found = await clients.find_key(created.record.id)
        assert found is not None
        with statements() as executed:
            for _ in range(10):
                clients.note_use(found)
            await clients.close()
        used = await clients.find_key(created.record.id)
        return used.last_used_at if used else None, sum("UPDATE" in statement.sql for statement in executed)

    first, updates = await use_key()
    assert first is not None
    assert updates == 1
    assert await use_key() == (first, 0)
    # Another API service has recorded nothing yet, but the key's row says when it was used.
    async with database.writing() as connection:
        await connection.execute(update(api_keys).values(last_used_at=NOW - timedelta(hours=1)))
    assert await use_key() == (NOW - timedelta(hours=1), 0)
    clock.now += 60
    later, updates = await use_key()
    assert later is not None
    assert later >= first
    assert updates == 1


async def test_a_use_that_cannot_be_recorded_is_a_debug_line(tmp_path: Path) -> None:
    broken = ClientRepository(Database(f"sqlite:///{tmp_path / 'missing' / 'autos.db'}"), None)
    with capture_logs() as lines:
        broken.note_use(ApiKey("aaaaaaaa", "desk", "", USUAL, None, NOW, None))
        await broken.close()
    assert [line["event"] for line in lines if line["log_level"] != "debug"] == []
    assert "use of a key not recorded" in [line["event"] for line in lines]


async def test_an_unknown_key_is_not_quoted_in_the_error(clients: ClientRepository) -> None:
    assert not await clients.has_keys()
    with pytest.raises(InvalidInput) as refused:
        await clients.revoke_key("autos_aaaaaaaa_secret")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "scopes", "limit"),
    [
        ("operator", USUAL, None),
        ("local", USUAL, None),
        ("Desk", USUAL, None),
        ("", USUAL, None),
        ("desk", frozenset(), None),
        ("desk", USUAL, 0),
        ("desk", USUAL, 2**31),
    ],
)
async def test_an_invalid_key_is_refused(
    clients: ClientRepository, name: str, scopes: frozenset[Scope], limit: int | None
) -> None:
    with pytest.raises(InvalidInput):
        await clients.add_key(name, scopes, limit)
    assert not await clients.has_keys()


async def test_a_client_created_concurrently_has_one_secret(clients: ClientRepository) -> None:
    created = await asyncio.gather(*(clients.add_key("desk", USUAL, None) for _ in range(6)))

    [secret] = [key.webhook_secret for key in created if key.webhook_secret is not None]
    assert len(await clients.list_keys()) == 6
    assert await clients.get_webhook_secrets("desk") == (secret,)
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32


async def test_former_secret_also_signs_for_a_day(database: Database, clients: ClientRepository) -> None:
    first = (await clients.add_key("desk", USUAL, None)).webhook_secret
    second = await clients.rotate_webhook_secret("desk")
    assert await clients.get_webhook_secrets("desk") == (second, first)

    third = await clients.rotate_webhook_secret("desk")
    assert await clients.get_webhook_secrets("desk") == (third, second)

    async with database.writing() as connection:
        ends = (await connection.execute(clients_table.select())).one().former_webhook_secret_ends_at
        assert timedelta(hours=23) < ends - datetime.now(UTC) <= timedelta(hours=24)
        await connection.execute(update(clients_table).values(former_webhook_secret_ends_at=datetime.now(UTC)))
    assert await clients.get_webhook_secrets("desk") == (third,)


async def test_operator_and_unknown_clients_have_no_secret(clients: ClientRepository) -> None:
    assert await clients.get_webhook_secrets("operator") == ()
    with pytest.raises(InvalidInput):
        await clients.rotate_webhook_secret("nobody")


async def test_without_an_encryption_key_no_client_is_created(
    database: Database, clients: ClientRepository
) -> None:
    await clients.add_key("desk", USUAL, None)
    without_key = Catalog(database).clients
    for refused in (
        without_key.add_key("archive", USUAL, None),
        without_key.rotate_webhook_secret("desk"),
        without_key.get_webhook_secrets("desk"),
    ):
        with pytest.raises(ConfigurationError, match="AUTOS_SECRET_KEY is not set"):
            await refused
    # A client that exists already can get another key.
    assert (await without_key.add_key("desk", USUAL, None)).webhook_secret is None
    assert {key.client for key in await clients.list_keys()} == {"desk"}


async def test_a_secret_encrypted_with_another_key_is_reported_and_can_be_replaced(
    database: Database, clients: ClientRepository, secret_key: str
) -> None:
    first = (await clients.add_key("desk", USUAL, None)).webhook_secret
    new_key = Fernet.generate_key().decode()
    both, alone = (Catalog(database, Encryptor(keys)).clients for keys in ([new_key, secret_key], [new_key]))
    assert await both.get_webhook_secrets("desk") == (first,)
    with pytest.raises(ConfigurationError, match=r"desk.*another AUTOS_SECRET_KEY.*rotate-secret desk"):
        await alone.get_webhook_secrets("desk")

    second = await alone.rotate_webhook_secret("desk")

    assert await alone.get_webhook_secrets("desk") == (second,)


async def test_queries_of_a_request_use_an_index(database: Database, clients: ClientRepository) -> None:
    created = await clients.add_key("desk", USUAL, None)
    with statements() as executed:
        await clients.find_key(created.record.id)
        await clients.has_keys()
        await clients.get_webhook_secrets("desk")
    plans = [await plan(database, statement) for statement in executed if statement.sql.startswith("SELECT")]

    assert len(plans) == 3
    for query_plan in plans:
        assert "Index" in query_plan or "INDEX" in query_plan

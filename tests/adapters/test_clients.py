"""Clients in the catalog: keys of which only digests are kept, and webhook secrets that are sealed and change."""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text, update

from adapters.database import Catalog, Database
from adapters.database.client_tables import clients as clients_table
from adapters.database.clients import Clients
from adapters.sealing import Seal
from domain.clients import Client, Scope
from domain.errors import ConfigurationError, InvalidInput
from tests.support.statements import plan, statements

USUAL = frozenset({Scope.READ, Scope.DOWNLOAD})


@pytest.fixture
def secret_key() -> str:
    """A key to seal with."""
    return Fernet.generate_key().decode()


@pytest.fixture
async def clients(database: Database, secret_key: str) -> Clients:
    """The room, empty."""
    async with database.writing() as connection:
        await connection.execute(text("DELETE FROM api_keys"))
        await connection.execute(text("DELETE FROM clients"))
    return Catalog(database, Seal([secret_key])).clients


async def everything(database: Database) -> str:
    """All that the tables hold."""
    async with database.reading() as connection:
        return str(
            [
                (await connection.execute(text(query))).all()
                for query in ("SELECT * FROM api_keys", "SELECT * FROM clients")
            ]
        )


async def test_a_key_is_found_by_its_id_and_opened_by_its_text_alone(clients: Clients) -> None:
    made = await clients.add_key("desk", USUAL, 60)
    other = await clients.add_key("desk", frozenset({Scope.ADMIN}), None)

    found = await clients.find(made.record.id)

    assert found == made.record
    assert found.opened_by(made.text) == Client("desk", USUAL, made.record.id, 60)
    assert found.opened_by(other.text) is None
    assert await clients.find("aaaaaaaa") is None
    assert [key.id for key in await clients.keys()] == [made.record.id, other.record.id]


async def test_neither_keys_nor_secrets_are_in_the_database_or_in_what_is_shown(
    database: Database, clients: Clients
) -> None:
    made = await clients.add_key("desk", USUAL, None)
    rotated = await clients.rotate_webhook_secret("desk")
    kept = await everything(database)

    assert made.webhook_secret is not None
    for secret in (made.text, made.text.rpartition(f"{made.record.id}_")[2], made.webhook_secret, rotated):
        assert secret not in kept
        assert secret not in repr(made)
    assert made.record.digest in kept
    assert made.record.digest not in repr(made)


async def test_a_revoked_key_stays_revoked_since_then(clients: Clients) -> None:
    made = await clients.add_key("desk", USUAL, None)
    assert await clients.any_usable_key()

    revoked = await clients.revoke(made.record.id)
    again = await clients.revoke(made.record.id)

    assert revoked == again == await clients.find(made.record.id)
    assert revoked.revoked_at is not None
    assert abs(datetime.now(UTC) - revoked.revoked_at) < timedelta(minutes=1)
    assert revoked.opened_by(made.text) is None
    assert await clients.any_keys()
    assert not await clients.any_usable_key()


async def test_an_unknown_key_is_refused_without_being_quoted(clients: Clients) -> None:
    assert not await clients.any_keys()
    with pytest.raises(InvalidInput) as refused:
        await clients.revoke("autos_aaaaaaaa_secret")
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
async def test_what_cannot_be_a_key_is_refused(
    clients: Clients, name: str, scopes: frozenset[Scope], limit: int | None
) -> None:
    with pytest.raises(InvalidInput):
        await clients.add_key(name, scopes, limit)
    assert not await clients.any_keys()


async def test_a_client_made_twice_at_once_has_one_secret(clients: Clients) -> None:
    made = await asyncio.gather(*(clients.add_key("desk", USUAL, None) for _ in range(6)))

    [secret] = [key.webhook_secret for key in made if key.webhook_secret is not None]
    assert len(await clients.keys()) == 6
    assert await clients.webhook_secrets("desk") == (secret,)
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32


async def test_the_former_secret_signs_beside_the_new_one_for_a_day(database: Database, clients: Clients) -> None:
    first = (await clients.add_key("desk", USUAL, None)).webhook_secret
    second = await clients.rotate_webhook_secret("desk")
    assert await clients.webhook_secrets("desk") == (second, first)

    third = await clients.rotate_webhook_secret("desk")
    assert await clients.webhook_secrets("desk") == (third, second)

    async with database.writing() as connection:
        ends = (await connection.execute(clients_table.select())).one().former_webhook_secret_ends_at
        assert timedelta(hours=23) < ends - datetime.now(UTC) <= timedelta(hours=24)
        await connection.execute(update(clients_table).values(former_webhook_secret_ends_at=datetime.now(UTC)))
    assert await clients.webhook_secrets("desk") == (third,)


async def test_who_has_no_secret_of_its_own_is_told_apart(clients: Clients) -> None:
    assert await clients.webhook_secrets("operator") == ()
    with pytest.raises(InvalidInput):
        await clients.rotate_webhook_secret("nobody")


async def test_without_a_key_to_seal_with_no_client_is_made(database: Database, clients: Clients) -> None:
    await clients.add_key("desk", USUAL, None)
    unsealed = Catalog(database).clients
    for refused in (
        unsealed.add_key("archive", USUAL, None),
        unsealed.rotate_webhook_secret("desk"),
        unsealed.webhook_secrets("desk"),
    ):
        with pytest.raises(ConfigurationError, match="AUTOS_SECRET_KEY is not set"):
            await refused
    # A client that there is needs no more than a key.
    assert (await unsealed.add_key("desk", USUAL, None)).webhook_secret is None
    assert {key.client for key in await clients.keys()} == {"desk"}


async def test_a_secret_sealed_with_another_key_is_named_and_can_be_replaced(
    database: Database, clients: Clients, secret_key: str
) -> None:
    first = (await clients.add_key("desk", USUAL, None)).webhook_secret
    new_key = Fernet.generate_key().decode()
    both, alone = (Catalog(database, Seal(keys)).clients for keys in ([new_key, secret_key], [new_key]))
    assert await both.webhook_secrets("desk") == (first,)
    with pytest.raises(ConfigurationError, match=r"desk.*another AUTOS_SECRET_KEY.*rotate-secret desk"):
        await alone.webhook_secrets("desk")

    second = await alone.rotate_webhook_secret("desk")

    assert await alone.webhook_secrets("desk") == (second,)


async def test_a_request_finds_its_key_by_an_index(database: Database, clients: Clients) -> None:
    made = await clients.add_key("desk", USUAL, None)
    with statements() as said:
        await clients.find(made.record.id)
        await clients.any_keys()
        await clients.webhook_secrets("desk")
    plans = [await plan(database, one) for one in said if one.sql.startswith("SELECT")]

    assert len(plans) == 3
    for one in plans:
        assert "Index" in one or "INDEX" in one

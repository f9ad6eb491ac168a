"""Clients: their API keys, stored as digests, and their encrypted webhook secrets."""

from __future__ import annotations

import base64
import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Row, func, literal, select, update

from adapters.database.client_tables import api_keys, clients
from adapters.database.encrypted_columns import WEBHOOK_SECRETS, require_encryptor
from adapters.database.engine import Database
from adapters.database.key_uses import KeyUses
from adapters.database.upserts import insert_into
from domain.clients import Scope, check_client_name
from domain.errors import ConfigurationError, InvalidInput
from domain.keys import MAX_REQUESTS_PER_MINUTE, RESERVED_NAMES, ApiKey, NewKey, generate_key, hash_key

if TYPE_CHECKING:
    from adapters.security.encryption import Encryptor

FORMER_SECRET_LIFETIME = timedelta(hours=24)


class ClientRepository:
    """The tables of clients and API keys.

    Args:
        database: The database.
        encryptor: Encrypts the webhook secrets. None if the deployment stores none.
    """

    def __init__(self, database: Database, encryptor: Encryptor | None) -> None:
        self._database = database
        self._encryptor = encryptor
        self._uses = KeyUses(database)

    async def add_key(
        self,
        client: str,
        scopes: frozenset[Scope],
        requests_per_minute: int | None,
        *,
        expires_at: datetime | None = None,
    ) -> NewKey:
        """Create an API key. A client is created with its first key, and gets its webhook secret then.

        Args:
            client: The client's name.
            scopes: The scopes of the key.
            requests_per_minute: The key's rate limit. None means no limit.
            expires_at: When the key stops being valid. None means never.

        Raises:
            InvalidInput: The name, the scopes, the limit or the expiry is not valid.
            ConfigurationError: There is no key to encrypt the new client's webhook secret with.
        """
        _check_new_key(client, scopes, requests_per_minute)
        now = datetime.now(UTC)
        if expires_at is not None and expires_at <= now:
            raise InvalidInput("A key must expire in the future.", field="expires_at")
        key_id, text = generate_key()
        record = ApiKey(key_id, client, hash_key(text), scopes, requests_per_minute, now, None, expires_at)
        async with self._database.writing() as connection:
            is_first = (await connection.execute(select(api_keys.c.id).limit(1))).first() is None
            known = await connection.execute(select(clients.c.name).where(clients.c.name == client))
            secret = _generate_secret() if known.one_or_none() is None else None
            if secret is not None:
                inserted = await connection.execute(
                    insert_into(connection, clients).on_conflict_do_nothing().returning(clients.c.name),
                    {
                        "name": client,
                        "webhook_secret": require_encryptor(self._encryptor, WEBHOOK_SECRETS).encrypt(secret),
                        "created_at": now,
                    },
                )
                # Another request has created the client meanwhile: then its secret is the one that is stored.
                secret = secret if inserted.one_or_none() is not None else None
            await connection.execute(
                insert_into(connection, api_keys),
                {
                    "id": record.id,
                    "client": client,
                    "digest": record.digest,
                    "scopes": sorted(scopes),
                    "requests_per_minute": requests_per_minute,
                    "created_at": now,
                    "expires_at": expires_at,
                },
            )
        return NewKey(record, text, secret, is_first)

    async def find_key(self, key_id: str) -> ApiKey | None:
        """Return a key by its id, even if it is revoked or expired. None if there is no such key."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(api_keys).where(api_keys.c.id == key_id))).one_or_none()
        return None if row is None else _to_key(row)

    def note_use(self, key: ApiKey) -> None:
        """Have the use of a key recorded in the background, at most once a minute."""
        self._uses.note(key)

    async def close(self) -> None:
        """Wait a moment for the uses of keys that are being recorded."""
        await self._uses.close()

    async def list_keys(self) -> list[ApiKey]:
        """Return every key, including revoked and expired ones, ordered by client and age."""
        query = select(api_keys).order_by(api_keys.c.client, api_keys.c.created_at, api_keys.c.id)
        async with self._database.reading() as connection:
            return [_to_key(row) for row in await connection.execute(query)]

    async def has_keys(self) -> bool:
        """Return whether a key was ever created. Revoked keys count."""
        async with self._database.reading() as connection:
            return (await connection.execute(select(api_keys.c.id).limit(1))).first() is not None

    async def has_usable_key(self) -> bool:
        """Return whether there is a key that is neither revoked nor expired."""
        now = datetime.now(UTC)
        return any(key.is_valid(now) for key in await self.list_keys())

    async def revoke_key(self, key_id: str) -> ApiKey:
        """Revoke a key from the next request on. Idempotent.

        Raises:
            InvalidInput: No key has this id.
        """
        now = literal(datetime.now(UTC), api_keys.c.revoked_at.type)
        async with self._database.writing() as connection:
            row = (
                await connection.execute(
                    update(api_keys)
                    .where(api_keys.c.id == key_id)
                    .values(revoked_at=func.coalesce(api_keys.c.revoked_at, now))
                    .returning(*api_keys.c)
                )
            ).one_or_none()
        if row is None:
            # The input is not quoted: it may be a whole key.
            raise InvalidInput("No key has this id. `autos key list` shows them all.", field="id")
        return _to_key(row)

    async def get_webhook_secrets(self, client: str) -> tuple[str, ...]:
        """Return the secrets that currently sign a client's webhooks: its own, and the former one until it expires.

        Returns:
            Empty for a client without its own secret, such as the operator.

        Raises:
            ConfigurationError: There is no key that decrypts a secret.
        """
        async with self._database.reading() as connection:
            row = (await connection.execute(select(clients).where(clients.c.name == client))).one_or_none()
        if row is None:
            return ()
        current = self._decrypt_secret(client, row.webhook_secret)
        ends_at = row.former_webhook_secret_ends_at
        if row.former_webhook_secret is None or ends_at is None or ends_at <= datetime.now(UTC):
            return (current,)
        return current, self._decrypt_secret(client, row.former_webhook_secret)

    async def rotate_webhook_secret(self, client: str) -> str:
        """Create a new webhook secret for a client, and return it.

        The secret before it also signs for another 24 hours. Older ones end now.

        Raises:
            InvalidInput: There is no such client.
            ConfigurationError: There is no key to encrypt it with.
        """
        encryptor = require_encryptor(self._encryptor, WEBHOOK_SECRETS)
        now, secret = datetime.now(UTC), _generate_secret()
        async with self._database.writing() as connection:
            row = (
                await connection.execute(select(clients).where(clients.c.name == client).with_for_update())
            ).one_or_none()
            if row is None:
                raise InvalidInput("There is no client of this name. `autos key list` shows them.", field="name")
            try:
                former = encryptor.encrypt(encryptor.decrypt(row.webhook_secret))
            except ConfigurationError:
                former = None  # Encrypted with a key that is gone: nobody can sign with it any more.
            await connection.execute(
                update(clients)
                .where(clients.c.name == client)
                .values(
                    webhook_secret=encryptor.encrypt(secret),
                    former_webhook_secret=former,
                    former_webhook_secret_ends_at=now + FORMER_SECRET_LIFETIME if former else None,
                )
            )
        return secret

    def _decrypt_secret(self, client: str, encrypted: str) -> str:
        encryptor = require_encryptor(self._encryptor, WEBHOOK_SECRETS)
        try:
            return encryptor.decrypt(encrypted)
        except ConfigurationError:
            raise ConfigurationError(
                f"The webhook secret of the client {client} was encrypted with another AUTOS_SECRET_KEY: add that "
                "key after the new one, separated by a comma, or give the client a new secret "
                f"(`autos key rotate-secret {client}`)."
            ) from None


def _check_new_key(client: str, scopes: frozenset[Scope], requests_per_minute: int | None) -> None:
    check_client_name(client)
    if client in RESERVED_NAMES:
        raise InvalidInput(f"The name {client} is taken: choose another one.", field="name")
    if not scopes:
        raise InvalidInput("A key needs at least one scope.", field="scopes")
    if requests_per_minute is not None and not 1 <= requests_per_minute <= MAX_REQUESTS_PER_MINUTE:
        raise InvalidInput(
            f"A key's limit is 1 to {MAX_REQUESTS_PER_MINUTE} requests a minute, or none.",
            field="requests_per_minute",
        )


def _generate_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def _to_key(row: Row[tuple[object, ...]]) -> ApiKey:
    return ApiKey(
        id=row.id,
        client=row.client,
        digest=row.digest,
        scopes=frozenset(Scope(scope) for scope in row.scopes),
        requests_per_minute=row.requests_per_minute,
        created_at=row.created_at,
        revoked_at=row.revoked_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
    )

"""Clients: their keys, of which only digests are kept, and the secrets that sign their webhooks."""

from __future__ import annotations

import base64
import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Row, func, literal, select, update

from adapters.database.client_tables import api_keys, clients
from adapters.database.engine import Database
from adapters.database.upserts import insert_into
from domain.clients import Scope, check_client_name
from domain.errors import ConfigurationError, InvalidInput
from domain.keys import MOST_REQUESTS_PER_MINUTE, RESERVED_NAMES, ApiKey, NewKey, digest_of_key, new_key

if TYPE_CHECKING:
    from adapters.sealing import Seal

FORMER_SECRET_SIGNS_FOR = timedelta(hours=24)


class Clients:
    """The clients' two tables.

    Args:
        seal: closes and opens the webhook secrets; none on a deployment that stores none.
    """

    def __init__(self, database: Database, seal: Seal | None) -> None:
        self._database = database
        self._seal = seal

    async def add_key(self, client: str, scopes: frozenset[Scope], requests_per_minute: int | None) -> NewKey:
        """Make a key. The client is made with its first one, and is given a webhook secret then.

        Args:
            client: the client's name.
            scopes: what the key lets its client do.
            requests_per_minute: the key's rate limit; none is no limit.

        Raises:
            InvalidInput: the name, the scopes or the limit cannot be used.
            ConfigurationError: there is no key to seal the new client's webhook secret with.
        """
        _check(client, scopes, requests_per_minute)
        now = datetime.now(UTC)
        key_id, text = new_key()
        record = ApiKey(key_id, client, digest_of_key(text), scopes, requests_per_minute, now, None)
        async with self._database.writing() as connection:
            known = await connection.execute(select(clients.c.name).where(clients.c.name == client))
            secret = _new_secret() if known.one_or_none() is None else None
            if secret is not None:
                made = await connection.execute(
                    insert_into(connection, clients).on_conflict_do_nothing().returning(clients.c.name),
                    {"name": client, "webhook_secret": self._need_seal().close(secret), "created_at": now},
                )
                # None if somebody else has made the client meanwhile: then it has that one's secret.
                secret = secret if made.one_or_none() is not None else None
            await connection.execute(
                insert_into(connection, api_keys),
                {
                    "id": record.id,
                    "client": client,
                    "digest": record.digest,
                    "scopes": sorted(scopes),
                    "requests_per_minute": requests_per_minute,
                    "created_at": now,
                },
            )
        return NewKey(record, text, secret)

    async def find(self, key_id: str) -> ApiKey | None:
        """What is kept of the key with this id, be it revoked or not; none if there never was one."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(api_keys).where(api_keys.c.id == key_id))).one_or_none()
        return None if row is None else _key(row)

    async def keys(self) -> list[ApiKey]:
        """Every key, revoked ones too, by client and age."""
        query = select(api_keys).order_by(api_keys.c.client, api_keys.c.created_at, api_keys.c.id)
        async with self._database.reading() as connection:
            return [_key(row) for row in await connection.execute(query)]

    async def any_keys(self) -> bool:
        """Whether a key was ever made. Revoking does not undo that."""
        async with self._database.reading() as connection:
            return (await connection.execute(select(api_keys.c.id).limit(1))).first() is not None

    async def any_usable_key(self) -> bool:
        """Whether there is a key that lets anybody in."""
        usable = select(api_keys.c.id).where(api_keys.c.revoked_at.is_(None)).limit(1)
        async with self._database.reading() as connection:
            return (await connection.execute(usable)).first() is not None

    async def revoke(self, key_id: str) -> ApiKey:
        """End a key: it is dead from the next request on. Revoking it again changes nothing.

        Raises:
            InvalidInput: no key has this id.
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
            # What was given is not quoted: it may be a whole key.
            raise InvalidInput("No key has this id. `autos key list` shows them all.", field="id")
        return _key(row)

    async def webhook_secrets(self, client: str) -> tuple[str, ...]:
        """What a client's webhooks are signed with now: its secret, and the former one until that ends.

        Returns:
            None at all for a client that has no secret of its own, as the operator has none.

        Raises:
            ConfigurationError: a secret cannot be opened.
        """
        async with self._database.reading() as connection:
            row = (await connection.execute(select(clients).where(clients.c.name == client))).one_or_none()
        if row is None:
            return ()
        present = self._open(client, row.webhook_secret)
        ends_at = row.former_webhook_secret_ends_at
        if row.former_webhook_secret is None or ends_at is None or ends_at <= datetime.now(UTC):
            return (present,)
        return present, self._open(client, row.former_webhook_secret)

    async def rotate_webhook_secret(self, client: str) -> str:
        """Give a client a new webhook secret. The one before signs beside it for 24 hours; earlier ones end now.

        Raises:
            InvalidInput: there is no such client.
            ConfigurationError: there is no key to seal it with.
        """
        seal, now, secret = self._need_seal(), datetime.now(UTC), _new_secret()
        async with self._database.writing() as connection:
            row = (
                await connection.execute(select(clients).where(clients.c.name == client).with_for_update())
            ).one_or_none()
            if row is None:
                raise InvalidInput("There is no client of this name. `autos key list` shows them.", field="name")
            try:
                former = seal.close(seal.open(row.webhook_secret))
            except ConfigurationError:
                former = None  # Nobody can sign with it any more.
            await connection.execute(
                update(clients)
                .where(clients.c.name == client)
                .values(
                    webhook_secret=seal.close(secret),
                    former_webhook_secret=former,
                    former_webhook_secret_ends_at=now + FORMER_SECRET_SIGNS_FOR if former else None,
                )
            )
        return secret

    def _open(self, client: str, sealed: str) -> str:
        seal = self._need_seal()
        try:
            return seal.open(sealed)
        except ConfigurationError:
            raise ConfigurationError(
                f"The webhook secret of the client {client} was sealed with another AUTOS_SECRET_KEY: set that key "
                "behind the new one, with a comma between them, or give the client a new secret "
                f"(`autos key rotate-secret {client}`)."
            ) from None

    def _need_seal(self) -> Seal:
        if self._seal is None:
            raise ConfigurationError(
                "AUTOS_SECRET_KEY is not set: without it, webhook secrets are neither stored nor read. "
                "Set it to the URL-safe base64 of 32 random bytes, the same for the API and the workers."
            )
        return self._seal


def _check(client: str, scopes: frozenset[Scope], requests_per_minute: int | None) -> None:
    check_client_name(client)
    if client in RESERVED_NAMES:
        raise InvalidInput(f"The name {client} is taken: choose another one.", field="name")
    if not scopes:
        raise InvalidInput("A key needs at least one scope.", field="scopes")
    if requests_per_minute is not None and not 1 <= requests_per_minute <= MOST_REQUESTS_PER_MINUTE:
        raise InvalidInput(
            f"A key's limit is 1 to {MOST_REQUESTS_PER_MINUTE} requests a minute, or none.",
            field="requests_per_minute",
        )


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def _key(row: Row[tuple[object, ...]]) -> ApiKey:
    return ApiKey(
        id=row.id,
        client=row.client,
        digest=row.digest,
        scopes=frozenset(Scope(scope) for scope in row.scopes),
        requests_per_minute=row.requests_per_minute,
        created_at=row.created_at,
        revoked_at=row.revoked_at,
    )

"""Candidate credentials: brought while valid ones were in use, and kept until they have been tried at the court."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.court_state import replace_credentials, to_token_report
from adapters.database.deployment_tables import SINGLE_ROW_ID, court, court_candidate
from adapters.database.encrypted_columns import (
    CREDENTIALS,
    decrypt_credentials,
    encrypt_credentials,
    require_encryptor,
)
from adapters.database.engine import Database, read_clock
from adapters.database.upserts import insert_into
from domain.court import Credentials, Verdict
from domain.errors import FailureCode

if TYPE_CHECKING:
    from adapters.security.encryption import Encryptor

_NO_TOKENS = {"access_token": None, "refresh_token": None}


class CandidateCredentialsRepository:
    """The deployment's single row of candidate credentials.

    Args:
        database: The database.
        encryptor: Encrypts the tokens. None if the deployment stores none.
    """

    def __init__(self, database: Database, encryptor: Encryptor | None) -> None:
        self._database = database
        self._encryptor = encryptor

    async def propose(self, credentials: Credentials) -> int | None:
        """Keep credentials until they have been tried. If no valid ones are in use, use them at once.

        Returns:
            The candidate's version. None if the credentials are in use already.

        Raises:
            ConfigurationError: There is no key to encrypt them with.
        """
        values = encrypt_credentials(credentials, require_encryptor(self._encryptor, CREDENTIALS))
        async with self._database.writing() as connection:
            if not await _has_usable_credentials(connection):
                await _activate(connection, values)
                await connection.execute(update(court_candidate).values(**_NO_TOKENS, verdict=Verdict.SUPERSEDED))
                return None
            result = await connection.execute(
                insert_into(connection, court_candidate)
                .on_conflict_do_update(
                    index_elements=["id"],
                    set_={**values, "verdict": Verdict.PENDING, "version": court_candidate.c.version + 1},
                )
                .returning(court_candidate.c.version),
                {"id": SINGLE_ROW_ID, **values, "verdict": Verdict.PENDING, "version": 1},
            )
            version: int = result.scalar_one()
            return version

    async def get_verdict(self, version: int | None = None) -> Verdict | None:
        """Return the verdict on a candidate, or on the latest one. None if there never was one."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(court_candidate))).one_or_none()
        if row is None:
            return None
        return Verdict(row.verdict) if version in (None, row.version) else Verdict.SUPERSEDED

    async def get_pending_version(self) -> int:
        """Return the version of the pending candidate. 0 if there is none."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(court_candidate))).one_or_none()
        return row.version if row is not None and row.verdict == Verdict.PENDING else 0

    async def get_pending(self) -> Credentials | None:
        """Return the pending candidate, decrypted, with its version. None if there is none.

        Raises:
            ConfigurationError: There is no key that decrypts it.
        """
        async with self._database.reading() as connection:
            row = (await connection.execute(select(court_candidate))).one_or_none()
        if row is None or row.verdict != Verdict.PENDING:
            return None
        return decrypt_credentials(row, require_encryptor(self._encryptor, CREDENTIALS))

    async def accept(self, credentials: Credentials, version: int) -> bool:
        """Replace the credentials in use by a candidate that the court has accepted.

        Args:
            credentials: The candidate, or the credentials that its refresh token was exchanged for.
            version: The candidate's version.

        Returns:
            False if another candidate has replaced it meanwhile. Then nothing is changed.
        """
        values = encrypt_credentials(credentials, require_encryptor(self._encryptor, CREDENTIALS))
        async with self._database.writing() as connection:
            if not await _record_verdict(connection, version, Verdict.TAKEN):
                return False
            await _activate(connection, values)
            return True

    async def refuse(self, version: int) -> bool:
        """Drop a candidate that the court refused. Return False if another one has replaced it meanwhile."""
        async with self._database.writing() as connection:
            return await _record_verdict(connection, version, Verdict.REFUSED)


async def _record_verdict(connection: AsyncConnection, version: int, verdict: Verdict) -> bool:
    updated = await connection.execute(
        update(court_candidate)
        .where(court_candidate.c.version == version, court_candidate.c.verdict == Verdict.PENDING)
        .values(**_NO_TOKENS, verdict=verdict)
    )
    return updated.rowcount == 1


async def _has_usable_credentials(connection: AsyncConnection) -> bool:
    row = (await connection.execute(select(court).with_for_update())).one_or_none()
    if row is None or row.failure_code == FailureCode.CREDENTIALS_REJECTED:
        return False
    return to_token_report(row).is_usable(await read_clock(connection))


async def _activate(connection: AsyncConnection, values: dict[str, Any]) -> None:
    await replace_credentials(connection, values)
    token_columns = {
        "token_source": "stored",
        "token_expires_at": values["expires_at"],
        "token_renewable": values["refresh_token"] is not None,
        "token_rejected": False,
    }
    await connection.execute(
        insert_into(connection, court).on_conflict_do_update(index_elements=["id"], set_=token_columns),
        {"id": SINGLE_ROW_ID, **token_columns},
    )

"""Credentials that were brought while good ones were in use, until the court has been asked which it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.court import needed, replace_credentials, sealed, token_report
from adapters.database.engine import Database, read_clock
from adapters.database.tables import court, court_candidate
from adapters.database.upserts import insert_into
from domain.court import Credentials, Verdict
from domain.errors import FailureCode

if TYPE_CHECKING:
    from adapters.sealing import Seal

_THE_ROW = 1
_NO_TOKENS = {"access_token": None, "refresh_token": None}


class CourtCandidateRepository:
    """The one candidate of the deployment.

    Args:
        seal: Closes and opens the tokens. None on a deployment that stores none.
    """

    def __init__(self, database: Database, seal: Seal | None) -> None:
        self._database = database
        self._seal = seal

    async def propose(self, credentials: Credentials) -> int | None:
        """Keep credentials until they have been tried. Put them to use at once if nothing good is in use.

        Returns:
            The candidate's version. None if they are in use.

        Raises:
            ConfigurationError: There is no key to seal them with.
        """
        values = sealed(credentials, needed(self._seal))
        async with self._database.writing() as connection:
            if not await _is_good_in_use(connection):
                await _put_to_use(connection, values)
                await connection.execute(update(court_candidate).values(**_NO_TOKENS, verdict=Verdict.SUPERSEDED))
                return None
            row = await connection.execute(
                insert_into(connection, court_candidate)
                .on_conflict_do_update(
                    index_elements=["id"],
                    set_={**values, "verdict": Verdict.PENDING, "version": court_candidate.c.version + 1},
                )
                .returning(court_candidate.c.version),
                {"id": _THE_ROW, **values, "verdict": Verdict.PENDING, "version": 1},
            )
            version: int = row.scalar_one()
            return version

    async def verdict(self, version: int | None = None) -> Verdict | None:
        """Return what became of a candidate, or of the latest one. None if there never was one."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(court_candidate))).one_or_none()
        if row is None:
            return None
        return Verdict(row.verdict) if version in (None, row.version) else Verdict.SUPERSEDED

    async def pending_version(self) -> int:
        """Return the version of the candidate that is to be tried. 0 if there is none."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(court_candidate))).one_or_none()
        return row.version if row is not None and row.verdict == Verdict.PENDING else 0

    async def pending(self) -> Credentials | None:
        """Return the candidate that is to be tried, with its version. None if there is none.

        Raises:
            ConfigurationError: It cannot be opened.
        """
        async with self._database.reading() as connection:
            row = (await connection.execute(select(court_candidate))).one_or_none()
        if row is None or row.verdict != Verdict.PENDING:
            return None
        seal = needed(self._seal)
        return Credentials(
            access_token=row.access_token and seal.open(row.access_token),
            refresh_token=row.refresh_token and seal.open(row.refresh_token),
            expires_at=row.expires_at,
            refresh_expires_at=row.refresh_expires_at,
            version=row.version,
        )

    async def take(self, credentials: Credentials, version: int) -> bool:
        """Put a candidate to use, in the place of what is there.

        Args:
            credentials: The candidate, or what it was traded for at the sign-in.
            version: The candidate's.

        Returns:
            False if another candidate has come meanwhile. Then nothing is changed.
        """
        values = sealed(credentials, needed(self._seal))
        async with self._database.writing() as connection:
            if not await _settle(connection, version, Verdict.TAKEN):
                return False
            await _put_to_use(connection, values)
            return True

    async def refuse(self, version: int) -> bool:
        """Drop a candidate that the court refuses. Returns False if another one has come meanwhile."""
        async with self._database.writing() as connection:
            return await _settle(connection, version, Verdict.REFUSED)


async def _settle(connection: AsyncConnection, version: int, verdict: Verdict) -> bool:
    settled = await connection.execute(
        update(court_candidate)
        .where(court_candidate.c.version == version, court_candidate.c.verdict == Verdict.PENDING)
        .values(**_NO_TOKENS, verdict=verdict)
    )
    return settled.rowcount == 1


async def _is_good_in_use(connection: AsyncConnection) -> bool:
    row = (await connection.execute(select(court).with_for_update())).one_or_none()
    if row is None or row.failure_code == FailureCode.CREDENTIALS_REJECTED:
        return False
    return token_report(row).is_good(await read_clock(connection))


async def _put_to_use(connection: AsyncConnection, values: dict[str, Any]) -> None:
    await replace_credentials(connection, values)
    reported = {
        "token_source": "stored",
        "token_expires_at": values["expires_at"],
        "token_renewable": values["refresh_token"] is not None,
        "token_rejected": False,
    }
    await connection.execute(
        insert_into(connection, court).on_conflict_do_update(index_elements=["id"], set_=reported),
        {"id": _THE_ROW, **reported},
    )

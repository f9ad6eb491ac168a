"""What is known of the court, and the sealed credentials: one row each, shared by the whole deployment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.engine import Database, read_clock
from adapters.database.tables import court, court_credentials
from adapters.database.upserts import insert_into
from domain.court import CourtState, Credentials, FailureReport, TokenReport
from domain.errors import ConfigurationError, CourtFailure, FailureCode

if TYPE_CHECKING:
    from adapters.sealing import Seal

_THE_ROW = 1
# A court that fails again so soon at the same process did not work in between: the delay stays what it was.
_RELAPSE = timedelta(minutes=2)
# One process at which a working court fails more often than this holds up nobody but itself.
_MOST_RELAPSES = 2


class Court:
    """The court's two tables.

    Args:
        seal: closes and opens the credentials; none on a deployment that stores none.
    """

    def __init__(self, database: Database, seal: Seal | None) -> None:
        self._database = database
        self._seal = seal

    async def state(self) -> CourtState:
        """Return the circuit in front of the court as it is now."""
        return (await self.overview())[0]

    async def overview(self) -> tuple[CourtState, TokenReport]:
        """Return the circuit, and what may be told of the token in use."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(court))).one_or_none()
            read_at = await read_clock(connection)
        if row is None:
            return CourtState(read_at=read_at), TokenReport()
        return _state(row, read_at), token_report(row)

    async def open_circuit(
        self, failure: CourtFailure, *, process_number: str, generation: int, token: str | None
    ) -> FailureReport:
        """Open the deployment-wide circuit breaker, so that nobody asks the court until a probe is answered.

        When the circuit has closed time and again, and the court fails soon after at the same process, the trouble
        is that process's own.

        Args:
            failure: What the court answered.
            process_number: The process that the request was about.
            generation: The circuit's generation as it was read before the request.
            token: The mark of the token that the request was sent with.
        """
        async with self._database.writing() as connection:
            known = await _locked(connection)
            now = known.clock
            not_before = now + timedelta(seconds=failure.retry_after) if failure.retry_after else None
            if known.failure_code is not None:
                if not_before and (known.not_before is None or known.not_before < not_before):
                    await _set(connection, not_before=not_before)
                return FailureReport.IGNORED
            if known.generation != generation:
                return FailureReport.IGNORED
            closed_lately = known.since is not None and now - known.since < _RELAPSE
            relapses = known.relapses + 1 if closed_lately and known.process_number == process_number else 0
            if relapses > _MOST_RELAPSES and failure.code is not FailureCode.CREDENTIALS_REJECTED:
                return FailureReport.NOT_THE_COURT
            await _set(
                connection,
                generation=known.generation + 1,
                failure_code=failure.code,
                failure_answer=failure.answer,
                process_number=process_number,
                since=now,
                asked_at=now,
                refused_token=token,
                relapses=relapses,
                not_before=not_before,
                probes=known.probes if relapses else 0,
                next_probe_at=None,
            )
            return FailureReport.OPENED

    async def close_circuit(self) -> None:
        """Close the circuit after a probe that was answered."""
        async with self._database.writing() as connection:
            known = await _locked(connection)
            if known.failure_code is not None:
                await _set(
                    connection,
                    generation=known.generation + 1,
                    failure_code=None,
                    failure_answer=None,
                    since=known.clock,
                    not_before=None,
                    next_probe_at=None,
                )

    async def record_failed_probe(self, failure: CourtFailure, *, token: str | None) -> None:
        """Count a probe that failed, and keep its reason as the latest. No effect on a closed circuit."""
        async with self._database.writing() as connection:
            known = await _locked(connection)
            now = known.clock
            if known.failure_code is not None:
                await _set(
                    connection,
                    failure_code=failure.code,
                    failure_answer=failure.answer,
                    not_before=now + timedelta(seconds=failure.retry_after) if failure.retry_after else None,
                    asked_at=now,
                    refused_token=token,
                    probes=known.probes + 1,
                    next_probe_at=None,
                )

    async def plan_probe(self, due_at: datetime) -> None:
        """Record when the next probe is due, by the database's clock."""
        async with self._database.writing() as connection:
            await connection.execute(
                update(court).where(court.c.failure_code.is_not(None)).values(next_probe_at=due_at)
            )

    async def claim_check(self, due_at: datetime, *, overdue_before: datetime) -> bool:
        """Atomically claim the task of waking the monitor. Returns True for exactly one caller.

        Args:
            due_at: When a probe is due, for the others to go by meanwhile.
            overdue_before: A probe that was due before this has nobody who makes it.
        """
        unplanned = or_(court.c.next_probe_at.is_(None), court.c.next_probe_at < overdue_before)
        async with self._database.writing() as connection:
            claimed = await connection.execute(
                update(court).where(court.c.failure_code.is_not(None), unplanned).values(next_probe_at=due_at)
            )
            return claimed.rowcount == 1

    async def report_token(self, report: TokenReport) -> None:
        """Note what may be told of the token in use."""
        async with self._database.writing() as connection:
            await _locked(connection)
            await _set(
                connection,
                token_source=report.source,
                token_expires_at=report.expires_at,
                token_renewable=report.renewable,
                token_rejected=report.rejected,
            )

    async def credentials(self) -> Credentials | None:
        """The stored credentials; none if none were ever stored.

        Raises:
            ConfigurationError: they cannot be opened.
        """
        async with self._database.reading() as connection:
            row = (await connection.execute(select(court_credentials))).one_or_none()
        if row is None:
            return None
        seal = self._need_seal()
        return Credentials(
            access_token=row.access_token and seal.open(row.access_token),
            refresh_token=row.refresh_token and seal.open(row.refresh_token),
            expires_at=row.expires_at,
            refresh_expires_at=row.refresh_expires_at,
            stored_at=row.stored_at,
            version=row.version,
        )

    async def store_credentials(self, credentials: Credentials, *, instead_of: int | None = None) -> bool:
        """Store new credentials, sealed, both tokens in one step.

        Args:
            credentials: what to store; their moment and version are given here.
            instead_of: the version that they come from; none puts them in the place of whatever is there.

        Returns:
            False if the version there is another by now: then nothing is changed.

        Raises:
            ConfigurationError: there is no key to seal them with.
        """
        values = sealed(credentials, self._need_seal())
        async with self._database.writing() as connection:
            if instead_of is not None:
                values["stored_at"] = datetime.now(UTC)
                changed = await connection.execute(
                    update(court_credentials)
                    .where(court_credentials.c.version == instead_of)
                    .values(**values, version=instead_of + 1)
                )
                return changed.rowcount == 1
            await replace_credentials(connection, values)
        return True

    async def drop_refresh_token(self, version: int) -> None:
        """Forget a refresh token that serves no more, unless other credentials have come since this version."""
        async with self._database.writing() as connection:
            await connection.execute(
                update(court_credentials)
                .where(court_credentials.c.version == version)
                .values(refresh_token=None, refresh_expires_at=None, version=version + 1)
            )

    def _need_seal(self) -> Seal:
        return needed(self._seal)


def needed(seal: Seal | None) -> Seal:
    """Return the seal.

    Raises:
        ConfigurationError: There is none.
    """
    if seal is None:
        raise ConfigurationError(
            "AUTOS_SECRET_KEY is not set: without it, credentials are neither stored nor read. "
            "Set it to the URL-safe base64 of 32 random bytes, the same for the API and the workers."
        )
    return seal


def sealed(credentials: Credentials, seal: Seal) -> dict[str, Any]:
    """Return the columns of credentials, the tokens sealed."""
    return {
        "access_token": credentials.access_token and seal.close(credentials.access_token),
        "refresh_token": credentials.refresh_token and seal.close(credentials.refresh_token),
        "expires_at": credentials.expires_at,
        "refresh_expires_at": credentials.refresh_expires_at,
    }


async def replace_credentials(connection: AsyncConnection, values: Mapping[str, Any]) -> None:
    """Put credentials in the place of whatever is there.

    Args:
        connection: In a writing transaction.
        values: What `sealed` gives.
    """
    values = {**values, "stored_at": datetime.now(UTC)}
    await connection.execute(
        insert_into(connection, court_credentials).on_conflict_do_update(
            index_elements=["id"], set_={**values, "version": court_credentials.c.version + 1}
        ),
        {"id": _THE_ROW, **values, "version": 1},
    )


async def _locked(connection: AsyncConnection) -> CourtState:
    """Return the court's row, made if it is missing, locked for this transaction."""
    await connection.execute(
        insert_into(connection, court).on_conflict_do_nothing(index_elements=["id"]), {"id": _THE_ROW}
    )
    row = (await connection.execute(select(court).with_for_update())).one()
    return _state(row, await read_clock(connection))


async def _set(connection: AsyncConnection, **values: object) -> None:
    await connection.execute(update(court).values(**values))


def _state(row: Row[tuple[object, ...]], read_at: datetime) -> CourtState:
    return CourtState(
        generation=row.generation,
        failure_code=FailureCode(row.failure_code) if row.failure_code else None,
        answer=row.failure_answer or "",
        process_number=row.process_number,
        since=row.since,
        not_before=row.not_before,
        probes=row.probes,
        next_probe_at=row.next_probe_at,
        asked_at=row.asked_at,
        refused_token=row.refused_token,
        relapses=row.relapses,
        read_at=read_at,
    )


def token_report(row: Row[tuple[object, ...]]) -> TokenReport:
    return TokenReport(
        source=row.token_source,
        expires_at=row.token_expires_at,
        renewable=row.token_renewable,
        rejected=row.token_rejected,
    )

"""The circuit breaker in front of the court, and the credentials in use: one row each for the whole deployment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.deployment_tables import SINGLE_ROW_ID, court, court_credentials
from adapters.database.encrypted_columns import (
    CREDENTIALS,
    decrypt_credentials,
    encrypt_credentials,
    require_encryptor,
)
from adapters.database.engine import Database, read_clock
from adapters.database.upserts import insert_into
from domain.court import CourtState, Credentials, FailureReport, TokenReport
from domain.errors import CourtFailure, FailureCode

if TYPE_CHECKING:
    from adapters.security.encryption import Encryptor

# A court that fails again this soon for the same process had not recovered: the probe delay is not reset.
_RELAPSE_WINDOW = timedelta(minutes=2)
# A process for which a working court fails more often than this is itself the problem, and must not stop others.
_MAX_RELAPSES = 2


class CourtStateRepository:
    """The tables of the court's state and credentials.

    Args:
        database: The database.
        encryptor: Encrypts the credentials. None if the deployment stores none.
    """

    def __init__(self, database: Database, encryptor: Encryptor | None) -> None:
        self._database = database
        self._encryptor = encryptor

    async def read_state(self) -> CourtState:
        """Return the current state of the circuit."""
        return (await self.read_state_and_token())[0]

    async def read_state_and_token(self) -> tuple[CourtState, TokenReport]:
        """Return the current state of the circuit, and the report about the token in use."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(court))).one_or_none()
            read_at = await read_clock(connection)
        if row is None:
            return CourtState(read_at=read_at), TokenReport()
        return _to_state(row, read_at), to_token_report(row)

    async def open_circuit(
        self, failure: CourtFailure, *, process_number: str, generation: int, token: str | None
    ) -> FailureReport:
        """Open the deployment-wide circuit breaker: nobody sends requests until a probe succeeds.

        If the circuit has closed repeatedly and the court fails soon afterwards for the same process, the problem
        is that process, not the court.

        Args:
            failure: The court's failure.
            process_number: The process that was requested.
            generation: The circuit's generation, read before the request.
            token: Truncated digest of the token that was sent.

        Returns:
            Whether the circuit was opened, or the report was ignored, or the process is to blame.
        """
        async with self._database.writing() as connection:
            state = await _lock_state(connection)
            now = state.clock
            not_before = now + timedelta(seconds=failure.retry_after) if failure.retry_after else None
            if state.failure_code is not None:
                if not_before and (state.not_before is None or state.not_before < not_before):
                    await _update_state(connection, not_before=not_before)
                return FailureReport.IGNORED
            if state.generation != generation:
                return FailureReport.IGNORED
            closed_recently = state.since is not None and now - state.since < _RELAPSE_WINDOW
            relapses = state.relapses + 1 if closed_recently and state.process_number == process_number else 0
            if relapses > _MAX_RELAPSES and failure.code is not FailureCode.CREDENTIALS_REJECTED:
                return FailureReport.NOT_THE_COURT
            await _update_state(
                connection,
                generation=state.generation + 1,
                failure_code=failure.code,
                failure_answer=failure.answer,
                process_number=process_number,
                since=now,
                asked_at=now,
                refused_token=token,
                relapses=relapses,
                not_before=not_before,
                probes=state.probes if relapses else 0,
                next_probe_at=None,
            )
            return FailureReport.OPENED

    async def close_circuit(self) -> None:
        """Close the circuit after a successful probe."""
        async with self._database.writing() as connection:
            state = await _lock_state(connection)
            if state.failure_code is not None:
                await _update_state(
                    connection,
                    generation=state.generation + 1,
                    failure_code=None,
                    failure_answer=None,
                    since=state.clock,
                    not_before=None,
                    next_probe_at=None,
                )

    async def record_failed_probe(self, failure: CourtFailure, *, token: str | None) -> None:
        """Count a failed probe and record its failure. No effect on a closed circuit."""
        async with self._database.writing() as connection:
            state = await _lock_state(connection)
            now = state.clock
            if state.failure_code is not None:
                await _update_state(
                    connection,
                    failure_code=failure.code,
                    failure_answer=failure.answer,
                    not_before=now + timedelta(seconds=failure.retry_after) if failure.retry_after else None,
                    asked_at=now,
                    refused_token=token,
                    probes=state.probes + 1,
                    next_probe_at=None,
                )

    async def plan_probe(self, due_at: datetime) -> None:
        """Record when the next probe is due, in the database's clock."""
        async with self._database.writing() as connection:
            await connection.execute(
                update(court).where(court.c.failure_code.is_not(None)).values(next_probe_at=due_at)
            )

    async def claim_check(self, due_at: datetime, *, overdue_before: datetime) -> bool:
        """Atomically claim the task of waking the monitor. Returns True for exactly one caller.

        Args:
            due_at: When the probe is due. Others see this time until it is made.
            overdue_before: A planned probe that was due before this can be claimed again: its claimer is gone.
        """
        unplanned = or_(court.c.next_probe_at.is_(None), court.c.next_probe_at < overdue_before)
        async with self._database.writing() as connection:
            claimed = await connection.execute(
                update(court).where(court.c.failure_code.is_not(None), unplanned).values(next_probe_at=due_at)
            )
            return claimed.rowcount == 1

    async def report_token(self, report: TokenReport) -> None:
        """Record the report about the token in use, unless other credentials were stored since it was made."""
        async with self._database.writing() as connection:
            await _lock_state(connection)
            if report.credentials_version is not None:
                stored = await connection.scalar(select(court_credentials.c.version))
                if (stored or 0) != report.credentials_version:
                    return
            await _update_state(
                connection,
                token_source=report.source,
                token_expires_at=report.expires_at,
                token_renewable=report.renewable,
                token_rejected=report.rejected,
            )

    async def read_credentials(self) -> Credentials | None:
        """Return the stored credentials, decrypted. None if none were ever stored.

        Raises:
            ConfigurationError: There is no key that decrypts them.
        """
        async with self._database.reading() as connection:
            row = (await connection.execute(select(court_credentials))).one_or_none()
        if row is None:
            return None
        credentials = decrypt_credentials(row, require_encryptor(self._encryptor, CREDENTIALS))
        return replace(credentials, stored_at=row.stored_at)

    async def store_credentials(self, credentials: Credentials, *, instead_of: int | None = None) -> bool:
        """Store new credentials, encrypted, both tokens in one statement.

        Args:
            credentials: The credentials. Their ``stored_at`` and ``version`` are ignored and set anew.
            instead_of: Store them only if this is still the stored version. None stores them in any case.

        Returns:
            False if the stored version is another one by now. Then nothing is changed.

        Raises:
            ConfigurationError: There is no key to encrypt them with.
        """
        values = encrypt_credentials(credentials, require_encryptor(self._encryptor, CREDENTIALS))
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
        """Delete a refresh token that no longer works, unless the stored version has changed since."""
        async with self._database.writing() as connection:
            await connection.execute(
                update(court_credentials)
                .where(court_credentials.c.version == version)
                .values(refresh_token=None, refresh_expires_at=None, version=version + 1)
            )


async def replace_credentials(connection: AsyncConnection, values: Mapping[str, Any]) -> None:
    """Replace the stored credentials, whatever their version.

    Args:
        connection: A writing transaction.
        values: The columns, as `encrypt_credentials` returns them.
    """
    values = {**values, "stored_at": datetime.now(UTC)}
    await connection.execute(
        insert_into(connection, court_credentials).on_conflict_do_update(
            index_elements=["id"], set_={**values, "version": court_credentials.c.version + 1}
        ),
        {"id": SINGLE_ROW_ID, **values, "version": 1},
    )


async def _lock_state(connection: AsyncConnection) -> CourtState:
    """Read the court's row, and lock it for this transaction. Insert it if it is missing."""
    await connection.execute(
        insert_into(connection, court).on_conflict_do_nothing(index_elements=["id"]), {"id": SINGLE_ROW_ID}
    )
    row = (await connection.execute(select(court).with_for_update())).one()
    return _to_state(row, await read_clock(connection))


async def _update_state(connection: AsyncConnection, **values: object) -> None:
    await connection.execute(update(court).values(**values))


def _to_state(row: Row[tuple[object, ...]], read_at: datetime) -> CourtState:
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


def to_token_report(row: Row[*tuple[Any, ...]]) -> TokenReport:
    """Convert the token columns of the court's row."""
    return TokenReport(
        source=row.token_source,
        expires_at=row.token_expires_at,
        renewable=row.token_renewable,
        rejected=row.token_rejected,
    )

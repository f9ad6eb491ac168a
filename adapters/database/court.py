"""What is known of the court, and the sealed credentials: one row each, shared by the whole deployment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Row, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.engine import Database
from adapters.database.tables import court, court_credentials
from adapters.database.upserts import insert_into
from domain.court import CourtCondition, Credentials, TokenReport, Verdict
from domain.errors import ConfigurationError, CourtFailure, FailureCode

if TYPE_CHECKING:
    from adapters.sealing import Seal

_THE_ROW = 1
# A court that fails again so soon at the same process has not been well: patience stays what it was.
_RELAPSE = timedelta(minutes=2)
# One process at which a court that is well fails more often than so holds up nobody but itself.
_MOST_RELAPSES = 2


class Court:
    """The court's two tables.

    Args:
        seal: closes and opens the credentials; none on a deployment that stores none.
    """

    def __init__(self, database: Database, seal: Seal | None) -> None:
        self._database = database
        self._seal = seal

    async def condition(self) -> CourtCondition:
        """Whether the court answers, as somebody last found it."""
        return (await self.overview())[0]

    async def overview(self) -> tuple[CourtCondition, TokenReport]:
        """The court's condition, and what may be told of the token in use."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(court))).one_or_none()
        return (CourtCondition(), TokenReport()) if row is None else (_condition(row), _token_report(row))

    async def found_unwell(
        self, failure: CourtFailure, *, process_number: str, asked_at: datetime, token: str | None
    ) -> Verdict:
        """Note that the court does not answer.

        A failure of a request that was sent before the court was last found well says nothing any more. And when
        the court is found well time and again, and fails at once at the same process, the trouble is that
        process's own.

        Args:
            failure: what the court said.
            process_number: the process that the request was about.
            asked_at: when the request that failed was sent.
            token: the mark of the token that it was sent with.
        """
        now = datetime.now(UTC)
        asked_not_before = now + timedelta(seconds=failure.retry_after) if failure.retry_after else None
        async with self._database.writing() as connection:
            known = _condition(await _locked(connection))
            if known.answered_at is not None and asked_at < known.answered_at:
                return Verdict.KNOWN
            if known.failure_code is not None:
                if asked_not_before and (known.not_before is None or known.not_before < asked_not_before):
                    await _set(connection, not_before=asked_not_before)
                return Verdict.KNOWN
            recently = known.answered_at is not None and now - known.answered_at < _RELAPSE
            relapse = recently and known.process_number == process_number
            relapses = known.relapses + 1 if relapse else 0
            if relapses > _MOST_RELAPSES and failure.code is not FailureCode.CREDENTIALS_REJECTED:
                return Verdict.NOT_THE_COURT
            await _set(
                connection,
                failure_code=failure.code,
                failure_answer=failure.answer,
                process_number=process_number,
                since=now,
                asked_at=now,
                refused_token=token,
                relapses=relapses,
                not_before=asked_not_before,
                probes=known.probes if relapse else 0,
                next_probe_at=None,
            )
            return Verdict.NEWS

    async def found_well(self) -> None:
        """Note that the court answers again."""
        now = datetime.now(UTC)
        async with self._database.writing() as connection:
            if (await _locked(connection)).failure_code is not None:
                await _set(
                    connection,
                    failure_code=None,
                    failure_answer=None,
                    since=now,
                    not_before=None,
                    next_probe_at=None,
                    answered_at=now,
                )

    async def probed_in_vain(self, failure: CourtFailure, *, token: str | None) -> None:
        """Count a probe that failed, and keep its reason as the latest."""
        now = datetime.now(UTC)
        async with self._database.writing() as connection:
            known = _condition(await _locked(connection))
            await _set(
                connection,
                failure_code=failure.code,
                failure_answer=failure.answer,
                since=known.since if known.failure_code else now,
                not_before=now + timedelta(seconds=failure.retry_after) if failure.retry_after else None,
                asked_at=now,
                refused_token=token,
                probes=known.probes + 1,
                next_probe_at=None,
            )

    async def plan_probe(self, due_at: datetime) -> None:
        """Tell when the next probe is due."""
        async with self._database.writing() as connection:
            await connection.execute(
                update(court).where(court.c.failure_code.is_not(None)).values(next_probe_at=due_at)
            )

    async def claim_watch(self, due_at: datetime, *, overdue_before: datetime) -> bool:
        """Take it upon oneself to have the watch look: true for one of all who find that no probe is planned.

        Args:
            due_at: when a probe is due, for the others to go by meanwhile.
            overdue_before: a probe that was due before this is nobody's.
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
        seal = self._need_seal()
        values = {
            "access_token": credentials.access_token and seal.close(credentials.access_token),
            "refresh_token": credentials.refresh_token and seal.close(credentials.refresh_token),
            "expires_at": credentials.expires_at,
            "refresh_expires_at": credentials.refresh_expires_at,
            "stored_at": datetime.now(UTC),
        }
        async with self._database.writing() as connection:
            if instead_of is not None:
                changed = await connection.execute(
                    update(court_credentials)
                    .where(court_credentials.c.version == instead_of)
                    .values(**values, version=instead_of + 1)
                )
                return changed.rowcount == 1
            await connection.execute(
                insert_into(connection, court_credentials).on_conflict_do_update(
                    index_elements=["id"], set_={**values, "version": court_credentials.c.version + 1}
                ),
                {"id": _THE_ROW, **values, "version": 1},
            )
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
        if self._seal is None:
            raise ConfigurationError(
                "AUTOS_SECRET_KEY is not set: without it, credentials are neither stored nor read. "
                "Set it to the URL-safe base64 of 32 random bytes, the same for the API and the workers."
            )
        return self._seal


async def _locked(connection: AsyncConnection) -> Row[tuple[object, ...]]:
    """The court's row, made if it is missing, for this transaction alone."""
    await connection.execute(
        insert_into(connection, court).on_conflict_do_nothing(index_elements=["id"]), {"id": _THE_ROW}
    )
    return (await connection.execute(select(court).with_for_update())).one()


async def _set(connection: AsyncConnection, **values: object) -> None:
    await connection.execute(update(court).values(**values))


def _condition(row: Row[tuple[object, ...]]) -> CourtCondition:
    return CourtCondition(
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
        answered_at=row.answered_at,
    )


def _token_report(row: Row[tuple[object, ...]]) -> TokenReport:
    return TokenReport(
        source=row.token_source,
        expires_at=row.token_expires_at,
        renewable=row.token_renewable,
        rejected=row.token_rejected,
    )
